//! `twofactor init`: the one way in which a state directory begins, and what a lost or a wrong one does.

use std::fs;
use std::path::Path;

use harness::Machine;
use harness::desk::{desk_on, desk_without_store, give, is_asked, json, json_error};
use harness::enrolled::{enroll_token, login, machine, mark_of, run};
use harness::pam::code;
use serde_json::json;

pub(super) const STATE: &str = "/var/lib/twofactor";

const IDS: &str = "/etc/security/twofactor.id";

#[test]
fn r42_init_marks_a_directory_once() {
    let machine = desk_without_store();
    let first = machine.command(&["init"]).ok();
    assert_eq!(
        first.stdout,
        format!(
            "Marked: {STATE}; its id is noted in {IDS}.\nIt holds what is kept about 0 users.\n"
        )
    );
    let (_, id) = mark_of(STATE).unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(machine.read(IDS), format!("{id} {STATE}\n"));
    assert!(machine.log_with("changed action=init").len() == 1);
    let again = json(machine.command(&["init", "--json"]));
    assert_eq!(
        again,
        json!({
            "directory": STATE, "id_file": IDS, "mark": "already", "indexed": 0, "users": 0, "findings": []
        })
    );
    assert_eq!(machine.log_with("changed action=init").len(), 1);
    assert_eq!(machine.read(IDS), format!("{id} {STATE}\n"));
}

#[test]
fn r42_nothing_but_init_makes_a_state_directory() {
    let machine = desk_without_store();
    fs::remove_dir(STATE).unwrap();
    machine.policy("enabled = false\n");
    machine.write_file(
        "/root/oath",
        "HOTP alice - 3132333435363738393031323334353637383930\n",
        0o600,
    );
    for arguments in [
        &["enroll", "alice", "--no-confirm"][..],
        &["invite", "alice"],
        &["enable", "--yes"],
        &["import", "users-oath", "/root/oath", "--yes"],
    ] {
        let error = json_error(machine.command(&[arguments, &["--json"]].concat()), 3);
        assert_eq!(error["next"], "To make it: twofactor init", "{arguments:?}");
        assert!(!Path::new(STATE).exists(), "{arguments:?}");
    }
    machine.command(&["disable", "--yes"]).ok();
    assert!(!Path::new(STATE).exists());
}

/// Puts an empty state directory in the place of the one in use.
fn replace_directory(machine: &Machine) {
    fs::rename(STATE, "/var/lib/elsewhere").unwrap();
    let parts = ["users", "state"].map(|part| format!("{STATE}/{part}"));
    let arguments = ["-d", "-m", "0700", STATE, &parts[0], &parts[1]];
    machine.run("install", &arguments).ok();
}

/// The disk is not mounted, a backup is not restored, or the directory was made anew.
#[test]
fn r42_a_lost_or_empty_directory_lets_no_user_in() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    assert!(is_asked("alice"));
    type Loss = (&'static str, fn(&Machine));
    let losses: [Loss; 3] = [
        ("gone", |_| fs::rename(STATE, "/var/lib/elsewhere").unwrap()),
        ("empty", replace_directory),
        ("another", |machine| {
            replace_directory(machine);
            fs::write(format!("{STATE}/mark-{}", "0".repeat(32)), "").unwrap();
        }),
    ];
    for (what, lose) in losses {
        lose(&machine);
        for user in ["alice", "bob"] {
            assert_eq!(run(login(user)).auth, code::AUTHINFO_UNAVAIL, "{what}");
        }
        for arguments in [
            &["init"][..],
            &["enroll", "alice", "--no-confirm"],
            &["enable", "--yes"],
            &["status", "alice"],
        ] {
            let run = machine.command(arguments).exits(3);
            assert!(
                run.stderr.contains("twofactor init --force"),
                "{what}: {run:?}"
            );
        }
        machine.command(&["disable", "--yes"]).ok();
        assert!(!is_asked("alice"));
        machine.command(&["enable", "--yes"]).exits(3);
        if Path::new(STATE).exists() {
            fs::remove_dir_all(STATE).unwrap();
        }
        fs::rename("/var/lib/elsewhere", STATE).unwrap();
        machine.policy("enabled = true\n");
        assert!(is_asked("alice"), "{what}");
    }
}

#[test]
fn r42_force_takes_the_directory_that_is_there() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    fs::remove_file(mark_of(STATE).unwrap().0).unwrap();
    machine.command(&["init"]).exits(3);
    let forced = json(machine.command(&["init", "--force", "--json"]));
    assert_eq!(
        (&forced["mark"], &forced["users"]),
        (&json!("marked"), &json!(1))
    );
    assert!(is_asked("alice"));
    // /etc of a new machine, and the directory of the old one.
    fs::remove_file(IDS).unwrap();
    assert_eq!(run(login("alice")).auth, code::AUTHINFO_UNAVAIL);
    let noted = json(machine.command(&["init", "--json"]));
    assert_eq!(noted["mark"], "noted");
    assert!(is_asked("alice"));
}

