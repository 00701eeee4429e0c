//! Codes that two hosts judge on one state.

use super::*;
use crate::testing::token;
use twofactor_core::device::CredentialId;
use twofactor_core::recovery::{OneTimeCode, RecoverySet};
use twofactor_core::state::SpentCodes;
use twofactor_core::verify::FailureCounter;

/// The state that both share, and what its store does.
struct SharedStore {
    state: UserState,
    epoch: SharedEpoch,
}

impl SharedStore {
    fn of(machine: &AttemptMachine) -> Self {
        Self {
            state: machine.stored().state,
            epoch: SharedEpoch::Current,
        }
    }

    /// A login on one host, which the store answers.
    fn types(&mut self, machine: &AttemptMachine, code: &str) -> AttemptResult {
        let end = machine.session().shared_attempt(
            (code.as_bytes(), AnswerForm::Code),
            SharedPurpose::Code(FailureCounter::Logins),
            |code| {
                Ok(match code.decide(&self.state, 0, self.epoch)? {
                    SharedVerdict::Unchanged(result) => SharedEnd::<()>::Judged(result),
                    SharedVerdict::Compared(outcome, state) => {
                        // Nothing is in the host's file before the store has it.
                        assert_ne!(machine.stored().state, *state);
                        self.state = *state;
                        SharedEnd::Judged(AttemptResult::Compared(outcome))
                    }
                })
            },
        );
        match end.unwrap() {
            SharedEnd::Judged(result) => result,
            SharedEnd::Outage(()) => panic!("no outage"),
        }
    }
}

fn two() -> [AttemptMachine; 2] {
    [(); 2].map(|()| AttemptMachine::with_policy(ON))
}

#[test]
fn a_code_works_on_one_of_two_hosts() {
    let [a, b] = two();
    let mut store = SharedStore::of(&a);
    assert_eq!(store.types(&a, &code(STEP)), accepted(0, 0));
    assert_eq!(store.types(&b, &code(STEP)), used());
    assert_eq!(store.types(&b, &code(STEP + 1)), accepted(1, 0));
    assert_eq!(store.types(&a, &code(STEP + 1)), used());
}

#[test]
fn wrong_codes_on_one_lock_out_on_the_other() {
    let [a, b] = two();
    let mut store = SharedStore::of(&a);
    for number in 0..5 {
        assert_eq!(store.types(&a, &format!("{number:06}")), wrong());
    }
    let locked = AttemptResult::Refused(ThrottleStatus::LockedFor(30));
    assert_eq!(store.types(&b, &code(STEP)), locked);
    assert_eq!(b.counters(), (0, 0, 0), "nothing was compared there");
    assert_eq!(a.counters().0, 5);
    at(30);
    assert_eq!(store.types(&b, &code(STEP + 1)), accepted(0, 5));
    assert_eq!((store.state.failures, b.counters().0), (0, 0));
}

/// The store may be behind: what this host used is used.
#[test]
fn a_success_needs_the_own_file_to_agree() {
    let [a, _] = two();
    let mut store = SharedStore::of(&a);
    assert_eq!(a.types(&code(STEP)), accepted(0, 0));
    assert_eq!(store.types(&a, &code(STEP)), used());
}

#[test]
fn what_an_outage_counted_is_added_once() {
    let [a, _] = two();
    let mut store = SharedStore::of(&a);
    let mut locked = a.store.lock(&a.alice).unwrap();
    let mut own = locked.state().clone();
    own.begin_outage(NOW);
    (own.failures, own.unreported, own.last_failure) = (3, 3, NOW);
    locked.write(own).unwrap();
    drop(locked);
    assert_eq!(store.types(&a, "000000"), wrong());
    assert_eq!((store.state.failures, a.counters().0), (4, 4));
    assert_eq!(store.types(&a, "000001"), wrong());
    assert_eq!(store.state.failures, 5);
}

