//! The operations of root's command on a host of a fleet.

use super::test_hosts::{TestHost, founded, soon};
use harness::etcd::cluster::EtcdCluster;
use twofactor_core::account::Account;
use twofactor_core::policy::{Policy, ThrottlePolicy};
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::{CodeScope, OneTimeCode};
use twofactor_core::state::UserState;
use twofactor_fleet::factor_changes::factor_commit::CommitFault;
use twofactor_fleet::factor_changes::fleet_changes::FleetChanges;
use twofactor_fleet::factor_changes::relayed_factor::RelayedFactor;
use twofactor_fleet::host_files::host_file::FleetDirectory;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::mirror::mirror_marks::MirrorMarks;
use twofactor_store::attempt::{PushedStates, StatePush, push_outage};
use twofactor_store::operations::{self, RootChange, UserFactor};
use twofactor_store::sys::lock_heartbeat::{INTERVAL, LONGEST};
use twofactor_store::testing::{self, SilentLog};
use twofactor_store::{FactorStore, FileFault, ShareFault, SharedChange, SharedFactors as _};

const NOW: u64 = 2_000_000_000;

fn factor<'a>(store: &'a FactorStore, account: &'a Account) -> UserFactor<'a> {
    UserFactor {
        store,
        account,
        audit: &SilentLog,
    }
}

impl TestHost {
    /// Wrong codes that were counted on all hosts.
    fn count_failures(&self, user: &str, failures: u32) {
        let host = self.open();
        let step = |state: &UserState| UserState {
            failures,
            ..state.clone()
        };
        let change = SharedChange::State(&step);
        host.commit(user, &change, &soon()).unwrap();
    }

    fn failures(&self, user: &str) -> u32 {
        self.open().user_state(user, &soon()).unwrap().failures
    }
}

#[test]
fn an_unlock_on_one_host_counts_on_all() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    assert_eq!(b.mirror().changed, 1);
    a.count_failures("alice", 9);
    assert_eq!(b.failures("alice"), 9);
    let (store, alice) = (b.store(), testing::account("alice", 64001));
    let clock = (NOW, operations::ClockTrust::Right);
    operations::unlock(&factor(&store, &alice), &Policy::default(), clock).unwrap();
    assert_eq!(a.failures("alice"), 0);
}

/// A state that a host pushes is joined by the record of the fleet, whatever the host's copy says.
#[test]
fn a_pushed_state_follows_the_fleets_record() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    assert_eq!(b.mirror().changed, 1);
    let host = b.open();
    let step = |shared: &UserState, record: &UserRecord, _: u32| {
        assert_eq!(record.user, "alice");
        UserState {
            failures: 3,
            ..shared.clone()
        }
    };
    let push = StatePush {
        user: "alice",
        count: None,
        step: &step,
    };
    assert_eq!(host.merge_state(&push, &soon()), Ok(()));
    assert_eq!(a.failures("alice"), 3);
    a.store().discard("alice").unwrap();
    assert!(b.record("alice").is_some());
    let refused = host.merge_state(&push, &soon());
    assert_eq!(refused, Err(CommitFault::Conflict));
}

/// The host is killed once the store has it: its own file says that it is still to be pushed.
#[test]
fn an_outage_that_is_pushed_twice_counts_once() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    assert_eq!(b.mirror().changed, 1);
    a.count_failures("alice", 1);
    let (host, store) = (b.open(), b.files.store());
    let alice = testing::account("alice", 64001);
    let mut locked = store.lock(&alice).unwrap();
    let mut own = locked.state().clone();
    own.begin_outage(9);
    own.failures = 3;
    locked.write(own).unwrap();
    drop(locked);
    let pushed = |is_killed: bool| {
        let end = push_outage(&store, &alice, PushedStates::Marked, |push| {
            host.merge_state(push, &soon()).unwrap();
            if is_killed { Err(()) } else { Ok(()) }
        });
        (a.failures("alice"), end.unwrap())
    };
    assert_eq!(pushed(true), (4, Err(())));
    assert_eq!(pushed(true), (4, Err(())));
    assert_eq!(pushed(false), (4, Ok(true)));
    let own = store.lock(&alice).unwrap().state().clone();
    assert_eq!((own.outage_mark(), own.failures), (None, 4));
}

