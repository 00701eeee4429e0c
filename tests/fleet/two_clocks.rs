//! Hosts whose clocks differ, and one whose clock steps while it judges.
//!
//! All clocks of the hosts are ahead of the store's: certificates are not valid before they were made.

use harness::Machine;
use harness::enrolled::{SECRET, SERVICE, Token, auth, login};
use harness::otp::{fresh_code_margin, oathtool, unix_time};
use harness::pam::code;
use serde_json::Value;
use twofactor_core::device::OtpKind;

use super::host_machines::{HostMachine, KEY, MemberHost};
use super::{is_in, policy, totp, two_members, until_met};
use harness::etcd::cluster::EtcdCluster;

/// A verdict that a busy machine gives in time, or none: each host that is cut off would take a code once more.
const KEYS: &str = "deadline_ms = 4000\non_outage = \"deny\"\n";
/// Seconds by which the first host is ahead of the store.
const AHEAD: i64 = 7200;
const STEP: u64 = 30;

/// Two hosts with a service each. The first one's clock is that of the phone; the second one's is so many seconds ahead of it.
fn hosts_with(cluster: &EtcdCluster, kind: OtpKind, seconds: i64) -> [MemberHost; 2] {
    let hosts = two_members(cluster, kind, &policy(KEYS));
    for (host, offset) in hosts.iter().zip([AHEAD, AHEAD + seconds]) {
        host.run(move |host| host.machine.shift_clock(offset));
        host.serve();
        until_met(host, 1);
    }
    hosts
}

/// The code of the phone so many steps from now, by a clock so many seconds ahead of the store's.
fn shown(ahead: i64, steps: i64) -> String {
    let now = unix_time().checked_add_signed(ahead + steps * STEP as i64);
    oathtool(SECRET, now, 6, STEP, "SHA1")
}

fn failures(host: &MemberHost) -> u32 {
    host.run(|_| MemberHost::shared_state("alice").failures)
}

/// Within the window of one step.
#[test]
fn a_code_works_once_between_clocks_that_differ() {
    for seconds in [25, -25] {
        let cluster = EtcdCluster::start(&[]);
        let hosts = hosts_with(&cluster, totp(), seconds);
        fresh_code_margin(STEP, 25);
        let now = shown(AHEAD, 0);
        assert!(is_in(&hosts[1], &now), "{seconds}");
        assert!(!is_in(&hosts[0], &now), "{seconds}");
        hosts[0].run(|host| host.machine.wait_for_log("result=used").message);
        let next = shown(AHEAD, 1);
        assert!(is_in(&hosts[0], &next), "{seconds}");
        assert!(!is_in(&hosts[1], &next), "{seconds}");
        assert!(!is_in(&hosts[1], &now), "{seconds}");
    }
}

/// Ten minutes behind: what an onlooker saw of the phone ten minutes ago looks new there.
#[test]
fn a_slow_clock_takes_no_code_before_the_last_one() {
    const BEHIND: i64 = -600;
    let cluster = EtcdCluster::start(&[]);
    let hosts = hosts_with(&cluster, totp(), BEHIND);
    fresh_code_margin(STEP, 25);
    assert!(is_in(&hosts[0], &shown(AHEAD, 0)));
    for steps in [0, -1, 1] {
        assert!(!is_in(&hosts[1], &shown(AHEAD + BEHIND, steps)), "{steps}");
    }
    // What the phone shows is none of its codes, and counts as a guess on all hosts.
    let before = failures(&hosts[0]);
    assert!(!is_in(&hosts[1], &shown(AHEAD, 1)));
    assert_eq!(failures(&hosts[0]), before + 1);
}

