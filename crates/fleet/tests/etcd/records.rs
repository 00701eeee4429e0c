//! Records of users: changed on one host, and listed on the others.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use twofactor_core::state::UserState;
use zeroize::Zeroizing;

use super::fleet::{AttemptDeadline, HOSTS, RoundEnd, TestFleet, create, host_key};
use harness::etcd::cluster::EtcdCluster;

use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::factor_changes::factor_commit::{
    self, CommitFault, CommitTarget, ExpectedRecord, FactorCommit, RecordPart,
};
use twofactor_fleet::sealed_values::fleet_entry::EntryError;
use twofactor_fleet::sealed_values::fleet_key::FleetKey;
use twofactor_fleet::sealed_values::shared_record::{RecordContent, SharedRecord};
use twofactor_fleet::sealed_values::store_key::{KeyKind, StoreKey};

fn text(text: &str) -> RecordPart {
    RecordPart::Write(RecordContent::Text(Zeroizing::new(text.to_owned())))
}

impl TestFleet {
    fn change(
        &self,
        host: usize,
        user: &str,
        expected: ExpectedRecord<'_>,
        record: RecordPart,
    ) -> Result<(), CommitFault> {
        let target = CommitTarget {
            gateway: &self.gateways[host],
            key: &self.key,
            host: &host_key(host),
            standing: &self.standing(host),
        };
        let change = FactorCommit {
            user,
            expected,
            record,
            state: &|shared, _| shared.cloned().unwrap_or_else(|| UserState::new(0)),
            count: None,
        };
        let time = AttemptDeadline::after(Duration::from_secs(20));
        factor_commit::commit(&target, &change, &time).map(drop)
    }

    /// The records that were changed since a revision of the store, as another host sees them.
    fn records(&self, host: usize, since: u64) -> (u64, Vec<(String, SharedRecord)>) {
        let time = AttemptDeadline::after(Duration::from_secs(20));
        let list = self.gateways[host].list(KeyKind::Record, since, &time);
        let list = list.unwrap();
        let open = |(user, sealed): (String, Vec<u8>)| {
            let plain = self.key.open(&StoreKey::record(&user), &sealed).unwrap();
            (user, SharedRecord::decode(&plain).unwrap())
        };
        (list.revision, list.entries.into_iter().map(open).collect())
    }
}

#[test]
fn a_record_is_seen_on_all_hosts() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = TestFleet::new(&cluster);
    // More than one page.
    for number in 0..60 {
        let user = format!("user{number:02}");
        let enrolled = fleet.change(0, &user, ExpectedRecord::Text(None), text(&user));
        assert_eq!(enrolled, Ok(()));
    }
    let (revision, records) = fleet.records(1, 0);
    assert_eq!(records.len(), 60);
    let time = AttemptDeadline::after(Duration::from_secs(20));
    let names = |since| {
        fleet.gateways[1]
            .names(KeyKind::Record, since, &time)
            .unwrap()
    };
    let (all, none) = (names(0), names(revision));
    assert!(all.names.iter().eq(records.iter().map(|(user, _)| user)));
    assert_eq!((all.revision, none.names), (revision, vec![]));
    assert!(
        records
            .iter()
            .all(|(user, it)| it.content.text() == Some(user))
    );
    let ended = fleet.attempt_by(("user07", 1), 2, Some(1), Duration::from_secs(20));
    assert_eq!(
        ended.unwrap().1,
        RoundEnd::Accepted,
        "with the record, its state is there"
    );
    // Only what is new, and the removal too.
    let renewed = fleet.change(
        1,
        "user07",
        ExpectedRecord::Text(Some("user07")),
        text("new"),
    );
    assert_eq!(renewed, Ok(()));
    let removed = RecordPart::Write(RecordContent::Removed);
    let gone = fleet.change(2, "user08", ExpectedRecord::Any(0), removed);
    assert_eq!(gone, Ok(()));
    let (_, records) = fleet.records(0, revision);
    let told: Vec<_> = records
        .iter()
        .map(|(user, it)| (user.as_str(), it.content.text(), it.revision))
        .collect();
    // A removal is above what any host may have noted.
    let beyond = 2 + (1 << 32);
    assert_eq!(told, [("user07", Some("new"), 2), ("user08", None, beyond)]);
    assert_eq!(
        fleet.stored("user07").state.unreported,
        1,
        "the used code stays used"
    );
}

