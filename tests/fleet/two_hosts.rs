//! One state on two hosts.

use harness::enrolled::Token;
use harness::{Machine, PASSWORD};
use twofactor_core::device::OtpKind;

use super::host_machines::MemberHost;
use super::{is_in, two_hosts};
use harness::etcd::cluster::EtcdCluster;
use serde_json::json;

/// A verdict that a busy machine gives in time.
const PATIENT: &str = "deadline_ms = 4000\n";

/// True if alice is let in by sshd.
fn is_in_by_ssh(host: &MemberHost, typed: &str) -> bool {
    let typed = typed.to_owned();
    host.run(move |host| {
        let machine: &Machine = &host.machine;
        machine.install_stack("sshd");
        let sshd = machine.sshd("");
        let login = sshd.login("alice").answer(PASSWORD).answer(typed.as_str());
        login.run().is_in()
    })
}

#[test]
fn a_code_used_on_one_host_is_refused_on_the_other() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let token = Token::new("alice");
    assert!(is_in_by_ssh(&hosts[0], token.code_at(0)));
    assert!(!is_in_by_ssh(&hosts[1], token.code_at(0)));
    hosts[1].run(|host| host.machine.wait_for_log("result=used").message);
    assert!(is_in_by_ssh(&hosts[1], token.code_at(1)));
    assert!(!is_in(&hosts[0], token.code_at(1)));
    assert!(is_in(&hosts[0], token.code_at(2)));
}

#[test]
fn wrong_codes_on_one_host_lock_out_on_the_other() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let token = Token::new("alice");
    for wrong in token.wrong_codes().take(5) {
        assert!(!is_in(&hosts[0], &wrong));
    }
    assert!(!is_in(&hosts[1], token.code_at(0)));
    hosts[1].run(|host| host.machine.wait_for_log("result=throttled").message);
}

/// The result of a code in a program that runs as alice.
fn unlocks(host: &MemberHost, typed: &str) -> String {
    let typed = typed.to_owned();
    host.run(move |host| {
        let _daemon = host.machine.daemon();
        let call = json!({"user": "alice", "code": typed});
        let reply = host
            .machine
            .call_daemon("alice", "io.twofactor.Verify", &call);
        reply.unwrap()["result"].as_str().unwrap().to_owned()
    })
}

/// The exit code of `twofactor verify` for a code.
fn verifies(host: &MemberHost, typed: &str) -> Option<i32> {
    let typed = format!("{typed}\n");
    host.run(move |host| {
        let verify = host.machine.twofactor(&["verify", "alice"]).input(typed);
        verify.run().code
    })
}

#[test]
fn codes_of_lockers_and_of_verify_count_once() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let token = Token::new("alice");
    assert_eq!(unlocks(&hosts[0], token.code_at(0)), "accepted");
    assert_eq!(unlocks(&hosts[1], token.code_at(0)), "used");
    assert!(is_in(&hosts[1], token.code_at(1)));
    assert_eq!(unlocks(&hosts[0], token.code_at(1)), "used");
    assert_eq!(verifies(&hosts[0], token.code_at(2)), Some(0));
    assert!(!is_in(&hosts[1], token.code_at(2)));
    assert_eq!(verifies(&hosts[1], token.code_at(2)), Some(1));
    assert!(is_in(&hosts[1], token.code_at(3)));
}
