//! A wall clock that steps far beyond the window of a code, under the daemon that runs.

use harness::Machine;
use harness::PASSWORD;
use harness::enrolled::{
    SERVICE, add_account, add_bypass, add_stack, login, record_path, state_of,
};
use harness::logins::{ASK_CODE, Phone, enroll, enrolled, policy};
use harness::otp::{Totp, unix_time};
use harness::pam::code;
use harness::twofactord::{Daemon, DaemonConversation};
use serde_json::{Value, json};

use super::changes::{
    BEGIN, CONFIRM, NEW_CODES, RENEW, UNSET, VERIFY, alice, devices, phone as pending,
};
use super::own_changes::{ASK_DEVICE_CODE, after_login, ended};

const HOUR: i64 = 3600;

/// alice has a phone that keeps the true time, an old one, and recovery codes. The machine's clock can step.
fn ready() -> (Machine, Phone, Daemon) {
    let machine = harness::logins::machine();
    policy(&machine, "tries = 1", "attempts = 20");
    add_stack(&machine, SERVICE, "");
    // Programs that are started from now on see it step.
    machine.shift_clock(0);
    let phone = enrolled(&machine, "alice");
    enroll(&machine, "alice", &["--device", "old"]);
    let daemon = machine.daemon();
    (machine, phone, daemon)
}

fn gate(machine: &Machine) -> Value {
    let own = json!({"user": "alice"});
    let reply = machine.call_daemon("alice", "io.twofactor.Gate", &own);
    reply.unwrap()
}

fn verify(machine: &Machine, code: &str) -> Value {
    let own = json!({"user": "alice", "code": code});
    let reply = machine.call_daemon("alice", VERIFY, &own).unwrap();
    reply["result"].clone()
}

fn record() -> String {
    std::fs::read_to_string(record_path("alice")).unwrap()
}

/// Sees that every request is denied by this word with the codes that the phone shows, and answered as always where it takes none.
fn is_denied(
    (machine, phone): (&Machine, &Phone),
    waiting: (&mut DaemonConversation, &Totp),
    denied: &str,
) {
    let before = record();
    assert_eq!(devices(machine), ["phone", "old"]);
    assert_eq!(gate(machine), json!({"state": "ask"}));
    // Each of them once: one that was refused is not compared again.
    let shown = |steps| phone.totp.code_after(steps);
    assert_eq!(verify(machine, &shown(-6)), denied);
    let screen = login("alice").answer(shown(-1));
    assert_eq!(screen.as_user("alice").run().auth, code::MAXTRIES);
    let mut talk = machine.talk_to_daemon("alice");
    for (method, rest) in [
        (BEGIN, json!({"device": "tablet", "code": shown(-2)})),
        (RENEW, json!({"device": "phone", "code": shown(-3)})),
        (UNSET, json!({"device": "old", "code": shown(-4)})),
    ] {
        let reply = alice(&mut talk, method, rest);
        assert_eq!(reply, json!({"result": denied}), "{method}");
        let reply = alice(&mut talk, CONFIRM, json!({"code": shown(0)}));
        assert_eq!(reply["result"], "nothing_pending", "{method}");
    }
    // A login by a recovery code is one, and the code of the phone that comes next none.
    let mut codes = after_login(machine, "/usr/local/bin/twofactor -y recovery-codes");
    codes.answer("Password: ", PASSWORD);
    codes.answer(ASK_CODE, &phone.recovery[0]);
    codes.answer(ASK_DEVICE_CODE, &phone.code_after(-5));
    let told = "the code was wrong, so nothing was changed";
    let shown = ended(codes, 1).shown;
    assert!(shown.contains(told), "{shown}");
    // The device that waited for its first code goes on waiting.
    let (talk, tablet) = waiting;
    let reply = alice(talk, CONFIRM, json!({"code": tablet.code()}));
    assert_eq!(reply, json!({"result": "wrong", "tries_left": 4}));
    assert_eq!(record(), before);
}

/// Sees that every request is served.
fn all_works(machine: &Machine, phone: &Phone, waiting: (&mut DaemonConversation, &Totp)) {
    assert_eq!(gate(machine), json!({"state": "ask"}));
    // Of the codes that were refused none is taken for another one.
    assert_eq!(verify(machine, &phone.code_after(1)), "accepted");
    let (talk, tablet) = waiting;
    let stored = alice(talk, CONFIRM, json!({"code": tablet.code()}));
    assert_eq!(stored["result"], "stored", "{stored}");
    let mut proofs = phone.recovery[1..].iter();
    let mut proof = || proofs.next().unwrap();
    let mut talk = machine.talk_to_daemon("alice");
    let renew = json!({"device": "old", "code": proof()});
    let new = pending(&alice(&mut talk, RENEW, renew));
    let stored = alice(&mut talk, CONFIRM, json!({"code": new.code()}));
    assert_eq!(stored["result"], "stored", "{stored}");
    let unset = json!({"device": "old", "code": proof()});
    assert_eq!(alice(&mut talk, UNSET, unset)["result"], "removed");
    assert_eq!(devices(machine), ["phone", "tablet"]);
    let login = alice(&mut talk, NEW_CODES, json!({"code": tablet.code_after(1)}));
    assert_eq!(login["result"], "login_required");
    let mut codes = after_login(machine, "/usr/local/bin/twofactor -y recovery-codes");
    codes.answer("Password: ", PASSWORD);
    codes.answer(ASK_CODE, proof());
    codes.answer(ASK_DEVICE_CODE, &tablet.code_after(1));
    let shown = ended(codes, 0).shown;
    assert!(shown.contains("they are not shown again:"), "{shown}");
}

