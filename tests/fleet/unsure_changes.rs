//! Changes whose end this host does not know.

use std::path::PathBuf;

use harness::enrolled::{Token, login, record_path, run};
use serde_json::json;
use twofactor_core::device::OtpKind;

use super::host_machines::MemberHost;
use super::relayed_changes::call;
use super::service_tap::{ServiceTap, TappedAnswer};
use super::{record, renewed, two_hosts};
use harness::etcd::cluster::EtcdCluster;

const PATIENT: &str = "deadline_ms = 4000\n";

/// The file with the changes that the program of `notify` got on a host.
fn told_changes() -> PathBuf {
    PathBuf::from("/root/told-changes")
}

/// A host whose changes are told to a program.
fn notifies(host: &MemberHost) {
    host.run(|host| {
        let script = format!("#!/bin/sh\ncat >> {}\n", told_changes().display());
        host.machine
            .write_file("/usr/local/bin/tell", script, 0o755);
        let policy = format!(
            "notify = \"/usr/local/bin/tell\"\n{}",
            super::policy(PATIENT)
        );
        host.machine.policy(&policy);
    });
}

/// The answer is lost: logged as unsure, and told to the user once it is known that the change counts.
#[test]
fn a_lost_answer_is_logged_and_told_at_the_next_login() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, PATIENT);
    notifies(&hosts[0]);
    let before = record(&hosts[0]);
    let token = Token::new("alice");
    let begin = json!({"device": "tablet", "code": token.code_at(0), "kind": "hotp"});
    let (refused, log) = hosts[0].run(move |host| {
        let daemon = host.machine.daemon();
        let talk = &mut host.machine.talk_to_daemon("alice");
        let shown = call(talk, "Begin", begin);
        let key = shown["secret"].as_str().unwrap().to_owned();
        let code = harness::otp::hotp_codes(&key, 0, 1, 6).remove(0);
        let tap = ServiceTap::insert(TappedAnswer::IsLost);
        let typed = json!({"user": "alice", "code": code});
        let refused = talk.call("io.twofactor.Confirm", &typed).unwrap_err();
        tap.ends();
        // What it owes to the program of `notify` it gives before its end.
        daemon.signal("TERM");
        (refused, daemon.ends_with_log().1)
    });
    assert_eq!(refused, "io.twofactor.Unavailable");
    let line = "changed user=alice action=enroll device=tablet confirmed=yes end=unsure by=";
    assert!(log.contains(line), "{log}");
    hosts[0].run(|_| {
        let told = std::fs::read_to_string(told_changes()).unwrap();
        assert!(told.contains("\"unsure\":true"), "{told}");
        assert!(told.contains("\"device\":\"tablet\""), "{told}");
    });
    renewed(&hosts[0], move || {
        std::fs::read_to_string(record_path("alice")).unwrap() != before
    });
    let next = token.code_at(1).to_owned();
    let seen = hosts[0].run(move |_| run(login("alice").answer(&next)));
    let shown = format!("{seen:?}");
    assert!(shown.contains("tablet"), "{shown}");
}
