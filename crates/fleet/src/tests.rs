//! Attempts against a store in memory that loses, delays and repeats, and that is restored from a backup.

use zeroize::Zeroizing;

use twofactor_core::state::UserState;
use twofactor_store::attempt::{OutageCount, SharedEpoch};

use crate::attempt_id::AttemptId;
use crate::fleet_key::FleetKey;
use crate::gateway_message::{StoreView, TransactionAnswer};
use crate::outage::OutageReason;
use crate::shared_attempt::{
    AttemptDecision, AttemptJudge, AttemptStep, FleetAttempt, FleetStanding, StateWrite, WriteEnd,
};
use crate::shared_record::{RecordContent, SharedRecord};
use crate::shared_state::{SharedOutcome, SharedState};
use crate::store_key::StoreKey;
use crate::token::{FleetMeta, HostBeat};

mod numbers;

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
fn a_state_of_an_earlier_epoch_has_no_unused_code() {
    let key = key();
    let now = standing(2, 1);
    let old = SharedState::first(1, UserState::new(0));
    let mut view = store(&now, &old);
    let mut one = attempt(&key, &now, true);
    assert_eq!(one.after_read(view.clone()), AttemptStep::ReadRecord);
    let place = StoreKey::record("alice");
    let record = sealed_record(&place, 0);
    let read = one.after_record(&place, Some(&record));
    assert_eq!(read, AttemptStep::Read);
    let write = write_of(one.after_read(view.clone()));
    let answer = apply(&mut view, &write);
    let end = one.after_write(WriteEnd::Answered(answer));
    assert_eq!(end, AttemptStep::Ended(CodeEnd::Wrong));
    assert_eq!(shared_of(&view).epoch, 2, "the next state is of this epoch");
}

/// A record in the store, of this revision.
fn sealed_record(place: &StoreKey, revision: u64) -> Vec<u8> {
    let record = SharedRecord {
        revision,
        change: AttemptId::random().unwrap(),
        content: RecordContent::Removed,
    };
    key().seal(place, &record.encode()).unwrap()
}

/// By it a host would take its own copy for the newest one.
#[test]
fn a_state_of_an_earlier_epoch_needs_no_record() {
    let key = key();
    let now = standing(2, 1);
    let view = store(&now, &SharedState::first(1, UserState::new(0)));
    let place = StoreKey::record("alice");
    let mut one = attempt(&key, &now, true);
    let mut outage = |sealed: Option<Vec<u8>>| {
        assert_eq!(one.after_read(view.clone()), AttemptStep::ReadRecord);
        match one.after_record(&place, sealed.as_deref()) {
            AttemptStep::Outage(reason) => reason,
            step => panic!("{step:?}"),
        }
    };
    assert_eq!(outage(None), OutageReason::NoState);
    let damaged = outage(Some(b"damaged".to_vec()));
    assert!(matches!(damaged, OutageReason::UserSeal(_)), "{damaged}");
    let garbage = outage(Some(key.seal(&place, b"garbage").unwrap()));
    assert!(matches!(garbage, OutageReason::Record(_)), "{garbage}");
    // The state tells of another one.
    let other = sealed_record(&place, 1);
    assert_eq!(one.after_record(&place, Some(&other)), AttemptStep::Read);
    let end = one.after_read(view);
    assert_eq!(end, AttemptStep::Outage(OutageReason::Contradiction));
}

/// By a contradiction this host would judge by the record that the change replaced.
#[test]
fn a_change_beside_an_epochs_first_attempt_agrees() {
    let key = key();
    let now = standing(2, 1);
    let view = store(&now, &SharedState::first(1, UserState::new(0)));
    let mut one = attempt(&key, &now, true);
    assert_eq!(one.after_read(view), AttemptStep::ReadRecord);
    let record = sealed_record(&StoreKey::record("alice"), 0);
    let read = one.after_record(&StoreKey::record("alice"), Some(&record));
    assert_eq!(read, AttemptStep::Read);
    let mut changed = SharedState::first(2, UserState::new(0));
    changed.record = 1;
    let end = one.after_read(store(&now, &changed));
    assert_eq!(end, AttemptStep::Outage(OutageReason::OlderRecord));
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

/// A small generator of numbers: each seed is one order of events.
struct EventOrder(u64);

impl EventOrder {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// An attempt in one order of events.
enum Course {
    Reads,
    Waits(StateWrite),
    Ends(Option<CodeEnd>),
}

/// Runs attempts at once: each write may be done at once, later, twice, or never, and its answer may be lost.
fn run(seed: u64, right: usize, wrong: usize) -> Vec<CodeEnd> {
    let (key, standing) = (key(), standing(1, 1));
    let mut order = EventOrder(seed);
    let mut view = fresh_store(&standing);
    let mut late: Vec<StateWrite> = Vec::new();
    let kinds = (0..right + wrong).map(|number| number < right);
    let mut attempts: Vec<_> = kinds
        .map(|is_right| (attempt(&key, &standing, is_right), Course::Reads))
        .collect();
    for _ in 0..10_000 {
        if !late.is_empty() && order.below(3) == 0 {
            let write = late.swap_remove(order.below(late.len()));
            apply(&mut view, &write);
        }
        let chosen = order.below(attempts.len());
        let (one, course) = &mut attempts[chosen];
        let step = match course {
            Course::Ends(_) => continue,
            Course::Reads => one.after_read(view.clone()),
            Course::Waits(write) => match order.below(5) {
                0 => one.after_write(WriteEnd::NotSent),
                1 => {
                    late.push(write.clone());
                    one.after_write(WriteEnd::Unknown)
                }
                2 => {
                    apply(&mut view, write);
                    one.after_write(WriteEnd::Unknown)
                }
                _ => {
                    let answer = apply(&mut view, write);
                    one.after_write(WriteEnd::Answered(answer))
                }
            },
        };
        *course = match step {
            AttemptStep::Read => Course::Reads,
            AttemptStep::Write(write) => Course::Waits(write),
            AttemptStep::Ended(end) => Course::Ends(Some(end)),
            AttemptStep::Outage(OutageReason::Forgotten) => Course::Ends(None),
            AttemptStep::Outage(reason) => panic!("{reason}"),
            AttemptStep::ReadRecord => panic!("all states are of this epoch"),
        };
    }
    let ends = attempts.into_iter().filter_map(|(_, course)| match course {
        Course::Ends(end) => end,
        Course::Reads | Course::Waits(_) => panic!("an attempt has no end"),
    });
    ends.collect()
}

#[test]
fn in_no_order_of_events_is_a_code_accepted_twice() {
    let mut accepted = 0;
    for seed in 1..=100 {
        let ends = run(seed, 4, 0);
        let successes = ends.iter().filter(|end| **end == CodeEnd::Accepted).count();
        assert!(successes <= 1, "seed {seed}: {ends:?}");
        // Without a success none of them may be told that the code is used.
        assert!(successes == 1 || ends.is_empty(), "seed {seed}: {ends:?}");
        accepted += successes;
    }
    assert!(accepted > 70);
}

#[test]
fn in_no_order_of_events_is_a_guess_uncounted() {
    for seed in 1..=100 {
        let ends = run(seed, 0, 9);
        let told = ends.iter().filter(|end| **end == CodeEnd::Wrong).count();
        assert!(told <= LIMIT as usize, "seed {seed}: {ends:?}");
    }
}
