//! One state on two hosts.

use harness::enrolled::Token;
use harness::{Machine, PASSWORD};
use twofactor_core::device::Kind;

use super::cluster::EtcdCluster;
use super::hosts::MemberHost;
use super::{is_in, two_hosts};

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
    let hosts = two_hosts(&cluster, Kind::Hotp, "");
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
    let hosts = two_hosts(&cluster, Kind::Hotp, "");
    let token = Token::new("alice");
    for wrong in token.wrong_codes().take(5) {
        assert!(!is_in(&hosts[0], &wrong));
    }
    assert!(!is_in(&hosts[1], token.code_at(0)));
    hosts[1].run(|host| host.machine.wait_for_log("result=throttled").message);
}
