//! `--dialogue json`: a new device between the command and a program.

use harness::desk::{desk_on, give, give_phone, json, keys, lets_in, parse, strings};
use harness::enrolled::record_path;
use harness::snapshot::Snapshot;
use harness::{DEVICE_EVENT, DialogueProcess, Totp};
use serde_json::{Value, json as value};

fn key_of(event: &Value) -> Totp {
    assert_eq!(event["event"], "key", "{event}");
    Totp::new(event["secret"].as_str().unwrap())
}

#[test]
fn a_device_is_enrolled_in_a_dialogue() {
    let machine = desk_on();
    let before = Snapshot::take();
    let mut dialogue = DialogueProcess::begin(&machine, &["enroll", "alice", "--device=tablet"]);
    let shown = dialogue.event();
    assert_eq!(keys(&shown), DEVICE_EVENT);
    let phone = key_of(&shown);
    assert_eq!(shown["device"]["name"], "tablet");
    let uri = shown["uri"].as_str().unwrap();
    assert!(
        uri.contains(&phone.secret) && uri.starts_with("otpauth://totp/"),
        "{uri}"
    );
    assert!(shown["svg"].as_str().unwrap().contains("<svg "));
    assert_eq!(
        (&shown["warnings"], &shown["tries_left"]),
        (&value!([]), &value!(5))
    );
    assert_eq!(
        dialogue.answer(&phone.wrong_code()),
        value!({"event": "wrong", "reason": "wrong", "steps": null, "tries_left": 4})
    );
    let late = dialogue.answer(&phone.code_after(-5));
    assert_eq!(
        (&late["reason"], &late["tries_left"]),
        (&value!("clock"), &value!(3))
    );
    assert!(matches!(late["steps"].as_i64(), Some(-6..=-5)), "{late}");
    assert_eq!(
        before.changed(),
        [""; 0],
        "nothing is stored before a right code"
    );
    let stored = dialogue.answer(&phone.code());
    assert_eq!(keys(&stored), ["device", "event", "recovery_codes", "user"]);
    assert_eq!(stored["event"], "stored");
    let codes = strings(&stored["recovery_codes"]);
    assert_eq!((codes.len(), dialogue.end()), (10, 0));
    assert!(lets_in("alice", &codes[0]));
}

#[test]
fn a_key_is_renewed_in_a_dialogue() {
    let machine = desk_on();
    let old = give_phone(&machine, "alice");
    let mut dialogue = DialogueProcess::begin(&machine, &["renew", "alice"]);
    let new = key_of(&dialogue.event());
    assert!(
        lets_in("alice", &old.code()),
        "the old key works until then"
    );
    let stored = dialogue.answer(&new.code());
    assert_eq!(
        (&stored["event"], &stored["recovery_codes"]),
        (&value!("stored"), &value!([]))
    );
    assert_eq!(dialogue.end(), 0);
    assert!(machine.read(record_path("alice")).contains(&new.secret));
}

#[test]
fn a_dialogue_that_ends_stores_nothing() {
    let machine = desk_on();
    let before = Snapshot::take();
    let failed = |line: &str, code: i32, kind: &str| {
        let mut dialogue = DialogueProcess::begin(&machine, &["enroll", "alice"]);
        key_of(&dialogue.event());
        let event = match line {
            "" => {
                dialogue.close();
                dialogue.event()
            }
            line => dialogue.line(line),
        };
        assert_eq!(
            keys(&event),
            ["event", "exit_code", "kind", "message", "next"]
        );
        let found = (&event["event"], &event["kind"], &event["exit_code"]);
        assert_eq!(found, (&value!("failed"), &value!(kind), &value!(code)));
        assert!(!event.to_string().contains("287082"), "{event}");
        assert_eq!(dialogue.end(), code);
    };
    failed("", 1, "cancelled");
    failed("287082", 2, "usage");
    failed("{\"code\":287082}", 2, "usage");
    failed(&format!("{{\"code\":\"{}", "2".repeat(5000)), 2, "usage");

    let mut dialogue = DialogueProcess::begin(&machine, &["enroll", "alice"]);
    let phone = key_of(&dialogue.event());
    for left in (0..5).rev() {
        assert_eq!(dialogue.answer(&phone.wrong_code())["tries_left"], left);
    }
    assert_eq!(dialogue.event()["kind"], "wrong-code");
    assert_eq!(dialogue.end(), 1);

    let mut dialogue = DialogueProcess::begin(&machine, &["enroll", "alice"]);
    key_of(&dialogue.event());
    dialogue.kill();
    assert_eq!(before.changed(), [""; 0]);
}

#[test]
fn a_dialogue_that_cannot_begin_is_an_event() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    for (arguments, code, kind) in [
        (&["enroll", "no-such-user"][..], 1, "unknown-user"),
        (&["enroll", "alice"], 1, "exists"),
        (&["renew", "bob"], 1, "not-enrolled"),
        (&["enroll", "bob", "--no-confirm"], 2, "usage"),
        (&["enroll", "bob", "--svg=/tmp/x"], 2, "usage"),
        (&["renew", "alice", "--qr=ascii"], 2, "usage"),
    ] {
        let mut dialogue = DialogueProcess::begin(&machine, arguments);
        let event = dialogue.event();
        assert_eq!(
            (&event["event"], &event["kind"]),
            (&value!("failed"), &value!(kind))
        );
        assert_eq!(dialogue.end(), code, "{arguments:?}");
    }
    let enroll = machine.twofactor(&["enroll", "alice", "--dialogue=json"]);
    let run = enroll.user("bob").run().exits(1);
    assert_eq!(run.stderr, "");
    assert_eq!(parse(&run.stdout)["kind"], "not-root");
}

/// The events tell a program of the caller, and of a name with the same user id.
#[test]
fn an_alias_is_named_in_the_events_alone() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let id = machine.run("id", &["-u", "alice"]).ok().stdout;
    let line = format!("twin:x:{}:100::/home:/bin/sh\n", id.trim());
    machine.write_file("/etc/passwd", machine.read("/etc/passwd") + &line, 0o644);
    let mut dialogue = DialogueProcess::begin(&machine, &["renew", "twin"]);
    let event = dialogue.event();
    assert_eq!(
        (&event["user"], &event["alias"]),
        (&value!("alice"), &value!("twin"))
    );
    dialogue.close();
    assert_eq!(dialogue.event()["event"], "failed");
    assert_eq!(dialogue.end(), 1);
}

#[test]
fn json_alone_shows_no_key_before_it_is_stored() {
    let machine = desk_on();
    give(&machine, "bob", &[]);
    let before = Snapshot::take();
    for arguments in [["enroll", "alice"], ["renew", "bob"]] {
        let run = machine.command(&[&arguments[..], &["--json"]].concat());
        assert!(
            !run.stderr.contains("Key") && !run.stderr.contains("otpauth"),
            "{run:?}"
        );
        let error = harness::desk::json_error(run, 2);
        assert!(
            error["next"].as_str().unwrap().contains("--dialogue json"),
            "{error}"
        );
    }
    assert_eq!(before.changed(), [""; 0]);
    let stored = json(machine.command(&["enroll", "alice", "--json", "--no-confirm"]));
    assert_eq!(stored["confirmed"], false);
}
