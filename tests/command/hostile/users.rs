//! Names of users, from no device to removal, and in records that contradict.

use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use harness::Machine;
use harness::desk::{desk, give_phone, parse};
use harness::enrolled::record_path;
use harness::suggested::suggestions;

use super::{NAMES, OPTION, line, machine, printed, toml};

/// Commands that a user's name can be given to, from no device to removal, and the answers that are typed.
pub const LIFE: [(&str, &str); 44] = [
    ("show -- @", ""),
    ("invite -- @", ""),
    ("status -- @", ""),
    ("unset -- @", ""),
    ("enroll -- @", "\n"),
    ("enroll -- @", "000000\n"),
    ("enroll --no-confirm --png /nowhere/@ -- @", ""),
    ("enroll --no-confirm --device=@ -- @", ""),
    ("enroll --no-confirm --recovery-file @FILE -- @", ""),
    ("enroll --no-confirm -- @", ""),
    (
        "enroll --no-confirm --recovery-file /tmp/no --device=b -- @",
        "",
    ),
    ("enroll --no-confirm --hotp --device=-t -- @", ""),
    ("invite -- @", ""),
    ("show -- @", ""),
    ("show --device=@ -- @", ""),
    ("show --device=phone --uri -- @", ""),
    ("show --device=phone --secret -- @", ""),
    ("show --device=phone --qr=utf8 -- @", ""),
    ("show --device=phone --svg @FILE.svg -- @", ""),
    ("renew --no-confirm -- @", ""),
    ("renew --no-confirm --device=phone -- @", ""),
    ("export uri --yes --user=@", ""),
    (
        "export users-oath --yes --output @FILE --force --user=@",
        "",
    ),
    ("export users-oath --all --yes --output @FILE", ""),
    ("unset --device=@ -- @", ""),
    ("resync -- @ phone 000000 000001", ""),
    ("resync -- @ -t 000000 000001", ""),
    ("unset --device=-t -- @", ""),
    ("recovery-codes --recovery-file @FILE.2 -- @", ""),
    ("verify -- @", "\n"),
    ("verify -- @", "000000\n000000\n"),
    ("verify -- @", "000000\n"),
    ("status -- @", ""),
    ("status", ""),
    ("doctor --user=@", ""),
    ("doctor", ""),
    ("bypass -- @", ""),
    ("unlock -- @", ""),
    ("unset --force -- @", ""),
    ("enroll --no-confirm --interval=@ -- @", ""),
    ("enroll -- @ @", ""),
    ("@", ""),
    ("bypass --for=@ -- @", ""),
    ("unset -- @", ""),
];

/// Commands that are suggested on that way.
const SUGGESTED: [&str; 6] = [
    "twofactor bypass",
    "twofactor enroll",
    "twofactor recovery-codes",
    "twofactor renew",
    "twofactor unlock",
    "twofactor unset",
];

#[test]
fn no_user_name_steers_a_terminal_or_a_shell() {
    let machine = machine();
    for name in NAMES {
        let names = [&NAMES[..], &[OPTION]].concat();
        let mut suggested = BTreeSet::new();
        for (words, typed) in LIFE {
            let (text, code) = printed(&machine, &line(&format!("--yes {words}"), name), typed);
            // The right call is told in general.
            if code != 2 {
                suggested.extend(suggestions(&machine, &text, &names));
            }
        }
        let all: BTreeSet<String> = SUGGESTED.map(str::to_owned).into();
        assert!(suggested.is_superset(&all), "{name:?}: {suggested:?}");
        assert!(!Path::new("/tmp/x").exists(), "{name:?}");
    }
}

/// Contradiction, and the way in which a machine with an enrolled user comes to it: with its files under `file`, and
/// its uid.
type UserContradiction = fn(&Machine, &str, &str, usize);

