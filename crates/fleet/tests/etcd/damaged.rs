//! Values of one user that no host can use: they stop nothing else, pass for no user without a device, and root gets rid of them.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use twofactor_core::account::Account;
use twofactor_core::policy::ThrottlePolicy;
use twofactor_core::recovery::CodeScope;
use twofactor_core::state::UserState;
use twofactor_fleet::etcd::etcd_gateway::TimeLeft as _;
use twofactor_fleet::etcd::gateway_fault::GatewayFault;
use twofactor_fleet::etcd::store_values::ChangeAnswer;
use twofactor_fleet::factor_changes::factor_commit::CommitFault;
use twofactor_fleet::factor_changes::relayed_factor::RelayedFactor;
use twofactor_fleet::host::fleet_host::FleetHost;
use twofactor_fleet::host::fleet_view::DamageKind;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::sealed_values::store_key::StoreKey;
use twofactor_store::attempt::{AttemptFailure, OutageRefusal};
use twofactor_store::operations::{self, ChangeError, RootChange, UserFactor};
use twofactor_store::testing::{self, SilentLog};

use super::restoring::{ended, met_with, old_backup, uid_of};
use super::test_hosts::{REPORT, TestHost, soon};
use super::versions::{ACCOUNT, unenrolled};
use harness::etcd::cluster::EtcdCluster;

/// Puts something that no key opens in the place of a value.
pub fn damage(host: &FleetHost, key: &StoreKey) {
    put(host, key, b"damaged");
}

/// Puts a value there, as one does who has no key.
pub fn put(host: &FleetHost, key: &StoreKey, value: &[u8]) {
    let writes = [(key.clone(), value.to_vec())];
    let end = soon();
    loop {
        match host.gateway().change(&[], &writes, &end) {
            Ok(ChangeAnswer::Done) => return,
            // It may be done, and is done once more.
            Err(GatewayFault::Unknown(_)) if !end.left().is_zero() => {}
            other => panic!("{other:?}"),
        }
    }
}

pub fn value(host: &FleetHost, key: &StoreKey) -> Option<Vec<u8>> {
    let values = host.gateway().values(std::slice::from_ref(key), &soon());
    values.unwrap().remove(0).1
}

fn account(user: &str) -> Account {
    testing::account(user, uid_of(user))
}

/// `twofactor bypass USER`, for all hosts.
pub fn bypass(host: &TestHost, user: &str) -> Result<(), ChangeError> {
    let store = host.store();
    let factor = UserFactor {
        store: &store,
        account: &account(user),
        audit: &SilentLog,
    };
    let (throttle, now) = (ThrottlePolicy::default(), 2_000_000_000);
    let scope = CodeScope::Login;
    operations::issue_bypass(&factor, scope, &throttle, now + 60, now).map(drop)
}

/// A change that root does not make.
fn relayed(host: &FleetHost, files: &TestHost, user: &str) -> Result<(), CommitFault> {
    let record = files.record(user).unwrap();
    let next = testing::record_of(&account(user), &[testing::token()]);
    let state = UserState {
        devices: vec![testing::fresh(&testing::token())],
        ..UserState::new(uid_of(user))
    };
    let change = RelayedFactor {
        user,
        uid: uid_of(user),
        base: Some(record.digest()),
        next: Some((&next, &state)),
    };
    host.relay(&change, &soon())
}

