//! Lock-outs: refused before anything is asked, not counted, and not longer for being tried.

use harness::otp::unix_time;
use harness::pam::{Drive, code};

use harness::enrolled::{
    ON, PROMPT, Token, add_stack, auth, enroll_token, logged, machine, run, said, set_state,
    state_of,
};

fn failed(user: &str, failures: u32, seconds_ago: u64) {
    set_state(user, |state| {
        state.failures = failures;
        state.unreported = failures;
        state.last_failure = unix_time() - seconds_ago;
    });
}

/// A login that is refused without a prompt; returns what was said.
fn locked_out(alice: &Token) -> String {
    let before = std::fs::read(harness::enrolled::state_path("alice")).unwrap();
    let outcome = run(alice.login().answer(alice.code_at(0)));
    assert_eq!((outcome.auth, outcome.prompts.len()), (code::MAXTRIES, 0));
    let messages = said(&outcome);
    assert_eq!((messages.len(), messages[0].0), (1, "error"));
    let after = std::fs::read(harness::enrolled::state_path("alice")).unwrap();
    assert!(before == after, "a refused attempt leaves no trace");
    messages[0].1.to_owned()
}

#[test]
fn the_fifth_wrong_code_locks_out_at_once() {
    let machine =
        machine("enabled = true\ntries = 10\n[throttle]\nlockout = 3000\nmax_lockout = 3000\n");
    let alice = enroll_token(&machine, "alice");
    let login = (0..10).fold(alice.login(), |login, _| login.answer(alice.wrong()));
    let outcome = run(login);
    assert_eq!(outcome.auth, code::MAXTRIES);
    let mut expected = [("echo_off", PROMPT), ("error", "Wrong code.")].repeat(5);
    expected.push(("error", "Too many wrong codes. Try again in 50 minutes."));
    assert_eq!(said(&outcome), expected);
    assert_eq!(state_of("alice").failures, 5);
    let lines = logged(&machine);
    assert_eq!(lines.len(), 6);
    assert!(lines[5].starts_with("user=alice rhost= result=throttled seconds="));
}

#[test]
fn a_right_code_waits_for_the_end_of_a_lock_out() {
    let machine = machine("enabled = true\n[throttle]\nlockout = 3000\nmax_lockout = 20000\n");
    let alice = enroll_token(&machine, "alice");
    failed("alice", 5, 10);
    assert_eq!(
        locked_out(&alice),
        "Too many wrong codes. Try again in 50 minutes."
    );
    failed("alice", 6, 10);
    assert_eq!(
        locked_out(&alice),
        "Too many wrong codes. Try again in 2 hours."
    );
    failed("alice", 50, 10);
    assert_eq!(
        locked_out(&alice),
        "Too many wrong codes. Try again in 6 hours."
    );
    assert_eq!(logged(&machine).len(), 3);
    failed("alice", 5, 3000);
    let outcome = run(alice.login().answer(alice.code()));
    assert_eq!(outcome.auth, code::SUCCESS);
    assert_eq!(
        (state_of("alice").failures, state_of("alice").unreported),
        (0, 0)
    );
}

#[test]
fn the_hard_limit_holds_until_unlock() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    failed("alice", 100, 1_000_000);
    assert_eq!(
        locked_out(&alice),
        "Too many wrong codes. Ask your administrator to unlock your account."
    );
    assert_eq!(
        logged(&machine),
        ["user=alice rhost= result=locked hint=\"twofactor unlock\""]
    );
    failed("alice", 99, 1_000_000);
    assert_eq!(auth(alice.login().answer(alice.code())), code::SUCCESS);
}

#[test]
fn with_pam_silent_a_lock_out_is_told_in_one_question() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    failed("alice", 100, 10);
    let told = "Too many wrong codes. Ask your administrator to unlock your account.\nPress Enter to go on: ";
    let asked = [("echo_off", told)];
    for answer in ["", &alice.code()] {
        let outcome = run(alice.login().silent().answer(answer));
        assert_eq!(
            (outcome.auth, said(&outcome)),
            (code::MAXTRIES, asked.to_vec())
        );
    }
    let unanswered = run(alice.login().silent());
    assert_eq!(unanswered.auth, code::MAXTRIES);
    // If only the first pass counts, nothing is asked.
    add_stack(&machine, "x", "use_first_pass");
    let outcome = run(Drive::installed().service("x").user("alice").silent());
    assert_eq!((outcome.auth, said(&outcome)), (code::MAXTRIES, vec![]));
}

/// There, the password is not known yet.
#[test]
fn in_one_field_a_lock_out_is_told_in_the_log_only() {
    let machine = machine(ON);
    enroll_token(&machine, "alice");
    failed("alice", 100, 10);
    add_stack(&machine, "x", "forward_pass");
    let stranger = || Drive::installed().service("x").user("alice");
    for drive in [stranger(), stranger().silent()] {
        let outcome = run(drive);
        assert_eq!((outcome.auth, said(&outcome)), (code::MAXTRIES, vec![]));
        assert!(logged(&machine)[0].contains("result=locked"));
    }
}

#[test]
fn a_lock_out_that_begins_meanwhile_holds() {
    let machine = machine(
        "enabled = true\ntries = 1\n[throttle]\nattempts = 1\nlockout = 3000\nmax_lockout = 3000\n",
    );
    let alice = enroll_token(&machine, "alice");
    add_stack(&machine, "elsewhere", "");
    let elsewhere = format!(
        "pamdrive --service elsewhere --user alice --answer {} > /run/elsewhere; echo {}",
        alice.wrong(),
        alice.code_at(0)
    );
    let outcome = run(alice.login().answer_shell(&elsewhere));
    assert_eq!((outcome.auth, outcome.prompts.len()), (code::MAXTRIES, 1));
    assert!(machine.read("/run/elsewhere").contains("\"auth\":11"));
    assert_eq!(state_of("alice").failures, 1);
    let lines = logged(&machine);
    assert_eq!(lines[0], "user=alice rhost= result=wrong");
    assert!(lines[1].starts_with("user=alice rhost= result=throttled seconds="));
}