const CONTRADICTIONS: [(&str, UserContradiction); 6] = [
    ("other-uid", |machine, name, _, uid| {
        let (old, new) = (
            format!("{name}:x:{uid}:"),
            format!("{name}:x:{}:", uid + 500),
        );
        machine.write_file(
            "/etc/passwd",
            machine.read("/etc/passwd").replace(&old, &new),
            0o644,
        );
    }),
    ("renamed", |machine, name, _, uid| {
        let (old, new) = (format!("{name}:x:{uid}:"), format!("another:x:{uid}:"));
        machine.write_file(
            "/etc/passwd",
            machine.read("/etc/passwd").replace(&old, &new),
            0o644,
        );
    }),
    ("unfinished-move", |machine, _, file, _| {
        let path = format!("/var/lib/twofactor/users/{file}.toml");
        let record = machine.read(&path);
        let user = record
            .lines()
            .find(|line| line.starts_with("user = "))
            .unwrap();
        machine.write_file(&path, record.replace(user, "user = \"another\""), 0o600);
    }),
    ("index", |_, _, _, uid| {
        std::fs::remove_file(format!("/var/lib/twofactor/users/+{uid}")).unwrap();
    }),
    ("lost-record", |_, _, file, _| {
        std::fs::remove_file(format!("/var/lib/twofactor/users/{file}.toml")).unwrap();
    }),
    ("leftover", |machine, name, file, _| {
        machine.command(&["unset", "--yes", "--", name]).ok();
        let left = format!("/var/lib/twofactor/state/{file}+");
        std::fs::DirBuilder::new().mode(0o700).create(left).unwrap();
    }),
];

/// Commands that are called then.
pub const CONTRADICTED: [&str; 6] = [
    "doctor",
    "show -- @",
    "rename -- @ another",
    "adopt -- @",
    "adopt --from=@ -- another",
    "init",
];

/// The name of the files of a user.
fn encoded(name: &str) -> String {
    let letter = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"_-.".contains(&byte) => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    name.bytes().map(letter).collect()
}

#[test]
fn no_contradiction_steers_a_terminal_or_a_shell() {
    for (number, name) in NAMES.into_iter().enumerate() {
        let mut suggested = BTreeSet::new();
        for (check, spoil) in CONTRADICTIONS {
            let machine = machine();
            machine
                .command(&["enroll", "--no-confirm", "--", name])
                .ok();
            spoil(&machine, name, &encoded(name), 3000 + number);
            // Of what the users' own findings tell, doctor says no more.
            let told = ["doctor", "init"].map(|command| {
                parse(&machine.command(&[command, "--json"]).stdout)["findings"].to_string()
            });
            let found = told.concat();
            let subject = format!("\"check\":\"{check}\"");
            let quoted = serde_json::to_string(name).unwrap();
            assert!(
                found.contains(&subject) && found.contains(&quoted),
                "{check} {name:?}: {found}"
            );
            let names = [&NAMES[..], &[OPTION, "another"]].concat();
            for words in CONTRADICTED {
                let (text, code) = printed(&machine, &line(&format!("--yes {words}"), name), "");
                if code != 2 {
                    suggested.extend(suggestions(&machine, &text, &names));
                }
            }
        }
        for expected in ["twofactor adopt", "twofactor rename", "twofactor unset"] {
            assert!(suggested.contains(expected), "{name:?}: {suggested:?}");
        }
        assert!(!Path::new("/tmp/x").exists(), "{name:?}");
    }
}

/// Records are written by hand, too.
#[test]
fn a_device_name_of_a_foreign_record_is_refused() {
    let machine = desk();
    give_phone(&machine, "alice");
    let path = record_path("alice");
    for name in NAMES {
        let record = machine
            .read(&path)
            .replace("name = \"phone\"", &format!("name = {}", toml(name)));
        machine.write_file(
            &path,
            record.replace("writer = \"", "writer = \"\\u001b[2J"),
            0o600,
        );
        for words in [
            "show alice",
            "status",
            "doctor",
            "unlock alice",
            "export uri --all --yes",
        ] {
            let (text, code) = printed(&machine, &line(words, name), "");
            assert!(code != 0 && text.contains("alice"), "{words}: {text}");
        }
        machine.command(&["unset", "alice", "--yes"]).ok();
        give_phone(&machine, "alice");
    }
}
