//! `enroll` and `renew` without root by the command: proof, key, code of the new device.

use harness::desk::{ASK, Shown, json_error, keys, strings};
use harness::enrolled::{
    SECRET, Token, add_account, add_recovery_codes, enroll_token, machine, record_path, state_of,
};
use harness::logins::enrolled;
use harness::screen::{Background, scan};
use harness::{DEVICE_EVENT, DialogueProcess, Machine, PASSWORD, Totp};
use serde_json::{Value, json as value};

use super::QUICK;
use super::own_changes::{ASK_PROOF, after_login, alice, devices, ended};

/// Asks for the code of an invitation.
const ASK_INVITATION: &str = "Enrollment code from your administrator (Enter to cancel): ";
const PROGRAM: &str = "/usr/local/bin/twofactor";

fn record(machine: &Machine) -> String {
    machine.read(record_path("alice"))
}

fn ready() -> (Machine, Token, Vec<String>) {
    let machine = machine(QUICK);
    let token = enroll_token(&machine, "alice");
    let codes = add_recovery_codes("alice");
    (machine, token, codes)
}

fn key_of(event: &Value) -> Totp {
    assert_eq!(event["event"], "key", "{event}");
    Totp::new(event["secret"].as_str().unwrap())
}

#[test]
fn the_first_device_is_enrolled_after_a_login() {
    let machine = harness::logins::machine();
    machine.add_user("alice");
    let daemon = machine.daemon();
    let mut pty = after_login(&machine, &format!("{PROGRAM} enroll"));
    pty.answer("Password: ", PASSWORD);
    let text = pty.expect(ASK);
    let shown = Shown::read(&text);
    assert_eq!(
        scan(&machine, &text, Background::Dark),
        [shown.uri.as_str()]
    );
    assert!(shown.uri.contains("alice"), "{}", shown.uri);
    assert!(!std::fs::exists(record_path("alice")).unwrap());
    let phone = shown.totp();
    pty.send_line(&phone.wrong_code());
    pty.expect("That code is wrong. Wait for the next one and try again.\n");
    pty.answer(ASK, &phone.code());
    let told = ended(pty, 0).shown;
    let (_, told) = told.split_once("Stored: device phone of alice.").unwrap();
    assert!(told.contains("they are not shown again:\n\n    "), "{told}");
    let next = "For a second device, as a backup: twofactor enroll --device backup";
    assert!(told.contains(next), "{told}");
    assert_eq!(devices(&machine), ["phone"]);
    assert!(record(&machine).contains(&phone.secret));
    let log = daemon.log();
    assert!(
        log.contains("action=enroll device=phone confirmed=yes"),
        "{log}"
    );
    assert!(!log.contains(&phone.secret), "{log}");
}

#[test]
fn without_a_login_an_enrollment_code_is_asked_for() {
    let machine = machine(QUICK);
    add_account(&machine, "alice");
    let _daemon = machine.daemon();
    let run = alice(&machine, &["enroll"], "");
    let told = "This takes a login of alice in this session, at most 10 minutes ago, as with su alice, or an \
                enrollment code.\n";
    assert!(run.stdout.contains(told), "{}", run.stdout);
    assert!(run.stdout.contains(ASK_INVITATION), "{}", run.stdout);
    run.exits(1);
    // None was made, so none is right: that is said, and not once more that a login would do.
    let uninvited = alice(&machine, &["enroll"], "ABCD-EFGH\n").exits(1).stderr;
    let told = "there is no enrollment code for alice that works\n";
    assert!(uninvited.contains(told), "{uninvited}");
    let mut talk = DialogueProcess::begin_as(&machine, "alice", &["enroll"]);
    let wanted = talk.event();
    assert_eq!(
        wanted,
        value!({"event": "proof", "wants": "invitation", "reason": "login-required", "tries_left": 1})
    );
    let invite = machine.command(&["invite", "alice", "--json"]).ok().stdout;
    let invite: Value = serde_json::from_str(&invite).unwrap();
    let phone = key_of(&talk.answer(invite["code"].as_str().unwrap()));
    let stored = talk.answer(&phone.code());
    assert_eq!(stored["event"], "stored");
    assert_eq!(strings(&stored["recovery_codes"]).len(), 10);
    assert_eq!(talk.end(), 0);
}

