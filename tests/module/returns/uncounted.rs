//! Answers that are no guesses: empty ones, the user's name, a code that was refused or used already. They use up the tries
//! and are not counted, so that no client locks its owner out.

use harness::pam::{Drive, code};
use harness::{Machine, PASSWORD};

use harness::enrolled::{
    ON, PROMPT, Token, add_recovery_codes, auth, enroll_phone, enroll_token, logged, login,
    machine, run, said, set_state, state_of,
};

const ASKED: (&str, &str) = ("echo_off", PROMPT);
const WRONG: (&str, &str) = ("error", "Wrong code.");
const AGAIN: (&str, &str) = (
    "error",
    "This code was refused already. Wait for the next one.",
);
const ONE_TRY: &str = "enabled = true\ntries = 1\n";

/// Failures that count, those to be told, and when the last one was.
fn counters() -> (u32, u32, u64) {
    let state = state_of("alice");
    (state.failures, state.unreported, state.last_failure)
}

fn results(machine: &Machine) -> Vec<String> {
    let lines = logged(machine).into_iter();
    lines
        .map(|line| line.split_once("result=").unwrap().1.to_owned())
        .collect()
}

#[test]
fn an_empty_answer_is_explained_and_not_counted() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    for answer in ["", " ", "-", " - \t"] {
        let outcome = run(alice.login().answer(answer).answer(alice.code()));
        assert_eq!(outcome.auth, code::SUCCESS);
        let told = ("error", "No code was typed.");
        assert_eq!(said(&outcome), [ASKED, told, ASKED]);
        assert!(results(&machine)[0] == "empty-answer");
        assert_eq!(auth(alice.login().silent().answer(answer)), code::CONV_ERR);
        assert_eq!(counters(), (0, 0, 0));
    }
    machine.policy(ONE_TRY);
    assert_eq!(auth(alice.login().answer("")), code::MAXTRIES);
    assert_eq!(counters(), (0, 0, 0));
}

/// As programs do that give it to every question which shows its answer.
#[test]
fn the_users_name_is_explained_and_not_counted() {
    let machine = machine("enabled = true\necho = true\n");
    let alice = enroll_token(&machine, "alice");
    let outcome = run(alice.login().answer("alice").answer(alice.code()));
    assert_eq!(outcome.auth, code::SUCCESS);
    let asked = ("echo_on", PROMPT);
    let told = (
        "error",
        "That was the user name. Type the code of your device.",
    );
    assert_eq!(said(&outcome), [asked, told, asked]);
    assert_eq!(results(&machine)[0], "user-name-as-code");
    let always = (0..3).fold(alice.login(), |login, _| login.answer("alice"));
    assert_eq!(auth(always), code::MAXTRIES);
    assert_eq!(counters(), (0, 0, 0));
    // Another name is as wrong as anything else.
    assert_eq!(auth(alice.login().answer("Alice")), code::CONV_ERR);
    assert_eq!(state_of("alice").failures, 1);
}

#[test]
fn a_client_that_always_gives_one_answer_counts_once() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    for (failures, answer) in (1..).zip([alice.wrong(), "hunter2".into(), "123".into()]) {
        let always = (0..3).fold(alice.login(), |login, _| login.answer(&answer));
        let outcome = run(always);
        assert_eq!(outcome.auth, code::MAXTRIES);
        assert_eq!(said(&outcome), [ASKED, WRONG, ASKED, AGAIN, ASKED, AGAIN]);
        assert_eq!(
            results(&machine),
            ["wrong", "repeated-code", "repeated-code"]
        );
        assert_eq!(state_of("alice").failures, failures);
    }
}

/// Not comparing it is what makes it safe not to count it.
#[test]
fn a_refused_code_is_not_compared_in_a_later_login() {
    let machine = machine(ONE_TRY);
    let alice = enroll_token(&machine, "alice");
    let soon = alice.code_at(50);
    assert_eq!(auth(alice.login().answer(soon)), code::MAXTRIES);
    set_state("alice", |state| state.devices[0].next = 50);
    let before = counters();
    for spelled in [soon.to_owned(), format!("{} {}", &soon[..3], &soon[3..])] {
        let outcome = run(alice.login().answer(spelled));
        assert_eq!(outcome.auth, code::MAXTRIES);
        assert_eq!(said(&outcome), [ASKED, AGAIN]);
        assert!(outcome.fail_delay_us.is_some());
    }
    assert_eq!(
        results(&machine),
        ["wrong", "repeated-code", "repeated-code"]
    );
    assert_eq!(counters(), before);
    assert_eq!(auth(alice.login().answer(alice.code_at(51))), code::SUCCESS);
}

#[test]
fn an_accepted_code_forgets_the_refused_ones() {
    let machine = machine(ONE_TRY);
    let alice = enroll_token(&machine, "alice");
    let wrong = alice.wrong();
    for answer in [&wrong, &alice.code(), &wrong] {
        run(alice.login().answer(answer));
    }
    assert_eq!(
        results(&machine),
        [
            "wrong",
            "accepted device=token offset=0 failures_before=1",
            "wrong"
        ]
    );
}

