//! Users are told at their logins which changes of their factor were made, when and from where.

use harness::logins::{ASK_CODE, ASK_PASSWORD, enrolled, machine};
use harness::screen::COLUMNS;
use harness::{Machine, PASSWORD};
use serde_json::Value;

const NOT_YOU: &str = "If that was not you, tell your administrator.";

/// The text on a terminal, with the lines that were too long for it put together.
fn joined(shown: &str) -> String {
    shown.replace("\r", "").replace('\n', " ")
}

/// The changes of alice that `status` shows.
fn changes(machine: &Machine) -> Vec<Value> {
    let status = machine.command(&["--json", "status", "alice"]).ok();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    status["users"][0]["changes"].as_array().unwrap().clone()
}

#[test]
fn a_change_is_told_after_the_code_and_not_before() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    machine.command(&["--yes", "recovery-codes", "alice"]).ok();
    let sshd = machine.sshd("");
    for (step, columns) in (0..).zip(COLUMNS) {
        let mut session = sshd.login("alice").shell().pty_of(columns, 24);
        session.answer(ASK_PASSWORD, PASSWORD);
        session.answer(ASK_CODE, &phone.wrong_code());
        session.answer(ASK_CODE, &phone.code_after(step));
        session.expect("administrator.");
        session.expect("administrator.");
        session.send_line("exit");
        let shown = joined(&session.end().shown);
        let told = shown.find("New recovery codes were made on ").unwrap();
        let place = shown.find("by an administrator.").unwrap();
        let refused = shown.find("Wrong code.").unwrap();
        assert!(refused < told && told < place, "{columns}: {shown}");
        assert_eq!(shown.matches(NOT_YOU).count(), 1, "{columns}: {shown}");
    }
    let changes = changes(&machine);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0]["change"], "recovery-codes");
    assert_eq!(changes[0]["through"], "command");
}
