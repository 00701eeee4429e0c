//! Waits of one process for another.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::Barrier;
use std::thread;

use super::*;
use crate::sys::file::write_file;
use twofactor_core::state::encode_file;

/// Another process that holds the lock of a file until it is killed.
pub(crate) fn holder(path: &Path) -> Child {
    let mut child = Command::new("flock")
        .args(["--exclusive", "--no-fork"])
        .arg(path)
        .args(["sh", "-c", "echo locked; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "locked\n");
    child
}

pub(crate) fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Each of them takes the state over; none of another user waits.
#[test]
fn a_holder_that_does_not_move_keeps_no_other_out() {
    let calls: [fn(&FactorStore); 3] = [
        |store| drop(store.lock(&alice()).unwrap()),
        |store| drop(store.lock_for_change(&alice()).unwrap()),
        |store| drop(store.rebuild(&alice(), 1, 0).unwrap()),
    ];
    for call in calls {
        let (scratch, store) = enrolled();
        let child = holder(&scratch.state());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| call(&store));
            enroll_devices(&store, &account("bob", 1001), &[phone()]);
            waiter.join().unwrap();
        });
        assert!(scratch.stored().moved);
        kill(child);
        assert!(store.lock(&alice()).is_ok());
    }
}

/// If no file can be made, there is nothing to do but wait. The holder is named.
#[test]
fn without_room_the_lock_is_not_taken_over() {
    if !in_own_process("files::tests::locks::without_room_the_lock_is_not_taken_over") {
        return;
    }
    let (scratch, store) = enrolled();
    let child = holder(&scratch.state());
    let _limit = limits::FileSize::limited_to(100);
    let busy = error_at(&scratch.state(), FileFault::Busy(Some(child.id())));
    assert_eq!(store.lock(&alice()).err(), Some(busy.clone()));
    assert!(!busy.fixed_by_unlock() && !busy.is_missing());
    kill(child);
    assert!(store.lock(&alice()).is_ok());
}

#[test]
fn a_lock_excludes_others_until_its_holder_ends() {
    let (scratch, store) = enrolled();
    let mut locked = store.lock(&alice()).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| store.lock(&alice()).unwrap().state().failures);
        until_a_process_waits(&scratch.state());
        let mut state = locked.state().clone();
        state.failures = 1;
        locked.write(state).unwrap();
        drop(locked);
        assert_eq!(waiter.join().unwrap(), 1, "read under the lock");
    });
}

#[test]
fn no_increment_is_lost_between_two_stores() {
    let (scratch, _) = enrolled();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = FactorStore::open(&scratch.top(), &scratch.policy()).unwrap();
                for _ in 0..25 {
                    let mut locked = store.lock(&alice()).unwrap();
                    let mut state = locked.state().clone();
                    state.failures += 1;
                    locked.write(state).unwrap();
                }
            });
        }
    });
    assert_eq!(scratch.stored().state.failures, 200);
}

/// A process that waits for a file that is replaced gets the new one.
#[test]
fn a_waiter_follows_a_state_that_is_replaced() {
    let (scratch, store) = enrolled();
    let locked = store.lock(&alice()).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut locked = store.lock(&alice()).unwrap();
            let mut state = locked.state().clone();
            assert_eq!(state.failures, 7, "the new file is read");
            state.failures = 8;
            locked.write(state).unwrap();
        });
        until_a_process_waits(&scratch.state());
        let mut state = locked.state().clone();
        state.failures = 7;
        write_file(
            store.states.directory().unwrap(),
            "alice",
            &encode_file(&state),
            FileAccess::Private,
        )
        .unwrap();
        drop(locked);
        waiter.join().unwrap();
    });
    assert_eq!(
        scratch.stored().state.failures,
        8,
        "the new file is written"
    );
}

#[test]
fn a_waiter_makes_a_new_state_after_a_removal() {
    let (scratch, store) = enrolled();
    let mut locked = store.lock(&alice()).unwrap();
    let mut state = locked.state().clone();
    state.failures = 7;
    locked.write(state).unwrap();
    thread::scope(|scope| {
        let login = scope.spawn(|| store.lock(&alice()).err());
        until_a_process_waits(&scratch.state());
        locked.remove().unwrap();
        let gone = error_at(&scratch.state(), FileFault::MissingState);
        assert_eq!(login.join().unwrap(), Some(gone));
    });
    assert!(scratch.listing().is_empty());
    let locked = store.lock_for_change(&alice()).unwrap();
    assert_eq!(locked.state(), &UserState::new(1000));
}

#[test]
fn rebuilds_and_logins_wait_for_each_other() {
    let (scratch, store) = enrolled();
    // The state does not know the device, so that it has to be rebuilt, but it can be locked.
    let bytes = encode_file(&UserState::new(1000));
    fs::write(scratch.state(), bytes).unwrap();
    let locked = store.lock(&alice()).unwrap();
    thread::scope(|scope| {
        let rebuild = scope.spawn(|| store.rebuild(&alice(), 1, 3000).unwrap().state().clone());
        until_a_process_waits(&scratch.state());
        let login = scope.spawn(|| store.lock(&alice()).unwrap().record().map(|_| ()));
        drop(locked);
        assert_eq!(rebuild.join().unwrap().devices[0].next, 105);
        // Before the rebuild it is refused, afterwards it sees the new state.
        let unknown = error_at(&scratch.state(), FileFault::UnknownDevice("phone".into()));
        let outcome = login.join().unwrap();
        assert!(outcome == Ok(()) || outcome == Err(unknown), "{outcome:?}");
    });
    assert_eq!(scratch.stored().state.devices[0].next, 105);
    assert!(store.lock(&alice()).unwrap().record().is_ok());
}

#[test]
fn first_enrollments_at_once_share_one_state() {
    for _ in 0..20 {
        let scratch = ScratchStore::new();
        let store = scratch.store();
        let together = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    together.wait();
                    let mut locked = store.lock_for_change(&alice()).unwrap();
                    let mut state = locked.state().clone();
                    state.failures += 1;
                    locked.write(state).unwrap();
                });
            }
        });
        assert_eq!(scratch.stored().state.failures, 8);
        assert_eq!(scratch.listing(), ["state/alice"]);
    }
}

#[test]
fn rebuilds_at_the_same_time_make_one_state() {
    for _ in 0..10 {
        let (scratch, store) = enrolled();
        fs::remove_file(scratch.state()).unwrap();
        let together = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    together.wait();
                    let mut locked = store.rebuild(&alice(), 1, 3000).unwrap();
                    let mut state = locked.state().clone();
                    state.failures += 1;
                    locked.write(state).unwrap();
                });
            }
        });
        assert_eq!(scratch.stored().state.failures, 4);
    }
}
