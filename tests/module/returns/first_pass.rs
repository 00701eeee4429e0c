//! The code from an earlier module's answer, and password and code in one answer.

use std::fs;

use harness::pam::{Drive, TAKES_PASSWORD, code};
use harness::{Machine, PASSWORD};

use harness::enrolled::{
    ON, PROMPT, add_account, add_recovery_codes, auth, enroll_token, logged, machine, run, said,
    state_of, state_path,
};

const ASKS_FIRST: (&str, &str) = ("echo_off", "Password required for alice.");
const BOTH: &str = "Password & verification code: ";

/// A stack in which an earlier module may have asked for the password, and pam_unix may check it afterwards.
fn stack(machine: &Machine, first: &str, arguments: &str, behind: &str) {
    let ours = "auth [success=ok ignore=ignore default=die] pam_twofactor.so";
    machine.stack("x", &format!("{first}\n{ours} {arguments}\n{behind}\n"));
}

const CHECKS_PASSWORD: &str = "auth requisite pam_unix.so use_first_pass nodelay";
const PERMITS: &str = "auth required pam_permit.so";

fn x(user: &str) -> Drive {
    Drive::installed().service("x").user(user)
}

#[test]
fn use_first_pass_asks_nothing() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    stack(&machine, TAKES_PASSWORD, "use_first_pass", PERMITS);
    let right = run(x("alice").answer(alice.code()));
    assert_eq!(
        (right.auth, said(&right)),
        (code::SUCCESS, vec![ASKS_FIRST])
    );
    let wrong = run(x("alice").answer(alice.wrong()).answer(alice.code_at(1)));
    assert_eq!(wrong.auth, code::AUTH_ERR);
    assert_eq!(said(&wrong), [ASKS_FIRST, ("error", "Wrong code.")]);
    assert_eq!(state_of("alice").failures, 1);
    stack(&machine, "", "use_first_pass", PERMITS);
    let none = run(x("alice").answer(alice.code_at(1)));
    assert_eq!((none.auth, said(&none)), (code::AUTH_ERR, vec![]));
    assert_eq!(
        logged(&machine).last().unwrap(),
        "user=alice rhost= result=no-first-pass"
    );
    assert_eq!(state_of("alice").failures, 1);
}

#[test]
fn try_first_pass_asks_when_the_password_is_no_code() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let asked = ("echo_off", PROMPT);
    stack(&machine, TAKES_PASSWORD, "try_first_pass", PERMITS);
    let first = run(x("alice").answer(alice.code()));
    assert_eq!(
        (first.auth, said(&first)),
        (code::SUCCESS, vec![ASKS_FIRST])
    );
    let second = run(x("alice").answer(PASSWORD).answer(alice.code()));
    assert_eq!(second.auth, code::SUCCESS);
    assert_eq!(
        said(&second),
        [ASKS_FIRST, asked],
        "the password is no failure"
    );
    let third = run(x("alice").answer(alice.wrong()).answer(alice.code()));
    assert_eq!(third.auth, code::SUCCESS);
    assert_eq!(
        said(&third)[..3],
        [ASKS_FIRST, ("error", "Wrong code."), asked]
    );
    stack(&machine, "", "try_first_pass", PERMITS);
    let alone = run(x("alice").answer(alice.code()));
    assert_eq!((alone.auth, said(&alone)), (code::SUCCESS, vec![asked]));
}

#[test]
fn an_earlier_answer_needs_an_argument() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    stack(&machine, TAKES_PASSWORD, "", PERMITS);
    let outcome = run(x("alice").answer(alice.code_at(0)).answer(alice.code_at(1)));
    assert_eq!(outcome.auth, code::SUCCESS);
    assert_eq!(said(&outcome), [ASKS_FIRST, ("echo_off", PROMPT)]);
    assert_eq!(state_of("alice").devices[0].next, 2);
}

#[test]
fn forward_pass_passes_the_password_on() {
    let machine = machine("enabled = true\ntries = 1\necho = true\n");
    let alice = enroll_token(&machine, "alice");
    let recovery = add_recovery_codes("alice");
    stack(&machine, "", "forward_pass", CHECKS_PASSWORD);
    let both = |password: &str, code: &str| run(x("alice").answer(format!("{password}{code}")));
    let right = both(PASSWORD, &alice.code());
    assert_eq!(
        (right.auth, said(&right)),
        (code::SUCCESS, vec![("echo_off", BOTH)])
    );
    assert_eq!(both(PASSWORD, &recovery[0]).auth, code::SUCCESS);
    assert_eq!(
        both(PASSWORD, &recovery[1].replace('-', "")).auth,
        code::SUCCESS
    );
    let wrong_code = both(PASSWORD, &alice.wrong());
    assert_eq!(
        (wrong_code.auth, wrong_code.prompts.len()),
        (code::MAXTRIES, 1)
    );
    assert_eq!(both(PASSWORD, "").auth, code::MAXTRIES);
    assert_eq!(state_of("alice").failures, 2);
    let code = alice.code();
    assert_eq!(
        both("wrong", &code).auth,
        code::AUTH_ERR,
        "pam_unix says so"
    );
    assert_eq!(both(PASSWORD, &code).auth, code::MAXTRIES, "used up");
    assert_eq!(both(PASSWORD, &alice.code()).auth, code::SUCCESS);
}

