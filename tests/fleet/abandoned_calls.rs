//! Calls to a service that comes to them after those who asked have gone.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use data_encoding::HEXLOWER;
use harness::enrolled::{Token, record_path};
use harness::twofactord::FLEET_SOCKET;
use twofactor_core::device::OtpKind;
use twofactor_core::record::UserRecord;
use twofactor_protocol::fleet_attempt_call::{CodePurpose, FleetAttemptCall};
use twofactor_protocol::fleet_change_call::FleetChangeCall;
use twofactor_protocol::verify_call::CodeLayout;

use super::host_machines::{HostMachine, MemberHost};
use super::{is_in, record, two_hosts};
use harness::etcd::cluster::EtcdCluster;

const PATIENT: &str = "deadline_ms = 4000\n";

/// The removal of all that alice has.
fn removal() -> Vec<u8> {
    let text = std::fs::read_to_string(record_path("alice")).unwrap();
    let record = UserRecord::parse(&text).unwrap();
    let base = HEXLOWER.encode(&record.digest());
    let call = FleetChangeCall {
        user: "alice",
        uid: record.uid,
        base: Some(&base),
        factor: None,
    };
    call.message()
}

/// Puts a call to a service that does not come to it, and has who asked leave, or wait for the reply.
fn put(host: &mut HostMachine, call: &[u8], stays: bool) -> String {
    let daemon = host.daemon.as_ref().unwrap();
    daemon.signal("STOP");
    let mut client = UnixStream::connect(FLEET_SOCKET).unwrap();
    client.write_all(call).unwrap();
    let waiting = stays.then_some(client);
    daemon.signal("CONT");
    let mut reply = String::new();
    if let Some(mut client) = waiting {
        // One who sends no more has not left.
        client.shutdown(std::net::Shutdown::Write).unwrap();
        client.read_to_string(&mut reply).unwrap();
    }
    reply
}

/// Waits for what the service says of such a call.
fn until_dropped(host: &MemberHost, times: usize) {
    host.until(move |host| {
        let log = host.daemon.as_ref().unwrap().log();
        log.matches("the program that asked has gone").count() >= times
    });
}

#[test]
fn a_change_without_its_asker_is_not_made() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    let before = record(&hosts[0]);
    hosts[0].run(|host| put(host, &removal(), false));
    until_dropped(&hosts[0], 1);
    std::thread::sleep(Duration::from_millis(500));
    assert!(is_in(&hosts[1], Token::new("alice").code_at(0)));
    assert_eq!(record(&hosts[0]), before);
    // The same call of one who waits is made.
    let reply = hosts[0].run(|host| put(host, &removal(), true));
    assert!(reply.contains("committed"), "{reply}");
    assert!(!is_in(&hosts[1], Token::new("alice").code_at(1)));
}

/// The caller has judged the code alone, if the policy lets it. A wrong code that is counted here as well would count twice.
#[test]
fn a_code_without_its_asker_is_not_judged() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    hosts[0].run(|host| {
        let token = Token::new("alice");
        let call = FleetAttemptCall {
            user: "alice",
            code: token.code_at(0),
            layout: CodeLayout::Code,
            purpose: CodePurpose::Login,
        };
        put(host, &call.message(), false)
    });
    until_dropped(&hosts[0], 1);
    assert!(is_in(&hosts[1], Token::new("alice").code_at(0)));
}
