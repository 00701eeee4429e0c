//! Files of a host that are replaced under its running service.

use std::path::Path;

use harness::enrolled::{SERVICE, Token};
use twofactor_core::STATE_DIR;
use twofactor_core::device::OtpKind;
use twofactor_fleet::host_membership::fleet_membership::MembershipRun;
use twofactor_fleet::host_membership::{key_rotation, leaving};
use twofactor_store::fleet_contact::FleetContact;

use super::host_machines::{KEY, MemberHost, settings, with_local};
use super::{is_in, two_hosts, types, until_met};
use harness::etcd::cluster::{EtcdCluster, PASSWORD};

/// A verdict that a busy machine gives in time.
const PATIENT: &str = "deadline_ms = 4000\n";

/// A new key, under which the fleet goes on.
fn rotate(host: &MemberHost) -> Vec<u8> {
    host.run(|_| {
        with_local(|local, settings| {
            key_rotation::rotate(local, settings, MembershipRun::Apply, &|_, _| ()).unwrap();
        });
        std::fs::read(KEY).unwrap()
    })
}

fn leave(host: &MemberHost) {
    host.run(|_| {
        with_local(|local, settings| {
            leaving::leave(local, settings, MembershipRun::Apply).unwrap();
        });
    });
}

/// A code has the service find out, and it meets the store again, which makes it so many times.
fn finds_out(host: &MemberHost, token: &Token, times: usize) {
    let _ = types(host, SERVICE, &token.wrong());
    until_met(host, times);
}

#[test]
fn a_running_service_takes_a_new_key_and_a_new_place() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let token = Token::new("alice");
    assert!(is_in(&hosts[0], token.code_at(0)));
    let key = rotate(&hosts[0]);
    hosts[1].join(key.clone());
    for host in &hosts {
        finds_out(host, &token, 2);
    }
    assert!(is_in(&hosts[1], token.code_at(1)));
    assert!(!is_in(&hosts[0], token.code_at(1)));
    assert!(is_in(&hosts[0], token.code_at(2)));
    hosts[1].until(|_| FleetContact::read(Path::new(STATE_DIR)).unwrap().is_some());
    leave(&hosts[1]);
    hosts[1].join(key);
    finds_out(&hosts[1], &token, 3);
    assert!(is_in(&hosts[1], token.code_at(3)));
    assert!(!is_in(&hosts[0], token.code_at(3)));
}

#[test]
fn a_running_service_takes_a_new_password() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let token = Token::new("alice");
    for words in [
        &["user", "delete", "host"][..],
        &["user", "add", "host:another"],
        &["user", "grant-role", "host", "fleet"],
    ] {
        let done = cluster.etcdctl(words, true);
        assert!(done.status.success(), "{done:?}");
    }
    hosts[0].run(|host| {
        let text = std::fs::read_to_string(settings()).unwrap();
        let text = text.replace(&format!("\"{PASSWORD}\""), "\"another\"");
        host.machine.write_file(settings(), text, 0o600);
    });
    finds_out(&hosts[0], &token, 2);
    assert!(is_in(&hosts[0], token.code_at(0)));
    // With the old one nothing is judged.
    assert!(!is_in(&hosts[1], token.code_at(1)));
    assert!(is_in(&hosts[0], token.code_at(1)));
}