#[test]
fn forward_pass_passes_whole_answers_where_no_code() {
    let machine = machine(ON);
    enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    stack(&machine, "", "forward_pass", CHECKS_PASSWORD);
    for (policy, user, prompt) in [
        (ON, "bob", BOTH),
        ("enabled = false\n", "alice", "Password: "),
        (
            "enabled = true\n[services]\nx = false\n",
            "alice",
            "Password: ",
        ),
        (
            "enabled = true\n[[exempt]]\nusers = [\"alice\"]\n",
            "alice",
            "Password: ",
        ),
    ] {
        machine.policy(policy);
        let right = run(x(user).answer(PASSWORD));
        assert_eq!(
            (right.auth, said(&right)),
            (code::SUCCESS, vec![("echo_off", prompt)])
        );
        let longer = format!("{PASSWORD}123456");
        assert_eq!(auth(x(user).answer(longer)), code::AUTH_ERR, "{policy}");
        assert_eq!(auth(x(user)), code::CONV_ERR, "{policy}");
    }
    machine.policy("enabled = true\nenforcement = \"mandatory\"\n");
    let refused = run(x("bob").answer(PASSWORD));
    assert_eq!((refused.auth, refused.prompts.len()), (code::AUTH_ERR, 1));
}

/// A user who waits at the question of the password until the policy has changed is not let in by the old one.
#[test]
fn a_policy_changed_at_the_password_ends_the_login() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    stack(&machine, "", "forward_pass", CHECKS_PASSWORD);
    let grace = "enabled = true\ngrace = 3600\n";
    machine.policy(grace);
    let from = |user: &str| x(user).rhost("192.0.2.7");
    let both = format!("{PASSWORD}{}", alice.code());
    assert_eq!(auth(from("alice").answer(both)), code::SUCCESS);
    let exempt = "enabled = true\n[[exempt]]\nusers = [\"alice\"]\n";
    let off = "enabled = true\n[services]\nx = false\n";
    for (policy, user) in [
        ("enabled = false\n", "alice"),
        (off, "alice"),
        (exempt, "alice"),
        (grace, "alice"),
        (ON, "bob"),
    ] {
        machine.policy(policy);
        assert_eq!(auth(from(user).answer(PASSWORD)), code::SUCCESS, "{policy}");
        machine.forget_log();
        let change = "echo 'enabled = true' > /etc/security/twofactor.toml; echo 'tries = 2' >> /etc/security/twofactor.toml";
        let outcome = run(from(user).answer_shell(&format!("{change}; echo {PASSWORD}")));
        assert_eq!(outcome.auth, code::AUTH_ERR, "{policy}");
        assert_eq!(outcome.prompts.len(), 1, "{policy}");
        let line = format!("user={user} rhost=192.0.2.7 result=policy-changed");
        assert!(logged(&machine).contains(&line), "{policy}");
    }
}

/// A password that was typed for longer than the grace is no reason to ask for no code.
#[test]
fn grace_that_ends_at_the_password_lets_no_one_in() {
    let machine = machine("enabled = true\ngrace = 3600\n");
    let alice = enroll_token(&machine, "alice");
    stack(&machine, "", "forward_pass", CHECKS_PASSWORD);
    let state = state_path("alice").display().to_string();
    fs::copy(&state, "/var/lib/before").unwrap();
    let from = || x("alice").rhost("192.0.2.7");
    let both = |code: String| format!("{PASSWORD}{code}");
    assert_eq!(auth(from().answer(both(alice.code()))), code::SUCCESS);
    let ends = format!("cat /var/lib/before > {state}; echo {PASSWORD}");
    assert_eq!(auth(from().answer_shell(&ends)), code::CONV_ERR);
    assert_eq!(auth(from().answer(both(alice.code()))), code::SUCCESS);
    let asked = run(from().answer_shell(&ends).answer(both(alice.code())));
    let questions = vec![("echo_off", "Password: "), ("echo_off", BOTH)];
    assert_eq!((asked.auth, said(&asked)), (code::SUCCESS, questions));
}