#[test]
fn an_invitation_is_asked_for_where_it_is_needed() {
    let machine = machine(&format!("enroll_needs_invite = true\n{QUICK}"));
    add_account(&machine, "alice");
    let _daemon = machine.daemon();
    let enroll = |code: &str| alice(&machine, &["enroll"], &format!("{code}\n"));
    let none = enroll("AAAA-BBBB-CCCC-DDDD").exits(1);
    let told = "there is no enrollment code for alice that works\n";
    assert!(none.stderr.contains(told), "{}", none.stderr);
    let invite = machine.command(&["invite", "alice", "--json"]).ok().stdout;
    let invite: Value = serde_json::from_str(&invite).unwrap();
    let wrong = enroll("AAAA-BBBB-CCCC-DDDD").exits(1);
    assert!(wrong.stdout.contains("Wrong code.\n"), "{}", wrong.stdout);
    assert!(
        wrong
            .stderr
            .contains("the code was wrong, so nothing was changed"),
        "{}",
        wrong.stderr
    );
    let mut pty = machine.twofactor(&["enroll"]).user("alice").pty();
    pty.answer(ASK_INVITATION, invite["code"].as_str().unwrap());
    let phone = Shown::read(&pty.expect(ASK)).totp();
    pty.send_line(&phone.code());
    assert!(
        ended(pty, 0)
            .shown
            .contains("Stored: device phone of alice.")
    );
}

#[test]
fn a_further_device_takes_a_code_of_the_first() {
    let (machine, token, codes) = ready();
    let _daemon = machine.daemon();
    let taken = alice(&machine, &["enroll", "--device=token"], "").exits(1);
    assert!(
        taken
            .stderr
            .contains("For a new key of this one: twofactor renew alice --device token\n"),
        "{}",
        taken.stderr
    );
    let picture = "/tmp/code.svg";
    let options = ["enroll", "--device=tablet", "--digits=8", "--svg", picture];
    let mut pty = machine.twofactor(&options).user("alice").pty();
    pty.answer(ASK_PROOF, &codes[0]);
    pty.expect("Warning: Google Authenticator works with 6 digits");
    let shown = Shown::read(&pty.expect(ASK));
    assert_eq!(shown.settings, "TOTP SHA1, 8 digits, 30 s");
    let phone = Totp {
        digits: 8,
        ..shown.totp()
    };
    pty.send_line(&phone.code());
    let told = ended(pty, 0).shown;
    assert!(
        told.contains(&format!("Written: {picture} (only you can read it).")),
        "{told}"
    );
    assert!(!told.contains("Recovery codes"), "{told}");
    assert_eq!(devices(&machine), ["token", "tablet"]);
    assert_eq!(state_of("alice").failures, 0);
    // A code of the token is a proof as well, and what was used is none.
    let mut talk = DialogueProcess::begin_as(&machine, "alice", &["enroll", "--device=watch"]);
    assert_eq!(
        talk.event(),
        value!({"event": "proof", "wants": "code", "reason": null, "tries_left": 1})
    );
    let used = talk.answer(&codes[0]);
    assert_eq!(used["kind"], "wrong-code", "{used}");
    assert_eq!(talk.end(), 1);
    let mut talk = DialogueProcess::begin_as(&machine, "alice", &["enroll", "--device=watch"]);
    talk.event();
    let event = talk.answer(&token.code());
    // The events are those of root's dialogue.
    assert_eq!(keys(&event), DEVICE_EVENT);
    let watch = key_of(&event);
    let wrong = talk.answer(&watch.wrong_code());
    assert_eq!(
        wrong,
        value!({"event": "wrong", "reason": "wrong", "steps": null, "tries_left": 4})
    );
    let late = talk.answer(&watch.code_after(-5));
    assert_eq!(late["reason"], "clock", "{late}");
    let stored = talk.answer(&watch.code());
    assert_eq!(keys(&stored), ["device", "event", "recovery_codes", "user"]);
    assert_eq!(stored["recovery_codes"], value!([]));
    assert_eq!(talk.end(), 0);
    assert_eq!(devices(&machine), ["token", "tablet", "watch"]);
}

