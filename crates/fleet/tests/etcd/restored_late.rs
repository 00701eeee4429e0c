//! Hosts that come back once the epoch began without them, and users whose values in the restored store cannot be read.

use super::restoring::{ended_without_other, met_with, old_backup};
use super::test_hosts::{TestHost, soon};
use super::versions::make_later;
use harness::etcd::cluster::EtcdCluster;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::etcd::store_values::ChangeAnswer;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::sealed_values::shared_state::ValueError;
use twofactor_fleet::sealed_values::store_key::StoreKey;

const LATER: u64 = 70_000_000_000;

impl TestHost {
    /// Removes the record, and enrolls the user anew.
    fn enroll_anew(&self, user: &str, uid: u32) {
        self.store().discard(user).unwrap();
        self.enroll(user, uid);
    }
}

/// Its records have higher revisions, of a history that the store lost.
#[test]
fn a_host_that_was_left_out_brings_no_old_record() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob", "dave"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    // What b alone knows: alice with her phone, bob without one, and carol.
    b.enroll_anew("alice", 64001);
    b.enroll_anew("bob", 64002);
    b.store().discard("bob").unwrap();
    b.enroll("carol", 64003);
    b.use_code("dave", LATER);
    cluster.restore_snapshot(&backup);
    assert_eq!(ended_without_other(&a).restored, 3);
    assert_eq!(a.beat(), Ok(0));
    // The phone was stolen; bob has a new one. Both have lower revisions than on b.
    a.store().discard("alice").unwrap();
    a.enroll_anew("bob", 64002);
    assert_eq!(b.beat(), Ok(2), "alice is removed, and bob comes");
    assert!(b.record("alice").is_none() && b.record("bob").is_some());
    assert_eq!(a.beat(), Ok(1), "the store had nothing of carol");
    assert!(a.record("alice").is_none() && a.record("bob").is_some());
    assert!(a.record("carol").is_some());
    assert_eq!(a.shared_next("dave"), LATER, "the used code stays used");
    // What carol used on b before is not known.
    let epochs = ["alice", "bob", "dave", "carol"].map(|user| a.epoch_of(user));
    assert_eq!(epochs, [2, 2, 2, 0]);
    // Changes go both ways from then on.
    a.enroll("alice", 64001);
    b.store().discard("bob").unwrap();
    assert_eq!((a.beat(), b.beat()), (Ok(1), Ok(1)));
    assert!(b.record("alice").is_some() && a.record("bob").is_none());
}

/// The record there has the very revision of the one that b has.
#[test]
fn a_mark_of_a_lost_history_hides_no_record() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    b.store().discard("alice").unwrap();
    cluster.restore_snapshot(&backup);
    ended_without_other(&a);
    assert_eq!(a.beat(), Ok(0));
    let account = twofactor_store::testing::account("alice", 64001);
    let devices = [twofactor_store::testing::token()];
    twofactor_store::testing::enroll_devices(&a.store(), &account, &devices);
    assert_eq!((b.beat(), a.beat()), (Ok(1), Ok(0)));
    for host in [&a, &b] {
        assert_eq!(host.record("alice").unwrap().devices.len(), 1);
        assert_eq!(host.record("alice").unwrap().devices[0].id, devices[0].id);
    }
}

/// One value is damaged, and one is of a later version: both concern their users alone.
#[test]
fn a_user_who_cannot_be_read_stops_no_restoration() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob", "carol"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    b.use_code("bob", LATER);
    cluster.restore_snapshot(&backup);
    let host = a.open_as_it_is();
    let damaged = [(StoreKey::record("alice"), b"damaged".to_vec())];
    let changed = host.gateway().change(&[], &damaged, &soon());
    assert_eq!(changed, Ok(ChangeAnswer::Done));
    make_later(&host, &StoreKey::record("carol"));
    let users = |failed: &[(String, String)]| -> Vec<String> {
        failed.iter().map(|(user, _)| user.clone()).collect()
    };
    let begun = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!(begun.waiting.len(), 1);
    assert_eq!(users(&begun.failed), ["alice", "carol"]);
    assert_eq!(b.beat(), Err(OutageReason::Restoration));
    let done = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!((&done.waiting, done.restored), (&vec![], 1));
    assert_eq!(users(&done.failed), ["alice", "carol"]);
    // No host takes a code of theirs for unused, also one that reads their records.
    let epochs = ["alice", "bob", "carol"].map(|user| a.epoch_of(user));
    assert_eq!(epochs, [0, 2, 0]);
    for host in [&a, &b] {
        assert_eq!(
            users(&host.beat_of_service().unwrap().failed),
            ["alice", "carol"]
        );
        let refused = host.open().user_state("alice", &soon());
        let is_users = matches!(refused, Err(OutageReason::UserSeal(_)));
        assert!(is_users, "{refused:?}");
        assert_eq!(host.shared_next("bob"), LATER);
    }
}

/// A host of a later version reads it, and does not know what this one used.
#[test]
fn a_state_of_a_later_version_is_waited_for() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    cluster.restore_snapshot(&backup);
    make_later(&a.open_as_it_is(), &StoreKey::state("alice"));
    let begun = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!((begun.waiting.len(), begun.restored), (2, 0));
    let reason = OutageReason::Value(ValueError::Version(9)).to_string();
    assert_eq!(begun.failed, vec![("alice".to_owned(), reason)]);
    let both: Vec<&str> = begun.waiting.iter().map(String::as_str).collect();
    let done = a.after_restore(&both, MembershipRun::Apply);
    assert_eq!((done.waiting, done.restored), (vec![], 0));
    assert_eq!(done.failed, begun.failed);
    assert_eq!(b.beat_of_service().unwrap().failed.len(), 1);
}