#[test]
fn codes_made_on_one_host_are_there_on_the_others() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    assert_eq!(b.mirror().changed, 1);
    let alice = testing::account("alice", 64001);
    let (on_a, on_b) = (a.store(), b.store());
    let bypass = |store: &FactorStore| {
        let throttle = ThrottlePolicy::default();
        let scope = CodeScope::Login;
        operations::issue_bypass(&factor(store, &alice), scope, &throttle, NOW + 60, NOW)
    };
    let issued = bypass(&on_a).map(drop);
    assert!(issued.is_ok(), "{issued:?}");
    // Its record is older than that of the fleet: nothing is overwritten.
    let codes = operations::new_recovery_codes(&factor(&on_b, &alice), NOW, &mut RootChange);
    let refused = codes.map(drop).unwrap_err().to_string();
    assert!(
        refused.contains("has another record of this user"),
        "{refused}"
    );
    assert_eq!(b.mirror().changed, 1);
    assert!(b.record("alice").unwrap().bypass.is_some());
    let codes = operations::new_recovery_codes(&factor(&on_b, &alice), NOW, &mut RootChange);
    assert_eq!(codes.unwrap().len(), 10);
    assert_eq!(a.mirror().changed, 1);
    let (here, there) = (a.record("alice").unwrap(), b.record("alice").unwrap());
    assert_eq!(*here.to_toml(), *there.to_toml());
    operations::remove_all(
        &factor(&on_a, &alice),
        &[testing::phone().id],
        &mut RootChange,
    )
    .unwrap();
    assert_eq!(
        (b.mirror().changed, b.record("alice").is_some()),
        (1, false)
    );
}

/// While another process holds the files of the fleet a change is not begun, and its end is told while the holder of the user's lock
/// still shows that it moves.
#[test]
fn a_change_at_a_busy_lock_ends_while_its_user_waits() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    let lock = FleetDirectory::open(&a.files.top()).unwrap();
    let lock = lock.lock().unwrap();
    let fleet = FleetChanges::new(&a.settings, &a.files.top());
    let (mut signs, change) = (0, SharedChange::Remove { old: None });
    let refused = fleet.commit("alice", &change, &mut || signs += 1);
    let Err(ShareFault::NotMade(text)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        text.ends_with("is locked by another process; try again; nothing was changed"),
        "{text}"
    );
    let all = LONGEST.as_millis() / INTERVAL.as_millis();
    assert!(signs <= all / 2, "{signs} of {all}");
    drop(lock);
    assert_eq!(b.mirror().changed, 1);
    assert!(b.record("alice").is_some());
    assert_eq!(fleet.commit("alice", &change, &mut || ()), Ok(()));
    assert_eq!(b.mirror().changed, 1);
    assert!(b.record("alice").is_none());
}

/// A record of a fleet has one name on all hosts.
#[test]
fn a_record_of_a_fleet_is_not_moved() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = founded(&cluster);
    a.enroll("alice", 64001);
    let refused = a
        .store()
        .relocate("alice", &testing::account("anna", 64001));
    assert!(matches!(refused.unwrap_err().cause, FileFault::Fleet(_)));
    assert!(a.record("alice").is_some());
}

/// A record with a bypass code of one host, as a host has it that left a fleet while it was cut off.
fn with_code_of_one_host(user: &str) -> UserRecord {
    let account = testing::account(user, 64001);
    let mut record = testing::record_of(&account, &[testing::phone()]);
    let code = OneTimeCode::generate(NOW + 60).unwrap().0;
    record.bypass = Some(code.with_scope(CodeScope::ThisHost));
    record
}

/// A record with such a code is none that the store has. One that was brought is as new as the record in the store, though: a
/// restored backup has none that is newer. No code is judged by it as by the newest one, since it has a code of its host.
#[test]
fn a_host_to_which_a_code_was_brought_is_marked() {
    let cluster = EtcdCluster::start(&[]);
    let a = TestHost::new(&cluster);
    let (alice, bob) = (with_code_of_one_host("alice"), with_code_of_one_host("bob"));
    let entries = [testing::fresh(&testing::phone())];
    let account = testing::account("alice", 64001);
    let files = a.files.store();
    let mut locked = files.lock_for_change(&account).unwrap();
    locked.replace_record(&alice, &entries).unwrap();
    drop(locked);
    assert_eq!(a.init(MembershipRun::Apply), Ok(1));
    let host = a.open();
    // Also where such a record comes by the service, or is changed by root's command.
    let state = UserState {
        devices: entries.to_vec(),
        ..UserState::new(64001)
    };
    let relayed = RelayedFactor {
        user: "bob",
        uid: 64001,
        base: None,
        next: Some((&bob, &state)),
    };
    host.relay(&relayed, &soon()).unwrap();
    let carol = with_code_of_one_host("carol");
    let change = SharedChange::Put {
        old: None,
        record: &carol,
        local: &state,
    };
    let fleet = FleetChanges::new(&a.settings, &a.files.top());
    assert_eq!(fleet.commit("carol", &change, &mut || ()), Ok(()));
    let marks = MirrorMarks::open(&a.files.top().join("fleet")).unwrap();
    for (record, known) in [(alice, 1), (bob, 0), (carol, 0)] {
        let revision_of =
            |record: &UserRecord| marks.revision_of(&record.user, Some(record)).unwrap();
        assert_eq!(revision_of(&record), known, "{}", record.user);
        let mut shared = record.clone();
        shared.bypass = None;
        assert_eq!(revision_of(&shared), 1, "{}", record.user);
    }
}
