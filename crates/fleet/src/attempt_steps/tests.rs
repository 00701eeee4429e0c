//! Attempts against a store in memory that loses, delays and repeats, and that is restored from a backup.

use zeroize::Zeroizing;

use twofactor_core::state::UserState;
use twofactor_store::attempt::{OutageCount, SharedEpoch};

use super::outage_reason::OutageReason;
use super::shared_attempt::{
    AttemptDecision, AttemptJudge, AttemptStep, FleetAttempt, FleetStanding, StateWrite, WriteEnd,
};
use crate::etcd::gateway_message::{StoreView, TransactionAnswer};
use crate::sealed_values::attempt_id::AttemptId;
use crate::sealed_values::fleet_entry::{FleetMeta, HostBeat};
use crate::sealed_values::fleet_key::FleetKey;
use crate::sealed_values::shared_state::{SharedOutcome, SharedState};
use crate::sealed_values::store_key::StoreKey;

mod epochs;
mod numbers;
mod orders;

/// Failures after which nothing is compared.
const LIMIT: u32 = 5;

/// The end that a person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CodeEnd {
    Accepted,
    Wrong,
    LockedOut,
}

/// One code that works once: `unreported` counts how often it was used.
struct OnceJudge {
    is_right: bool,
}

impl AttemptJudge for OnceJudge {
    type End = CodeEnd;

    fn record(&self) -> u64 {
        0
    }

    fn outage_count(&self) -> Option<OutageCount> {
        None
    }

    fn decide(
        &mut self,
        shared: &UserState,
        _: u32,
        epoch: SharedEpoch,
    ) -> AttemptDecision<CodeEnd> {
        if shared.failures >= LIMIT {
            return AttemptDecision::Unchanged(CodeEnd::LockedOut);
        }
        let mut state = shared.clone();
        let is_unused = shared.unreported == 0 && epoch == SharedEpoch::Current;
        if self.is_right && is_unused {
            state.unreported += 1;
            state.failures = 0;
            return AttemptDecision::Judged {
                state: Box::new(state),
                outcome: SharedOutcome::Accepted,
                end: CodeEnd::Accepted,
            };
        }
        state.failures += 1;
        AttemptDecision::Judged {
            state: Box::new(state),
            outcome: SharedOutcome::Rejected,
            end: CodeEnd::Wrong,
        }
    }
}

fn key() -> FleetKey {
    FleetKey::from_bytes(Zeroizing::new([1; 32]))
}

fn place() -> StoreKey {
    StoreKey::state("alice")
}

fn host() -> StoreKey {
    StoreKey::host("h")
}

fn standing(epoch: u64, count: u64) -> FleetStanding {
    FleetStanding {
        meta: FleetMeta {
            epoch,
            ..FleetMeta::first([7; 16])
        },
        beat: HostBeat { count, run: [0; 8] },
        coming: None,
    }
}

/// A store with a fleet, a host and alice's state.
fn store(standing: &FleetStanding, state: &SharedState) -> StoreView {
    let seal = |place: &StoreKey, bytes: &[u8]| Some(key().seal(place, bytes).unwrap());
    StoreView {
        meta: seal(&StoreKey::meta(), &standing.meta.encode()),
        host: seal(&host(), &standing.beat.encode()),
        state: seal(&place(), &state.encode()),
    }
}

fn fresh_store(standing: &FleetStanding) -> StoreView {
    store(
        standing,
        &SharedState::first(standing.meta.epoch, UserState::new(0)),
    )
}

fn shared_of(view: &StoreView) -> SharedState {
    let sealed = view.state.as_ref().unwrap();
    SharedState::decode(&key().open(&place(), sealed).unwrap()).unwrap()
}

fn attempt<'a>(
    key: &'a FleetKey,
    standing: &'a FleetStanding,
    is_right: bool,
) -> FleetAttempt<'a, OnceJudge> {
    let id = AttemptId::random().unwrap();
    FleetAttempt::new(id, key, (place(), host()), standing, OnceJudge { is_right })
}

/// Does a write as etcd does: on its base alone.
fn apply(view: &mut StoreView, write: &StateWrite) -> TransactionAnswer {
    if *view != write.base {
        return TransactionAnswer::Other(view.clone());
    }
    view.state = Some(write.state.clone());
    TransactionAnswer::Done
}

fn write_of(step: AttemptStep<CodeEnd>) -> StateWrite {
    let AttemptStep::Write(write) = step else {
        panic!("{step:?}");
    };
    write
}

