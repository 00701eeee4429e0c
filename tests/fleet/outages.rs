//! Hosts that are cut off from the store.

use std::path::Path;

use harness::Totp;
use harness::enrolled::{
    IGNORED, SECRET, SERVICE, Token, add_account, add_stack, auth, login, run, state_of,
};
use harness::pam::code;
use twofactor_core::STATE_DIR;
use twofactor_core::device::OtpKind;
use twofactor_store::fleet_contact::FleetContact;

use super::host_machines::MemberHost;
use super::older_records::new_codes;
use super::{is_in, totp, two_hosts, types, until_met};
use harness::etcd::cluster::EtcdCluster;

/// The first code on a host that was cut off just now may wait for a second: this host itself holds the user's lock, while it brings the
/// state to a store that is gone. Where half of the time is over then, the code is refused, and judged by no one.
pub const DEADLINE: &str = "deadline_ms = 4000\n";

/// Waits until the service has left word of its fleet for logins.
pub fn until_noted(host: &MemberHost) {
    host.until(|_| {
        let contact = FleetContact::read(Path::new(STATE_DIR)).unwrap();
        contact.is_some_and(|it| it.is_mirror_fresh() && it.hosts == 2)
    });
}

/// The code that a phone shows now, typed on a host.
fn shows(host: &MemberHost, service: &str) -> i32 {
    let service = service.to_owned();
    host.run(move |_| {
        let now = Totp::new(SECRET).code();
        auth(login("alice").service(&service).answer(&now))
    })
}

#[test]
fn a_host_that_is_cut_off_judges_by_itself() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, totp(), DEADLINE);
    until_noted(&hosts[1]);
    hosts[1].link.set_cut(true);
    assert_eq!(types(&hosts[1], SERVICE, "000000"), code::MAXTRIES);
    assert_eq!(shows(&hosts[1], SERVICE), code::SUCCESS);
    hosts[1].run(|host| host.machine.wait_for_log("result=outage").message);
    // Once at most, on this host too.
    let next = next_code(&hosts[1]);
    assert!(is_in(&hosts[1], &next));
    assert!(!is_in(&hosts[1], &next));
}

/// The code of the next step, which the window lets in.
fn next_code(host: &MemberHost) -> String {
    host.run(|_| Totp::new(SECRET).code_after(1))
}

#[test]
fn what_a_host_counted_by_itself_is_added() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, DEADLINE);
    let token = Token::new("alice");
    let wrong: Vec<String> = token.wrong_codes().take(5).collect();
    assert!(!is_in(&hosts[0], &wrong[0]));
    until_noted(&hosts[1]);
    hosts[1].link.set_cut(true);
    for guess in &wrong[1..4] {
        assert!(!is_in(&hosts[1], guess));
    }
    hosts[1].link.set_cut(false);
    until_met(&hosts[1], 2);
    assert!(!is_in(&hosts[1], &wrong[4]));
    assert!(!is_in(&hosts[0], token.code_at(0)));
    hosts[0].run(|host| host.machine.wait_for_log("result=throttled").message);
}

/// Not before the next code: as soon as the store is there again.
#[test]
fn what_a_host_counted_is_known_at_once() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, DEADLINE);
    let token = Token::new("alice");
    let wrong: Vec<String> = token.wrong_codes().take(5).collect();
    assert!(!is_in(&hosts[0], &wrong[0]));
    until_noted(&hosts[1]);
    hosts[1].link.set_cut(true);
    for guess in &wrong[1..] {
        assert!(!is_in(&hosts[1], guess));
    }
    let is_marked = || state_of("alice").outage_mark().is_some();
    assert!(hosts[1].run(move |_| is_marked()));
    hosts[1].link.set_cut(false);
    hosts[1].until(move |_| !is_marked());
    assert!(!is_in(&hosts[0], token.code_at(0)));
    hosts[0].run(|host| host.machine.wait_for_log("result=throttled").message);
}

#[test]
fn deny_refuses_all_but_the_console() {
    let cluster = EtcdCluster::start(&[]);
    let keys = format!("{DEADLINE}on_outage = \"deny\"\n");
    let hosts = two_hosts(&cluster, totp(), &keys);
    hosts[0].run(|host| add_stack(&host.machine, "login", ""));
    until_noted(&hosts[0]);
    hosts[0].link.set_cut(true);
    assert_eq!(shows(&hosts[0], SERVICE), code::AUTHINFO_UNAVAIL);
    hosts[0].run(|host| host.machine.wait_for_log("on_outage is deny").message);
    assert_eq!(types(&hosts[0], "login", "000000"), code::MAXTRIES);
    assert_eq!(shows(&hosts[0], "login"), code::SUCCESS);
}

