//! Hosts whose copies of a damaged record are not the newest ones: none of them passes for the record of the fleet.

use serde_json::Value;

use super::damaged::{bypass, damage, put, value};
use super::fleet::{RoundEnd, RoundJudge};
use super::restoring::{ended, met_with, old_backup, uid_of};
use super::test_hosts::{TestHost, founded, soon};
use super::versions::{ACCOUNT, unenrolled};
use harness::etcd::cluster::EtcdCluster;
use twofactor_fleet::attempt_steps::fleet_run;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::attempt_steps::shared_attempt::FleetAttempt;
use twofactor_fleet::etcd::gateway_message::AttemptKeys;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::mirror::mirror_marks::MirrorMarks;
use twofactor_fleet::sealed_values::attempt_id::AttemptId;
use twofactor_fleet::sealed_values::store_key::StoreKey;
use twofactor_store::UnmirroredUsers;
use twofactor_store::attempt::{AttemptFailure, OutageRefusal};

/// The backup knows the phone of alice, who was removed since. Neither its record nor its state tells that.
#[test]
fn a_restoration_brings_no_removed_device_back() {
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

/// A wrong code, judged by the record of a host.
fn types_wrong_code(host: &TestHost, user: &str) -> Result<RoundEnd, OutageReason> {
    let fleet = host.open();
    let keys = AttemptKeys {
        meta: StoreKey::meta(),
        host: fleet.host_key().clone(),
        state: StoreKey::state(user),
        record: StoreKey::record(user),
    };
    let marks = MirrorMarks::open(fleet.directory().path()).unwrap();
    let here = host.record(user);
    let judge = RoundJudge {
        round: None,
        record: marks.revision_of(user, here.as_ref()).unwrap(),
    };
    let places = (keys.state.clone(), keys.host.clone());
    let id = AttemptId::random().unwrap();
    let mut attempt = FleetAttempt::new(id, fleet.key(), places, &fleet, judge);
    fleet_run::run(fleet.gateway(), &keys, &mut attempt, &soon())
}

/// With it, the host that has the older copy would write that into the store at root's next change.
#[test]
fn a_login_brings_no_damaged_record_into_a_new_epoch() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let backup = old_backup(&cluster, "backup", (&a, &b));
    a.store().discard("alice").unwrap();
    cluster.restore_snapshot(&backup);
    let (host, key) = (a.open_as_it_is(), StoreKey::record("alice"));
    let whole = value(&host, &key).unwrap();
    damage(&host, &key);
    ended(&a, &b);
    b.beat_of_service().unwrap();
    let refused = types_wrong_code(&b, "alice").unwrap_err();
    assert!(matches!(refused, OutageReason::UserSeal(_)), "{refused}");
    assert_eq!(b.epoch_of("alice"), 0);
    let refused = bypass(&b, "alice").unwrap_err().to_string();
    assert!(refused.contains("not sealed with the key"), "{refused}");
    // No code of hers can be judged by the store.
    assert!(b.bypass_here("alice").is_ok());
    put(&host, &key, &whole);
    assert_eq!(types_wrong_code(&b, "alice"), Ok(RoundEnd::Wrong));
    assert_eq!(b.epoch_of("alice"), 2);
}

/// A host that is behind has no newer copy than the state tells of, and one that leaves would keep what was removed.
#[test]
fn an_older_copy_of_a_damaged_record_keeps_its_host() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob"]);
    bypass(&a, "alice").unwrap();
    damage(&a.open(), &StoreKey::record("alice"));
    for run in [MembershipRun::DryRun, MembershipRun::Apply] {
        let refused = b.leave(run).unwrap_err().to_string();
        assert!(refused.contains("alice"), "{refused}");
    }
    assert!(b.files.store().is_in_fleet().unwrap());
    // Of a state that is damaged no host knows whose copy is the newest, where the record is damaged too.
    damage(&a.open(), &StoreKey::record("bob"));
    damage(&a.open(), &StoreKey::state("bob"));
    let refused = a.leave(MembershipRun::DryRun).unwrap_err().to_string();
    assert!(refused.contains("bob"), "{refused}");
    a.store().discard("bob").unwrap();
    assert_eq!(a.leave(MembershipRun::Apply), Ok(()));
}

/// Her record file is lost on one host, which notes that it could not put it in place.
#[test]
fn leftovers_of_one_host_are_removed_there_alone() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    // Such a note is made for users with an account alone.
    let (user, uid) = ACCOUNT;
    a.enroll(user, uid);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(1)));
    let store = b.files.store();
    std::fs::remove_file(store.record_path(user)).unwrap();
    b.restart_service();
    b.beat_of_service().unwrap();
    assert!(store.has_traces(user).unwrap());
    assert!(store.is_unmirrored(user).unwrap());
    let (code, removed) = b.run(&["unset", user]);
    assert_eq!((code, &removed["next_login"]), (Some(0), &Value::Null));
    assert!(!store.has_traces(user).unwrap());
    assert_eq!(a.beat(), Ok(0));
    assert!(a.record(user).is_some());
    assert_eq!(b.beat(), Ok(1));
    assert!(b.record(user).is_some());
    assert!(!store.is_unmirrored(user).unwrap());
}

/// The service, which goes on, looks at no record that has not changed: without a note the user would have no device here until it ends.
#[test]
fn a_user_whose_leftovers_are_removed_is_refused() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    let (user, uid) = ACCOUNT;
    a.enroll(user, uid);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(1)));
    let store = b.files.store();
    std::fs::remove_file(store.record_path(user)).unwrap();
    assert_eq!(b.beat(), Ok(0));
    let (code, removed) = b.run(&["unset", user]);
    assert_eq!((code, &removed["next_login"]), (Some(0), &Value::Null));
    assert!(!store.has_traces(user).unwrap());
    let refused = Err(AttemptFailure::Outage(OutageRefusal::Unmirrored));
    assert_eq!(unenrolled(&b, user, "sshd"), refused);
    assert_eq!(unenrolled(&b, "alice", "sshd"), Ok(()));
    assert_eq!(b.beat(), Ok(1));
    assert!(b.record(user).is_some());
    assert!(!store.is_unmirrored(user).unwrap());
    // The fleet never had this user, so none is waited for.
    b.files.store().discard("alice").unwrap();
    assert!(!store.is_unmirrored("alice").unwrap());
}

/// The fleet's values of a user can be used on the other hosts.
#[test]
fn a_user_that_one_host_lacks_is_not_removed_by_it() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    b.restart_service();
    let store = b.files.store();
    std::fs::remove_file(store.record_path("alice")).unwrap();
    std::fs::remove_file(b.files.top().join("state/alice")).unwrap();
    std::fs::remove_file(b.files.top().join("users/+64001")).unwrap();
    UnmirroredUsers::open(&b.files.top().join("fleet"))
        .and_then(|notes| notes.note("alice"))
        .unwrap();
    let refused = b.store().discard("alice").unwrap_err().to_string();
    assert!(refused.contains("can be used"), "{refused}");
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(1)));
    assert!(a.record("alice").is_some() && b.record("alice").is_some());
}

/// Neither value is left to tell how new the record was.
#[test]
fn a_removal_in_an_empty_place_is_the_newest_copy() {
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
