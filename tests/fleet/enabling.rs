//! Hosts that are in a fleet before their policy says so.

use harness::enrolled::Token;
use twofactor_core::device::OtpKind;

use super::host_machines::MemberHost;
use super::{is_in, policy, two_members, until_met};
use harness::etcd::cluster::EtcdCluster;

/// As the document says: all hosts join, and then the policy of each gets the fleet.
#[test]
fn codes_used_before_the_fleet_is_on_are_used() {
    let cluster = EtcdCluster::start(&[]);
    let on = policy("deadline_ms = 2000\n");
    let off = on.replace("[fleet]\nenabled = true", "[fleet]\nenabled = false");
    assert_ne!(on, off);
    let hosts = two_members(&cluster, OtpKind::Hotp, &off);
    let token = Token::new("alice");
    assert!(is_in(&hosts[1], token.code_at(0)));
    for host in &hosts {
        let on = on.clone();
        host.run(move |host| host.machine.policy(&on));
        host.serve();
        until_met(host, 1);
    }
    hosts[0].until(|_| {
        let state = MemberHost::shared_state("alice");
        state.devices.iter().any(|phone| phone.next == 1)
    });
    assert!(!is_in(&hosts[0], token.code_at(0)));
    assert!(is_in(&hosts[0], token.code_at(1)));
}