#[test]
fn an_exemption_that_ends_at_the_password_refuses() {
    let machine = machine("enabled = true\n[[exempt]]\ngroups = [\"robots\"]\n");
    enroll_token(&machine, "alice");
    machine.add_group("robots");
    machine.add_to_group("alice", "robots");
    stack(&machine, "", "forward_pass", CHECKS_PASSWORD);
    assert_eq!(auth(x("alice").answer(PASSWORD)), code::SUCCESS);
    machine.forget_log();
    let ends = format!("sed -i '/^robots:/s/alice//' /etc/group; echo {PASSWORD}");
    assert_eq!(auth(x("alice").answer_shell(&ends)), code::AUTH_ERR);
    let line = "user=alice rhost= result=policy-changed";
    assert!(logged(&machine).iter().any(|logged| logged == line));
}

/// The question that all get with `uniform_prompt`.
#[test]
fn a_policy_changed_at_a_question_ends_the_login() {
    let machine = machine("enabled = true\nuniform_prompt = true\n");
    add_account(&machine, "bob");
    stack(&machine, "", "", PERMITS);
    let change = "echo 'enabled = true' > /etc/security/twofactor.toml";
    let outcome = run(x("bob").answer_shell(&format!("{change}; echo 123456")));
    assert_eq!(outcome.auth, code::AUTH_ERR);
    assert_eq!(logged(&machine), ["user=bob rhost= result=policy-changed"]);
    assert_eq!(auth(x("bob").answer("123456")), code::SUCCESS);
}

#[test]
fn forward_pass_splits_an_earlier_answer() {
    let machine = machine("enabled = true\ntries = 2\n");
    let alice = enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    for argument in ["use_first_pass", "try_first_pass"] {
        stack(
            &machine,
            TAKES_PASSWORD,
            &format!("forward_pass {argument}"),
            CHECKS_PASSWORD,
        );
        let outcome = run(x("alice").answer(format!("{PASSWORD}{}", alice.code())));
        assert_eq!(
            (outcome.auth, said(&outcome)),
            (code::SUCCESS, vec![ASKS_FIRST])
        );
        let wrong = run(x("alice").answer(format!("wrong{}", alice.code())));
        assert_eq!(wrong.auth, code::AUTH_ERR, "pam_unix says so");
        let bob = run(x("bob").answer(PASSWORD));
        assert_eq!((bob.auth, bob.prompts.len()), (code::SUCCESS, 1));
    }
}

#[test]
fn during_grace_the_password_alone_is_asked() {
    let machine = machine("enabled = true\ngrace = 3600\n");
    let alice = enroll_token(&machine, "alice");
    stack(&machine, "", "forward_pass", CHECKS_PASSWORD);
    let from = || x("alice").rhost("192.0.2.7");
    let both = format!("{PASSWORD}{}", alice.code());
    assert_eq!(auth(from().answer(both)), code::SUCCESS);
    let again = run(from().answer(PASSWORD));
    assert_eq!(again.auth, code::SUCCESS);
    assert_eq!(said(&again), [("echo_off", "Password: ")]);
    assert_eq!(auth(from().answer("wrong")), code::AUTH_ERR);
    assert_eq!(auth(from().answer("")), code::AUTH_ERR);
}

/// The password is yet to be checked by the next module: a stranger must not learn how the account fares.
#[test]
fn in_one_field_a_right_code_tells_nothing() {
    let machine = machine("enabled = true\ntries = 1\n");
    let alice = enroll_token(&machine, "alice");
    let recovery = add_recovery_codes("alice");
    stack(&machine, "", "forward_pass", CHECKS_PASSWORD);
    for code in [alice.code(), recovery[0].clone()] {
        assert_eq!(auth(x("alice").answer(alice.wrong())), code::MAXTRIES);
        let outcome = run(x("alice").answer(format!("wrong{code}")));
        assert_eq!(outcome.auth, code::AUTH_ERR);
        assert_eq!(said(&outcome), [("echo_off", BOTH)]);
    }
}

#[test]
fn the_password_as_code_is_refused_uncounted() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    stack(&machine, TAKES_PASSWORD, "", PERMITS);
    let outcome = run(x("alice")
        .answer(PASSWORD)
        .answer(PASSWORD)
        .answer(alice.code_at(0)));
    assert_eq!(outcome.auth, code::AUTH_ERR);
    let again = "That was the password again. Log in once more, and type the code of your device when it is asked for.";
    assert_eq!(
        said(&outcome),
        [ASKS_FIRST, ("echo_off", PROMPT), ("error", again)]
    );
    assert_eq!(
        (state_of("alice").failures, state_of("alice").unreported),
        (0, 0)
    );
    assert_eq!(
        logged(&machine),
        [
            "user=alice rhost= result=password-as-code hint=\"the password was given as the code; a program that gives one \
          answer to all questions needs the lines of pam.d/sshd-password-and-code-in-one-field, or: twofactor disable \
          --service x\""
        ]
    );
    let empty = run(x("alice").answer("").answer("").answer(alice.code()));
    assert_eq!(empty.auth, code::SUCCESS, "an empty password is none");
    assert_eq!(logged(&machine)[0], "user=alice rhost= result=empty-answer");
}