#[test]
fn r42_init_completes_the_index() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    let entry = format!("{STATE}/users/+{}", uid.trim());
    fs::remove_file(&entry).unwrap();
    let report = json(machine.command(&["init", "--json"]));
    assert_eq!(
        (&report["indexed"], &report["findings"]),
        (&json!(1), &json!([]))
    );
    assert_eq!(machine.read(&entry), "alice\n");
    fs::remove_file(format!("{STATE}/users/alice.toml")).unwrap();
    machine.write_file(format!("{STATE}/users/carol.toml"), "no record", 0o600);
    let report = json(machine.command(&["init", "--json"]));
    let findings = report["findings"].as_array().unwrap();
    let found: Vec<String> = findings
        .iter()
        .map(|finding| format!("{} {}", finding["check"], finding["subject"]).replace('"', ""))
        .collect();
    assert_eq!(found, ["record carol", "lost-record alice"]);
    let text = machine.command(&["init"]).ok().stdout;
    assert!(
        text.contains("alice had a device, and its record is gone"),
        "{text}"
    );
}

#[test]
fn r42_traces_of_a_lost_record_refuse_until_unset() {
    for gone in [false, true] {
        let machine = desk_on();
        give(&machine, "alice", &[]);
        fs::remove_file(format!("{STATE}/users/alice.toml")).unwrap();
        assert_eq!(run(login("alice")).auth, code::AUTHINFO_UNAVAIL);
        let error = json_error(machine.command(&["show", "alice", "--json"]), 3);
        let next = error["next"].as_str().unwrap();
        assert!(next.ends_with("twofactor unset alice"), "{next}");
        machine
            .command(&["enroll", "alice", "--no-confirm"])
            .exits(3);
        if gone {
            machine.remove_user("alice");
        }
        machine.command(&["unset", "alice"]).exits(2);
        let report = json(machine.command(&["unset", "alice", "--yes", "--json"]));
        assert_eq!(report["devices_left"], 0);
        let left: Vec<_> = ["users", "state"]
            .iter()
            .flat_map(|part| fs::read_dir(format!("{STATE}/{part}")).unwrap())
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(left.is_empty(), "{left:?}");
        if !gone {
            assert!(!is_asked("alice"));
            give(&machine, "alice", &[]);
            assert!(is_asked("alice"));
        }
    }
}

/// The functions with which both packages mark a directory of before there were marks.
fn marking(path: &str) -> String {
    let text = fs::read_to_string(harness::workspace().join(path)).unwrap();
    let start = text.find("add_to_index() {").unwrap();
    let end = text[start..].find("sync -f").unwrap() + start;
    let end = text[end..].find("}\n").unwrap() + end + 2;
    text[start..end].replace("%%", "%")
}

#[test]
fn packages_mark_and_index_an_older_directory() {
    let script = marking("packaging/debian/libpam-twofactor.preinst");
    assert_eq!(script, marking("packaging/rpm/pam_twofactor.spec"));
    let machine = machine("enabled = true\n");
    let alice = enroll_token(&machine, "alice");
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    let uid: u32 = uid.trim().parse().unwrap();
    enroll_token(&machine, "CORP\\bob");
    // A second record of the same uid, as before there was an index.
    machine.add_user_with_id("twin", uid);
    let record = machine.read(format!("{STATE}/users/alice.toml"));
    let twin = record.replace("user = \"alice\"", "user = \"twin\"");
    machine.write_file(format!("{STATE}/users/twin.toml"), twin, 0o600);
    machine
        .run(
            "cp",
            &[
                "-a",
                &format!("{STATE}/state/alice"),
                &format!("{STATE}/state/twin"),
            ],
        )
        .ok();
    let with_ids = |ids: Option<String>| {
        machine
            .run(
                "sh",
                &[
                    "-c",
                    &format!("rm -f {STATE}/mark-* {STATE}/users/+* {IDS}"),
                ],
            )
            .ok();
        if let Some(ids) = ids {
            machine.write_file(IDS, ids, 0o644);
        }
        let text = format!("set -e\n{script}\nmark_directory {STATE} {IDS}");
        // Twice: it may be stopped and called again.
        for _ in 0..2 {
            machine.run("dash", &["-c", &text]).ok();
        }
        let checked = json(machine.command(&["init", "--json"]));
        assert_eq!(
            (&checked["mark"], &checked["indexed"]),
            (&json!("already"), &json!(0))
        );
    };
    with_ids(None);
    with_ids(Some(format!("{} /srv/other\n", "1".repeat(32))));
    assert!(
        machine
            .read(IDS)
            .starts_with(&format!("{} /srv/other\n", "1".repeat(32)))
    );
    // Stopped after the note.
    with_ids(Some(format!("{} {STATE}\n", "2".repeat(32))));
    assert_eq!(machine.read(IDS), format!("{} {STATE}\n", "2".repeat(32)));
    for (entry, target) in [("", "alice"), ("+", "more"), ("+1", "twin")] {
        let line = machine.read(format!("{STATE}/users/+{uid}{entry}"));
        assert_eq!(line, format!("{target}\n"));
    }
    assert!(is_asked("CORP\\bob") && is_asked("twin"));
    assert_eq!(run(alice.login().answer(alice.code())).auth, code::SUCCESS);
}
