//! A fleet with a new key, and the hosts that join it once more.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::restoring::{met_with, uid_of};
use super::test_hosts::{TestHost, soon};
use harness::etcd::cluster::EtcdCluster;
use twofactor_core::policy::ThrottlePolicy;
use twofactor_core::recovery::CodeScope;
use twofactor_fleet::factor_changes::fleet_changes::FleetChanges;
use twofactor_fleet::host_files::key_file::KeyFile;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::host_membership::key_rotation;
use twofactor_fleet::sealed_values::store_key::StoreKey;
use twofactor_store::operations::{self, ChangeError, UserFactor};
use twofactor_store::testing::{self, SilentLog};

const NOW: u64 = 2_000_000_000;
/// Longest time of a request, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

impl TestHost {
    /// A new key for the fleet.
    fn rotate(&self) {
        let rotated = self.with_local(|local, settings| {
            key_rotation::rotate(local, settings, MembershipRun::Apply, &|_, _| ())
        });
        rotated.unwrap();
        self.restart_service();
    }

    /// `twofactor bypass USER --this-host`.
    pub fn bypass_here(&self, user: &str) -> Result<(), ChangeError> {
        let fleet = FleetChanges::on_this_host(&self.settings, &self.files.top());
        let store = self.files.store().with_fleet(Arc::new(fleet));
        let factor = UserFactor {
            store: &store,
            account: &testing::account(user, uid_of(user)),
            audit: &SilentLog,
        };
        let (throttle, scope) = (ThrottlePolicy::default(), CodeScope::ThisHost);
        operations::issue_bypass(&factor, scope, &throttle, NOW + 60, NOW).map(drop)
    }

    fn text(&self, user: &str) -> Option<String> {
        self.record(user).map(|record| record.to_toml().to_string())
    }
}

/// Nothing of a host that is only behind is a conflict: it cannot be removed there, and the fleet's wins.
#[test]
fn a_host_that_was_cut_off_joins_with_its_copies() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice", "bob", "carol"]);
    a.rotate();
    b.bypass_here("alice").unwrap();
    assert_ne!(a.text("alice"), b.text("alice"));
    b.use_code("alice", 60_000_000_000);
    // What changed meanwhile.
    let bob = testing::account("bob", uid_of("bob"));
    let (store, root) = (a.store(), &mut operations::RootChange);
    let factor = UserFactor {
        store: &store,
        account: &bob,
        audit: &SilentLog,
    };
    operations::new_recovery_codes(&factor, NOW, root).unwrap();
    a.store().discard("carol").unwrap();
    for run in [MembershipRun::DryRun, MembershipRun::Apply] {
        let joined = b.join(&a, run).unwrap();
        assert_eq!((joined.fetched, joined.same, joined.brought), (3, 0, 0));
        assert_eq!((joined.conflicts, joined.failed), (vec![], vec![]));
    }
    for user in ["alice", "bob", "carol"] {
        assert_eq!(a.text(user), b.text(user), "{user}");
    }
    assert!(b.record("alice").unwrap().bypass.is_none() && b.record("carol").is_none());
    // The state of this host knows what was used here.
    let alice = testing::account("alice", uid_of("alice"));
    let state = b.files.store().peek(&alice).unwrap().unwrap();
    assert_eq!(
        state.device(testing::phone().id).unwrap().next,
        60_000_000_000
    );
    b.restart_service();
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
}

/// A call that was interrupted leaves a host in the fleet with records that the fleet never had.
#[test]
fn a_record_that_is_no_copy_is_a_conflict_still() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = met_with(&cluster, &["alice"]);
    let place = b.files.top().join("fleet/host");
    let aside = b.files.top().join("fleet/aside");
    fs::rename(&place, &aside).unwrap();
    let account = testing::account("bob", uid_of("bob"));
    testing::enroll_devices(&b.files.store(), &account, &[testing::token()]);
    fs::rename(&aside, &place).unwrap();
    a.enroll("bob", uid_of("bob"));
    let refused = b.join(&a, MembershipRun::Apply).unwrap();
    assert_eq!(refused.conflicts.len(), 1);
    assert_eq!(refused.conflicts[0].0, "bob");
    assert_eq!(b.record("bob").unwrap().devices[0].id, testing::token().id);
}

/// A code of one host would end with the rotation, which goes on within a moment, or by the command.
#[test]
fn no_bypass_of_one_host_is_made_beside_a_rotation() {
    let cluster = EtcdCluster::start(&[]);
    let (a, _b) = met_with(&cluster, &["alice"]);
    let keys = KeyFile::load(&a.key()).unwrap();
    let begun = KeyFile {
        fleet: keys.fleet,
        key: KeyFile::generate(&a.key()).unwrap().key,
        old: Some(keys.key),
    };
    begun.write(&a.key()).unwrap();
    let refused = || a.bypass_here("alice").unwrap_err().to_string();
    assert!(refused().contains("fleet rotate-key"), "{}", refused());
    // The entry of the fleet comes first.
    let (host, meta) = (cluster.gateway(LIMIT), StoreKey::meta());
    let base = host.values(std::slice::from_ref(&meta), &soon()).unwrap();
    let plain = begun.old.as_ref().unwrap();
    let plain = plain.open(&meta, base[0].1.as_deref().unwrap()).unwrap();
    let anew = begun.key.seal(&meta, &plain).unwrap();
    host.change(&base, &[(meta, anew)], &soon()).unwrap();
    assert!(refused().contains("fleet rotate-key"), "{}", refused());
    // Without the store nothing goes on.
    let settings = fs::read_to_string(&a.settings).unwrap();
    let away = settings.replace("https://127.0.0.1:", "https://127.0.0.9:");
    fs::write(&a.settings, away).unwrap();
    a.bypass_here("alice").unwrap();
    fs::write(&a.settings, settings).unwrap();
    a.rotate();
    assert_eq!(a.beat(), Ok(1), "the code of one host ends");
}
