//! Changes between prompt and answer count.

use super::*;
use twofactor_core::device::{CredentialId, Device};
use twofactor_core::state::encode_file;
use twofactor_core::verify::FailureCounter;

use super::outage::{MET, in_fleet};

fn attempt(session: &mut LoginAttempt<'_>, code: &str) -> Result<AttemptResult, AttemptFailure> {
    session.attempt(code.as_bytes(), AnswerForm::Code)
}

#[test]
fn an_unenrolled_user_is_told_apart() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    machine
        .store
        .lock_for_change(&machine.alice)
        .unwrap()
        .remove()
        .unwrap();
    assert_eq!(attempt(&mut session, &code(STEP)), Ok(AttemptResult::Gone));
    assert!(!machine.scratch.record().exists());
    assert!(!machine.scratch.state().exists());
}

/// So far got a removal that was cut short.
#[test]
fn a_state_without_a_record_belongs_to_no_user() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    fs::remove_file(machine.scratch.record()).unwrap();
    let before = fs::read(machine.scratch.state()).unwrap();
    assert_eq!(attempt(&mut session, &code(STEP)), Ok(AttemptResult::Gone));
    assert_eq!(fs::read(machine.scratch.state()).unwrap(), before);
}

#[test]
fn a_record_without_a_state_is_an_error() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    fs::remove_file(machine.scratch.state()).unwrap();
    let expected =
        AttemptFailure::Store(error_at(&machine.scratch.state(), FileFault::MissingState));
    assert_eq!(attempt(&mut session, &code(STEP)), Err(expected.clone()));
    assert_eq!(session.before(), Err(expected.clone()));
    assert_eq!(
        expected.hint(),
        Some("twofactor unlock USER makes a new state")
    );
    assert!(!machine.scratch.state().exists());
}

#[test]
fn a_state_that_does_not_know_the_device_is_an_error() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    let bytes = encode_file(&UserState::new(machine.alice.uid));
    fs::write(machine.scratch.state(), &bytes).unwrap();
    let cause = FileFault::UnknownDevice("phone".into());
    let expected = AttemptFailure::Store(error_at(&machine.scratch.state(), cause));
    assert_eq!(attempt(&mut session, &code(STEP)), Err(expected));
    assert_eq!(fs::read(machine.scratch.state()).unwrap(), bytes);
}

#[test]
fn a_renewed_device_is_asked_for_its_new_code() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    let new = Device {
        id: CredentialId::from_number(9).unwrap(),
        secret: twofactor_core::secret::Secret::from_bytes(vec![9; 20].into()).unwrap(),
        ..phone()
    };
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    let record = record_of(&machine.alice, std::slice::from_ref(&new));
    locked.replace_record(&record, &[fresh(&new)]).unwrap();
    drop(locked);
    assert_eq!(attempt(&mut session, &code(STEP)), Ok(wrong()));
    let right = new.code(STEP).reveal();
    assert_eq!(attempt(&mut session, &right), Ok(accepted(0, 1)));
}

#[test]
fn a_window_that_was_narrowed_is_honoured() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    machine.set_policy("enabled = true\nwindow = 0\n");
    let differs = CodeRejection::ClockDiffers {
        device: "phone".into(),
        steps: -1,
    };
    assert_eq!(
        attempt(&mut session, &code(STEP - 1)),
        Ok(rejected(differs))
    );
    machine.set_policy("enabled = true\nwindow = 2\n");
    assert_eq!(attempt(&mut session, &code(STEP - 2)), Ok(accepted(-2, 1)));
    assert_eq!(session.loaded.policy.window, 2);
}

#[test]
fn limits_that_were_tightened_are_honoured() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    assert_eq!(attempt(&mut session, "no code"), Ok(wrong()));
    machine.set_policy("enabled = true\n[throttle]\nattempts = 1\nlockout = 50\n");
    let closed = AttemptResult::Refused(ThrottleStatus::LockedFor(50));
    assert_eq!(attempt(&mut session, &code(STEP)), Ok(closed));
}

#[test]
fn a_policy_that_was_broken_denies_without_counting() {
    let machine = AttemptMachine::with_policy(ON);
    let before = machine.files();
    let mut session = machine.session();
    machine.set_policy("enabled = tru");
    let why = twofactor_core::policy::parse("enabled = tru").unwrap_err();
    let expected = AttemptFailure::Store(error_at(&machine.policy_path(), FileFault::Policy(why)));
    assert_eq!(attempt(&mut session, &code(STEP)), Err(expected.clone()));
    assert_eq!(
        expected.hint(),
        Some("twofactor policy check shows the error")
    );
    fs::remove_file(machine.policy_path()).unwrap();
    let missing = attempt(&mut session, &code(STEP)).unwrap_err();
    assert!(matches!(missing, AttemptFailure::Store(error) if error.is_missing()));
    assert_eq!(machine.files(), before);
}

/// A host may judge alone by the policy at the time of the verdict.
#[test]
fn a_denial_that_came_meanwhile_counts() {
    let machine = in_fleet("");
    machine.met(MET);
    let mut session = machine.session();
    machine.set_policy(&format!(
        "{ON}[fleet]\nenabled = true\non_outage = \"deny\"\n"
    ));
    let typed = code(STEP);
    let answer = (typed.as_bytes(), AnswerForm::Code);
    let denied = Err(AttemptFailure::Outage(OutageRefusal::Denied));
    let judged = session.outage_attempt(answer, FailureCounter::Logins);
    assert_eq!(judged, denied);
    assert_eq!(machine.counters().0, 0);
}

#[test]
fn a_host_that_joins_judges_no_code_of_its_fleet() {
    let machine = AttemptMachine::with_policy(ON);
    let before = machine.files();
    let mut session = machine.session();
    machine.set_policy(&format!("{ON}[fleet]\nenabled = true\n"));
    let refused = Err(AttemptFailure::Outage(OutageRefusal::FleetMeanwhile));
    assert_eq!(attempt(&mut session, &code(STEP)), refused);
    assert_eq!(machine.files(), before);
}

/// The policy that counts is the one in force when the lock was obtained, however long that took.
#[test]
fn a_policy_that_changes_during_the_wait_counts() {
    let machine = AttemptMachine::with_policy(ON);
    let locked = machine.store.lock(&machine.alice).unwrap();
    let judged = std::thread::scope(|scope| {
        let login = scope.spawn(|| attempt(&mut machine.session(), &code(STEP - 1)));
        crate::files::tests::until_a_process_waits(&machine.scratch.state());
        machine.set_policy("enabled = true\nwindow = 0\n");
        drop(locked);
        login.join().unwrap()
    });
    let differs = CodeRejection::ClockDiffers {
        device: "phone".into(),
        steps: -1,
    };
    assert_eq!(judged, Ok(rejected(differs)));
}

#[test]
fn a_name_given_to_another_user_is_refused() {
    let machine = AttemptMachine::with_policy(ON);
    let successor = Account {
        uid: 1001,
        ..alice()
    };
    let mut session = machine.session();
    session.holder = &successor;
    let failure = attempt(&mut session, &code(STEP)).unwrap_err();
    let cause = FileFault::OtherUid {
        recorded: 1000,
        current: 1001,
    };
    assert_eq!(
        failure,
        AttemptFailure::Store(error_at(&machine.scratch.state(), cause))
    );
    let hint = "twofactor adopt USER gives it to this user, twofactor unset USER removes what a former user left";
    assert_eq!(failure.hint(), Some(hint));
}
