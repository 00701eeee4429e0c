//! An older backup is restored after a first restoration: what the hosts did in the epoch between is not undone.

use super::restoring::{ended, ended_without_other, met_with, old_backup, uid_of};
use super::test_hosts::TestHost;
use harness::etcd::cluster::EtcdCluster;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_store::testing;

/// Codes that were used before the first restoration, in the epoch after it, and later there.
const USED: [u64; 3] = [60_000_000_000, 70_000_000_000, 80_000_000_000];

/// Has another device in the place of the one that a user has.
fn changes_device(host: &TestHost, user: &str) {
    let account = testing::account(user, uid_of(user));
    host.store().discard(user).unwrap();
    testing::enroll_devices(&host.store(), &account, &[testing::token()]);
}

fn device_of(host: &TestHost, user: &str) -> u64 {
    let record = host.record(user).unwrap();
    assert_eq!(record.devices.len(), 1);
    record.devices[0].id.number()
}

/// The older backup knows alice, bob and carol with their first devices.
#[test]
fn an_older_backup_undoes_nothing_of_the_epoch_before() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob", "carol"]);
    let oldest = old_backup(&cluster, "oldest", (&a, &b));
    a.enroll_all(&["dora"]);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(1)));
    let newer = old_backup(&cluster, "newer", (&a, &b));
    b.use_code("alice", USED[0]);
    cluster.restore_snapshot(&newer);
    assert_eq!(ended(&a, &b).epoch, 2);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
    assert_eq!(a.shared_next("alice"), USED[0]);
    // In the second epoch: codes on both hosts, a removal, another device, and a user who is new.
    a.use_code("alice", USED[1]);
    b.use_code("dora", USED[2]);
    b.store().discard("bob").unwrap();
    changes_device(&a, "carol");
    b.enroll_all(&["erin"]);
    assert_eq!((a.beat(), b.beat()), (Ok(2), Ok(1)));
    cluster.restore_snapshot(&oldest);
    for host in [&a, &b] {
        assert_eq!(host.beat(), Err(OutageReason::OtherEpoch));
    }
    assert_eq!(ended(&b, &a).epoch, 3);
    for host in [&a, &b] {
        assert_eq!(host.beat(), Ok(0));
        assert!(host.record("bob").is_none());
        assert_eq!(device_of(host, "carol"), testing::token().id.number());
        assert_eq!(host.shared_next("alice"), USED[1]);
        assert_eq!(host.shared_next("dora"), USED[2]);
        assert!(host.record("erin").is_some());
    }
    // All of them are of the new epoch; bob's is that of a removal.
    for user in ["alice", "carol", "dora", "erin"] {
        assert_eq!(a.epoch_of(user), 3, "{user}");
    }
    // Enrolled anew, bob has nothing of before.
    a.enroll_all(&["bob"]);
    assert_eq!(b.beat(), Ok(1));
    assert_eq!(b.shared_next("bob"), 0);
}

/// The host that was left out of the first restoration is the only one that knows what it used, and is there for the second one.
#[test]
fn a_host_left_out_once_is_heard_the_second_time() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    b.use_code("alice", USED[0]);
    b.store().discard("bob").unwrap();
    cluster.restore_snapshot(&backup);
    assert_eq!(ended_without_other(&a).epoch, 2);
    let epochs = |host: &TestHost| ["alice", "bob"].map(|user| host.epoch_of(user));
    assert_eq!(epochs(&a), [2, 2]);
    assert_eq!(a.beat(), Ok(0));
    a.use_code("bob", USED[1]);
    // The very same backup once more: of the first restoration nothing is in the store.
    cluster.restore_snapshot(&backup);
    assert_eq!(a.beat(), Err(OutageReason::OtherEpoch));
    let partial = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!((partial.epoch, partial.waiting.len()), (3, 1));
    // Half of a restoration lets no code in: no state is of the epoch that has not begun.
    assert!(epochs(&a).into_iter().all(|epoch| epoch < 3));
    assert_eq!(b.beat(), Err(OutageReason::Restoration));
    let done = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!((done.epoch, done.waiting), (3, vec![]));
    assert_eq!(epochs(&a), [3, 3]);
    assert_eq!(a.shared_next("alice"), USED[0], "what b used is known now");
}
