//! A bypass code that root makes on a host which is cut off.

use std::fs::File;

use harness::enrolled::{SERVICE, add_stack, state_path};
use harness::pam::code;
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use super::host_machines::MemberHost;
use super::outages::{DEADLINE, until_noted};
use super::{is_in, record, totp, two_hosts, types, until_met};
use harness::etcd::cluster::EtcdCluster;

/// `twofactor bypass alice --this-host`, which makes a code.
fn bypass_here(host: &MemberHost) -> String {
    host.run(|host| {
        let made = host
            .machine
            .command(&["bypass", "alice", "--this-host", "--json"]);
        let report: Value = serde_json::from_str(&made.ok().stdout).unwrap();
        assert_eq!(report["this_host"], true, "{report}");
        report["code"].as_str().unwrap().to_owned()
    })
}

/// Made while `keys` say what an outage is: works once, here, until the store is met.
fn works_here(keys: &str) {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, totp(), &format!("{DEADLINE}{keys}"));
    hosts.iter().for_each(until_noted);
    let shared = record(&hosts[0]);
    hosts[0].run(|host| {
        add_stack(&host.machine, "login", "");
        let refused = host.machine.command(&["bypass", "alice", "--this-host"]);
        let refused = refused.exits(4).stderr;
        assert!(refused.contains("can be used"), "{refused}");
    });
    hosts[0].link.set_cut(true);
    hosts[0].run(|host| {
        let refused = host.machine.command(&["bypass", "alice"]).exits(4).stderr;
        assert!(
            refused.contains("twofactor bypass --this-host alice"),
            "{refused}"
        );
    });
    let (first, second) = (bypass_here(&hosts[0]), bypass_here(&hosts[0]));
    assert_ne!(types(&hosts[0], SERVICE, &first), code::SUCCESS);
    assert_ne!(types(&hosts[1], SERVICE, &second), code::SUCCESS);
    assert_eq!(types(&hosts[0], SERVICE, &second), code::SUCCESS);
    assert_ne!(types(&hosts[0], SERVICE, &second), code::SUCCESS);
    let third = bypass_here(&hosts[0]);
    hosts[0].run(|host| {
        host.machine.wait_for_log("action=bypass");
        host.machine.wait_for_log("scope=this-host");
    });
    hosts[0].link.set_cut(false);
    until_met(&hosts[0], 2);
    // By the first code, if not before.
    assert!(!is_in(&hosts[0], &third));
    assert_eq!(record(&hosts[0]), shared);
    assert_eq!(record(&hosts[1]), shared);
    let now = hosts[0].run(|_| harness::Totp::new(harness::enrolled::SECRET).code());
    assert!(is_in(&hosts[0], &now));
}

#[test]
fn a_bypass_made_while_cut_off_works_here_once() {
    works_here("");
}

#[test]
fn a_bypass_made_while_cut_off_works_there() {
    works_here("on_outage = \"deny\"\n");
}

/// Also where the user does not log in.
#[test]
fn the_service_ends_it_by_itself() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, totp(), DEADLINE);
    hosts.iter().for_each(until_noted);
    let shared = record(&hosts[0]);
    hosts[0].link.set_cut(true);
    bypass_here(&hosts[0]);
    assert_ne!(record(&hosts[0]), shared);
    hosts[0].link.set_cut(false);
    let path = harness::enrolled::record_path("alice");
    super::renewed(&hosts[0], move || {
        std::fs::read_to_string(&path).unwrap() == shared
    });
    let notes = std::path::Path::new(twofactor_core::STATE_DIR).join("fleet/unmirrored");
    hosts[0].until(move |_| std::fs::read_dir(&notes).unwrap().next().is_none());
}

/// A code of all hosts that was used here stays used.
#[test]
fn a_used_code_of_all_hosts_comes_first() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, totp(), DEADLINE);
    let of_all = hosts[0].run(|host| {
        let made = host.machine.command(&["bypass", "alice", "--json"]).ok();
        let report: Value = serde_json::from_str(&made.stdout).unwrap();
        report["code"].as_str().unwrap().to_owned()
    });
    hosts.iter().for_each(until_noted);
    hosts[0].link.set_cut(true);
    // As its service does that brings her state when the link is cut, and shows no sign of life.
    let lock = hosts[0].run(|_| {
        let state = File::open(state_path("alice")).unwrap();
        flock(&state, FlockOperation::NonBlockingLockExclusive).map(|()| state)
    });
    assert!(lock.is_ok() && is_in(&hosts[0], &of_all));
    drop(lock);
    hosts[0].run(|host| {
        for more in [&[][..], &["--for", "0"]] {
            let bypass = [&["bypass", "alice", "--this-host"], more].concat();
            let refused = host.machine.command(&bypass).exits(4).stderr;
            assert!(
                refused.contains("has not expired was used here"),
                "{refused}"
            );
        }
    });
    hosts[0].link.set_cut(false);
    until_met(&hosts[0], 2);
    assert!(!is_in(&hosts[0], &of_all));
    assert!(!is_in(&hosts[1], &of_all));
}

#[test]
fn no_host_without_a_fleet_makes_one() {
    let machine = harness::enrolled::machine(&super::policy(""));
    harness::enrolled::enroll_token(&machine, "alice");
    let refused = machine.command(&["bypass", "alice", "--this-host"]);
    let refused = refused.exits(1).stderr;
    assert!(refused.contains("is in no fleet"), "{refused}");
}
