//! A holder of a lock that does not move: its state is taken over, and what it does afterwards changes nothing.

use std::thread;
use std::time::Duration;

use super::*;
use crate::sys::lock_heartbeat::with_heartbeat;
use twofactor_core::state::{SlotStanding, StateError, encode_provisional, encode_settled};

/// Locks alice's state in the name of a process that stops right there, and has another one take it over.
fn taken_over(store: &FactorStore) -> (LockedFactor<'_>, LockedFactor<'_>) {
    let stopped = store.lock(&alice()).unwrap();
    let taker = thread::scope(|scope| scope.spawn(|| store.lock(&alice()).unwrap()).join());
    (stopped, taker.unwrap())
}

/// Holds alice's lock for more than two seconds, with a heartbeat for so long, while another process waits for it. True if the state
/// is still the holder's.
fn is_kept(limit: Duration) -> bool {
    let (_scratch, store) = enrolled();
    let mut holder = store.lock(&alice()).unwrap();
    let kept = thread::scope(|scope| {
        let taker = scope.spawn(|| store.lock(&alice()).map(drop));
        let work = || thread::sleep(Duration::from_millis(2500));
        with_heartbeat(&mut || holder.write_heartbeat(), limit, work);
        let kept = holder.confirm().is_ok();
        drop(holder);
        assert_eq!(taker.join().unwrap(), Ok(()));
        kept
    });
    assert_eq!(store.peek(&alice()).unwrap().unwrap().devices.len(), 1);
    kept
}

/// A process that hangs is taken over as one that is stopped.
#[test]
fn a_holder_that_shows_life_is_waited_for() {
    assert!(is_kept(Duration::from_secs(5)));
    assert!(!is_kept(Duration::from_millis(500)));
}

#[test]
fn signs_of_life_after_a_takeover_change_nothing() {
    let (scratch, store) = enrolled();
    let (mut stopped, mut taker) = taken_over(&store);
    taker.write(with_failures(&taker, 3)).unwrap();
    taker.flush().unwrap();
    (0..3).for_each(|_| stopped.write_heartbeat());
    assert!(stopped.confirm().is_err());
    assert_eq!(taker.confirm(), Ok(()));
    assert!(scratch.stored().moved);
    assert_eq!(current(&scratch, 1).failures, 3);
    assert_eq!(store.peek(&alice()).unwrap().unwrap().failures, 3);
}

fn with_failures(locked: &LockedFactor<'_>, failures: u32) -> UserState {
    let mut state = locked.state().clone();
    state.failures = failures;
    state
}

#[test]
fn what_a_stopped_holder_writes_later_changes_nothing() {
    let (scratch, store) = enrolled();
    let (mut stopped, mut taker) = taken_over(&store);
    taker.write(with_failures(&taker, 3)).unwrap();
    taker.flush().unwrap();
    assert_eq!(taker.confirm(), Ok(()));
    stopped.write(with_failures(&stopped, 7)).unwrap();
    stopped.flush().unwrap();
    let gone = error_at(&scratch.state(), FileFault::TakenOver);
    assert_eq!(stopped.confirm(), Err(gone.clone()));
    let record = record_of(&alice(), &[phone()]);
    assert_eq!(stopped.replace_record(&record, &[]), Err(gone.clone()));
    assert_eq!(stopped.remove(), Err(gone));
    let stored = scratch.stored();
    assert!(stored.moved && current(&scratch, 1).failures == 3);
    let files = ["state/alice", "state/alice+", "users/alice.toml"];
    assert_eq!(scratch.listing(), files);
}

/// The state that a generation of alice's holds.
fn current(scratch: &ScratchStore, number: u64) -> UserState {
    let path = scratch.top().join("state/alice+");
    let names: Vec<_> = fs::read_dir(&path).unwrap().collect();
    assert_eq!(names.len(), 1, "the older ones are gone");
    let bytes = fs::read(path.join(number.to_string())).unwrap();
    let stored = decode_file(&bytes).unwrap();
    assert_eq!(stored.standing, SlotStanding::Settled);
    stored.state
}

#[test]
fn what_a_stopped_holder_wrote_before_is_kept() {
    let (scratch, store) = enrolled();
    let mut stopped = store.lock(&alice()).unwrap();
    stopped.write(with_failures(&stopped, 5)).unwrap();
    let failures = thread::scope(|scope| {
        let taker = scope.spawn(|| store.lock(&alice()).unwrap().state().failures);
        taker.join().unwrap()
    });
    assert_eq!(failures, 5);
    assert_eq!(current(&scratch, 1).failures, 5);
    // Readers without a lock follow, also while another process changes it.
    assert_eq!(store.peek(&alice()).unwrap().unwrap().failures, 5);
    let mut locked = store.lock(&alice()).unwrap();
    locked.write(with_failures(&locked, 6)).unwrap();
    assert_eq!(store.peek(&alice()).unwrap().unwrap().failures, 6);
}

#[test]
fn a_state_is_taken_over_again_and_again() {
    let (scratch, store) = enrolled();
    let mut stopped: Vec<LockedFactor<'_>> = Vec::new();
    for number in 0..3 {
        let mut locked = store.lock(&alice()).unwrap();
        assert_eq!(locked.state().failures, number);
        locked.write(with_failures(&locked, number + 1)).unwrap();
        locked.flush().unwrap();
        stopped.push(locked);
    }
    assert!(stopped[2].confirm().is_ok());
    assert!(stopped[0].confirm().is_err() && stopped[1].confirm().is_err());
    assert_eq!(current(&scratch, 2).failures, 3);
}

