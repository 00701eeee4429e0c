//! A record that was changed on one host, while another one has the older.

use std::path::Path;

use harness::enrolled::{SERVICE, Token, auth, login};
use harness::pam::code;
use serde_json::Value;
use twofactor_core::STATE_DIR;
use twofactor_core::device::OtpKind;
use twofactor_store::fleet_contact::FleetContact;
use twofactor_store::sys::lock;

use super::host_machines::MemberHost;
use super::{is_in, two_hosts, types};
use harness::etcd::cluster::EtcdCluster;

/// A verdict that a busy machine gives in time.
const PATIENT: &str = "deadline_ms = 4000\n";

/// New recovery codes of alice, made on this host.
pub fn new_codes(host: &MemberHost) -> Vec<String> {
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

fn bypass_code(host: &MemberHost) -> String {
    host.run(|host| {
        let words = ["bypass", "alice", "--json"];
        let made = host.machine.command(&words).ok();
        let report: Value = serde_json::from_str(&made.stdout).unwrap();
        report["code"].as_str().unwrap().to_owned()
    })
}

fn withdraw(host: &MemberHost) {
    let words = ["bypass", "alice", "--for", "0"];
    host.run(move |host| host.machine.command(&words).ok());
}

/// At once, not with the next poll of the other host.
#[test]
fn replaced_recovery_codes_work_on_no_host() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
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
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let first = bypass_code(&hosts[0]);
    let second = bypass_code(&hosts[0]);
    assert!(!is_in(&hosts[1], &first), "it was replaced");
    withdraw(&hosts[0]);
    assert!(!is_in(&hosts[1], &second), "it was withdrawn");
    assert!(is_in(&hosts[1], Token::new("alice").code_at(0)));
}

/// Removed on one host: the other one, which has the record yet, lets no code in, and knows it from then on.
#[test]
fn a_removed_device_works_on_no_host() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    hosts[0].run(|host| host.machine.command(&["unset", "alice", "--yes"]).ok());
    assert_ne!(
        types(&hosts[1], SERVICE, Token::new("alice").code_at(0)),
        code::SUCCESS
    );
    hosts[1].until(|_| !harness::enrolled::record_path("alice").exists());
}

/// The service has no time to bring the record here, and does not leave the code to the files of this host, which have the older one.
#[test]
fn a_record_that_comes_too_late_lets_no_code_in() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, "deadline_ms = 2000\n");
    hosts[1].until(|_| FleetContact::read(Path::new(STATE_DIR)).unwrap().is_some());
    let bypass = bypass_code(&hosts[0]);
    assert!(
        !is_in(&hosts[1], &Token::new("alice").wrong()),
        "it has the record now"
    );
    withdraw(&hosts[0]);
    let is_let_in = hosts[1].run(move |_| {
        let marks = Path::new(STATE_DIR).join("fleet/records");
        let marks = std::fs::File::open(marks).unwrap();
        assert!(lock::try_exclusive(&marks).unwrap());
        auth(login("alice").service(SERVICE).answer(&bypass)) == code::SUCCESS
    });
    assert!(!is_let_in);
}
