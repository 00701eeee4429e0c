//! Many attempts at once, while members of the store fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::fleet::{LIMIT, RoundEnd, TestFleet};
use harness::etcd::cluster::EtcdCluster;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::sealed_values::shared_state::SharedOutcome;

fn count(ends: &[Option<RoundEnd>], wanted: RoundEnd) -> usize {
    ends.iter().filter(|end| **end == Some(wanted)).count()
}

#[test]
fn of_64_claims_of_one_code_one_is_accepted() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = TestFleet::new(&cluster);
    fleet.enroll("alice");
    for round in 1..=5 {
        let ends = fleet.at_once("alice", 64, Some(round));
        assert_eq!(
            count(&ends, RoundEnd::Accepted),
            1,
            "round {round}: {ends:?}"
        );
    }
}

#[test]
fn of_64_guesses_at_once_five_are_compared() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = TestFleet::new(&cluster);
    for user in ["alice", "bob"] {
        fleet.enroll(user);
        let ends = fleet.at_once(user, 64, None);
        assert_eq!(count(&ends, RoundEnd::Wrong), LIMIT as usize, "{ends:?}");
        assert_eq!(fleet.stored(user).state.failures, LIMIT);
    }
}

/// Leaders are killed, members stopped, and tokens expire, while each code is claimed on all hosts.
#[test]
fn no_code_works_twice_while_members_fail() {
    let options = ["--auth-token-ttl", "1"];
    let mut cluster = EtcdCluster::start(&options);
    let fleet = TestFleet::new(&cluster);
    fleet.enroll("alice");
    let is_over = AtomicBool::new(false);
    let (accepted, rounds) = thread::scope(|scope| {
        let claims = scope.spawn(|| {
            let (mut accepted, mut rounds) = (0, 0);
            while !is_over.load(Ordering::SeqCst) {
                rounds += 1;
                let ends = fleet.at_once("alice", 6, Some(rounds));
                let successes = count(&ends, RoundEnd::Accepted);
                assert!(successes <= 1, "round {rounds}: {ends:?}");
                accepted += successes;
            }
            (accepted, rounds)
        });
        // Here, since a member dies with the thread that started it.
        for _ in 0..3 {
            thread::sleep(Duration::from_secs(1));
            cluster.restart(cluster.leader(), &options);
            cluster.until_healthy(Some(()));
            let stopped = cluster.leader();
            cluster.signal(stopped, Signal::STOP);
            thread::sleep(Duration::from_secs(2));
            cluster.signal(stopped, Signal::CONT);
            cluster.until_healthy(Some(()));
        }
        is_over.store(true, Ordering::SeqCst);
        claims.join().unwrap()
    });
    assert!(accepted > 0 && rounds > 3, "{accepted} of {rounds}");
    // The store has the last success that was told.
    let ended = fleet.attempt("alice", 0, Some(rounds + 1), Duration::from_secs(30));
    assert_eq!(ended.unwrap().1, RoundEnd::Accepted);
    assert_eq!(fleet.stored("alice").state.unreported, rounds + 1);
}

#[test]
fn without_a_majority_nothing_is_concluded() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = TestFleet::new(&cluster);
    fleet.enroll("alice");
    let signal = |signal| {
        [0, 1]
            .iter()
            .for_each(|number| cluster.signal(*number, signal))
    };
    signal(Signal::STOP);
    let ended = fleet.attempt("alice", 0, Some(1), Duration::from_secs(3));
    assert!(
        matches!(ended, Err(OutageReason::Unreachable(_))),
        "{ended:?}"
    );
    signal(Signal::CONT);
    cluster.until_healthy(Some(()));
    let (id, end) = fleet
        .attempt("alice", 1, Some(2), Duration::from_secs(30))
        .unwrap();
    assert_eq!(end, RoundEnd::Accepted);
    assert_eq!(
        fleet.stored("alice").outcome(id),
        Some(SharedOutcome::Accepted)
    );
}

/// A user of etcd that may not read the fleet, and one that has another password.
#[test]
fn a_store_that_refuses_says_nothing_of_a_user() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = TestFleet::new(&cluster);
    fleet.enroll("alice");
    let revoked = cluster.etcdctl(&["user", "revoke-role", "host", "fleet"], true);
    assert!(revoked.status.success(), "{revoked:?}");
    let ended = fleet.attempt("alice", 0, Some(1), Duration::from_secs(2));
    assert!(
        matches!(ended, Err(OutageReason::Unreachable(_))),
        "{ended:?}"
    );
    let again = cluster.etcdctl(&["user", "grant-role", "host", "fleet"], true);
    assert!(again.status.success(), "{again:?}");
    let passed = fleet.attempt("alice", 0, Some(1), Duration::from_secs(20));
    assert_eq!(passed.unwrap().1, RoundEnd::Accepted);
    let deleted = cluster.etcdctl(&["del", "/twofactor/v1/state/alice"], true);
    assert!(deleted.status.success(), "{deleted:?}");
    let ended = fleet.attempt("alice", 0, Some(2), Duration::from_secs(5));
    assert_eq!(ended, Err(OutageReason::NoState));
}
