//! Each way in which the store can fail, on a real cluster.

use std::time::Duration;

use super::fleet::{RoundEnd, TestFleet};
use harness::etcd::certificates;
use harness::etcd::cluster::{EtcdCluster, MEMBERS};
use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::etcd::gateway_fault::GatewayFault;
use twofactor_fleet::host_files::host_settings;

/// Time of an attempt that ends in an outage.
const SHORT: Duration = Duration::from_secs(2);
/// Time of one that has to succeed.
const LONG: Duration = Duration::from_secs(30);
/// Longest time of one request.
const REQUEST: Duration = Duration::from_millis(1500);

fn enrolled(cluster: &EtcdCluster) -> TestFleet {
    let fleet = TestFleet::new(cluster);
    fleet.enroll("alice");
    fleet
}

fn accepts(fleet: &TestFleet, round: u32) {
    let ended = fleet.attempt("alice", 0, Some(round), LONG);
    assert_eq!(ended.unwrap().1, RoundEnd::Accepted);
}

/// The text with which an attempt ends in an outage.
fn unreachable(fleet: &TestFleet, round: u32) -> String {
    match fleet.attempt("alice", 0, Some(round), SHORT) {
        Err(OutageReason::Unreachable(
            GatewayFault::NotSent(text) | GatewayFault::Unknown(text),
        )) => text,
        other => panic!("{other:?}"),
    }
}

/// The host wrote a number since the backup, which the store does not have any more.
#[test]
fn a_restored_snapshot_is_an_outage() {
    let mut cluster = EtcdCluster::start(&[]);
    let mut fleet = enrolled(&cluster);
    let file = cluster.path("snapshot");
    cluster.take_snapshot(&file);
    fleet.beat(1);
    accepts(&fleet, 1);
    cluster.restore_snapshot(&file);
    let again = fleet.attempt("alice", 0, Some(1), LONG);
    assert_eq!(again, Err(OutageReason::WentBack));
}

#[test]
fn a_new_cluster_of_old_data_is_an_outage() {
    let mut cluster = EtcdCluster::start(&[]);
    let mut fleet = enrolled(&cluster);
    let copy = cluster.path("copy");
    cluster.copy_data(0, &copy);
    fleet.beat(1);
    accepts(&fleet, 1);
    cluster.force_new_cluster(0, &copy);
    let again = fleet.attempt("alice", 0, Some(1), LONG);
    assert_eq!(again, Err(OutageReason::WentBack));
}

/// Every key is gone: not one of them says that a user has no device.
#[test]
fn an_empty_store_is_an_outage() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = enrolled(&cluster);
    let deleted = cluster.etcdctl(&["del", "--prefix", "/twofactor/"], true);
    assert!(deleted.status.success(), "{deleted:?}");
    let ended = fleet.attempt("alice", 0, Some(1), LONG);
    assert_eq!(ended, Err(OutageReason::NoFleet));
}

/// etcd keeps tokens in memory.
#[test]
fn after_a_restart_hosts_authenticate_once_more() {
    let mut cluster = EtcdCluster::start(&[]);
    let fleet = enrolled(&cluster);
    accepts(&fleet, 1);
    (0..MEMBERS).for_each(|number| cluster.kill(number));
    unreachable(&fleet, 2);
    (0..MEMBERS).for_each(|number| cluster.begin(number, &[]));
    cluster.until_healthy(Some(()));
    accepts(&fleet, 2);
}

#[test]
fn a_full_store_is_an_outage_until_it_has_space() {
    let cluster = EtcdCluster::start(&["--quota-backend-bytes", "4000000"]);
    let fleet = enrolled(&cluster);
    let filler = "x".repeat(100_000);
    let fill = || cluster.etcdctl(&["put", "/filler", &filler], true);
    let is_full = (0..200).any(|_| !fill().status.success());
    assert!(is_full);
    let text = unreachable(&fleet, 1);
    assert!(text.contains("429") && text.contains("space"), "{text}");
    let run = |words: &[&str]| {
        let done = cluster.etcdctl(words, true);
        assert!(done.status.success(), "{words:?} {done:?}");
    };
    // A number that is certainly there, and past the values that filled it.
    run(&["compact", &cluster.revision().to_string()]);
    run(&["defrag"]);
    run(&["alarm", "disarm"]);
    accepts(&fleet, 2);
}

/// Once there are users, etcd takes the name in a certificate for that of a user, and refuses the gateway's requests.
#[test]
fn a_certificate_with_a_name_is_refused() {
    let cluster = EtcdCluster::start(&[]);
    let mut fleet = enrolled(&cluster);
    let extensions = "extendedKeyUsage=clientAuth\n";
    certificates::sign(&cluster.path(""), "named", "/CN=host", extensions);
    fleet.gateways[0] = cluster.gateway_of(cluster.endpoints(), "named", REQUEST);
    let text = unreachable(&fleet, 1);
    assert!(text.contains("status 400"), "{text}");
    let facts = |name| host_settings::facts_of(&cluster.path(name)).unwrap();
    assert!(facts("named.crt")[0].has_common_name);
    assert!(!facts("client.crt")[0].has_common_name);
}

#[test]
fn an_expired_certificate_is_an_outage() {
    let cluster = EtcdCluster::start(&[]);
    let mut fleet = enrolled(&cluster);
    certificates::sign_expired(&cluster.path(""), "expired");
    fleet.gateways[0] = cluster.gateway_of(cluster.endpoints(), "expired", REQUEST);
    unreachable(&fleet, 1);
    let end = |name| host_settings::facts_of(&cluster.path(name)).unwrap()[0].not_after;
    let days = end("client.crt").abs_diff(end("expired.crt")) / 86_400;
    assert!(
        (2..=3).contains(&days),
        "signed for 2 days and for -1: {days}"
    );
    let valid = fleet.attempt("alice", 1, Some(1), LONG);
    assert_eq!(valid.unwrap().1, RoundEnd::Accepted);
}

/// A learner answers nothing that needs a majority.
#[test]
fn a_learner_is_passed_over() {
    let mut cluster = EtcdCluster::start(&[]);
    let mut fleet = enrolled(&cluster);
    let learner = cluster.add_learner();
    fleet.gateways[0] = cluster.gateway_of(vec![learner.clone()], "client", REQUEST);
    unreachable(&fleet, 1);
    let endpoints = [vec![learner], cluster.endpoints()].concat();
    fleet.gateways[0] = cluster.gateway_of(endpoints, "client", REQUEST);
    accepts(&fleet, 1);
}
