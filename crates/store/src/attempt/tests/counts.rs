//! Wrong codes that a host counted by itself, and that are made known to all hosts.

use super::outage::{MET, in_fleet};
use super::*;
use crate::files::StoreError;
use twofactor_core::verify::FailureCounter;

/// The state that all hosts share, and the counts that it remembers.
struct CountingStore {
    state: UserState,
    counts: Vec<OutageCount>,
}

impl CountingStore {
    fn of(machine: &AttemptMachine) -> Self {
        Self {
            state: machine.stored().state,
            counts: Vec::new(),
        }
    }

    fn known(&self, count: Option<OutageCount>) -> u32 {
        let Some(count) = count else { return 0 };
        let mut known = self.counts.iter().filter(|it| it.id == count.id);
        known.next_back().map_or(0, |it| it.counted)
    }

    fn remember(&mut self, count: Option<OutageCount>, state: UserState) {
        self.counts.extend(count);
        self.state = state;
        self.state.end_outage();
    }

    fn takes(&mut self, machine: &AttemptMachine, push: &StatePush<'_>) {
        let record = machine.store.record_named("alice").unwrap().unwrap();
        let state = (push.step)(&self.state, &record, self.known(push.count));
        self.remember(push.count, state);
    }

    /// A push of a machine that ends as it should.
    fn pushed(&mut self, machine: &AttemptMachine) -> bool {
        let take = |push: &StatePush<'_>| {
            self.takes(machine, push);
            Ok::<_, ()>(())
        };
        push(machine, take).unwrap().unwrap()
    }

    /// A login by way of the store.
    fn types(&mut self, machine: &AttemptMachine, code: &str) -> AttemptResult {
        let end = machine.session().shared_attempt(
            (code.as_bytes(), AnswerForm::Code),
            SharedPurpose::Code(FailureCounter::Logins),
            |code| {
                let count = code.outage_count();
                let known = self.known(count);
                Ok(
                    match code.decide(&self.state, known, SharedEpoch::Current)? {
                        SharedVerdict::Unchanged(result) => SharedEnd::Judged(result),
                        SharedVerdict::Compared(outcome, state) => {
                            self.remember(count, *state);
                            SharedEnd::<()>::Judged(AttemptResult::Compared(outcome))
                        }
                    },
                )
            },
        );
        let Ok(SharedEnd::Judged(result)) = end else {
            panic!("{end:?}");
        };
        result
    }
}

fn push<O>(
    machine: &AttemptMachine,
    take: impl FnOnce(&StatePush<'_>) -> Result<(), O>,
) -> Result<Result<bool, O>, AttemptFailure> {
    push_outage(&machine.store, &machine.alice, PushedStates::Marked, take)
}

/// A machine that has counted three wrong codes by itself.
fn three_counted() -> (AttemptMachine, CountingStore) {
    let machine = in_fleet("outage_local_for = 0");
    machine.met(MET);
    let mut store = CountingStore::of(&machine);
    assert_eq!(store.types(&machine, "000009"), wrong());
    for number in 0..3 {
        let typed = format!("{number:06}");
        assert_eq!(machine.cut_off("sshd", &typed), Ok(wrong()));
    }
    (machine, store)
}

/// The store has it, and the host's own file does not say so.
fn push_and_die(machine: &AttemptMachine, store: &mut CountingStore) {
    let killed = push(machine, |push| {
        store.takes(machine, push);
        Err("killed")
    });
    assert_eq!(killed, Ok(Err("killed")));
    assert_eq!(store.state.failures, 4);
    assert!(machine.stored().state.outage_mark().is_some());
}

#[test]
fn a_second_push_of_the_same_codes_adds_none() {
    let (machine, mut store) = three_counted();
    push_and_die(&machine, &mut store);
    assert!(store.pushed(&machine));
    assert_eq!(store.state.failures, 4);
    assert_eq!(machine.counters().0, 4);
    assert_eq!(machine.stored().state.outage_mark(), None);
    assert!(!store.pushed(&machine));
}

#[test]
fn a_login_after_a_killed_push_adds_its_own_code_only() {
    let (machine, mut store) = three_counted();
    push_and_die(&machine, &mut store);
    assert_eq!(store.types(&machine, "000007"), wrong());
    assert_eq!((store.state.failures, machine.counters().0), (5, 5));
}

/// Also where it was killed after the store had the result.
#[test]
fn a_push_after_a_login_that_was_killed_adds_none() {
    let (machine, mut store) = three_counted();
    let end = machine.session().shared_attempt(
        (b"000007", AnswerForm::Code),
        SharedPurpose::Code(FailureCounter::Logins),
        |code| {
            let count = code.outage_count();
            let decided = code.decide(&store.state, 0, SharedEpoch::Current);
            let Ok(SharedVerdict::Compared(_, state)) = decided else {
                panic!("{decided:?}");
            };
            store.remember(count, *state);
            Ok(SharedEnd::Outage("killed"))
        },
    );
    assert_eq!(end, Ok(SharedEnd::Outage("killed")));
    assert_eq!(store.state.failures, 5);
    assert!(store.pushed(&machine));
    assert_eq!(store.state.failures, 5);
}

/// The push does not move for so long that a login takes the state over, and counts on.
#[test]
fn of_a_push_that_was_passed_the_rest_is_added() {
    let (machine, mut store) = three_counted();
    let passed = push(&machine, |push| {
        assert_eq!(machine.cut_off("sshd", "000003"), Ok(wrong()));
        store.takes(&machine, push);
        Ok::<_, ()>(())
    });
    let is_taken_over = matches!(
        passed,
        Err(AttemptFailure::Store(StoreError {
            cause: FileFault::TakenOver,
            ..
        }))
    );
    assert!(is_taken_over, "{passed:?}");
    assert_eq!(store.state.failures, 4);
    assert!(store.pushed(&machine));
    let own = machine.store.lock(&machine.alice).unwrap().state().clone();
    assert_eq!((store.state.failures, own.failures), (5, 5));
}

/// An accepted code ends the count: what comes after it is none of what the store knows.
#[test]
fn codes_after_a_success_are_added_whole() {
    let (machine, mut store) = three_counted();
    push_and_die(&machine, &mut store);
    assert_eq!(machine.cut_off("sshd", &code(STEP)), Ok(accepted(0, 4)));
    assert_eq!(machine.cut_off("sshd", "000004"), Ok(wrong()));
    assert_eq!(machine.cut_off("sshd", "000005"), Ok(wrong()));
    assert!(store.pushed(&machine));
    assert_eq!(store.state.failures, 6);
}

#[test]
fn codes_of_the_next_outage_are_added_whole() {
    let (machine, mut store) = three_counted();
    assert!(store.pushed(&machine));
    assert_eq!(machine.cut_off("sshd", "000004"), Ok(wrong()));
    assert!(store.pushed(&machine));
    assert_eq!(store.state.failures, 5);
    let ids: Vec<_> = store.counts.iter().map(|it| it.id).collect();
    assert_ne!(ids[0], ids[1]);
}
