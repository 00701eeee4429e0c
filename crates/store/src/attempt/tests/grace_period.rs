//! When nothing is asked because a code was accepted a moment ago.

use super::*;

const GRACE: &str = "enabled = true\ngrace = 3600\n";

fn open() -> PreCheck {
    PreCheck::Throttle(ThrottleStatus::Open)
}

#[test]
fn there_is_none_unless_the_policy_says_so() {
    let machine = AttemptMachine::with_policy(ON);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    assert_eq!(machine.before(), open());
    assert!(machine.stored().state.grace.is_empty());
}

#[test]
fn it_begins_with_a_code_and_ends_to_the_second() {
    let machine = AttemptMachine::with_policy(GRACE);
    assert_eq!(machine.types("no code"), wrong());
    assert_eq!(machine.before(), open());
    assert_eq!(machine.types(&code(STEP)), accepted(0, 1));
    for (second, expected) in [
        (0, PreCheck::Grace(3600)),
        (3599, PreCheck::Grace(1)),
        (3600, open()),
    ] {
        at(second);
        assert_eq!(machine.before(), expected);
    }
}

#[test]
fn it_holds_for_the_same_address_and_service_only() {
    let machine = AttemptMachine::with_policy(GRACE);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    let other = |change: fn(&mut LoginAttempt<'_>)| {
        let mut session = machine.session();
        change(&mut session);
        session.before().unwrap()
    };
    assert_eq!(other(|_| {}), PreCheck::Grace(3600));
    assert_eq!(
        other(|s| s.address = Some(IpAddr::from([192, 0, 2, 8]))),
        open()
    );
    assert_eq!(other(|s| s.address = None), open());
    assert_eq!(other(|s| s.service = "cockpit"), open());
}

#[test]
fn a_changed_policy_ends_it() {
    let machine = AttemptMachine::with_policy(GRACE);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    machine.set_policy("enabled = true\ngrace = 7200\n");
    assert_eq!(machine.before(), open());
    machine.set_policy(GRACE);
    assert_eq!(machine.before(), PreCheck::Grace(3600));
    assert_eq!(machine.types(&code(STEP + 1)), accepted(1, 0));
}

#[test]
fn a_lockout_ends_it_for_good() {
    let machine = AttemptMachine::with_policy(GRACE);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    for _ in 0..4 {
        assert_eq!(machine.types("no code"), wrong());
        assert_eq!(machine.before(), PreCheck::Grace(3600));
    }
    assert_eq!(machine.types("no code"), wrong());
    assert_eq!(
        machine.before(),
        PreCheck::Throttle(ThrottleStatus::LockedFor(30))
    );
    assert!(machine.stored().state.grace.is_empty());
    at(30);
    assert_eq!(machine.before(), open());
}

#[test]
fn a_clock_set_back_before_its_start_ends_it() {
    let machine = AttemptMachine::with_policy(GRACE);
    at(600);
    assert_eq!(machine.types(&code(STEP + 20)), accepted(0, 0));
    at(0);
    assert_eq!(machine.before(), open());
    // The attempt corrects the state.
    let lag = CodeRejection::ClockSetBack {
        device: "phone".into(),
        seconds: 600,
    };
    let refused = AttemptResult::Compared(CodeOutcome::Rejected(lag));
    assert_eq!(machine.types("no code"), refused);
    at(601);
    assert_eq!(machine.before(), open());
}

#[test]
fn it_does_not_outlive_a_change_of_the_record() {
    let machine = AttemptMachine::with_policy(GRACE);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    let record = record_of(&machine.alice, &[phone()]);
    locked.replace_record(&record, &[]).unwrap();
    drop(locked);
    assert_eq!(machine.before(), open());
}

/// A client with one field sends it again.
#[test]
fn the_last_logins_code_is_no_part_of_a_password() {
    let machine = AttemptMachine::with_policy(GRACE);
    let typed = |step| format!("hunter2{}", code(step));
    let first = typed(STEP);
    let mut session = machine.session();
    session
        .attempt(first.as_bytes(), AnswerForm::PasswordThenCode)
        .unwrap();
    let length = |answer: &str| session.password_len(answer.as_bytes()).unwrap();
    assert_eq!(length(&first), "hunter2".len());
    let other = typed(STEP + 1);
    assert_eq!(length(&other), other.len());
    assert_eq!(length("hunter2"), "hunter2".len());
}

/// It is a verdict, and such are made under the lock: a prompt does not wait for it.
#[test]
fn while_the_state_is_locked_the_code_is_asked_for() {
    let machine = AttemptMachine::with_policy(GRACE);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    assert_eq!(machine.before(), PreCheck::Grace(3600));
    let held = machine.store.lock(&machine.alice).unwrap();
    assert_eq!(machine.before(), open());
    // It was not taken over.
    held.confirm().unwrap();
    drop(held);
    assert_eq!(machine.before(), PreCheck::Grace(3600));
}
