//! Real codes of a device: the decision is that of a login on one machine, on a state that hosts share.

use std::time::Duration;

use twofactor_core::verify::{CodeOutcome, CodeRejection, ThrottleStatus};
use twofactor_store::attempt::AttemptResult;

use super::enrolled::{EnrolledFleet, STEP, code, is_accepted};
use harness::etcd::cluster::EtcdCluster;

#[test]
fn a_code_used_on_one_host_is_refused_on_another() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = EnrolledFleet::new(&cluster, 3);
    assert!(is_accepted(&login(&fleet, 0, &code(STEP))));
    let device = "phone".into();
    let used = AttemptResult::Compared(CodeOutcome::Rejected(CodeRejection::Used { device }));
    assert_eq!(login(&fleet, 1, &code(STEP)), used);
    // That it was refused is known on all hosts, too.
    for host in [2, 0] {
        assert_eq!(login(&fleet, host, &code(STEP)), AttemptResult::Repeated);
    }
    assert!(is_accepted(&login(&fleet, 1, &code(STEP + 1))));
}

#[test]
fn wrong_codes_on_all_hosts_make_one_lock_out() {
    let cluster = EtcdCluster::start(&[]);
    let fleet = EnrolledFleet::new(&cluster, 3);
    let wrong = AttemptResult::Compared(CodeOutcome::Rejected(CodeRejection::Wrong));
    assert_eq!(login(&fleet, 0, "000000"), wrong);
    // The same wrong code is no second guess, wherever it is typed.
    assert_eq!(login(&fleet, 1, "000000"), AttemptResult::Repeated);
    assert_eq!(login(&fleet, 1, "111111"), wrong);
    assert_eq!(login(&fleet, 2, "222222"), wrong);
    for host in [0, 1, 2] {
        let closed = AttemptResult::Refused(ThrottleStatus::LockedFor(30));
        assert_eq!(login(&fleet, host, &code(STEP)), closed, "host {host}");
    }
    assert_eq!(fleet.fleet.stored("alice").state.failures, 3);
}

/// alice's login on one host, in the first step.
fn login(fleet: &EnrolledFleet, host: usize, typed: &str) -> AttemptResult {
    let time = Duration::from_secs(30);
    let ended = fleet.attempt("alice", host, (STEP, typed), time);
    ended.unwrap().1
}
