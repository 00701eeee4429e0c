//! The steps that tests of restorations have in common.

use std::path::PathBuf;

use super::test_hosts::{TestHost, founded, soon};
use harness::etcd::cluster::EtcdCluster;
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::restored_store::store_restoration::{self, RestorationReport};
use twofactor_fleet::sealed_values::shared_state::SharedState;
use twofactor_fleet::sealed_values::store_key::StoreKey;
use twofactor_store::testing;

/// The uid of a user on all hosts.
pub fn uid_of(user: &str) -> u32 {
    64_001 + u32::from(user.as_bytes()[0] - b'a')
}

impl TestHost {
    pub fn after_restore(&self, without: &[&str], run: MembershipRun) -> RestorationReport {
        let without: Vec<String> = without.iter().map(ToString::to_string).collect();
        let restored = self.with_local(|local, settings| {
            store_restoration::after_restore(local, settings, &without, (run, 1), &|_, _| ())
        });
        restored.unwrap()
    }

    pub fn beat(&self) -> Result<usize, OutageReason> {
        let report = self.beat_of_service()?;
        assert_eq!(report.failed, vec![]);
        Ok(report.changed)
    }

    /// A code is used on this host: the file says so.
    pub fn use_code(&self, user: &str, next: u64) {
        let store = self.files.store();
        let account = testing::account(user, uid_of(user));
        let mut locked = store.lock(&account).unwrap();
        let mut state = locked.state().clone();
        state.device_mut(testing::phone().id).unwrap().next = next;
        locked.write(state).unwrap();
        locked.flush().unwrap();
    }

    pub fn shared_next(&self, user: &str) -> u64 {
        let host = self.open();
        let shared = host.user_state(user, &soon()).unwrap();
        shared.device(testing::phone().id).unwrap().next
    }

    /// The epoch of a user's state in the store.
    pub fn epoch_of(&self, user: &str) -> u64 {
        let (host, key) = (self.open_as_it_is(), StoreKey::state(user));
        let values = host.gateway().values(std::slice::from_ref(&key), &soon());
        let sealed = values.unwrap().remove(0).1.unwrap();
        let plain = host.key().open(&key, &sealed).unwrap();
        SharedState::decode(&plain).unwrap().epoch
    }

    /// Enrolls users, with the uids that they have on all hosts.
    pub fn enroll_all(&self, users: &[&str]) {
        users
            .iter()
            .for_each(|user| self.enroll(user, uid_of(user)));
    }
}

/// Two hosts that have met the store with these users in it.
pub fn met_with(cluster: &EtcdCluster, users: &[&str]) -> (TestHost, TestHost) {
    let (a, b) = founded(cluster);
    a.enroll_all(users);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(users.len())));
    (a, b)
}

/// A backup, since which both hosts have written numbers.
pub fn old_backup(cluster: &EtcdCluster, name: &str, hosts: (&TestHost, &TestHost)) -> PathBuf {
    let backup = cluster.path(name);
    cluster.take_snapshot(&backup);
    assert_eq!((hosts.0.beat(), hosts.1.beat()), (Ok(0), Ok(0)));
    backup
}

/// Begins a restoration: one host is waited for, which takes part.
pub fn begun(on: &TestHost, other: &TestHost) -> RestorationReport {
    let begun = on.after_restore(&[], MembershipRun::Apply);
    assert_eq!((begun.waiting.len(), begun.restored), (1, 0));
    assert_eq!(other.beat(), Err(OutageReason::Restoration));
    begun
}

/// A whole restoration of two hosts.
pub fn ended(on: &TestHost, other: &TestHost) -> RestorationReport {
    let begun = begun(on, other);
    let done = on.after_restore(&[], MembershipRun::Apply);
    assert_eq!((done.epoch, &done.waiting), (begun.epoch, &vec![]));
    done
}

/// A whole restoration, in which the other host is left out.
pub fn ended_without_other(on: &TestHost) -> RestorationReport {
    let lost = on.after_restore(&[], MembershipRun::Apply).waiting;
    let done = on.after_restore(&[&lost[0]], MembershipRun::Apply);
    assert_eq!(done.waiting, Vec::<String>::new());
    done
}