#[test]
fn of_two_changes_of_one_record_one_is_made() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = TestFleet::new(&cluster);
    for round in 0..10 {
        let user = format!("alice{round}");
        let start = Barrier::new(HOSTS);
        let results: Vec<_> = thread::scope(|scope| {
            let (start, fleet, user) = (&start, &fleet, &user);
            let change = |host: usize| {
                scope.spawn(move || {
                    start.wait();
                    fleet.change(
                        host,
                        user,
                        ExpectedRecord::Text(None),
                        text(&host.to_string()),
                    )
                })
            };
            let running: Vec<_> = (0..HOSTS).map(change).collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let (_, records) = fleet.records(0, 0);
        let stored = &records.iter().find(|(name, _)| *name == user).unwrap().1;
        let winner = results.iter().position(Result::is_ok).unwrap();
        assert_eq!(stored.content.text(), Some(winner.to_string().as_str()));
        let others = results
            .iter()
            .filter(|it| **it == Err(CommitFault::Conflict));
        assert_eq!(others.count(), HOSTS - 1, "{results:?}");
    }
}

#[test]
fn a_change_that_was_told_survives_its_member() {
    let options = ["--auth-token-ttl", "1"];
    let mut cluster = EtcdCluster::start(&options);
    let fleet = TestFleet::new(&cluster);
    let is_over = AtomicBool::new(false);
    let changes = thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let mut last = None;
            let mut count = 0_u32;
            while !is_over.load(Ordering::SeqCst) || count == 0 {
                let next = format!("record {count}");
                let expected = ExpectedRecord::Text(last.as_deref());
                assert_eq!(fleet.change(0, "alice", expected, text(&next)), Ok(()));
                last = Some(next);
                count += 1;
            }
            count
        });
        for _ in 0..2 {
            cluster.restart(cluster.leader(), &options);
            cluster.until_healthy(Some(()));
        }
        is_over.store(true, Ordering::SeqCst);
        changes.join().unwrap()
    });
    let (_, records) = fleet.records(1, 0);
    let last = format!("record {}", changes - 1);
    assert_eq!(records[0].1.content.text(), Some(last.as_str()));
    assert_eq!(
        records[0].1.revision,
        u64::from(changes),
        "each was made once"
    );
}

/// Nothing that is missing says that a user has no device.
#[test]
fn a_wrong_store_takes_no_change() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = TestFleet::new(&cluster);
    let enroll = || fleet.change(0, "alice", ExpectedRecord::Text(None), text("r"));
    let meta = StoreKey::meta().to_string();
    let put = |sealed: &[u8]| {
        let deleted = cluster.etcdctl(&["del", &meta], true);
        assert!(deleted.status.success(), "{deleted:?}");
        let time = AttemptDeadline::after(Duration::from_secs(20));
        let meta = StoreKey::meta();
        assert!(create(&fleet.gateways[0], &meta, sealed.to_vec(), &time));
    };
    let mut newer = fleet.meta.encode();
    newer[4] = 2;
    put(&fleet.key.seal(&StoreKey::meta(), &newer).unwrap());
    let format = OutageReason::Entry(EntryError::Version(2));
    assert_eq!(enroll(), Err(CommitFault::Outage(format)));
    let other = FleetKey::from_bytes(Zeroizing::new([4; 32]));
    put(&other.seal(&StoreKey::meta(), &fleet.meta.encode()).unwrap());
    assert!(matches!(
        enroll(),
        Err(CommitFault::Outage(OutageReason::Seal(_)))
    ));
    let deleted = cluster.etcdctl(&["del", &meta], true);
    assert!(deleted.status.success(), "{deleted:?}");
    assert_eq!(enroll(), Err(CommitFault::Outage(OutageReason::NoFleet)));
    assert_eq!(fleet.records(0, 0).1.len(), 0);
}

/// A host with an older record may take a code for right that was replaced elsewhere.
#[test]
fn an_older_record_judges_nothing() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = TestFleet::new(&cluster);
    let expected = ExpectedRecord::Text;
    assert_eq!(
        fleet.change(0, "alice", expected(None), text("one")),
        Ok(())
    );
    let by = |record, round| {
        let ended = fleet.attempt_by(("alice", record), 1, round, Duration::from_secs(20));
        ended.map(|(_, end)| end)
    };
    assert_eq!(by(1, Some(1)), Ok(RoundEnd::Accepted));
    let renewed = fleet.change(0, "alice", expected(Some("one")), text("two"));
    assert_eq!(renewed, Ok(()));
    for round in [Some(2), None] {
        assert_eq!(by(1, round), Err(OutageReason::OlderRecord));
        assert_eq!(by(0, round), Err(OutageReason::OlderRecord));
        assert_eq!(by(3, round), Err(OutageReason::NewerRecord));
    }
    assert_eq!(by(2, Some(2)), Ok(RoundEnd::Accepted));
    // An attempt changes no record.
    assert_eq!(by(2, Some(3)), Ok(RoundEnd::Accepted));
}
