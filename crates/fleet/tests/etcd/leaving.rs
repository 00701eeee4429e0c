//! Hosts that leave their fleet, with its store and without.

use rustix::process::Signal;
use serde_json::json;

use super::test_hosts::{TestHost, founded, soon};
use harness::etcd::cluster::{EtcdCluster, MEMBERS};
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::host_membership::leaving;
use twofactor_fleet::host_membership::membership_error::MembershipError;
use twofactor_store::fleet_contact::FleetContact;

impl TestHost {
    pub fn leave(&self, run: MembershipRun) -> Result<(), MembershipError> {
        self.with_local(|local, settings| leaving::leave(local, settings, run))
    }

    fn remove_host(&self, id: &str, run: MembershipRun) -> Result<(), MembershipError> {
        self.with_local(|local, settings| leaving::remove_host(local, settings, id, run))
    }

    fn is_in_fleet(&self) -> bool {
        self.files.store().is_in_fleet().unwrap()
    }

    fn contact(&self) -> Option<FleetContact> {
        FleetContact::read(&self.files.top()).unwrap()
    }

    fn hosts_of_the_fleet(&self) -> usize {
        self.open().members(&soon()).unwrap().len()
    }
}

#[test]
fn a_host_leaves_with_its_users() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    // A user would pass here for one without a device.
    let refused = b.leave(MembershipRun::Apply).unwrap_err().to_string();
    assert!(refused.contains("alice"), "{refused}");
    assert_eq!(b.beat(), Ok(1));
    assert_eq!(b.leave(MembershipRun::DryRun), Ok(()));
    assert!(b.is_in_fleet() && b.contact().is_some());
    assert_eq!(b.leave(MembershipRun::Apply), Ok(()));
    assert!(!b.is_in_fleet());
    // In a fleet that it joins later it has met nothing yet.
    assert_eq!(b.contact(), None);
    b.files.store().discard("alice").unwrap();
    assert_eq!((a.mirror().changed, a.record("alice").is_some()), (0, true));
    assert_eq!(a.hosts_of_the_fleet(), 1);
}

#[test]
fn a_host_leaves_a_store_that_is_gone() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(1)));
    let signal = |signal| (0..MEMBERS).for_each(|number| cluster.signal(number, signal));
    signal(Signal::STOP);
    let left = |run| leaving::leave_without_store(&b.files.top(), run).unwrap();
    let id = left(MembershipRun::DryRun);
    assert!(b.is_in_fleet());
    assert_eq!(left(MembershipRun::Apply), id);
    assert!(!b.is_in_fleet() && b.contact().is_none() && b.record("alice").is_some());
    assert!(leaving::leave_without_store(&b.files.top(), MembershipRun::Apply).is_err());
    signal(Signal::CONT);
    // The fleet counts it until another host says otherwise.
    assert_eq!(a.hosts_of_the_fleet(), 2);
    assert_eq!(a.remove_host(&id, MembershipRun::DryRun), Ok(()));
    assert_eq!(a.hosts_of_the_fleet(), 2);
    for _ in 0..2 {
        assert_eq!(a.remove_host(&id, MembershipRun::Apply), Ok(()));
        assert_eq!(a.hosts_of_the_fleet(), 1);
    }
    let own = a.open().host_id().to_owned();
    for (id, reason) in [(own.as_str(), "that is this host"), ("web9-00", "no host")] {
        let refused = a.remove_host(id, MembershipRun::Apply).unwrap_err();
        assert!(refused.to_string().contains(reason), "{refused}");
    }
}

/// It was taken for lost, and is there.
#[test]
fn a_host_that_was_removed_is_in_an_outage() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
    let id = b.open().host_id().to_owned();
    assert_eq!(a.remove_host(&id, MembershipRun::Apply), Ok(()));
    assert_eq!(b.beat(), Err(OutageReason::HasLeft));
    // What has changed since does not come any more.
    a.enroll("alice", 64001);
    let refused = b.leave(MembershipRun::Apply).unwrap_err().to_string();
    assert!(
        refused.contains("alice") && refused.contains("--without-store"),
        "{refused}"
    );
    a.store().discard("alice").unwrap();
    assert_eq!(b.leave(MembershipRun::Apply), Ok(()));
    assert_eq!(b.join(&a, MembershipRun::Apply).unwrap().conflicts, vec![]);
    b.restart_service();
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(0)));
}

/// A host leaves while the store is gone, and another one takes it out when the store is back: by the command, as it was built.
#[test]
fn the_command_leaves_with_each_of_its_options() {
    let cluster = EtcdCluster::start(&[]);
    let (a, b) = founded(&cluster);
    a.enroll("alice", 64001);
    assert_eq!((a.beat(), b.beat()), (Ok(0), Ok(1)));
    let id = b.open().host_id().to_owned();
    let policy = |text: &str| std::fs::write(b.files.policy(), text).unwrap();
    let refused = |words: &[&str], exits, reason: &str| {
        let (code, told) = b.run(words);
        let message = told["error"]["message"].as_str().unwrap_or_default();
        assert!(code == Some(exits) && message.contains(reason), "{told}");
        assert!(b.is_in_fleet() && b.contact().is_some());
    };
    let leave = ["fleet", "leave", "--without-store"];
    policy("enabled = true\n[fleet]\nenabled = true\n");
    refused(&leave, 1, "the policy has the fleet enabled");
    policy("enabled = true\n");
    let (code, told) = b.run(&["fleet", "leave", "--without-store", "--host", &id]);
    assert_eq!(code, Some(2), "one of both is meant: {told}");
    let signal = |signal| (0..MEMBERS).for_each(|number| cluster.signal(number, signal));
    signal(Signal::STOP);
    refused(&["fleet", "leave"], 4, "does not answer");
    for (words, dry_run) in [
        (&[&leave[..], &["--dry-run"]].concat()[..], true),
        (&leave, false),
    ] {
        let (code, told) = b.run(words);
        assert_eq!(code, Some(0), "{told}");
        assert_eq!(
            (&told["host"], &told["dry_run"]),
            (&json!(id), &json!(dry_run))
        );
        assert_eq!(b.is_in_fleet(), dry_run);
    }
    assert!(b.contact().is_none() && b.record("alice").is_some());
    signal(Signal::CONT);
    cluster.until_healthy(Some(()));
    // What it does from now on it does alone.
    b.files.store().discard("alice").unwrap();
    assert_eq!((a.beat(), a.hosts_of_the_fleet()), (Ok(0), 2));
    for (words, hosts) in [
        (&["fleet", "leave", "--host", &id, "--dry-run"][..], 2),
        (&["fleet", "leave", "--host", &id], 1),
        (&["fleet", "leave", "--host", &id], 1),
    ] {
        let (code, told) = a.run(words);
        assert_eq!((code, &told["host"]), (Some(0), &json!(id)), "{told}");
        assert_eq!(a.hosts_of_the_fleet(), hosts, "{words:?}");
    }
    let own = a.open().host_id().to_owned();
    for (id, reason) in [(own.as_str(), "that is this host"), ("web9-00", "no host")] {
        let (code, told) = a.run(&["fleet", "leave", "--host", id]);
        let message = told["error"]["message"].as_str().unwrap_or_default();
        assert!(code == Some(1) && message.contains(reason), "{told}");
    }
    assert_eq!((a.beat(), a.record("alice").is_some()), (Ok(0), true));
    let (code, left) = a.run(&["fleet", "leave"]);
    assert_eq!(
        (code, left["key_file"].as_str()),
        (Some(0), a.key().to_str())
    );
    assert!(!a.is_in_fleet() && a.record("alice").is_some());
}