#[test]
fn a_key_is_renewed_with_a_code_of_the_old() {
    let machine = harness::logins::machine();
    let old = enrolled(&machine, "alice");
    let _daemon = machine.daemon();
    let mut pty = machine.twofactor(&["renew"]).user("alice").pty();
    pty.answer(ASK_PROOF, &old.code());
    let new = Shown::read(&pty.expect(ASK)).totp();
    assert!(record(&machine).contains(&old.totp.secret));
    pty.send_line(&new.code());
    let told = ended(pty, 0).shown;
    let stored = "Stored: new key for the device phone of alice. The old key no longer works.";
    assert!(told.contains(stored), "{told}");
    assert!(record(&machine).contains(&new.secret));
    assert!(!record(&machine).contains(&old.totp.secret));
    let none = alice(&machine, &["renew", "--device=x", "--dialogue=json"], "");
    assert!(none.stdout.contains("unknown-device"), "{}", none.stdout);
}

#[test]
fn an_enrollment_that_ends_early_leaves_nothing() {
    let (machine, _, codes) = ready();
    let daemon = machine.daemon();
    let before = record(&machine);
    let picture = "/tmp/code.png";
    let options = ["enroll", "--device=tablet", "--png", picture];
    let begin = |code: &str| {
        let mut pty = machine.twofactor(&options).user("alice").pty();
        pty.answer(ASK_PROOF, code);
        let shown = Shown::read(&pty.expect(ASK));
        (pty, shown.totp())
    };
    for (code, input) in codes.iter().zip([&b"\x03"[..], b"\x04", b"\n"]) {
        let (mut pty, _) = begin(code);
        assert!(std::fs::exists(picture).unwrap());
        pty.send(input);
        ended(pty, 1);
        assert!(!std::fs::exists(picture).unwrap(), "{input:?}");
        assert_eq!(record(&machine), before, "{input:?}");
    }
    let mut talk = DialogueProcess::begin_as(&machine, "alice", &["enroll", "--device=x"]);
    talk.event();
    let phone = key_of(&talk.answer(&codes[3]));
    talk.close();
    assert_eq!(talk.event()["kind"], "cancelled");
    assert_eq!(talk.end(), 1);
    let mut talk = DialogueProcess::begin_as(&machine, "alice", &["enroll", "--device=x"]);
    talk.event();
    key_of(&talk.answer(&codes[4]));
    talk.kill();
    // A daemon that ended has no device that waits, and is not asked again for this one.
    let (mut pty, tablet) = begin(&codes[5]);
    daemon.kill();
    let _daemon = machine.daemon();
    pty.send_line(&tablet.code());
    let told = ended(pty, 1).shown;
    assert!(
        told.contains("so nothing was stored\nBegin again."),
        "{told}"
    );
    assert!(!std::fs::exists(picture).unwrap());
    assert_eq!(record(&machine), before);
    assert!(!before.contains(&phone.secret) && before.contains(SECRET));
}

#[test]
fn a_device_that_is_not_confirmed_needs_root() {
    let (machine, token, _) = ready();
    let _daemon = machine.daemon();
    for (arguments, code, kind) in [
        (&["enroll", "--no-confirm"][..], 1, "not-root"),
        (&["renew", "--no-confirm"], 1, "not-root"),
        (&["enroll", "--device=x"], 2, "usage"),
        (&["renew"], 2, "usage"),
        (&["enroll", "--device=all"], 2, "usage"),
        (&["enroll", "bob"], 2, "usage"),
    ] {
        let command = [arguments, &["--json"]].concat();
        let error = json_error(alice(&machine, &command, &token.code()), code);
        assert_eq!(error["kind"], kind, "{arguments:?}");
    }
    let mut talk = DialogueProcess::begin_as(&machine, "alice", &["enroll", "bob"]);
    assert_eq!(talk.event()["kind"], "not-root");
    assert_eq!(talk.end(), 1);
    machine.policy(&format!("{QUICK}[self_service]\nmanage = false\n"));
    let mut talk = DialogueProcess::begin_as(&machine, "alice", &["renew"]);
    assert_eq!(talk.event()["kind"], "not-root");
    assert_eq!(talk.end(), 1);
    // No code was looked at.
    assert_eq!(state_of("alice").devices[0].next, 0);
}
