//! Changes and attempts while a host writes its number.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use twofactor_core::state::UserState;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::mirror::record_mirror::MirrorProgress;
use twofactor_store::SharedChange;

use crate::test_hosts::{REPORT, founded, soon};
use harness::etcd::cluster::EtcdCluster;

/// Root's command holds the lock of the fleet's files: a beat waits for it, and keeps no work from the store meanwhile.
#[test]
fn a_beat_that_waits_for_a_lock_holds_nothing() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    a.enroll("alice", 64001);
    let host = a.open();
    let lock = host.directory().lock().unwrap();
    let is_waiting = AtomicBool::new(false);
    let beat = thread::scope(|scope| {
        let beat = scope.spawn(|| {
            is_waiting.store(true, Ordering::SeqCst);
            host.beat_now(REPORT, &WorkDeadline::after(Duration::from_secs(600)))
        });
        while !is_waiting.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        for _ in 0..20 {
            let mirrored = host.mirror(&a.files.store(), &mut MirrorProgress::default(), &soon());
            assert!(mirrored.unwrap().is_whole);
        }
        drop(lock);
        beat.join().unwrap()
    });
    assert_eq!(beat, Ok(()));
}

#[test]
fn a_lock_that_is_not_had_says_nothing_of_the_store() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    let host = a.open();
    let lock = host.directory().lock().unwrap();
    let time = WorkDeadline::after(Duration::from_millis(200));
    let refused = host.beat_now(REPORT, &time);
    assert!(
        matches!(refused, Err(OutageReason::HostBusy(_))),
        "{refused:?}"
    );
    drop(lock);
    assert_eq!(host.beat_now(REPORT, &soon()), Ok(()));
}

#[test]
fn changes_go_on_while_numbers_are_written() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    a.enroll("alice", 64001);
    let host = a.open();
    let is_over = AtomicBool::new(false);
    let made = thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let mut made = 0;
            while !is_over.load(Ordering::SeqCst) || made == 0 {
                let step = |shared: &UserState| UserState {
                    unreported: shared.unreported + 1,
                    ..shared.clone()
                };
                let done = host.commit("alice", &SharedChange::State(&step), &soon());
                assert!(done.is_ok(), "{done:?} after {made}");
                made += 1;
            }
            made
        });
        let beats: Vec<_> = (0..40).map(|_| host.beat_now(REPORT, &soon())).collect();
        is_over.store(true, Ordering::SeqCst);
        assert_eq!(beats, vec![Ok(()); 40]);
        changes.join().unwrap()
    });
    let state = host.user_state("alice", &soon()).unwrap();
    assert_eq!(state.unreported, made);
}