/// A mail program goes on with the code of the morning.
#[test]
fn a_used_code_sent_again_and_again_is_not_counted() {
    let machine = machine(ONE_TRY);
    let phone = enroll_phone(&machine, "alice");
    phone.settle(10);
    let morning = phone.code();
    assert_eq!(auth(login("alice").answer(&morning)), code::SUCCESS);
    set_state("alice", |state| {
        (state.failures, state.unreported, state.last_failure) = (3, 4, 5);
    });
    for _ in 0..20 {
        assert_eq!(auth(login("alice").answer(&morning)), code::MAXTRIES);
    }
    assert_eq!(counters(), (3, 4, 5));
    let found = results(&machine);
    assert_eq!(found[1], "used device=phone");
    assert!(found[2..].iter().all(|result| result == "repeated-code"));
}

#[test]
fn a_spent_recovery_code_is_not_counted() {
    let machine = machine(ONE_TRY);
    let alice = enroll_token(&machine, "alice");
    let codes = add_recovery_codes("alice");
    for spent in &codes[..3] {
        assert_eq!(auth(alice.login().answer(spent)), code::SUCCESS);
    }
    for spent in codes[..3].iter().cycle().take(30) {
        assert_eq!(auth(alice.login().answer(spent)), code::MAXTRIES);
    }
    assert_eq!(counters(), (0, 0, 0));
    assert_eq!(auth(alice.login().answer(&codes[3])), code::SUCCESS);
}

#[test]
fn with_uniform_prompt_each_looks_like_a_wrong_code() {
    let machine = machine("enabled = true\nuniform_prompt = true\nenforcement = \"mandatory\"\n");
    let alice = enroll_token(&machine, "alice");
    let wrong = alice.wrong();
    let dialogue = |answers: [&str; 3]| {
        let login = answers.iter().fold(alice.login(), Drive::answer);
        let outcome = run(login);
        assert!(outcome.fail_delay_us.is_some());
        assert_eq!(outcome.auth, code::MAXTRIES);
        assert_eq!(said(&outcome), [ASKED, WRONG, ASKED, WRONG, ASKED, WRONG]);
        results(&machine)
    };
    assert_eq!(
        dialogue([&wrong, "alice", &wrong]),
        ["wrong", "user-name-as-code", "repeated-code"]
    );
    assert_eq!(state_of("alice").failures, 1);
}

/// One field, over and over, by a program that keeps password and code.
fn in_one_field(machine: &Machine, policy: &str) -> Token {
    machine.policy(policy);
    let ours = "auth [success=ok ignore=ignore default=die] pam_twofactor.so forward_pass";
    let unix = "auth requisite pam_unix.so use_first_pass nodelay";
    machine.stack("x", &format!("{ours}\n{unix}\n"));
    enroll_token(machine, "alice")
}

fn sends(password: &str, code: &str) -> i32 {
    let drive = Drive::installed().service("x").user("alice");
    auth(drive.rhost("192.0.2.7").answer(format!("{password}{code}")))
}

#[test]
fn in_one_field_a_kept_answer_never_locks_out() {
    let machine = machine(ON);
    let alice = in_one_field(&machine, ONE_TRY);
    let kept = alice.code();
    assert_eq!(sends(PASSWORD, &kept), code::SUCCESS);
    for _ in 0..20 {
        assert_eq!(sends(PASSWORD, &kept), code::MAXTRIES);
    }
    assert_eq!(counters(), (0, 0, 0));
    assert_eq!(sends(PASSWORD, &alice.code()), code::SUCCESS);
}

#[test]
fn in_one_field_a_kept_answer_is_good_during_grace() {
    let machine = machine(ON);
    let alice = in_one_field(&machine, "enabled = true\ntries = 1\ngrace = 3600\n");
    let recovery = add_recovery_codes("alice");
    for kept in [&alice.code(), &recovery[0], &recovery[1].replace('-', "")] {
        set_state("alice", |state| state.grace.clear());
        assert_eq!(sends(PASSWORD, kept), code::SUCCESS);
        for _ in 0..3 {
            assert_eq!(sends(PASSWORD, kept), code::SUCCESS);
        }
        assert_eq!(sends("wrong", kept), code::AUTH_ERR, "pam_unix says so");
    }
    assert_eq!(sends(PASSWORD, ""), code::SUCCESS);
    // Nothing else is cut off: not a code to come, not a wrong one, not a recovery code that was not used.
    let other = [alice.code_at(1), &alice.wrong(), &recovery[2], "123"];
    for tail in other {
        assert_eq!(sends(PASSWORD, tail), code::AUTH_ERR, "{tail}");
    }
    let found = results(&machine);
    assert_eq!(
        found.iter().filter(|it| it.starts_with("accepted")).count(),
        3
    );
    assert_eq!(counters(), (0, 0, 0));
}

#[test]
fn during_grace_a_first_pass_is_cut_as_well() {
    let machine = machine(ON);
    let alice = in_one_field(&machine, "enabled = true\ntries = 1\ngrace = 3600\n");
    let kept = alice.code();
    for argument in ["use_first_pass", "try_first_pass"] {
        let lines = machine.read("/etc/pam.d/x");
        let first = harness::pam::TAKES_PASSWORD;
        let lines = lines.replace("forward_pass", &format!("forward_pass {argument}"));
        machine.stack("y", &format!("{first}\n{lines}"));
        set_state("alice", |state| {
            state.grace.clear();
            state.devices[0].next = 0;
        });
        for _ in 0..3 {
            let drive = Drive::installed().service("y").user("alice");
            let drive = drive.rhost("192.0.2.7").answer(format!("{PASSWORD}{kept}"));
            assert_eq!(auth(drive), code::SUCCESS, "{argument}");
        }
    }
}
