//! Attempts of several hosts against a real cluster of etcd.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and waits by the clock"
)]

mod cluster;
mod codes;
mod records;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use zeroize::Zeroizing;

use cluster::EtcdCluster;
use twofactor_core::state::State;
use twofactor_fleet::attempt_id::AttemptId;
use twofactor_fleet::fleet_key::FleetKey;
use twofactor_fleet::fleet_run;
use twofactor_fleet::gateway::{Gateway, TimeLeft};
use twofactor_fleet::gateway_message::AttemptKeys;
use twofactor_fleet::outage::OutageReason;
use twofactor_fleet::shared_attempt::{
    AttemptJudge, Decision, EpochStanding, FleetAttempt, FleetStanding,
};
use twofactor_fleet::shared_state::{SharedOutcome, SharedState};
use twofactor_fleet::store_key::StoreKey;
use twofactor_fleet::token::{FleetMeta, HostBeat};

/// Hosts, each with a client of its own.
const HOSTS: usize = 3;
/// Failures after which nothing is compared.
const LIMIT: u32 = 5;

/// The end that a person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoundEnd {
    Accepted,
    Wrong,
    LockedOut,
}

/// One right code for each round: `unreported` is the last round whose code was used.
struct RoundJudge {
    round: Option<u32>,
}

impl AttemptJudge for RoundJudge {
    type End = RoundEnd;

    fn decide(&mut self, shared: &State, _: EpochStanding) -> Decision<RoundEnd> {
        if shared.failures >= LIMIT {
            return Decision::Unchanged(RoundEnd::LockedOut);
        }
        let mut state = shared.clone();
        let (outcome, end) = match self.round {
            Some(round) if round > shared.unreported => {
                state.unreported = round;
                state.failures = 0;
                (SharedOutcome::Accepted, RoundEnd::Accepted)
            }
            // A used code is no guess.
            Some(_) => (SharedOutcome::Rejected, RoundEnd::Wrong),
            None => {
                state.failures += 1;
                (SharedOutcome::Rejected, RoundEnd::Wrong)
            }
        };
        Decision::Judged {
            state: Box::new(state),
            outcome,
            end,
        }
    }
}

/// The time of one attempt.
struct AttemptDeadline(Instant);

impl AttemptDeadline {
    fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }
}

impl TimeLeft for AttemptDeadline {
    fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    fn pause(&self, time: Duration) {
        thread::sleep(time.min(self.left()));
    }
}

/// A fleet of hosts, in a cluster.
struct TestFleet {
    key: FleetKey,
    meta: FleetMeta,
    gateways: Vec<Gateway>,
    /// As the lock of a user's file: of one host, one attempt at a time.
    turns: [Mutex<()>; HOSTS],
}

impl TestFleet {
    fn new(cluster: &EtcdCluster) -> Self {
        let gateway = |_| cluster.gateway(Duration::from_millis(1500));
        let fleet = Self {
            key: FleetKey::from_bytes(Zeroizing::new([3; 32])),
            meta: FleetMeta {
                fleet: [5; 16],
                epoch: 1,
            },
            gateways: (0..HOSTS).map(gateway).collect(),
            turns: Default::default(),
        };
        fleet.put(&StoreKey::meta(), &fleet.meta.encode());
        for host in 0..HOSTS {
            let beat = fleet.standing(host).beat;
            fleet.put(&host_key(host), &beat.encode());
        }
        fleet
    }

    fn standing(&self, host: usize) -> FleetStanding {
        FleetStanding {
            meta: self.meta,
            beat: HostBeat {
                count: 1,
                run: [host as u8; 8],
            },
        }
    }

    fn put(&self, key: &StoreKey, plain: &[u8]) {
        let sealed = self.key.seal(key, plain).unwrap();
        let time = AttemptDeadline::after(Duration::from_secs(30));
        assert!(self.gateways[0].create(key, &sealed, &time).unwrap());
    }

    fn enroll(&self, user: &str) {
        let first = SharedState::first(1, State::new(0));
        self.put(&StoreKey::state(user), &first.encode());
    }

    /// One attempt on one host: with the code of a round, or with a wrong one.
    fn attempt(
        &self,
        user: &str,
        host: usize,
        round: Option<u32>,
        time: Duration,
    ) -> Result<(AttemptId, RoundEnd), OutageReason> {
        let _turn = self.turns[host].lock().unwrap();
        let keys = keys(user, host);
        let standing = self.standing(host);
        let id = AttemptId::random().unwrap();
        let places = (keys.state.clone(), keys.host.clone());
        let mut attempt = FleetAttempt::new(id, &self.key, places, &standing, RoundJudge { round });
        let gateway = &self.gateways[host];
        let end = fleet_run::run(gateway, &keys, &mut attempt, &AttemptDeadline::after(time))?;
        Ok((id, end))
    }

    fn stored(&self, user: &str) -> SharedState {
        let keys = keys(user, 0);
        let time = AttemptDeadline::after(Duration::from_secs(30));
        let view = self.gateways[0].read(&keys, &time).unwrap();
        let plain = self.key.open(&keys.state, &view.state.unwrap()).unwrap();
        SharedState::decode(&plain).unwrap()
    }

    /// The ends of attempts that begin at once, spread over the hosts.
    fn at_once(&self, user: &str, count: usize, round: Option<u32>) -> Vec<Option<RoundEnd>> {
        let start = Barrier::new(count);
        let attempt = |number: usize| {
            start.wait();
            let ended = self.attempt(user, number % HOSTS, round, Duration::from_secs(20));
            ended.ok().map(|(_, end)| end)
        };
        let attempt = &attempt;
        thread::scope(|scope| {
            let begin = |number| scope.spawn(move || attempt(number));
            let running: Vec<_> = (0..count).map(begin).collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        })
    }
}

fn host_key(host: usize) -> StoreKey {
    StoreKey::host(&format!("h{host}"))
}

fn keys(user: &str, host: usize) -> AttemptKeys {
    AttemptKeys {
        meta: StoreKey::meta(),
        host: host_key(host),
        state: StoreKey::state(user),
    }
}

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
