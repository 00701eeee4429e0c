//! A backup of the store is restored: what the hosts know is brought back before any of them uses it.

use super::restoring::{ended, ended_without_other, met_with, old_backup};
use super::test_hosts::{REPORT, founded};
use harness::etcd::cluster::EtcdCluster;
use twofactor_core::policy::MAX_WINDOW;
use twofactor_core::state::furthest_ahead;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::host_membership::key_rotation;
use twofactor_store::fleet_contact::FleetContact;

#[test]
fn what_a_restored_backup_lost_is_brought_back() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    a.enroll("bob", 64002);
    assert_eq!(b.beat(), Ok(2));
    assert_eq!(a.beat(), Ok(0));
    let backup = cluster.path("backup");
    cluster.take_snapshot(&backup);
    let later = 60_000_000_000;
    b.use_code("alice", later);
    b.store().discard("bob").unwrap();
    a.enroll("carol", 64003);
    for host in [&a, &b] {
        host.open();
    }
    cluster.restore_snapshot(&backup);
    // A host notices it that wrote a number since.
    assert_eq!(a.beat(), Err(OutageReason::WentBack));
    let refused = a.store().discard("alice").unwrap_err().to_string();
    assert!(refused.contains("went back in time"), "{refused}");
    let planned = a.after_restore(&[], MembershipRun::DryRun);
    assert_eq!((planned.epoch, planned.waiting.len()), (2, 1));
    assert_eq!(b.beat(), Err(OutageReason::WentBack));
    // The other host brings what it knows, and waits.
    let done = ended(&a, &b);
    assert_eq!((done.restored, done.failed), (3, vec![]));
    assert_eq!(a.beat(), Ok(1), "bob was removed");
    assert!(a.record("bob").is_none());
    assert_eq!(b.beat(), Ok(1), "carol was enrolled");
    assert!(b.record("carol").is_some() && b.record("bob").is_none());
    assert_eq!(a.shared_next("alice"), later, "the used code stays used");
    b.enroll("dora", 64004);
    assert_eq!(a.beat(), Ok(1));
}

#[test]
fn without_a_lost_host_what_it_used_is_not_usable() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    cluster.restore_snapshot(&backup);
    assert_eq!(ended_without_other(&a).restored, 1);
    // As far ahead as the widest window reaches, of the time that the host said.
    let step = REPORT.time / 30;
    let next = step + furthest_ahead(MAX_WINDOW) + 1;
    assert_eq!(a.shared_next("alice"), next);
    // It comes back after all, and is none that went its own way.
    b.use_code("alice", 70_000_000_000);
    assert_eq!(b.beat(), Ok(0));
    assert_eq!(a.shared_next("alice"), 70_000_000_000);
}

#[test]
fn a_new_key_cuts_off_the_hosts_with_the_old_one() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    assert_eq!(b.beat(), Ok(1));
    let rotate = |run| {
        a.with_local(|local, settings| key_rotation::rotate(local, settings, run, &|_, _| ()))
    };
    let values = rotate(MembershipRun::DryRun).unwrap();
    assert_eq!(b.beat(), Ok(0));
    assert_eq!(rotate(MembershipRun::Apply), Ok(values));
    a.restart_service();
    assert_eq!(a.beat(), Ok(0));
    assert!(matches!(b.beat(), Err(OutageReason::Seal(_))));
    let joined = b.join(&a, MembershipRun::Apply).unwrap();
    assert_eq!((joined.same, joined.conflicts), (1, vec![]));
    b.restart_service();
    assert_eq!(b.beat(), Ok(0));
}

