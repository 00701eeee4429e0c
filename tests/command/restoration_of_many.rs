//! `restore` of very many users, which several threads do.

use harness::Machine;
use harness::desk::{desk, desk_on, is_asked, parse};
use harness::enrolled::{device, record_path, state_path, write_numbered, write_record};
use serde_json::Value;
use twofactor_core::account::Account;
use twofactor_core::device::OtpKind;

use super::interruption::{hold_lock, interrupted};
use super::restoration::{FILE, back_up, restore, results};

const USERS: u32 = 300;
/// The uid of `user0`.
const FIRST: u32 = 2_000;

/// A backup of all of them, on another machine that has them.
fn backup() -> Vec<u8> {
    let machine = desk_on();
    machine.add_users(USERS, FIRST);
    for number in 0..USERS {
        write_numbered(number, FIRST);
    }
    back_up(&machine)
}

/// A machine with the users, without records of them, and with the backup.
fn new_machine(file: &[u8]) -> Machine {
    let machine = desk();
    machine.policy("enabled = true\n");
    machine.add_users(USERS, FIRST);
    machine.write_file(FILE, file, 0o600);
    machine
}

/// The users in the order of the backup.
fn users(file: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(file).unwrap();
    let users = text.lines().filter_map(|line| {
        let name = line.strip_prefix("user = \"")?;
        name.strip_suffix('"')
    });
    users.map(str::to_owned).collect()
}

fn enrolled(machine: &Machine) -> Value {
    let status = parse(&machine.command(&["status", "--json"]).ok().stdout);
    status["totals"]["enrolled"].clone()
}

#[test]
fn many_users_are_restored_in_the_order_of_the_backup() {
    let file = backup();
    let users = users(&file);
    assert_eq!(users.len(), 300);
    let machine = new_machine(&file);
    let expected = |word| {
        let rows = users.iter().map(|user| (user.as_str(), word));
        rows.collect::<Vec<_>>()
    };
    let report = restore(&machine, &[], 0);
    assert_eq!(results(&report), expected("restored"));
    assert_eq!(enrolled(&machine), 300);
    assert!(is_asked("user0") && is_asked("user299"));
    let report = restore(&machine, &[], 1);
    assert_eq!(results(&report), expected("kept"));
}

/// One thread waits for the lock of a user when the command is ended, so that it cannot be done before.
#[test]
fn an_interrupted_restoration_leaves_users_whole() {
    let file = backup();
    let users = users(&file);
    let machine = new_machine(&file);
    write_numbered(250, FIRST);
    let holder = hold_lock(&machine, "user250");
    let arguments = ["restore", FILE, "--replace", "--yes", "--json"];
    let command = machine.twofactor(&arguments).start();
    let is_stored = |user: &&String| record_path(user).exists();
    while users.iter().filter(is_stored).count() < 20 {}
    let run = interrupted(command, holder);
    assert_eq!(run.code, Some(1), "{run:?}");
    let report = parse(&run.stdout);
    assert_eq!(report["interrupted"], true);
    let rows = report["users"].as_array().unwrap();
    assert_eq!(rows.len(), users.len());
    let mut stored = 0;
    for (row, user) in rows.iter().zip(&users) {
        assert_eq!(row["user"], **user);
        let is_restored = match row["result"].as_str().unwrap() {
            "restored" | "replaced" => true,
            "failed" => user == "user250",
            other => panic!("{user}: {other}"),
        };
        stored += usize::from(is_restored);
        let files = (record_path(user).exists(), state_path(user).exists());
        assert_eq!(files, (is_restored, is_restored), "{row}");
    }
    // None of those that are there is damaged, and the others follow.
    assert_eq!(enrolled(&machine), stored);
    restore(&machine, &["--replace"], 0);
    assert_eq!(enrolled(&machine), 300);
    assert!(is_asked("user0") && is_asked("user299"));
}

fn account(name: &str, uid: u32) -> Account {
    Account {
        name: name.to_owned(),
        uid,
        gid: uid,
    }
}

/// A backup of alice and bob.
fn backup_of_two() -> Vec<u8> {
    let machine = desk_on();
    for (name, uid) in [("alice", 60_901), ("bob", 60_902)] {
        machine.add_user_with_id(name, uid);
        write_record(&account(name, uid), vec![device("token", OtpKind::Hotp)]);
    }
    back_up(&machine)
}

/// A machine on which both have the user id of one account, as with a second name of an administrator.
fn two_names_of_one_id() -> Machine {
    let machine = desk();
    machine.policy("enabled = true\n");
    for name in ["alice", "bob"] {
        machine.add_user_with_id(name, 60_801);
    }
    machine
}

#[test]
fn of_two_names_of_one_user_id_one_is_restored() {
    let file = backup_of_two();
    let machine = two_names_of_one_id();
    machine.write_file(FILE, &file, 0o600);
    for options in [&["--adopt", "--dry-run"][..], &["--adopt"]] {
        let report = restore(&machine, options, 1);
        let expected = [("alice", "restored"), ("bob", "failed")];
        assert_eq!(results(&report), expected, "{options:?}");
        let reason = report["users"][1]["notes"].to_string();
        assert!(reason.contains("goes to alice of this backup"), "{reason}");
    }
    assert!(record_path("alice").exists() && !record_path("bob").exists());
}

#[test]
fn the_holder_of_a_record_is_restored_of_two_names() {
    let file = backup_of_two();
    let machine = two_names_of_one_id();
    machine.write_file(FILE, &file, 0o600);
    write_record(
        &account("bob", 60_801),
        vec![device("other", OtpKind::Hotp)],
    );
    let outcomes = [
        (&["--adopt"][..], "kept"),
        (&["--adopt", "--replace", "--dry-run"], "replaced"),
        (&["--adopt", "--replace"], "replaced"),
    ];
    for (options, bob) in outcomes {
        let report = restore(&machine, options, 1);
        let expected = [("alice", "failed"), ("bob", bob)];
        assert_eq!(results(&report), expected, "{options:?}");
        let reason = report["users"][0]["notes"].to_string();
        assert!(reason.contains("goes to bob of this backup"), "{reason}");
    }
    assert!(!record_path("alice").exists());
    let kept = std::fs::read_to_string(record_path("bob")).unwrap();
    assert!(kept.contains("token") && !kept.contains("other"));
}