fn steps_and_comes_back(seconds: i64, denied: &str) {
    let (machine, phone, daemon) = ready();
    phone.totp.settle(25);
    let mut talk = machine.talk_to_daemon("alice");
    let begin = json!({"device": "tablet", "code": phone.code()});
    let tablet = pending(&alice(&mut talk, BEGIN, begin));
    machine.shift_clock(seconds);
    is_denied((&machine, &phone), (&mut talk, &tablet), denied);
    machine.shift_clock(0);
    all_works(&machine, &phone, (&mut talk, &tablet));
    assert!(!daemon.log().contains("result=panic"), "{}", daemon.log());
}

#[test]
fn a_clock_that_steps_ahead_denies_until_it_is_back() {
    steps_and_comes_back(HOUR, "wrong");
}

#[test]
fn a_clock_that_steps_back_denies_until_it_is_right() {
    // The last accepted code is ahead of it, which tells that the clock is to blame.
    steps_and_comes_back(-HOUR, "clock");
}

/// A code that an onlooker saw an hour ago is in the window again, and is not accepted.
#[test]
fn a_clock_that_steps_back_brings_no_code_back() {
    let (machine, phone, _daemon) = ready();
    phone.totp.settle(25);
    assert_eq!(verify(&machine, &phone.code()), "accepted");
    let before = record();
    machine.shift_clock(-HOUR);
    let mut talk = machine.talk_to_daemon("alice");
    let seen = |steps| phone.totp.code_after(steps - HOUR / 30);
    assert_eq!(verify(&machine, &seen(0)), "clock");
    for (method, rest) in [
        (BEGIN, json!({"device": "tablet", "code": seen(-1)})),
        (RENEW, json!({"device": "phone", "code": seen(1)})),
        (UNSET, json!({"device": "old", "code": seen(0)})),
    ] {
        let denied = alice(&mut talk, method, rest)["result"].clone();
        assert!(
            denied == "clock" || denied == "repeated",
            "{method}: {denied}"
        );
    }
    assert_eq!(record(), before);
    // A recovery code depends on no clock.
    let renew = json!({"device": "phone", "code": phone.recovery[0]});
    pending(&alice(&mut talk, RENEW, renew));
}

/// A lock-out lasts no longer than it should, whichever way the clock steps.
#[test]
fn a_lock_out_is_no_longer_after_a_step() {
    let (machine, phone, _daemon) = ready();
    policy(&machine, "tries = 1", "");
    for _ in 0..5 {
        assert_eq!(verify(&machine, &phone.wrong_code()), "wrong");
    }
    for seconds in [0, -HOUR] {
        machine.shift_clock(seconds);
        // Under the lock, where a time ahead of the clock counts as the present one. The gate looks at the file alone.
        assert_eq!(verify(&machine, &phone.recovery[0]), "locked");
        let locked = gate(&machine);
        assert_eq!(locked["state"], "locked", "{seconds}");
        assert!(locked["seconds"].as_u64().unwrap() <= 30, "{locked}");
    }
    machine.shift_clock(HOUR);
    assert_eq!(gate(&machine)["state"], "ask");
    assert_eq!(state_of("alice").daemon.in_a_row, 5);
}

/// An invitation ends by the wall clock, and is there again when that is right.
#[test]
fn codes_with_an_end_go_by_the_clock() {
    let (machine, _phone, _daemon) = ready();
    let bypass = add_bypass("alice", unix_time() + 3600);
    add_account(&machine, "bob");
    let invite = machine.command(&["--json", "invite", "bob"]).ok().stdout;
    let invite: Value = serde_json::from_str(&invite).unwrap();
    let begin = json!({"user": "bob", "code": invite["code"]});
    let bobs = || {
        let reply = machine.call_daemon("bob", BEGIN, &begin).unwrap();
        reply["change"]["result"].clone()
    };
    machine.shift_clock(100 * 24 * HOUR);
    assert_eq!(verify(&machine, &bypass), "expired");
    assert_ne!(bobs(), "pending");
    machine.shift_clock(0);
    assert_eq!(bobs(), "pending");
}