/// A host brings all that it knows, or is waited for.
#[test]
fn a_user_who_cannot_be_brought_is_waited_for() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    let later = 60_000_000_000;
    b.use_code("alice", later);
    cluster.restore_snapshot(&backup);
    let mark = b.files.top().join("fleet/records/616c696365");
    let whole = std::fs::read(&mark).unwrap();
    std::fs::write(&mark, "damaged").unwrap();
    let waiting = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!(waiting.waiting.len(), 1);
    let reason = b.beat().unwrap_err().to_string();
    assert!(reason.contains("\"alice\""), "{reason}");
    let again = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!((again.waiting, again.restored), (waiting.waiting, 0));
    std::fs::write(&mark, &whole).unwrap();
    assert_eq!(b.beat(), Err(OutageReason::Restoration));
    // The host of the command is one of those that are waited for.
    let mark = a.files.top().join("fleet/records/626f62");
    let whole = std::fs::read(&mark).unwrap();
    std::fs::write(&mark, "damaged").unwrap();
    let own = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!((own.waiting.len(), own.restored), (1, 0));
    assert_eq!(own.failed[0].0, "bob");
    std::fs::write(&mark, &whole).unwrap();
    let done = a.after_restore(&[], MembershipRun::Apply);
    assert_eq!((done.waiting, done.restored), (vec![], 2));
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
    assert_eq!(a.shared_next("alice"), later);
}

/// The backup has the traces of the first restoration.
#[test]
fn a_fleet_is_restored_a_second_time() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    for (epoch, next) in [(2, 60_000_000_000), (3, 70_000_000_000)] {
        let backup = old_backup(&cluster, &format!("backup{epoch}"), (&a, &b));
        b.use_code("alice", next);
        cluster.restore_snapshot(&backup);
        assert_eq!(ended(&a, &b).epoch, epoch);
        assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
        assert_eq!(a.shared_next("alice"), next, "the used code stays used");
    }
    // A backup of the first epoch is older than what this host knows.
    let first = cluster.path("backup2");
    cluster.restore_snapshot(&first);
    assert_eq!(b.beat(), Err(OutageReason::OtherEpoch));
    let planned = a.after_restore(&[], MembershipRun::DryRun);
    assert_eq!((planned.epoch, planned.waiting.len()), (4, 1));
}

/// The numbers of the changes in the store begin again at those of the backup, and the service of a host stays the same.
#[test]
fn a_restored_store_is_mirrored_from_its_start() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = cluster.path("backup");
    cluster.take_snapshot(&backup);
    for _ in 0..60 {
        a.open();
    }
    assert_eq!(b.beat(), Ok(0));
    a.enroll("carol", 64003);
    cluster.restore_snapshot(&backup);
    assert_eq!(ended(&a, &b).restored, 2);
    assert_eq!(b.beat(), Ok(1), "carol was enrolled");
    assert!(b.record("carol").is_some());
    // The host of the command never had another epoch than the store.
    b.enroll("dora", 64004);
    assert_eq!(a.beat(), Ok(1));
}

/// It says how many hosts there were: the backup may know fewer.
#[test]
fn without_a_contact_unknown_hosts_are_waited_for() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    cluster.restore_snapshot(&backup);
    let state = a.files.top();
    FleetContact::remove(&state).unwrap();
    let waiting = a.after_restore(&[], MembershipRun::Apply).waiting;
    assert_eq!(waiting, [b.open_as_it_is().host_id(), "unknown"]);
    assert_eq!(b.beat(), Err(OutageReason::Restoration));
    let still = || a.after_restore(&[], MembershipRun::Apply).waiting;
    assert_eq!(still(), ["unknown"]);
    let note = state.join("fleet/contact");
    std::fs::write(&note, "damaged\n").unwrap();
    assert_eq!(still(), ["unknown"], "it makes no sense");
    let contact = FleetContact {
        met: 9,
        mirrored: 9,
        hosts: 2,
    };
    contact.write(&state).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(&note, open).unwrap();
    assert_eq!(still(), ["unknown"], "it is not root's alone");
    // What such hosts may have used is not usable.
    let done = a.after_restore(&["unknown"], MembershipRun::Apply);
    assert_eq!((done.waiting, done.restored), (vec![], 1));
    let next = REPORT.time / 30 + furthest_ahead(MAX_WINDOW) + 1;
    assert_eq!(a.shared_next("alice"), next);
}
