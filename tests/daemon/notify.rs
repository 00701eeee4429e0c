//! The program of `notify` in the daemon, and none of it in a login.

use std::fs;
use std::time::Duration;

use harness::Machine;
use harness::enrolled::{Token, enroll_token, machine};
use harness::otp::Totp;
use harness::twofactord::Daemon;
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

/// A program that waits for a file, `GO`, before it takes a change.
const PATIENT: &str = "#!/bin/sh\nwhile [ ! -e /run/go ]; do sleep 0.02; done\ncat >>/run/told\n";

/// A new device of alice's, and its removal.
fn two_changes(machine: &Machine, alice: &Token) {
    add_phone(machine, alice);
    let unset = json!({"user": "alice", "device": "phone", "code": alice.code()});
    let removed = machine.call_daemon("alice", "io.twofactor.Unset", &unset);
    assert_eq!(removed.unwrap()["change"]["result"], "removed");
}

/// The lines about changes that the program did not get, for this reason.
fn not_notified(daemon: &Daemon, reason: &str) -> usize {
    let lines = daemon.log();
    let lines = lines
        .lines()
        .filter(|line| line.contains("result=not-notified"));
    lines.filter(|line| line.contains(reason)).count()
}

#[test]
fn each_change_is_told_or_logged_when_too_many_wait() {
    let machine = machine(&told());
    machine.write_file(PROGRAM, PATIENT, 0o755);
    let alice = enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    let mut made = 0;
    while not_notified(&daemon, "too many changes wait for the program") == 0 {
        assert!(made < 300);
        two_changes(&machine, &alice);
        made += 2;
    }
    machine.write_file("/run/go", "", 0o644);
    let told = || fs::read_to_string(TOLD).unwrap_or_default().lines().count();
    await_until(&|| told() + not_notified(&daemon, "") == made);
    assert!(told() > 0);
}

#[test]
fn changes_not_told_at_a_stop_are_logged() {
    let machine = machine(&told());
    machine.write_file(PROGRAM, PATIENT, 0o755);
    let alice = enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    two_changes(&machine, &alice);
    daemon.signal("TERM");
    let (code, lines) = daemon.ends_with_log();
    assert_eq!(code, Some(0));
    let ended = "twofactord ended before the program did";
    assert_eq!(lines.matches(ended).count(), 2, "{lines}");
}

#[test]
fn changes_are_told_before_a_stop() {
    let machine = machine(&told());
    machine.write_file(
        PROGRAM,
        format!("#!/bin/sh\nsleep 0.2\ncat >>{TOLD}\n"),
        0o755,
    );
    let alice = enroll_token(&machine, "alice");
    let daemon = machine.daemon();
    two_changes(&machine, &alice);
    daemon.signal("TERM");
    assert_eq!(daemon.ends(), Some(0));
    assert_eq!(changes(2).len(), 2);
}