#[test]
fn of_two_attempts_at_once_one_is_accepted() {
    let (key, standing) = (key(), standing(1, 1));
    let mut view = fresh_store(&standing);
    let (mut one, mut two) = (
        attempt(&key, &standing, true),
        attempt(&key, &standing, true),
    );
    let first = write_of(one.after_read(view.clone()));
    let second = write_of(two.after_read(view.clone()));
    let answer = apply(&mut view, &first);
    let end = one.after_write(WriteEnd::Answered(answer));
    assert_eq!(end, AttemptStep::Ended(CodeEnd::Accepted));
    let answer = apply(&mut view, &second);
    let again = write_of(two.after_write(WriteEnd::Answered(answer)));
    let answer = apply(&mut view, &again);
    let end = two.after_write(WriteEnd::Answered(answer));
    assert_eq!(end, AttemptStep::Ended(CodeEnd::Wrong));
    assert_eq!(shared_of(&view).sequence, 3);
}

/// Counts one wrong code, and those that its host counted by itself.
struct CountingJudge(u32);

/// The id of an outage, and wrong codes that a host counted in it.
fn count(counted: u32) -> OutageCount {
    OutageCount {
        id: [7; 12],
        counted,
    }
}

impl AttemptJudge for CountingJudge {
    type End = CodeEnd;

    fn record(&self) -> u64 {
        0
    }

    fn outage_count(&self) -> Option<OutageCount> {
        Some(count(self.0))
    }

    fn decide(
        &mut self,
        shared: &UserState,
        known: u32,
        _: SharedEpoch,
    ) -> AttemptDecision<CodeEnd> {
        let mut state = shared.clone();
        state.failures += 1 + self.0 - known;
        AttemptDecision::Judged {
            state: Box::new(state),
            outcome: SharedOutcome::Rejected,
            end: CodeEnd::Wrong,
        }
    }
}

#[test]
fn what_a_host_counted_by_itself_is_added_once() {
    let (key, standing) = (key(), standing(1, 1));
    let mut view = fresh_store(&standing);
    let counting = |counted| {
        let (id, judge) = (AttemptId::random().unwrap(), CountingJudge(counted));
        FleetAttempt::new(id, &key, (place(), host()), &standing, judge)
    };
    let (mut one, mut two, mut three) = (counting(3), counting(3), counting(5));
    let late = write_of(one.after_read(view.clone()));
    let write = write_of(two.after_read(view.clone()));
    assert_eq!(apply(&mut view, &write), TransactionAnswer::Done);
    assert_eq!(shared_of(&view).state.failures, 4);
    let answer = apply(&mut view, &late);
    let anew = write_of(one.after_write(WriteEnd::Answered(answer)));
    assert_eq!(apply(&mut view, &anew), TransactionAnswer::Done);
    assert_eq!(shared_of(&view).state.failures, 5);
    // It went on counting.
    let rest = write_of(three.after_read(view.clone()));
    assert_eq!(apply(&mut view, &rest), TransactionAnswer::Done);
    let shared = shared_of(&view);
    assert_eq!((shared.state.failures, shared.counted(count(0).id)), (8, 5));
}

#[test]
fn a_lost_answer_is_read_back() {
    let (key, standing) = (key(), standing(1, 1));
    // Done, and the answer lost: the id tells.
    let mut view = fresh_store(&standing);
    let mut one = attempt(&key, &standing, true);
    let write = write_of(one.after_read(view.clone()));
    apply(&mut view, &write);
    assert_eq!(one.after_write(WriteEnd::Unknown), AttemptStep::Read);
    let end = one.after_read(view.clone());
    assert_eq!(end, AttemptStep::Ended(CodeEnd::Accepted));
    // Not done yet: the very same write once more, so that both copies are done once.
    let mut view = fresh_store(&standing);
    let mut one = attempt(&key, &standing, true);
    let write = write_of(one.after_read(view.clone()));
    assert_eq!(one.after_write(WriteEnd::Unknown), AttemptStep::Read);
    assert_eq!(write_of(one.after_read(view.clone())), write);
    apply(&mut view, &write);
    let answer = apply(&mut view, &write);
    assert_eq!(answer, TransactionAnswer::Other(view.clone()));
    let end = one.after_write(WriteEnd::Answered(answer));
    assert_eq!(end, AttemptStep::Ended(CodeEnd::Accepted));
    assert_eq!(shared_of(&view).sequence, 2);
}

