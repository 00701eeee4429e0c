//! A fleet of hosts in a cluster, and attempts on them.

use std::cell::Cell;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use harness::etcd::cluster::EtcdCluster;
use twofactor_core::state::UserState;
use twofactor_fleet::attempt_steps::fleet_run;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::attempt_steps::shared_attempt::{
    AttemptDecision, AttemptJudge, FleetAttempt, FleetStanding,
};
use twofactor_fleet::etcd::etcd_gateway::{EtcdGateway, TimeLeft};
use twofactor_fleet::etcd::gateway_message::AttemptKeys;
use twofactor_fleet::etcd::store_values::ChangeAnswer;
use twofactor_fleet::sealed_values::attempt_id::AttemptId;
use twofactor_fleet::sealed_values::fleet_entry::{FleetMeta, HostBeat};
use twofactor_fleet::sealed_values::fleet_key::FleetKey;
use twofactor_fleet::sealed_values::shared_state::{SharedOutcome, SharedState};
use twofactor_fleet::sealed_values::store_key::StoreKey;
use twofactor_store::attempt::{OutageCount, SharedEpoch};

/// Hosts, each with a client of its own.
pub const HOSTS: usize = 3;
/// Failures after which nothing is compared.
pub const LIMIT: u32 = 5;

/// The end that a person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundEnd {
    Accepted,
    Wrong,
    LockedOut,
}

/// One right code for each round: `unreported` is the last round whose code was used.
pub struct RoundJudge {
    pub round: Option<u32>,
    /// Revision of the record of its host.
    pub record: u64,
}

impl AttemptJudge for RoundJudge {
    type End = RoundEnd;

    fn record(&self) -> u64 {
        self.record
    }

    fn outage_count(&self) -> Option<OutageCount> {
        None
    }

    fn decide(&mut self, shared: &UserState, _: u32, _: SharedEpoch) -> AttemptDecision<RoundEnd> {
        if shared.failures >= LIMIT {
            return AttemptDecision::Unchanged(RoundEnd::LockedOut);
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
        AttemptDecision::Judged {
            state: Box::new(state),
            outcome,
            end,
        }
    }
}

/// The time of one attempt.
pub struct AttemptDeadline(Instant);

impl AttemptDeadline {
    pub fn after(time: Duration) -> Self {
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

/// Time that is over after so many pauses, whatever a clock says: work that begins again and again ends, however busy the machine is.
pub struct RetriesLeft(Cell<u32>);

impl RetriesLeft {
    pub fn few() -> Self {
        Self(Cell::new(3))
    }
}

impl TimeLeft for RetriesLeft {
    fn left(&self) -> Duration {
        Duration::from_secs(60) * self.0.get().min(1)
    }

    fn pause(&self, _: Duration) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// A fleet of hosts, in a cluster.
pub struct TestFleet {
    pub key: FleetKey,
    pub meta: FleetMeta,
    /// The number that all hosts wrote last.
    pub count: u64,
    pub gateways: Vec<EtcdGateway>,
    /// As the lock of a user's file: of one host, one attempt at a time.
    pub turns: [Mutex<()>; HOSTS],
}

impl TestFleet {
    pub fn new(cluster: &EtcdCluster) -> Self {
        let gateway = |_| cluster.gateway(Duration::from_millis(1500));
        let fleet = Self {
            key: FleetKey::from_bytes(Zeroizing::new([3; 32])),
            meta: FleetMeta::first([5; 16]),
            count: 1,
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

    pub fn standing(&self, host: usize) -> FleetStanding {
        FleetStanding {
            meta: self.meta,
            beat: HostBeat {
                count: self.count,
                run: [host as u8; 8],
            },
            coming: None,
        }
    }

    /// Begins an epoch, or the same again, and writes the next number of each host.
    pub fn beat(&mut self, epoch: u64) {
        self.meta.epoch = epoch;
        self.count += 1;
        let mut writes = vec![(StoreKey::meta(), self.meta.encode())];
        for host in 0..HOSTS {
            writes.push((host_key(host), self.standing(host).beat.encode()));
        }
        for (place, value) in &mut writes {
            *value = self.key.seal(place, value).unwrap();
        }
        let time = AttemptDeadline::after(Duration::from_secs(30));
        let written = self.gateways[0].change(&[], &writes, &time);
        assert_eq!(written, Ok(ChangeAnswer::Done));
    }

    pub fn put(&self, key: &StoreKey, plain: &[u8]) {
        let sealed = self.key.seal(key, plain).unwrap();
        let time = AttemptDeadline::after(Duration::from_secs(30));
        assert!(create(&self.gateways[0], key, sealed, &time));
    }

    pub fn enroll(&self, user: &str) {
        let first = SharedState::first(1, UserState::new(0));
        self.put(&StoreKey::state(user), &first.encode());
    }

    /// One attempt on one host: with the code of a round, or with a wrong one.
    pub fn attempt(
        &self,
        user: &str,
        host: usize,
        round: Option<u32>,
        time: Duration,
    ) -> Result<(AttemptId, RoundEnd), OutageReason> {
        self.attempt_by((user, 0), host, round, time)
    }

    /// One attempt by a record of this revision.
    pub fn attempt_by(
        &self,
        whose: (&str, u64),
        host: usize,
        round: Option<u32>,
        time: Duration,
    ) -> Result<(AttemptId, RoundEnd), OutageReason> {
        self.attempt_within(whose, host, round, &AttemptDeadline::after(time))
    }

    /// One attempt in the time that is left.
    pub fn attempt_within(
        &self,
        (user, record): (&str, u64),
        host: usize,
        round: Option<u32>,
        time: &dyn TimeLeft,
    ) -> Result<(AttemptId, RoundEnd), OutageReason> {
        let _turn = self.turns[host].lock().unwrap();
        let keys = keys(user, host);
        let standing = self.standing(host);
        let id = AttemptId::random().unwrap();
        let places = (keys.state.clone(), keys.host.clone());
        let judge = RoundJudge { round, record };
        let mut attempt = FleetAttempt::new(id, &self.key, places, &standing, judge);
        let gateway = &self.gateways[host];
        let end = fleet_run::run(gateway, &keys, &mut attempt, time)?;
        Ok((id, end))
    }

    pub fn stored(&self, user: &str) -> SharedState {
        let keys = keys(user, 0);
        let time = AttemptDeadline::after(Duration::from_secs(30));
        let view = self.gateways[0].read(&keys, &time).unwrap();
        let plain = self.key.open(&keys.state, &view.state.unwrap()).unwrap();
        SharedState::decode(&plain).unwrap()
    }

    /// The ends of attempts that begin at once, spread over the hosts.
    pub fn at_once(&self, user: &str, count: usize, round: Option<u32>) -> Vec<Option<RoundEnd>> {
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

/// Puts a value at a key that has none; false where it has one.
pub fn create(gateway: &EtcdGateway, key: &StoreKey, value: Vec<u8>, time: &dyn TimeLeft) -> bool {
    let done = gateway.change(&[(key.clone(), None)], &[(key.clone(), value)], time);
    done.unwrap() == ChangeAnswer::Done
}

pub fn host_key(host: usize) -> StoreKey {
    StoreKey::host(&format!("h{host}"))
}

pub fn keys(user: &str, host: usize) -> AttemptKeys {
    AttemptKeys {
        meta: StoreKey::meta(),
        host: host_key(host),
        state: StoreKey::state(user),
        record: StoreKey::record(user),
    }
}
