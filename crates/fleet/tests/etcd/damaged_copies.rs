//! Hosts whose copies of a damaged record are not the newest ones: none of them passes for the record of the fleet.

use super::cluster::EtcdCluster;
use super::damaged::{bypass, damage};
use super::restoring::{ended, met_with, old_backup, uid_of};
use twofactor_fleet::store_key::StoreKey;

/// The backup knows the phone of alice, who was removed since. Neither its record nor its state tells that.
#[test]
fn a_removed_device_does_not_come_back_by_a_restoration() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    a.store().discard("alice").unwrap();
    cluster.restore_snapshot(&backup);
    damage(&a.open_as_it_is(), &StoreKey::record("alice"));
    ended(&a, &b);
    assert_eq!(a.epoch_of("alice"), 0);
    b.beat_of_service().unwrap();
    assert!(b.record("alice").is_some() && a.record("alice").is_none());
    let refused = bypass(&b, "alice").unwrap_err().to_string();
    assert!(refused.contains("not sealed with the key"), "{refused}");
    // She gets a new phone, and codes of which none was used.
    b.store().discard("alice").unwrap();
    assert_eq!(a.epoch_of("alice"), 2);
    b.enroll("alice", uid_of("alice"));
    assert_eq!(a.epoch_of("alice"), 2);
    assert_eq!(a.beat(), Ok(1));
}

/// Neither value is left to tell how new the record was.
#[test]
fn a_removal_in_an_empty_place_is_newer_than_all_copies() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    for _ in 0..3 {
        bypass(&a, "alice").unwrap();
    }
    for key in [StoreKey::record("alice"), StoreKey::state("alice")] {
        let deleted = cluster.etcdctl(&["del", &key.to_string()], true);
        assert!(deleted.status.success(), "{deleted:?}");
    }
    b.store().discard("alice").unwrap();
    assert_eq!(a.beat(), Ok(1));
    assert!(a.record("alice").is_none());
}