/// They do not expire: each host that is cut off would accept them.
#[test]
fn codes_of_a_counter_wait_for_the_store() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, OtpKind::Hotp, DEADLINE);
    let token = Token::new("alice");
    until_noted(&hosts[0]);
    hosts[0].run(|host| add_stack(&host.machine, "login", ""));
    hosts[0].link.set_cut(true);
    assert!(!is_in(&hosts[0], token.code_at(0)));
    assert_eq!(types(&hosts[0], "login", token.code_at(0)), code::SUCCESS);
    hosts[0].link.set_cut(false);
    until_met(&hosts[0], 2);
    // What the console used is used.
    assert!(!is_in(&hosts[0], token.code_at(0)));
    assert!(is_in(&hosts[0], token.code_at(1)));
    assert!(!is_in(&hosts[1], token.code_at(1)));
}

/// The fleet may know it as used: a login may follow from it, but nothing that counts on all hosts.
#[test]
fn a_code_judged_alone_sets_up_no_device() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, totp(), DEADLINE);
    let codes = new_codes(&hosts[0]);
    until_noted(&hosts[0]);
    hosts[0].run(|host| add_stack(&host.machine, "login", ""));
    let logs_in = |typed: &str| {
        let typed = typed.to_owned();
        hosts[0].run(move |_| {
            let drive = login("alice").service("login").phases("auth,acct");
            run(drive.answer(&typed).answer(""))
        })
    };
    hosts[0].link.set_cut(true);
    let alone = logs_in(&codes[0]);
    assert_eq!(alone.auth, code::SUCCESS, "{alone:?}");
    assert_eq!(alone.prompts.len(), 1, "{alone:?}");
    hosts[0].link.set_cut(false);
    until_met(&hosts[0], 2);
    let judged = logs_in(&codes[1]);
    assert_eq!(judged.auth, code::SUCCESS, "{judged:?}");
    assert_eq!(judged.prompts.len(), 2, "{judged:?}");
}

#[test]
fn no_device_is_believed_of_fresh_copies_alone() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, totp(), DEADLINE);
    until_noted(&hosts[0]);
    let bob = |host: &MemberHost, service: &'static str| {
        host.run(move |_| auth(login("bob").service(service)))
    };
    hosts[0].run(|host| {
        add_account(&host.machine, "bob");
        add_stack(&host.machine, "login", "");
    });
    assert_eq!(bob(&hosts[0], SERVICE), IGNORED);
    hosts[0].run(|host| host.daemon.take().unwrap().kill());
    assert_eq!(bob(&hosts[0], SERVICE), IGNORED, "the copies are fresh");
    hosts[0].run(|_| {
        let state = Path::new(STATE_DIR);
        let contact = FleetContact::read(state).unwrap().unwrap();
        let mirrored = contact.met - 61;
        FleetContact {
            mirrored,
            ..contact
        }
        .write(state)
        .unwrap();
    });
    assert_eq!(bob(&hosts[0], SERVICE), code::AUTHINFO_UNAVAIL);
    assert_eq!(bob(&hosts[0], "login"), IGNORED);
    hosts[0].run(|_| std::fs::remove_file(Path::new(STATE_DIR).join("fleet/contact")).unwrap());
    assert_eq!(bob(&hosts[0], SERVICE), code::AUTHINFO_UNAVAIL);
    // A code is not enough where the host is not known to have met its fleet.
    assert_eq!(shows(&hosts[0], SERVICE), code::AUTHINFO_UNAVAIL);
}

/// At the console as well nothing follows from what cannot be looked at; who has a device gets in by its codes.
#[test]
fn unreadable_notes_let_in_codes_alone() {
    let cluster = EtcdCluster::start(&[]);
    let hosts = two_hosts(&cluster, totp(), DEADLINE);
    until_noted(&hosts[0]);
    let bob = || hosts[0].run(|_| auth(login("bob").service("login")));
    hosts[0].run(|host| {
        add_account(&host.machine, "bob");
        add_stack(&host.machine, "login", "");
    });
    assert_eq!(bob(), IGNORED);
    hosts[0].run(|host| {
        host.daemon.take().unwrap().kill();
        let notes = Path::new(STATE_DIR).join("fleet/unmirrored");
        std::fs::remove_dir_all(&notes).unwrap();
        std::fs::write(&notes, "").unwrap();
    });
    assert_eq!(bob(), code::AUTHINFO_UNAVAIL);
    hosts[0].run(|host| host.machine.wait_for_log("notes of records").message);
    assert_eq!(shows(&hosts[0], "login"), code::SUCCESS);
    // A host of a fleet has them: that they are gone tells nothing either.
    hosts[0].run(|_| std::fs::remove_file(Path::new(STATE_DIR).join("fleet/unmirrored")).unwrap());
    assert_eq!(bob(), code::AUTHINFO_UNAVAIL);
}