/// Makes a file of alice's generations.
fn generation(scratch: &ScratchStore, number: u64, bytes: &[u8]) {
    let path = scratch.top().join("state/alice+");
    if !path.exists() {
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
    }
    fs::write(path.join(number.to_string()), bytes).unwrap();
    set_mode(&path.join(number.to_string()), 0o600);
}

/// Remains of processes that are killed while they take over: the next one completes it, at once.
#[test]
fn what_a_killed_taker_left_is_completed() {
    let provisional = encode_provisional(&UserState::new(0));
    let mut older = UserState::new(1000);
    older.devices.push(fresh(&phone()));
    older.failures = 4;
    let older = encode_settled(&older);
    type Files<'f> = &'f [(u64, &'f [u8])];
    let cases: [(Files<'_>, u64, u32); 4] = [
        (&[], 1, 0),
        (&[(1, &provisional)], 1, 0),
        (&[(1, &provisional), (2, &provisional)], 2, 0),
        (&[(1, &older), (2, &provisional), (3, &provisional)], 3, 4),
    ];
    for (files, number, failures) in cases {
        let (scratch, store) = enrolled();
        generation(&scratch, 9, &[]);
        fs::remove_file(scratch.top().join("state/alice+/9")).unwrap();
        for (number, bytes) in files {
            generation(&scratch, *number, bytes);
        }
        let locked = store.lock(&alice()).unwrap();
        assert_eq!(locked.record().unwrap().unwrap().devices.len(), 1);
        assert_eq!(locked.confirm(), Ok(()));
        assert_eq!(current(&scratch, number).failures, failures);
    }
}

#[test]
fn a_provisional_state_is_never_believed() {
    let (scratch, store) = enrolled();
    let bytes = encode_provisional(&scratch.stored().state);
    fs::write(scratch.state(), bytes).unwrap();
    let damaged = error_at(&scratch.state(), FileFault::State(StateError::Damaged));
    assert_eq!(store.lock(&alice()).err(), Some(damaged.clone()));
    assert_eq!(store.peek(&alice()).err(), Some(damaged));
}

/// A generation that was damaged later must not be taken for one that holds nothing yet.
#[test]
fn a_damaged_generation_is_an_error_until_rebuilt() {
    let (scratch, store) = enrolled();
    generation(&scratch, 1, b"garbage");
    let error = store.lock(&alice()).err().unwrap();
    assert!(error.fixed_by_unlock());
    let rebuilt = store.rebuild(&alice(), 1, 3000).unwrap();
    assert_eq!(rebuilt.state().devices[0].next, 105);
    assert_eq!(scratch.listing(), ["state/alice", "users/alice.toml"]);
}

#[test]
fn removing_a_user_removes_all_generations() {
    let (scratch, store) = enrolled();
    let (_stopped, taker) = taken_over(&store);
    taker.remove().unwrap();
    assert!(scratch.everything().is_empty());
}

/// A process that is stopped once its record is in place has done its work, unless another one changes the record.
#[test]
fn a_record_in_place_is_finished_after_a_takeover() {
    for changed in [false, true] {
        let (_scratch, store) = enrolled();
        let mut stopped = store.lock(&alice()).unwrap();
        let mut state = stopped.state().clone();
        state.devices.push(unused(&token()));
        stopped.write(state).unwrap();
        stopped.flush().unwrap();
        let record = record_of(&alice(), &[phone(), token()]);
        stopped.publish_record(&record.to_toml(), true).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut taker = store.lock(&alice()).unwrap();
                if changed {
                    let other = record_of(&alice(), &[phone()]);
                    taker.replace_record(&other, &[]).unwrap();
                }
            });
        });
        let finished = stopped.finish_replacement(&record);
        let state = store.peek(&alice()).unwrap().unwrap();
        if changed {
            assert_eq!(finished.unwrap_err().cause, FileFault::TakenOver);
            assert_eq!(state.devices.len(), 1);
        } else {
            assert_eq!(finished, Ok(()));
            assert!(state.devices.len() == 2 && state.devices.iter().all(|d| d.committed));
        }
    }
}

/// Reading for a prompt waits for no lock.
#[test]
fn a_held_lock_does_not_keep_from_reading() {
    let (scratch, store) = enrolled();
    let mut holder = store.lock(&alice()).unwrap();
    holder.write(with_failures(&holder, 2)).unwrap();
    assert_eq!(store.peek(&alice()).unwrap().unwrap().failures, 2);
    assert!(store.snapshot(&alice()).unwrap().is_some());
    assert!(store.try_lock(&alice()).unwrap().is_none());
    assert!(!scratch.stored().moved);
}

/// Half-written slots are never believed: a reader sees one of the states that were whole.
#[test]
fn a_reader_without_a_lock_sees_whole_states_only() {
    let (_scratch, store) = enrolled();
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let state = store.peek(&alice()).unwrap().unwrap();
                assert_eq!(state.failures, state.unreported);
                // The newest slot may be half written when it is read; the one before it counts then.
                assert!(state.failures + 1 >= last);
                last = last.max(state.failures);
            }
            last
        });
        let mut locked = store.lock(&alice()).unwrap();
        for number in 1..=500 {
            let mut state = with_failures(&locked, number);
            state.unreported = number;
            locked.write(state).unwrap();
            locked.flush().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() <= 500);
    });
}
