//! Grace as an administrator sees and ends it.

use harness::Machine;
use harness::desk;
use harness::desk::{give, json};
use harness::enrolled;
use harness::enrolled::{SERVICE, Token, add_stack, enroll_token, machine, run, set_state};
use harness::pam::{Drive, code};
use serde_json::Value;

const POLICY: &str = "enabled = true\ngrace = 3600\n[throttle]\nattempts = 3\ndelay = 0\n";

fn from(service: &str, rhost: &str) -> Drive {
    Drive::installed()
        .service(service)
        .user("alice")
        .rhost(rhost)
}

/// Logs in with a code that is asked for.
fn with_code(alice: &Token, service: &str, rhost: &str) {
    let outcome = run(from(service, rhost).answer(alice.code()));
    assert_eq!((outcome.auth, outcome.prompts.len()), (code::SUCCESS, 1));
}

fn is_asked(rhost: &str) -> bool {
    !run(from(SERVICE, rhost)).prompts.is_empty()
}

fn grace(machine: &Machine) -> Vec<Value> {
    let report = json(machine.command(&["status", "alice", "--json"]));
    report["users"][0]["grace"].as_array().unwrap().clone()
}

/// The finding of `doctor` on such a stack (`code-twice`).
#[test]
fn a_second_line_is_within_the_grace_of_the_first() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    let line = "auth required pam_twofactor.so\n";
    machine.stack("twice", &line.repeat(2));
    with_code(&alice, "twice", "192.0.2.7");
    let code = alice.code();
    let local = Drive::installed().service("twice").user("alice");
    let outcome = run((0..4).fold(local, |local, _| local.answer(&code)));
    assert_eq!((outcome.auth, outcome.prompts.len()), (code::MAXTRIES, 4));
}

#[test]
fn status_tells_address_service_and_end() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    assert!(grace(&machine).is_empty());
    with_code(&alice, SERVICE, "192.0.2.7");
    add_stack(&machine, "gone", "");
    with_code(&alice, "gone", "2001:db8::7");
    std::fs::remove_file("/etc/pam.d/gone").unwrap();
    let found = grace(&machine);
    assert_eq!(desk::keys(&found[0]), ["address", "service", "until"]);
    assert_eq!(
        (&found[0]["address"], &found[0]["service"]),
        (&"192.0.2.7".into(), &SERVICE.into())
    );
    // Only a hash of the service is kept.
    assert_eq!(
        (&found[1]["address"], &found[1]["service"]),
        (&"2001:db8::7".into(), &Value::Null)
    );
    assert_eq!(found.len(), 2);
    let until = desk::minute(&found[0]["until"]);
    let text = desk::in_utc(&machine, &["status", "alice"]);
    let lines = format!(
        "Not asked for a code: at {SERVICE} from 192.0.2.7 until {until}\nNot asked for a code: at an unknown service from 2001:db8::7 until "
    );
    assert!(text.contains(&lines), "{text}");
    let table = machine.command(&["status"]).ok().stdout;
    assert!(table.ends_with("2 periods of grace\n"), "{table}");

    // A grace period that no longer counts is not shown.
    set_state("alice", |state| state.grace[1].since -= 3600);
    assert_eq!(grace(&machine).len(), 1);
    machine.policy(&format!("{POLICY}# changed\n"));
    assert!(grace(&machine).is_empty() && is_asked("192.0.2.7"));
}

#[test]
fn unset_renew_and_a_lock_out_end_it() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    let address = "192.0.2.7";
    with_code(&alice, SERVICE, address);
    assert!(!is_asked(address));
    // Another device of the same user goes: the grace may have been earned with it.
    give(&machine, "alice", &["--device", "tablet"]);
    with_code(&alice, SERVICE, address);
    machine
        .command(&["unset", "alice", "--device", "tablet", "--yes"])
        .ok();
    assert!(grace(&machine).is_empty() && is_asked(address));

    with_code(&alice, SERVICE, address);
    assert!(!is_asked(address));
    machine.command(&["renew", "alice", "--no-confirm"]).ok();
    assert!(grace(&machine).is_empty() && is_asked(address));

    machine
        .command(&["unset", "alice", "--yes", "--force"])
        .ok();
    let alice = enrolled_again(&machine);
    with_code(&alice, SERVICE, address);
    assert!(!is_asked(address));
    for _ in 0..3 {
        let wrong = run(from(SERVICE, "198.51.100.1").answer(alice.wrong()));
        assert_ne!(wrong.auth, code::SUCCESS);
    }
    assert!(grace(&machine).is_empty());
    machine.command(&["unlock", "alice", "--yes"]).ok();
    assert!(is_asked(address), "it does not come back");
}

#[test]
fn a_clock_set_back_ends_it() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    with_code(&alice, SERVICE, "192.0.2.7");
    // As if it had begun a minute from now.
    set_state("alice", |state| state.grace[0].since += 60);
    assert!(grace(&machine).is_empty() && is_asked("192.0.2.7"));
}

#[test]
fn the_fifth_address_ends_the_first() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    let address = |number: u8| format!("192.0.2.{number}");
    for number in 1..=5 {
        with_code(&alice, SERVICE, &address(number));
    }
    assert_eq!(grace(&machine).len(), 4);
    assert!(is_asked(&address(1)));
    assert!((2..=5).all(|number| !is_asked(&address(number))));
}

#[test]
fn names_never_match_not_even_the_same_one() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    for name in [
        "localhost",
        "client.example.org",
        "192.0.2.7.example.org",
        "UNKNOWN",
        "",
        "192.0.2.7 ",
    ] {
        with_code(&alice, SERVICE, name);
        with_code(&alice, SERVICE, name);
    }
    assert!(grace(&machine).is_empty());
}

/// A new token for alice, whose account exists.
fn enrolled_again(machine: &Machine) -> Token {
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    let uid: u32 = uid.trim().parse().unwrap();
    let account = twofactor_core::account::Account {
        name: "alice".to_owned(),
        uid,
        gid: uid,
    };
    let token = enrolled::device("token", twofactor_core::device::OtpKind::Hotp);
    enrolled::write_record(&account, vec![token]);
    Token::new("alice")
}
