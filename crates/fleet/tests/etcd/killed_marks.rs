//! A process of a host is killed after a mark is written and before its record is: a restored backup brings no removed device back.

use super::restoring::{begun, ended, met_with, old_backup, uid_of};
use super::test_hosts::TestHost;
use harness::etcd::cluster::EtcdCluster;
use twofactor_core::device::Device;
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::{CodeScope, OneTimeCode};
use twofactor_fleet::factor_changes::fleet_changes::FleetChanges;
use twofactor_store::testing;
use twofactor_store::{SharedChange, SharedFactors};

const USER: &str = "alice";

/// A change of the record that ends before this host has it.
fn killed_change(host: &TestHost, fleet: &dyn SharedFactors, change: impl Fn(&mut UserRecord)) {
    let old = host.record(USER).unwrap();
    let mut record = old.clone();
    change(&mut record);
    let store = host.files.store();
    let locked = store.lock(&testing::account(USER, uid_of(USER))).unwrap();
    let put = SharedChange::Put {
        old: Some(&old),
        record: &record,
        local: locked.state(),
    };
    assert_eq!(fleet.commit(USER, &put, &mut || ()), Ok(()));
}

/// Has this device in the place of the one that the user has.
pub fn replaces_device(host: &TestHost, device: Device) {
    let store = host.store();
    let account = testing::account(USER, uid_of(USER));
    let mut locked = store.lock_for_change(&account).unwrap();
    let mut record = locked.record().unwrap().unwrap();
    let entries = [testing::fresh(&device)];
    record.devices = vec![device];
    locked.replace_record(&record, &entries).unwrap();
}

pub fn has_the_new_device(host: &TestHost) -> bool {
    let record = host.record(USER).unwrap();
    record.devices.len() == 1 && record.devices[0].id == testing::token().id
}

/// The one of this host alone, which is made where the store is not that of the fleet.
#[test]
fn a_killed_bypass_leaves_a_record_of_known_age() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &[USER]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    replaces_device(&a, testing::token());
    cluster.restore_snapshot(&backup);
    let fleet = FleetChanges::on_this_host(&a.settings, &a.files.top());
    // Also where one that was killed is made once more.
    for _ in 0..2 {
        killed_change(&a, &fleet, |record| {
            let code = OneTimeCode::generate(u64::MAX).unwrap().0;
            record.bypass = Some(code.with_scope(CodeScope::ThisHost));
        });
    }
    ended(&a, &b);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(1)));
    assert!(has_the_new_device(&a) && has_the_new_device(&b));
}

#[test]
fn a_killed_change_leaves_a_record_of_known_age() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &[USER]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    replaces_device(&a, testing::token());
    let fleet = FleetChanges::new(&a.settings, &a.files.top());
    killed_change(&a, &fleet, |record| {
        record.bypass = Some(OneTimeCode::generate(u64::MAX).unwrap().0);
    });
    cluster.restore_snapshot(&backup);
    ended(&a, &b);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(1)));
    assert!(has_the_new_device(&a) && has_the_new_device(&b));
}

/// A second backup is restored while the first restoration is under way: what this host knows of its record counts as before.
fn restored_again(change: impl Fn(&TestHost)) {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &[USER]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    replaces_device(&a, testing::token());
    change(&a);
    cluster.restore_snapshot(&backup);
    begun(&a, &b);
    cluster.restore_snapshot(&backup);
    ended(&a, &b);
    assert!(has_the_new_device(&a));
    assert_eq!((a.beat().is_ok(), b.beat()), (true, Ok(1)));
    assert!(has_the_new_device(&a) && has_the_new_device(&b));
}

#[test]
fn a_bypass_of_one_host_keeps_the_age_of_its_record() {
    // Without its settings a host is cut off.
    restored_again(|host| {
        let place = host.settings.with_extension("aside");
        std::fs::rename(&host.settings, &place).unwrap();
        host.bypass_here(USER).unwrap();
        std::fs::rename(&place, &host.settings).unwrap();
    });
}

#[test]
fn a_lost_change_keeps_the_age_of_the_record_before() {
    restored_again(|host| {
        let fleet = FleetChanges::new(&host.settings, &host.files.top());
        killed_change(host, &fleet, |record| {
            record.bypass = Some(OneTimeCode::generate(u64::MAX).unwrap().0);
        });
    });
}
