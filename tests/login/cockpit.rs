//! The stack for Cockpit, as its login page drives it: one prompt after the other, through libpam.

use harness::logins::{enrolled, logged, machine};
use harness::pam::{Drive, PamOutcome, code};
use harness::{Machine, PASSWORD};

const PROMPTS: [&str; 2] = ["Password: ", "Verification code: "];

fn desk() -> Machine {
    let machine = machine();
    machine.install_stack("cockpit");
    machine
}

fn login(user: &str, answers: &[&str]) -> PamOutcome {
    let start = Drive::installed().service("cockpit").user(user);
    let start = start.rhost("::ffff:127.0.0.1").phases("auth,acct");
    let outcome = answers
        .iter()
        .fold(start, |login, answer| login.answer(answer))
        .run();
    assert_eq!(outcome.changed, [""; 0]);
    outcome
}

#[test]
fn r14_the_code_has_a_field_after_the_password() {
    let machine = desk();
    let phone = enrolled(&machine, "alice");
    let outcome = login("alice", &[PASSWORD, &phone.code()]);
    assert_eq!((outcome.auth, outcome.acct), (code::SUCCESS, code::SUCCESS));
    assert_eq!(outcome.prompts, PROMPTS);
    assert_eq!(
        logged(&machine, "cockpit:auth"),
        ["user=alice rhost=::ffff:127.0.0.1 result=accepted device=phone offset=0"]
    );
}

#[test]
fn a_wrong_code_or_password_is_refused() {
    let machine = desk();
    let phone = enrolled(&machine, "alice");
    let wrong = phone.wrong_code();
    let outcome = login("alice", &[PASSWORD, &wrong, &wrong, &wrong]);
    assert_eq!((outcome.auth, outcome.prompts.len()), (code::MAXTRIES, 4));
    let outcome = login("alice", &["guess", &phone.code()]);
    assert_eq!(outcome.auth, code::AUTH_ERR);
    assert_eq!(outcome.prompts, ["Password: "]);
}

#[test]
fn r26_without_a_device_the_password_is_enough() {
    let machine = desk();
    machine.add_user("bob");
    let outcome = login("bob", &[PASSWORD]);
    assert_eq!((outcome.auth, outcome.acct), (code::SUCCESS, code::SUCCESS));
    assert_eq!(outcome.prompts, ["Password: "]);
}