#[test]
fn an_outage_leaves_the_own_file_as_it_is() {
    let [a, _] = two();
    let before = a.files();
    let shared = a.stored().state;
    let typed = code(STEP);
    let end = a.session().shared_attempt(
        (typed.as_bytes(), AnswerForm::Code),
        SharedPurpose::Code(FailureCounter::Logins),
        |code| {
            assert!(matches!(
                code.decide(&shared, 0, SharedEpoch::Current),
                Ok(SharedVerdict::Compared(CodeOutcome::Accepted(_), _))
            ));
            Ok(SharedEnd::Outage("it went away"))
        },
    );
    assert_eq!(end, Ok(SharedEnd::Outage("it went away")));
    assert_eq!(a.files(), before);
}

/// Only a decision can be a result.
#[test]
fn a_result_of_no_decision_denies() {
    let [a, _] = two();
    let typed = code(STEP);
    let end = a.session().shared_attempt(
        (typed.as_bytes(), AnswerForm::Code),
        SharedPurpose::Code(FailureCounter::Logins),
        |_| Ok(SharedEnd::<()>::Judged(accepted(0, 0))),
    );
    assert_eq!(end, Err(AttemptFailure::Undecided));
}

#[test]
fn a_device_that_was_removed_elsewhere_has_no_code() {
    let [a, _] = two();
    enroll_more(&a);
    let mut store = SharedStore::of(&a);
    store.state.devices.retain(|entry| entry.id == token().id);
    assert_eq!(store.types(&a, &code(STEP)), wrong());
    // The mirror removes it here: until then the file is as its record wants it.
    assert_eq!(a.stored().state.devices.len(), 2);
    store.state.devices.clear();
    assert_eq!(store.types(&a, &code(STEP)), AttemptResult::Gone);
}

/// alice has a second device.
fn enroll_more(machine: &AttemptMachine) {
    let locked = machine.store.lock_for_change(&machine.alice).unwrap();
    locked.remove().unwrap();
    enroll_devices(&machine.store, &machine.alice, &[phone(), token()]);
}

#[test]
fn after_a_restored_backup_old_codes_do_not_work() {
    let [a, _] = two();
    let mut store = SharedStore::of(&a);
    store.epoch = SharedEpoch::Earlier;
    assert!(!matches!(
        store.types(&a, &code(STEP)),
        AttemptResult::Compared(CodeOutcome::Accepted(_))
    ));
    let next = store
        .state
        .device(CredentialId::from_number(1).unwrap())
        .unwrap()
        .next;
    assert!(next > STEP + 3, "{next}");
}

/// alice has recovery codes, of which the first was used on this host, and a bypass code that was used nowhere; its id.
fn with_lasting_codes(machine: &AttemptMachine) -> (SpentCodes, CredentialId) {
    let set = RecoverySet::generate(1).unwrap().0;
    let bypass = OneTimeCode::generate(NOW + 9).unwrap().0;
    let spent = SpentCodes {
        set: Some(set.id),
        bits: 0b01,
    };
    let id = bypass.id;
    let mut record = record_of(&machine.alice, &[phone()]);
    (record.recovery, record.bypass) = (Some(set), Some(bypass));
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    locked.replace_record(&record, &[]).unwrap();
    drop(locked);
    let mut locked = machine.store.lock(&machine.alice).unwrap();
    let mut own = locked.state().clone();
    own.recovery = spent;
    locked.write(own).unwrap();
    (spent, id)
}

/// The record of this host is an older one where the store knows other codes.
#[test]
fn marks_of_other_codes_stay_out_of_the_own_file() {
    for (is_same, bits) in [(true, 0b11), (false, 0b01)] {
        let [a, _] = two();
        let (own, bypass) = with_lasting_codes(&a);
        let mut store = SharedStore::of(&a);
        let other = CredentialId::from_number(77);
        let set = own.set.filter(|_| is_same).or(other);
        store.state.recovery = SpentCodes { set, bits: 0b10 };
        let used = Some(bypass).filter(|_| is_same);
        store.state.bypass = used.or(other);
        assert_eq!(store.types(&a, &code(STEP)), accepted(0, 0));
        let kept = a.stored().state;
        assert_eq!(kept.recovery, SpentCodes { bits, ..own });
        assert_eq!(kept.bypass, used);
    }
}