/// Wrong codes of both hosts count together. A lock-out goes by the clock of the host of the last one: it lasts longer on a host that is
/// behind that, where root ends it, and is over on one that is ahead.
#[test]
fn guesses_count_together_on_clocks_that_differ() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = hosts_with(&cluster, OtpKind::Hotp, 3600);
    let token = Token::new("alice");
    let wrong: Vec<String> = token.wrong_codes().take(7).collect();
    for (number, guess) in wrong[..5].iter().enumerate() {
        assert!(!is_in(&hosts[(number + 1) % 2], guess));
        assert_eq!(failures(&hosts[0]), number as u32 + 1);
    }
    assert!(!is_in(&hosts[0], token.code_at(0)));
    hosts[0].run(|host| host.machine.wait_for_log("result=throttled").message);
    hosts[0].run(|host| host.machine.command(&["unlock", "alice"]).ok());
    assert!(is_in(&hosts[0], token.code_at(0)));
    // Of a lock-out of the first host the second one sees nothing: it has one guess more, and then both are locked.
    for guess in &wrong[..5] {
        assert!(!is_in(&hosts[0], guess));
    }
    assert_eq!(failures(&hosts[0]), 5);
    for guess in [&wrong[5], &wrong[6]] {
        assert!(!is_in(&hosts[1], guess));
        assert_eq!(failures(&hosts[0]), 6);
    }
    for (number, host) in hosts.iter().enumerate() {
        let is_in = is_in(host, token.code_at(1));
        assert!(!is_in, "{number}");
    }
}

/// The clock steps after the question, before the answer.
#[test]
fn a_clock_stepping_in_a_login_takes_no_code_twice() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = hosts_with(&cluster, totp(), 0);
    fresh_code_margin(STEP, 25);
    let typed = |host: &MemberHost, step: i64, code: String| {
        host.run(move |host: &mut HostMachine| {
            let machine: &Machine = &host.machine;
            let command = format!("{}; echo {code}", machine.clock_step(step));
            auth(login("alice").service(SERVICE).answer_shell(&command)) == code::SUCCESS
        })
    };
    let now = shown(AHEAD, 0);
    let before = failures(&hosts[0]);
    // An hour ahead: the code is of long ago, and a guess.
    assert!(!typed(&hosts[0], AHEAD + 3600, now.clone()));
    assert_eq!(failures(&hosts[1]), before + 1);
    let next = shown(AHEAD, 1);
    assert!(typed(&hosts[0], AHEAD, next.clone()), "back again");
    assert!(!is_in(&hosts[1], &next));
    // Back by a minute: codes from before the last one look new.
    for code in [&now, &next, &shown(AHEAD, -1), &shown(AHEAD, -2)] {
        assert!(!typed(&hosts[0], AHEAD - 60, code.clone()));
    }
    assert!(!is_in(&hosts[1], &now));
}

/// The time that a member says in its replies is that of the store.
#[test]
fn a_clock_that_is_off_is_told() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = hosts_with(&cluster, totp(), -AHEAD);
    let findings = |host: &MemberHost| {
        host.run(|host| {
            let report = host.machine.command(&["doctor", "--json"]).stdout;
            let report: Value = serde_json::from_str(&report).unwrap();
            let found = report["findings"].as_array().unwrap().clone();
            let clocks = found.into_iter().filter(|it| it["check"] == "fleet-clock");
            let told = clocks.map(|it| it["cause"].as_str().unwrap().to_owned());
            told.collect::<Vec<String>>()
        })
    };
    let off = findings(&hosts[0]);
    let words = off.iter().flat_map(|told| told.split(' '));
    let seconds = words.filter_map(|word| word.parse::<i64>().ok());
    let seconds: Vec<i64> = seconds.collect();
    assert!(
        matches!(seconds[..], [told] if (told - AHEAD).abs() < 15),
        "{off:?}"
    );
    assert_eq!(findings(&hosts[1]), [""; 0]);
    // Nor does such a host join.
    let refused = hosts[0].run(|host| {
        let off = host
            .machine
            .command(&["policy", "set", "fleet.enabled", "false", "--yes"]);
        off.ok();
        host.machine.command(&["fleet", "leave", "--yes"]).ok();
        host.machine
            .command(&["fleet", "join", KEY, "--yes"])
            .exits(1)
    });
    assert!(
        refused.stderr.contains("seconds off that of etcd"),
        "{refused:?}"
    );
}
