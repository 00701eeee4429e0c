//! Damaged values of one user in the store, which are no outage for others.

use harness::enrolled::{SERVICE, Token, add_account, auth, device, login, write_record};
use harness::pam::code;
use serde_json::Value;
use twofactor_core::device::OtpKind;
use twofactor_fleet::sealed_values::store_key::StoreKey;

use super::host_machines::MemberHost;
use super::{is_in, policy, until_met};
use harness::etcd::cluster::EtcdCluster;

/// An outage lets no code in.
const DENY: &str = "deadline_ms = 4000\non_outage = \"deny\"\n";

/// The return code of libpam for a code of a user's.
fn types(host: &MemberHost, user: &'static str, typed: &str) -> i32 {
    let typed = typed.to_owned();
    host.run(move |_| auth(login(user).service(SERVICE).answer(&typed)))
}

/// alice and bob on a host of a fleet, whose store has a broken state of bob.
fn with_broken_state(cluster: &EtcdCluster, meanwhile: impl Fn(&MemberHost)) -> MemberHost {
    let host = MemberHost::start(cluster, &policy(DENY));
    host.run(|host| {
        for user in ["alice", "bob"] {
            let account = add_account(&host.machine, user);
            write_record(&account, vec![device("phone", OtpKind::Hotp)]);
        }
    });
    host.found();
    host.serve();
    until_met(&host, 1);
    meanwhile(&host);
    let state = StoreKey::state("bob").to_string();
    let broken = cluster.etcdctl(&["put", &state, "broken"], true);
    assert!(broken.status.success(), "{broken:?}");
    host
}

#[test]
fn a_broken_seal_refuses_its_user_alone() {
    let cluster = EtcdCluster::start(&[]);
    let token = Token::new("alice");
    let host = with_broken_state(&cluster, |host| {
        assert_eq!(types(host, "bob", token.code_at(0)), code::SUCCESS);
    });
    for number in 0..3 {
        assert_eq!(
            types(&host, "bob", token.code_at(1)),
            code::AUTHINFO_UNAVAIL
        );
        // At once: no try to meet the store comes between.
        assert!(is_in(&host, token.code_at(number)), "{number}");
    }
    host.run(|host| {
        let log = host.daemon.as_ref().unwrap().log();
        assert!(log.contains("user=bob"), "{log}");
        assert_eq!(log.matches("result=store-met").count(), 1, "{log}");
    });
}

/// Made by root in a store that works for all others.
#[test]
fn a_user_with_a_broken_seal_has_a_code_of_one_host() {
    let cluster = EtcdCluster::start(&[]);
    let host = with_broken_state(&cluster, |_| ());
    let made = host.run(|host| {
        let command = |words: &[&str]| host.machine.command(words);
        let refused = command(&["bypass", "bob"]).exits(4).stderr;
        let way = "twofactor bypass --this-host bob";
        assert!(refused.contains(way), "{refused}");
        let refused = command(&["bypass", "alice", "--this-host"]).exits(4).stderr;
        assert!(refused.contains("can be used"), "{refused}");
        let made = command(&["bypass", "bob", "--this-host", "--json"]).ok();
        let report: Value = serde_json::from_str(&made.stdout).unwrap();
        report["code"].as_str().unwrap().to_owned()
    });
    assert_eq!(types(&host, "bob", &made), code::SUCCESS);
    assert_ne!(types(&host, "bob", &made), code::SUCCESS);
    // Root gets bob out of it for good.
    host.run(|host| {
        host.machine.command(&["unset", "bob", "--yes"]).ok();
        assert!(!harness::enrolled::record_path("bob").exists());
        let status = host.machine.command(&["fleet", "status", "--json"]).ok();
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        assert!(status["damaged"].as_array().unwrap().is_empty(), "{status}");
    });
}
