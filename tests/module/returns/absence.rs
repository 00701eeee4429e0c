//! Absence is never consent: whatever of a record is lost, renamed or hidden, an enrolled user is asked for the code or
//! refused, never let in by the password alone and never offered a new device.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use harness::Machine;
use harness::pam::{Drive, code};
use twofactor_core::state::{MOVED, MOVED_OFFSET};

use harness::enrolled::{
    IGNORED, add_account, auth, enroll_token, logged, login, machine, record_path, run, state_path,
};

/// Every way in which a policy may treat users without a device.
const POLICIES: [&str; 4] = [
    "enabled = true\n",
    "enabled = true\nenroll_at_login = \"offer\"\n",
    "enabled = true\nenroll_at_login = \"require\"\n",
    "enabled = true\nuniform_prompt = true\nenroll_at_login = \"offer\"\n",
];

const TOP: &str = "/var/lib/twofactor";

/// Damage to a machine on which alice is enrolled; the name with which she logs in then.
type Loss = fn(&Machine) -> &'static str;

/// The line of alice's account, under another name in place of hers or beside it.
fn as_name(machine: &Machine, name: &str, place: Place) {
    for path in ["/etc/passwd", "/etc/shadow"] {
        let text = machine.read(path);
        let line = text
            .lines()
            .find(|line| line.starts_with("alice:"))
            .unwrap();
        let other = line.replacen("alice:", &format!("{name}:"), 1);
        let changed = match place {
            Place::Instead => text.replace(line, &other),
            Place::Beside => format!("{text}{other}\n"),
        };
        fs::write(path, changed).unwrap();
    }
}

#[derive(Clone, Copy)]
enum Place {
    Instead,
    Beside,
}