#[test]
fn root_gets_rid_of_damaged_values() {
    let cluster = EtcdCluster::start(&[]);
    let users = ["alice", "bob", "carol", "dora", "erin"];
    let (a, b) = met_with(&cluster, &users);
    // So that revisions are no first ones.
    for user in users {
        bypass(&a, user).unwrap();
    }
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(5)));
    let host = a.open();
    let (record, state) = (StoreKey::record, StoreKey::state);
    for key in [
        record("alice"),
        state("bob"),
        record("carol"),
        state("carol"),
    ] {
        damage(&host, &key);
    }
    for key in [state("dora"), record("erin")] {
        let deleted = cluster.etcdctl(&["del", &key.to_string()], true);
        assert!(deleted.status.success(), "{deleted:?}");
    }
    let view = host.view(&a.files.store(), &soon()).unwrap();
    let kinds = [
        DamageKind::Record(2),
        DamageKind::State,
        DamageKind::Both,
        DamageKind::State,
    ];
    let damaged: Vec<_> = view.damaged.iter().map(|it| it.kind).collect();
    assert_eq!(damaged, kinds);
    let (code, status) = a.run(&["fleet", "status"]);
    assert_eq!((code, &status["damaged"]), (Some(0), &json!(users[..4])));
    for user in users {
        let keys = [record(user), state(user)];
        let before = keys.each_ref().map(|key| value(&host, key));
        let refused = relayed(&a.open(), &a, user);
        assert!(
            matches!(&refused, Err(CommitFault::Outage(reason)) if reason.is_of_value()),
            "{user}: {refused:?}"
        );
        assert_eq!(
            keys.each_ref().map(|key| value(&host, key)),
            before,
            "{user}"
        );
        // The copies stay, and no user passes for one without a device.
        b.beat_of_service().unwrap();
        assert!(b.record(user).is_some(), "{user}");
        a.store().discard(user).unwrap();
        assert!(b.beat_of_service().unwrap().changed > 0, "{user}");
        assert!(b.record(user).is_none(), "{user}");
        b.enroll(user, uid_of(user));
        assert!(a.beat_of_service().unwrap().changed > 0, "{user}");
        assert!(a.record(user).is_some(), "{user}");
    }
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
    assert_eq!(
        host.view(&a.files.store(), &soon()).unwrap().damaged,
        vec![]
    );
}

/// By the state it is known whose copy of the record is the newest one.
#[test]
fn a_damaged_record_is_replaced_by_the_newest_copy() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob"]);
    let host = a.open();
    bypass(&a, "alice").unwrap();
    damage(&host, &StoreKey::record("alice"));
    let refused = bypass(&b, "alice").unwrap_err().to_string();
    assert!(refused.contains("not sealed with the key"), "{refused}");
    assert_eq!(bypass(&a, "alice"), Ok(()));
    assert_eq!(b.beat(), Ok(1));
    let text = |host: &TestHost| host.record("alice").unwrap().to_toml().to_string();
    assert_eq!(text(&a), text(&b));
    // Of a state that is lost, which codes were used is lost too.
    damage(&host, &StoreKey::state("bob"));
    let store = a.store();
    let factor = UserFactor {
        store: &store,
        account: &account("bob"),
        audit: &SilentLog,
    };
    assert!(bypass(&a, "bob").is_err());
    assert!(operations::new_recovery_codes(&factor, 1, &mut RootChange).is_err());
}

/// In a store that works, each other user has a code of all hosts.
#[test]
fn a_user_with_a_damaged_state_has_a_code_of_one_host() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob"]);
    damage(&a.open(), &StoreKey::state("alice"));
    assert!(b.bypass_here("alice").is_ok());
    let refused = b.bypass_here("bob").unwrap_err().to_string();
    assert!(refused.contains("can be used"), "{refused}");
    assert!(b.record("alice").unwrap().bypass.is_some());
    assert!(b.record("bob").unwrap().bypass.is_none());
}

