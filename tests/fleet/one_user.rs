//! What is wrong with one user in the store is no outage for others.

use harness::enrolled::{SERVICE, Token, add_account, auth, device, login, write_record};
use harness::pam::code;
use twofactor_core::device::OtpKind;
use twofactor_fleet::store_key::StoreKey;

use super::cluster::EtcdCluster;
use super::hosts::MemberHost;
use super::{is_in, policy, until_met};

/// An outage lets no code in.
const DENY: &str = "deadline_ms = 4000\non_outage = \"deny\"\n";

/// What libpam returns for a code of a user's.
fn types(host: &MemberHost, user: &'static str, typed: &str) -> i32 {
    let typed = typed.to_owned();
    host.run(move |_| auth(login(user).service(SERVICE).answer(&typed)))
}

#[test]
fn a_broken_seal_refuses_its_user_alone() {
    let cluster = EtcdCluster::start(&[]);
    let host = MemberHost::start(&cluster, &policy(DENY));
    host.run(|host| {
        for user in ["alice", "bob"] {
            let account = add_account(&host.machine, user);
            write_record(&account, vec![device("phone", OtpKind::Hotp)]);
        }
    });
    host.found();
    host.serve();
    until_met(&host, 1);
    let token = Token::new("alice");
    assert_eq!(types(&host, "bob", token.code_at(0)), code::SUCCESS);
    let state = StoreKey::state("bob").to_string();
    let broken = cluster.etcdctl(&["put", &state, "broken"], true);
    assert!(broken.status.success(), "{broken:?}");
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