fn index_entry() -> PathBuf {
    let entries = fs::read_dir(Path::new(TOP).join("users")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths
        .find(|path| path.to_string_lossy().contains("/+"))
        .unwrap()
}

/// Moves the state directory away, and makes an empty one with the usual mode.
fn made_anew() {
    fs::rename(TOP, "/var/lib/away").unwrap();
    for part in ["", "users", "state"] {
        let path = Path::new(TOP).join(part);
        fs::DirBuilder::new().mode(0o700).create(path).unwrap();
    }
}

/// A second record of alice's uid, with its state and its entry in the index, as version 0.1.0 let be made.
fn second_record() {
    let text = fs::read_to_string(record_path("alice")).unwrap();
    let other = text.replace("user = \"alice\"", "user = \"bob\"");
    assert_ne!(other, text);
    let entry = index_entry().display().to_string();
    let files = [
        (record_path("bob"), other.into_bytes()),
        (state_path("bob"), fs::read(state_path("alice")).unwrap()),
        (PathBuf::from(format!("{entry}+")), b"more\n".to_vec()),
        (PathBuf::from(format!("{entry}+1")), b"bob\n".to_vec()),
    ];
    for (path, bytes) in files {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

const LOSSES: [(&str, Loss); 15] = [
    ("another canonical name", |machine| {
        as_name(machine, "alice@example.org", Place::Instead);
        "alice@example.org"
    }),
    ("a second name of the uid", |machine| {
        as_name(machine, "alias", Place::Beside);
        "alias"
    }),
    ("a renamed user", |machine| {
        as_name(machine, "alicia", Place::Instead);
        "alicia"
    }),
    ("the record", |_| {
        fs::remove_file(record_path("alice")).unwrap();
        "alice"
    }),
    ("the record of a renamed user", |machine| {
        as_name(machine, "alicia", Place::Instead);
        fs::remove_file(record_path("alice")).unwrap();
        "alicia"
    }),
    ("record and index", |_| {
        fs::remove_file(record_path("alice")).unwrap();
        fs::remove_file(index_entry()).unwrap();
        "alice"
    }),
    ("record and state", |_| {
        fs::remove_file(record_path("alice")).unwrap();
        fs::remove_file(state_path("alice")).unwrap();
        "alice"
    }),
    ("the state", |_| {
        fs::remove_file(state_path("alice")).unwrap();
        "alice"
    }),
    ("the state directory, made anew", |_| {
        made_anew();
        "alice"
    }),
    ("the state directory of another machine", |_| {
        made_anew();
        fs::write(Path::new(TOP).join("mark-0123456789abcdef"), "").unwrap();
        "alice"
    }),
    ("the file of ids", |_| {
        fs::remove_file("/etc/security/twofactor.id").unwrap();
        "alice"
    }),
    ("all records", |_| {
        let users = Path::new(TOP).join("users");
        fs::remove_dir_all(&users).unwrap();
        fs::DirBuilder::new().mode(0o700).create(users).unwrap();
        "alice"
    }),
    ("the uid", |machine| {
        machine.remove_user("alice");
        machine.add_user("alice");
        "alice"
    }),
    ("the only one of the records of a uid", |machine| {
        second_record();
        as_name(machine, "alias", Place::Beside);
        "alias"
    }),
    ("the file that took the place of a state", |_| {
        let mut bytes = fs::read(state_path("alice")).unwrap();
        bytes.truncate(usize::try_from(MOVED_OFFSET).unwrap());
        bytes.extend_from_slice(&MOVED);
        fs::write(state_path("alice"), bytes).unwrap();
        "alice"
    }),
];

fn both_phases(user: &str) -> Drive {
    login(user).phases("auth,acct")
}

#[test]
fn r42_no_loss_lets_in_or_offers_a_device() {
    for (what, lose) in LOSSES {
        for policy in POLICIES {
            let machine = machine(policy);
            let alice = enroll_token(&machine, "alice");
            let user = lose(&machine);
            let outcome = run(both_phases(user).answer(alice.wrong()));
            assert!(
                outcome.auth != code::SUCCESS && outcome.auth != IGNORED,
                "{what}, {policy}: {outcome:?}"
            );
            let asked = outcome
                .prompts
                .iter()
                .any(|prompt| prompt.contains("device"));
            assert!(!asked, "{what}, {policy}: {outcome:?}");
        }
    }
}

/// Other programs look such names up by their bytes, and find the account.
#[test]
fn r42_an_odd_or_very_long_name_lets_no_user_in() {
    let machine = machine(POLICIES[1]);
    enroll_token(&machine, "alice");
    let latin = b"al\xeff".to_vec();
    let long = "a".repeat(300).into_bytes();
    for name in [&latin, &long] {
        for path in ["/etc/passwd", "/etc/shadow"] {
            let mut bytes = fs::read(path).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let line = text
                .lines()
                .find(|line| line.starts_with("alice:"))
                .unwrap();
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&line.as_bytes()["alice".len()..]);
            bytes.push(b'\n');
            fs::write(path, bytes).unwrap();
        }
        let outcome = run(login(name).answer("000000"));
        assert!(
            outcome.auth != IGNORED && outcome.auth != code::SUCCESS,
            "{outcome:?}"
        );
    }
}

#[test]
fn r42_a_user_is_found_by_uid_and_that_is_logged() {
    for (what, lose) in LOSSES.iter().take(3) {
        let machine = machine(POLICIES[0]);
        let alice = enroll_token(&machine, "alice");
        let user = lose(&machine);
        let accepted = auth(login(user).answer(alice.code()));
        assert_eq!(accepted, code::SUCCESS, "{what}");
        assert_eq!(
            logged(&machine),
            [
                format!("user={user} rhost= result=found-by-uid record=alice"),
                format!("user={user} rhost= result=accepted device=token offset=0"),
            ]
        );
    }
}

#[test]
fn r42_a_code_works_once_under_all_names_of_a_uid() {
    let machine = machine(POLICIES[0]);
    let alice = enroll_token(&machine, "alice");
    as_name(&machine, "alias", Place::Beside);
    let code = alice.code();
    assert_eq!(auth(login("alias").answer(&code)), code::SUCCESS);
    assert_ne!(auth(login("alice").answer(&code)), code::SUCCESS);
}

#[test]
fn r43_others_are_not_refused_for_a_lost_record() {
    let machine = machine(POLICIES[0]);
    enroll_token(&machine, "alice");
    let bob = enroll_token(&machine, "bob");
    add_account(&machine, "carol");
    fs::remove_file(record_path("alice")).unwrap();
    assert_eq!(auth(login("bob").answer(bob.code())), code::SUCCESS);
    assert_eq!(auth(login("carol")), IGNORED);
}

/// Remains of a kill in the middle of enrolling or removing: no contradiction.
#[test]
fn what_is_pending_refuses_no_user() {
    let machine = machine(POLICIES[0]);
    enroll_token(&machine, "alice");
    harness::enrolled::set_state("alice", |state| {
        state
            .devices
            .iter_mut()
            .for_each(|device| device.committed = false);
    });
    fs::remove_file(record_path("alice")).unwrap();
    assert_eq!(auth(login("alice")), IGNORED);
    fs::remove_file(index_entry()).unwrap();
    assert_eq!(auth(login("alice")), IGNORED);
}