#[test]
fn a_write_that_another_overtook_is_decided_anew() {
    let (key, standing) = (key(), standing(1, 1));
    let mut view = fresh_store(&standing);
    let mut one = attempt(&key, &standing, true);
    let late = write_of(one.after_read(view.clone()));
    assert_eq!(one.after_write(WriteEnd::Unknown), AttemptStep::Read);
    let mut two = attempt(&key, &standing, true);
    let write = write_of(two.after_read(view.clone()));
    apply(&mut view, &write);
    let anew = write_of(one.after_read(view.clone()));
    assert_ne!(anew, late);
    // The late one comes, and finds another base.
    apply(&mut view, &late);
    let answer = apply(&mut view, &anew);
    let end = one.after_write(WriteEnd::Answered(answer));
    assert_eq!(end, AttemptStep::Ended(CodeEnd::Wrong));
}

#[test]
fn an_end_that_was_forgotten_denies() {
    let (key, standing) = (key(), standing(1, 1));
    let mut view = fresh_store(&standing);
    let mut one = attempt(&key, &standing, true);
    write_of(one.after_read(view.clone()));
    assert_eq!(one.after_write(WriteEnd::Unknown), AttemptStep::Read);
    let mut state = shared_of(&view);
    for _ in 0..16 {
        let other = AttemptId::random().unwrap();
        state = state.with_attempt(other, SharedOutcome::Rejected, UserState::new(0));
    }
    view.state = store(&standing, &state).state;
    let end = one.after_read(view);
    assert_eq!(end, AttemptStep::Outage(OutageReason::Forgotten));
}

#[test]
fn what_is_missing_says_nothing_of_a_user() {
    let (key, standing) = (key(), standing(2, 9));
    let whole = fresh_store(&standing);
    let outage = |change: &dyn Fn(&mut StoreView)| {
        let mut view = whole.clone();
        change(&mut view);
        match attempt(&key, &standing, true).after_read(view) {
            AttemptStep::Outage(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    let other_fleet = {
        let mut other = standing.clone();
        other.meta.fleet = [8; 16];
        fresh_store(&other).meta
    };
    assert_eq!(
        outage(&|it| *it = StoreView::default()),
        OutageReason::NoFleet
    );
    assert_eq!(outage(&|it| it.state = None), OutageReason::NoState);
    assert_eq!(outage(&|it| it.host = None), OutageReason::WentBack);
    assert_eq!(
        outage(&|it| it.meta = other_fleet.clone()),
        OutageReason::OtherFleet
    );
    let earlier = fresh_store(&self::standing(1, 9));
    assert_eq!(
        outage(&|it| it.meta = earlier.meta.clone()),
        OutageReason::OtherEpoch
    );
    let restored = fresh_store(&self::standing(2, 8));
    assert_eq!(
        outage(&|it| it.host = restored.host.clone()),
        OutageReason::WentBack
    );
    let later = fresh_store(&self::standing(3, 9));
    assert_eq!(
        outage(&|it| it.state = later.state.clone()),
        OutageReason::Contradiction
    );
    // A value of another user, or of another key.
    let moved =
        |it: &mut StoreView| it.state = Some(key.seal(&StoreKey::state("bob"), b"").unwrap());
    assert!(matches!(outage(&moved), OutageReason::UserSeal(_)));
    let other = FleetKey::from_bytes(Zeroizing::new([2; 32]));
    let foreign = |it: &mut StoreView| it.state = Some(other.seal(&place(), b"").unwrap());
    assert!(matches!(outage(&foreign), OutageReason::UserSeal(_)));
    let fleet = |it: &mut StoreView| it.meta = Some(other.seal(&StoreKey::meta(), b"").unwrap());
    assert!(matches!(outage(&fleet), OutageReason::Seal(_)));
    let garbage = |it: &mut StoreView| it.state = Some(key.seal(&place(), b"state").unwrap());
    assert!(matches!(outage(&garbage), OutageReason::Value(_)));
}

#[test]
fn a_store_that_contradicts_itself_denies() {
    let (key, standing) = (key(), standing(1, 1));
    let view = fresh_store(&standing);
    let mut one = attempt(&key, &standing, true);
    write_of(one.after_read(view.clone()));
    let refused = WriteEnd::Answered(TransactionAnswer::Other(view));
    let end = one.after_write(refused);
    assert_eq!(end, AttemptStep::Outage(OutageReason::Contradiction));
    let end = one.after_write(WriteEnd::Answered(TransactionAnswer::Done));
    assert_eq!(end, AttemptStep::Outage(OutageReason::Contradiction));
}
