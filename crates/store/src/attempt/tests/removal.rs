//! A login while the removal of its devices is stopped around the moment at which the record goes.

use super::*;

/// The lock of a removal that has looked for the last time whether it still has it.
fn marked(machine: &AttemptMachine) -> LockedFactor<'_> {
    let mut locked = machine.store.lock(&machine.alice).unwrap();
    locked.mark_removal().unwrap();
    assert!(!machine.stored().state.has_committed());
    locked
}

fn nothing_is_left(machine: &AttemptMachine) {
    assert_eq!(machine.scratch.everything(), [""; 0]);
    assert!(
        machine
            .store
            .holder(&machine.alice)
            .unwrap()
            .record
            .is_none()
    );
}

fn says_committed(machine: &AttemptMachine) -> bool {
    let state = machine.store.peek(&machine.alice).unwrap();
    state.is_some_and(|state| state.has_committed())
}

/// The login takes the state over and finds the record: it is judged, and the state says that the device counts.
#[test]
fn r43_a_login_before_the_record_goes_leaves_no_trace() {
    let machine = AttemptMachine::with_policy(ON);
    let record = machine.store.record(&machine.alice).unwrap().unwrap();
    let stopped = marked(&machine);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    assert!(says_committed(&machine));
    stopped.remove_record().unwrap();
    stopped.remove_rest(&record).unwrap();
    nothing_is_left(&machine);
}

/// The record goes between the login's look at it and its verdict.
#[test]
fn r43_a_login_as_the_record_goes_leaves_no_trace() {
    let machine = AttemptMachine::with_policy(ON);
    let record = machine.store.record(&machine.alice).unwrap().unwrap();
    let stopped = marked(&machine);
    let recorded = lock_recorded(&machine.store, &machine.alice, None);
    let (locked, loaded) = recorded.unwrap().unwrap();
    stopped.remove_record().unwrap();
    let input = code(STEP);
    let credentials = CredentialSet::Devices(FailureCounter::Logins);
    let mut session = machine.session();
    let judged = session.judge(
        locked,
        &loaded.record,
        (input.as_bytes(), AnswerForm::Code),
        credentials,
        JudgingHost::Alone,
    );
    assert_eq!(judged, Ok(accepted(0, 0)));
    assert!(says_committed(&machine));
    stopped.remove_rest(&record).unwrap();
    nothing_is_left(&machine);
}

/// A login that has found the record before, and takes the state over after it is gone, is not judged.
#[test]
fn r43_a_login_after_the_record_goes_is_not_judged() {
    let machine = AttemptMachine::with_policy(ON);
    let record = machine.store.record(&machine.alice).unwrap().unwrap();
    let mut session = machine.session();
    let stopped = marked(&machine);
    stopped.remove_record().unwrap();
    assert!(
        machine
            .store
            .holder(&machine.alice)
            .unwrap()
            .record
            .is_none()
    );
    let judged = session.attempt(code(STEP).as_bytes(), AnswerForm::Code);
    assert_eq!(judged, Ok(AttemptResult::Gone));
    assert!(!says_committed(&machine));
    stopped.remove_rest(&record).unwrap();
    nothing_is_left(&machine);
}

/// A code that was judged before the mark, such as that of a user who removes the devices, may be used up by now.
#[test]
fn r43_a_login_before_the_mark_keeps_the_record() {
    let machine = AttemptMachine::with_policy(ON);
    let stopped = machine.store.lock(&machine.alice).unwrap();
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    let removed = stopped.remove().unwrap_err();
    assert_eq!(removed.cause, FileFault::TakenOver);
    assert_eq!(machine.types(&code(STEP)), used());
}
