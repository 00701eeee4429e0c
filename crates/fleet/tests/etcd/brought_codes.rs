//! A host brings a record with a bypass code of that host alone, which it has from a fleet before: the store gets the rest.

use std::fs;

use super::restoring::uid_of;
use super::test_hosts::TestHost;
use harness::etcd::cluster::EtcdCluster;
use twofactor_core::recovery::{CodeScope, OneTimeCode};
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::mirror::mirror_marks::MirrorMarks;
use twofactor_store::testing;

const USER: &str = "alice";

impl TestHost {
    fn enroll_with_own_code(&self) {
        let account = testing::account(USER, uid_of(USER));
        let store = self.files.store();
        testing::enroll_devices(&store, &account, &[testing::phone()]);
        let mut locked = store.lock_for_change(&account).unwrap();
        let mut record = locked.record().unwrap().unwrap();
        let code = OneTimeCode::generate(u64::MAX).unwrap().0;
        record.bypass = Some(code.with_scope(CodeScope::ThisHost));
        locked.replace_record(&record, &[]).unwrap();
    }

    fn has_code(&self) -> bool {
        self.record(USER).unwrap().bypass.is_some()
    }

    fn known_revision(&self) -> u64 {
        let marks = MirrorMarks::open(&self.files.top().join("fleet")).unwrap();
        let here = self.record(USER);
        marks.revision_of(USER, here.as_ref()).unwrap()
    }
}

#[test]
fn a_founding_goes_on_with_a_code_of_its_host() {
    let cluster = EtcdCluster::start(&[]);
    let a = TestHost::new(&cluster);
    a.enroll_with_own_code();
    for _ in 0..2 {
        assert_eq!(a.init(MembershipRun::Apply), Ok(1));
        // By a backup of before this record is the newest, with the code as well.
        assert_eq!((a.has_code(), a.known_revision()), (true, 1));
    }
    assert_eq!(a.mirror().changed, 1);
    assert_eq!((a.has_code(), a.known_revision()), (false, 1));
}

/// Killed after the store got the record, and before anything was noted here.
#[test]
fn an_interrupted_join_goes_on_with_its_hosts_code() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = (TestHost::new(&cluster), TestHost::new(&cluster));
    assert_eq!(a.init(MembershipRun::Apply), Ok(0));
    b.enroll_with_own_code();
    let text = fs::read(b.files.record()).unwrap();
    assert_eq!(b.join(&a, MembershipRun::Apply).unwrap().brought, 1);
    assert!(!b.has_code());
    fs::write(b.files.record(), text).unwrap();
    fs::remove_dir_all(b.files.top().join("fleet/records")).unwrap();
    for run in [MembershipRun::DryRun, MembershipRun::Apply] {
        let joined = b.join(&a, run).unwrap();
        assert_eq!((joined.conflicts, joined.failed), (vec![], vec![]));
        assert_eq!((joined.same, joined.brought), (1, 0));
    }
    assert_eq!((b.has_code(), b.known_revision()), (false, 1));
}