/// A command holds the lock of the fleet's files for long, and the service writes numbers meanwhile.
#[test]
fn a_code_of_one_host_waits_for_no_lock() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = met_with(&cluster, &["alice", "bob"]);
    let host = a.open();
    damage(&host, &StoreKey::state("alice"));
    let is_refused = || {
        let refused = a.bypass_here("bob").unwrap_err().to_string();
        assert!(refused.contains("can be used"), "{refused}");
    };
    let lock = host.directory().lock().unwrap();
    is_refused();
    assert!(a.bypass_here("alice").is_ok());
    drop(lock);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                host.beat_now(REPORT, &soon()).unwrap();
            }
        });
        (0..10).for_each(|_| is_refused());
        is_over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn damaged_values_stop_no_new_key_and_no_join() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob"]);
    let (user, uid) = ACCOUNT;
    a.enroll(user, uid);
    assert_eq!(b.beat(), Ok(1));
    let keys = [StoreKey::record(user), StoreKey::state("alice")];
    for key in &keys {
        damage(&a.open(), key);
    }
    let (code, rotated) = a.run(&["fleet", "rotate-key"]);
    let names = keys.each_ref().map(ToString::to_string);
    assert_eq!(
        (code, &rotated["damaged"]),
        (Some(0), &json!(names)),
        "{rotated}"
    );
    a.restart_service();
    assert_eq!(a.beat_of_service().unwrap().failed.len(), 2);
    let c = TestHost::new(&cluster);
    for host in [&b, &c] {
        for run in [MembershipRun::DryRun, MembershipRun::Apply] {
            let joined = host.join(&a, run).unwrap();
            assert_eq!(joined.conflicts, vec![]);
            assert_eq!(joined.host.is_empty(), run == MembershipRun::DryRun);
            let mut failed: Vec<_> = joined
                .failed
                .iter()
                .map(|(user, _)| user.as_str())
                .collect();
            failed.sort_unstable();
            match run {
                MembershipRun::DryRun => assert_eq!(failed, [user]),
                MembershipRun::Apply => assert_eq!(failed, ["alice", user]),
            }
        }
        host.restart_service();
        host.beat_of_service().unwrap();
        assert!(host.record("bob").is_some());
    }
    assert!(b.record(user).is_some() && b.record("alice").is_some());
    // The host without a copy refuses the user, and does not leave: there the user would be one without a device.
    let refused = Err(AttemptFailure::Outage(OutageRefusal::Unmirrored));
    assert_eq!(unenrolled(&c, user, "sshd"), refused);
    let (code, left) = c.run(&["fleet", "leave"]);
    assert_eq!(code, Some(1), "{left}");
    // From there, too, root gets rid of it.
    std::fs::write(c.files.policy(), "enabled = true\n").unwrap();
    let (code, planned) = c.run(&["unset", user, "--dry-run"]);
    assert_eq!(code, Some(0), "{planned}");
    assert!(planned["next_login"].is_string(), "{planned}");
    let (code, removed) = c.run(&["unset", user]);
    assert_eq!(code, Some(0), "{removed}");
    a.store().discard("alice").unwrap();
    assert!(c.beat_of_service().unwrap().is_whole);
    assert_eq!(unenrolled(&c, user, "sshd"), Ok(()));
    assert!(b.beat_of_service().unwrap().changed > 0);
    assert!(b.record(user).is_none());
}

#[test]
fn a_damaged_entry_of_a_host_stops_no_other() {
    let mut cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let (host, other) = (a.open(), b.open());
    let notes = [&host, &other].map(|it| StoreKey::restored(it.host_id()));
    for key in &notes {
        damage(&host, key);
    }
    let backup = old_backup(&cluster, "backup", (&a, &b));
    cluster.restore_snapshot(&backup);
    ended(&a, &b);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
    damage(&host, other.host_key());
    assert_eq!(a.beat(), Ok(0));
    let (code, status) = a.run(&["fleet", "status"]);
    assert_eq!(
        (code, status["hosts"].as_array().unwrap().len()),
        (Some(0), 2)
    );
    let (code, rotated) = a.run(&["fleet", "rotate-key"]);
    let name = other.host_key().to_string();
    assert_eq!(
        (code, &rotated["damaged"]),
        (Some(0), &json!([name])),
        "{rotated}"
    );
    let (code, left) = a.run(&["fleet", "leave", "--host", other.host_id()]);
    assert_eq!(code, Some(0), "{left}");
    let (_, status) = a.run(&["fleet", "status"]);
    assert_eq!(status["hosts"].as_array().unwrap().len(), 1, "{status}");
}
