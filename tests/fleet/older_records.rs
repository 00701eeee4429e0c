//! A record that was changed on one host, while another one has the older.

use harness::enrolled::{SERVICE, Token};
use serde_json::Value;
use twofactor_core::device::Kind;

use super::cluster::EtcdCluster;
use super::hosts::MemberHost;
use super::{is_in, two_hosts, types};

/// A verdict that a busy machine gives in time.
const PATIENT: &str = "deadline_ms = 4000\n";

/// New recovery codes of alice, made on this host.
fn new_codes(host: &MemberHost) -> Vec<String> {
    host.run(|host| {
        let words = ["recovery-codes", "alice", "--yes", "--json"];
        let made = host.machine.command(&words).ok();
        let report: Value = serde_json::from_str(&made.stdout).unwrap();
        let codes = report["recovery_codes"].as_array().unwrap();
        codes
            .iter()
            .map(|code| code.as_str().unwrap().to_owned())
            .collect()
    })
}

/// At once, not with the next poll of the other host.
#[test]
fn replaced_recovery_codes_work_on_no_host() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, Kind::Hotp, PATIENT);
    let old = new_codes(&hosts[0]);
    assert!(is_in(&hosts[1], &old[0]), "they work on both");
    let new = new_codes(&hosts[0]);
    assert!(!is_in(&hosts[1], &old[1]));
    assert!(is_in(&hosts[1], &new[0]));
    assert!(!is_in(&hosts[0], &new[0]));
    // Replaced once more there, where the first host has the older record.
    let last = new_codes(&hosts[1]);
    assert!(!is_in(&hosts[0], &new[1]));
    assert!(is_in(&hosts[0], &last[0]));
}

#[test]
fn a_withdrawn_bypass_code_works_on_no_host() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, Kind::Hotp, PATIENT);
    let issued = |host: &MemberHost| {
        host.run(|host| {
            let words = ["bypass", "alice", "--json"];
            let made = host.machine.command(&words).ok();
            let report: Value = serde_json::from_str(&made.stdout).unwrap();
            report["code"].as_str().unwrap().to_owned()
        })
    };
    let first = issued(&hosts[0]);
    let second = issued(&hosts[0]);
    assert!(!is_in(&hosts[1], &first), "it was replaced");
    hosts[0].run(|host| {
        host.machine
            .command(&["bypass", "alice", "--for", "0"])
            .ok()
    });
    assert!(!is_in(&hosts[1], &second), "it was withdrawn");
    assert!(is_in(&hosts[1], Token::new("alice").code_at(0)));
}

/// Removed on one host: the other one, which has the record yet, lets no code in, and knows it from then on.
#[test]
fn a_removed_device_works_on_no_host() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, Kind::Hotp, PATIENT);
    hosts[0].run(|host| host.machine.command(&["unset", "alice", "--yes"]).ok());
    assert_ne!(
        types(&hosts[1], SERVICE, Token::new("alice").code_at(0)),
        harness::pam::code::SUCCESS
    );
    hosts[1].until(|_| !harness::enrolled::record_path("alice").exists());
}
