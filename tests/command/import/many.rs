//! `import` of many users, which is ended before it is through.

use harness::desk::{desk_on, parse};
use harness::enrolled::{record_path, write_numbered};

use crate::interruption::{hold_lock, interrupted};

/// Users who are enrolled at once.
const BATCH: u32 = 200;
/// The uid of `user0`.
const FIRST: u32 = 2_000;
const FILE: &str = "/root/users.oath";

/// The user after the first batch has a record, and something else keeps it locked when the command is ended.
#[test]
fn an_interrupted_import_logs_and_reports_its_work() {
    let machine = desk_on();
    machine.add_users(BATCH + 2, FIRST);
    write_numbered(BATCH, FIRST);
    let line = |number| format!("HOTP user{number} - 000102030405060708090a0b0c0d0e0f10111213\n");
    let lines: String = (0..BATCH + 2).map(line).collect();
    machine.write_file(FILE, &lines, 0o600);
    let holder = hold_lock(&machine, &format!("user{BATCH}"));
    machine.forget_log();
    let arguments = ["import", "users-oath", FILE, "--yes", "--json"];
    let command = machine.twofactor(&arguments).start();
    // While it waits for the lock.
    for number in [0, BATCH - 1] {
        machine.wait_for_log(&format!(
            "changed user=user{number} action=import device=oath"
        ));
        assert!(record_path(&format!("user{number}")).exists());
    }
    let run = interrupted(command, holder);
    assert_eq!(run.code, Some(1), "{run:?}");
    let report = parse(&run.stdout);
    let items = report["items"].as_array().unwrap();
    assert_eq!(items.len(), BATCH as usize + 2);
    assert_eq!(report["taken"].as_u64(), Some(u64::from(BATCH) + 1));
    machine.wait_for_log(&format!(
        "changed user=user{BATCH} action=import device=oath"
    ));
    let last = format!("user{}", BATCH + 1);
    let row = items.iter().find(|row| row["user"] == *last).unwrap();
    assert_eq!(
        (&row["result"], &row["reason"]),
        (&"refused".into(), &"interrupted".into())
    );
    assert!(!record_path(&last).exists());
}
