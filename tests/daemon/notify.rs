//! The program of `notify` in the daemon, and none of it in a login.

use std::fs;
use std::time::Duration;

use harness::Machine;
use harness::enrolled::{Token, enroll_token, machine};
use harness::otp::Totp;
use serde_json::{Value, json};

use super::QUICK;

const PROGRAM: &str = "/usr/local/sbin/factor-changed";
const TOLD: &str = "/run/told";

fn told() -> String {
    format!("notify = \"{PROGRAM}\"\n{QUICK}")
}

/// The changes that the program has got, once there are so many.
fn changes(count: usize) -> Vec<Value> {
    let told = || -> Vec<Value> {
        let text = fs::read_to_string(TOLD).unwrap_or_default();
        let lines = text.lines().map(|it| serde_json::from_str(it).unwrap());
        lines.collect()
    };
    await_until(&|| told().len() >= count);
    told()
}

/// Waits for what another process does, 20 seconds at most.
fn await_until(is_there: &dyn Fn() -> bool) {
    for _ in 0..2000 {
        if is_there() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it does not come");
}

/// A second device of alice's, by the daemon; its key.
fn add_phone(machine: &Machine, alice: &Token) -> String {
    let mut talk = machine.talk_to_daemon("alice");
    let begin = json!({"user": "alice", "device": "phone", "code": alice.code()});
    let shown = talk.call("io.twofactor.Begin", &begin).unwrap()["change"].clone();
    let secret = shown["secret"].as_str().unwrap().to_owned();
    let phone = Totp::new(&secret);
    let confirm = json!({"user": "alice", "code": phone.code()});
    let stored = talk.call("io.twofactor.Confirm", &confirm).unwrap();
    assert_eq!(stored["change"]["result"], "stored", "{stored}");
    secret
}

#[test]
fn changes_by_users_are_told_in_their_order() {
    let machine = machine(&told());
    machine.write_file(
        PROGRAM,
        format!("#!/bin/sh\ncat >{TOLD}.new\ncat {TOLD}.new >>{TOLD}\n"),
        0o755,
    );
    let alice = enroll_token(&machine, "alice");
    let uid: u32 = machine
        .run("id", &["-u", "alice"])
        .ok()
        .stdout
        .trim()
        .parse()
        .unwrap();
    // As the unit has it: without capabilities.
    let none = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"];
    let daemon = machine.daemon_through(&[&["setpriv"], &none[..]].concat());
    let secret = add_phone(&machine, &alice);
    let unset = json!({"user": "alice", "device": "phone", "code": alice.code_at(1)});
    let removed = machine
        .call_daemon("alice", "io.twofactor.Unset", &unset)
        .unwrap();
    assert_eq!(removed["change"]["result"], "removed", "{removed}");
    let changes = changes(2);
    let words: Vec<_> = changes
        .iter()
        .map(|it| it["event"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["enroll", "unset"]);
    assert_eq!(changes[0]["device"], "phone");
    assert_eq!(changes[0]["confirmed"], true);
    assert_eq!(changes[0]["user"], "alice");
    assert_eq!(
        changes[0]["by"],
        json!({"uid": uid, "tty": null, "service": "twofactord"})
    );
    let log = daemon.log();
    assert!(!log.contains("not-notified"), "{log}");
    assert!(!changes[0].to_string().contains(&secret));
}

#[test]
fn a_refused_program_is_logged_and_the_change_made() {
    let machine = machine(&told());
    machine.write_file(PROGRAM, format!("#!/bin/sh\ncat >>{TOLD}\n"), 0o775);
    let alice = enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    add_phone(&machine, &alice);
    let line = format!(
        "user=alice result=not-notified action=enroll error=\"{PROGRAM}: is writable by others than root\""
    );
    await_until(&|| daemon.log().contains(&line));
    assert!(!fs::exists(TOLD).unwrap());
}
