//! Users who were removed in the fleet, and are still there on a host that founds or joins it.

use super::test_hosts::{REPORT, TestHost, soon};
use harness::etcd::cluster::EtcdCluster;
use twofactor_fleet::factor_changes::factor_commit::CommitFault;
use twofactor_fleet::host_files::host_settings::HostSettings;
use twofactor_fleet::host_membership::fleet_membership::{LocalHost, MembershipRun};
use twofactor_fleet::host_membership::joining;
use twofactor_fleet::host_membership::membership_error::MembershipError;

impl TestHost {
    fn users_of_the_fleet(&self) -> usize {
        let view = self.open().view(&self.files.store(), &soon());
        view.unwrap().users
    }
}

fn refused(user: &str) -> MembershipError {
    MembershipError::User(user.to_owned(), CommitFault::Conflict)
}

#[test]
fn a_second_init_brings_no_removed_user_back() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = (TestHost::new(&cluster), TestHost::new(&cluster));
    a.enroll("alice", 64001);
    assert_eq!(a.init(MembershipRun::Apply), Ok(1));
    assert_eq!(b.join(&a, MembershipRun::Apply).unwrap().fetched, 1);
    b.store().discard("alice").unwrap();
    // The first host has not asked for changes since.
    assert_eq!(a.init(MembershipRun::Apply), Err(refused("alice")));
    assert_eq!(a.users_of_the_fleet(), 0);
    assert_eq!(a.mirror().changed, 1);
    assert!(a.record("alice").is_none());
    assert_eq!(a.init(MembershipRun::Apply), Ok(0));
}

/// Enrolled and removed there after it was looked at, and before it is brought.
#[test]
fn a_join_brings_no_removed_user_back() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = (TestHost::new(&cluster), TestHost::new(&cluster));
    assert_eq!(a.init(MembershipRun::Apply), Ok(0));
    b.enroll("alice", 64001);
    b.enroll("bob", 64002);
    let (store, state) = (b.files.store(), b.files.top());
    let local = LocalHost {
        store: &store,
        state: &state,
        report: REPORT,
    };
    let settings = HostSettings::load(&b.settings).unwrap();
    let joined = joining::join(
        local,
        &settings,
        &a.key(),
        MembershipRun::Apply,
        &|done, _| {
            if done == 1 {
                a.enroll("bob", 64002);
                a.store().discard("bob").unwrap();
            }
        },
    );
    assert_eq!(joined, Err(refused("bob")));
    assert_eq!(a.users_of_the_fleet(), 1);
}
