//! The users who are asked: the rows of the policy in their order, each with its code.

use std::os::unix::fs::PermissionsExt;

use harness::Machine;
use harness::pam::{Drive, code};

use harness::enrolled::{
    IGNORED, ON, PROMPT, UNUSABLE, add_account, add_stack, auth, enroll_phone, enroll_token,
    logged, login, machine, policy_path, record_path, run, said, state_of,
};

const MANDATORY: &str = "enabled = true\nenforcement = \"mandatory\"\n";
const DEVICE_REQUIRED: &str = "Two-factor login is required here, and it is not set up for your account yet. Ask your administrator to do that.";

/// The code of a login without any answer, and what was logged; nothing may have been asked, and an error is told in one
/// sentence.
fn unasked(machine: &Machine, user: &str) -> (i32, Vec<String>) {
    let outcome = run(login(user));
    let told: &[(&str, &str)] = match outcome.auth {
        code::AUTHINFO_UNAVAIL => &[("error", UNUSABLE)],
        _ => &[],
    };
    assert_eq!(said(&outcome), told);
    (outcome.auth, logged(machine))
}

#[test]
fn r14_only_a_right_code_is_success() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let accepted = run(alice.login().answer(alice.code()));
    assert_eq!(accepted.auth, code::SUCCESS);
    assert_eq!(said(&accepted), [("echo_off", PROMPT)]);
    assert_eq!(accepted.fail_delay_us, None);
    let phone = enroll_phone(&machine, "carol");
    phone.settle(10);
    assert_eq!(auth(login("carol").answer(phone.code())), code::SUCCESS);
    assert_eq!(
        logged(&machine),
        [
            "user=alice rhost= result=accepted device=token offset=0",
            "user=carol rhost= result=accepted device=phone offset=0"
        ]
    );
    machine.policy("enabled = true\ntries = 1\n");
    let refused = run(alice.login().answer(alice.wrong()));
    assert_eq!(refused.auth, code::MAXTRIES);
    assert_eq!(logged(&machine), ["user=alice rhost= result=wrong"]);
}

#[test]
fn r15_the_unenrolled_are_not_asked_where_optional() {
    let machine = machine(ON);
    add_account(&machine, "bob");
    let (code, lines) = unasked(&machine, "bob");
    assert_eq!(code, IGNORED);
    assert_eq!(lines, ["user=bob rhost= result=unenrolled"]);
    let (code, lines) = unasked(&machine, "no-such-user");
    assert_eq!(code, IGNORED);
    assert_eq!(lines, ["user=no-such-user rhost= result=unenrolled"]);
}

#[test]
fn the_unenrolled_are_refused_where_mandatory() {
    let machine = machine(MANDATORY);
    add_account(&machine, "bob");
    for user in ["bob", "no-such-user"] {
        let outcome = run(login(user));
        assert_eq!(outcome.auth, code::AUTH_ERR);
        assert_eq!(said(&outcome), [("error", DEVICE_REQUIRED)]);
        let line = format!("user={user} rhost= result=device-required");
        assert_eq!(logged(&machine), [line]);
        let question = format!("{DEVICE_REQUIRED}\nPress Enter to go on: ");
        let silent = run(login(user).silent().answer(""));
        assert_eq!(silent.auth, code::AUTH_ERR);
        assert_eq!(said(&silent), [("echo_off", question.as_str())]);
        machine.forget_log();
    }
    let alice = enroll_token(&machine, "alice");
    assert_eq!(auth(alice.login().answer(alice.code())), code::SUCCESS);
}

#[test]
fn r16_a_policy_or_service_that_is_off_asks_no_user() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    add_stack(&machine, "other", "");
    for policy in [
        "enabled = false\nenforcement = \"mandatory\"\n",
        "enabled = true\nenforcement = \"mandatory\"\n[services]\ntest = false\n",
        "enabled = true\nenforcement = \"mandatory\"\n[services]\ndefault = false\nother = true\n",
    ] {
        machine.policy(policy);
        for user in ["alice", "bob", "no-such-user"] {
            assert_eq!(unasked(&machine, user), (IGNORED, vec![]), "{policy}");
        }
    }
    let other = Drive::installed().service("other").user("alice");
    assert_eq!(auth(other.clone()), code::CONV_ERR, "asked");
    assert_eq!(auth(other.answer(alice.code())), code::SUCCESS);
}

#[test]
fn debug_logs_why_no_code_is_asked_for() {
    let machine = machine("enabled = false\n");
    add_stack(&machine, "debugged", "debug");
    let drive = || Drive::installed().service("debugged").user("alice");
    assert_eq!(auth(drive().rhost("192.0.2.7")), IGNORED);
    machine.policy("enabled = true\n[services]\ndebugged = false\n");
    assert_eq!(auth(drive()), IGNORED);
    assert_eq!(
        logged(&machine),
        [
            "user=alice rhost=192.0.2.7 result=disabled",
            "user=alice rhost= result=service-off"
        ]
    );
}

#[test]
fn a_policy_that_cannot_be_used_refuses() {
    let machine = machine(ON);
    add_account(&machine, "bob");
    let line = |cause: &str| {
        vec![format!(
            "user=bob rhost= result=error error=\"/etc/security/twofactor.toml: {cause}"
        )]
    };
    std::fs::remove_file(policy_path()).unwrap();
    let missing = line(
        "open: No such file or directory (os error 2)\" hint=\"twofactor doctor says what to do\"",
    );
    assert_eq!(unasked(&machine, "bob"), (code::AUTHINFO_UNAVAIL, missing));
    machine.write_file(policy_path(), ON, 0o666);
    let writable = line("is accessible to others (mode 0666)\"");
    assert_eq!(unasked(&machine, "bob"), (code::AUTHINFO_UNAVAIL, writable));
    machine.write_file(policy_path(), "enabled = yes\n", 0o644);
    let (code, lines) = unasked(&machine, "bob");
    assert_eq!(code, code::AUTHINFO_UNAVAIL);
    assert!(
        lines[0].contains("twofactor.toml: line 1, column 11: ")
            && lines[0].ends_with("hint=\"twofactor policy check shows the error\""),
        "{lines:?}"
    );
}

#[test]
fn an_unusable_record_refuses_a_user_who_is_asked() {
    let machine = machine(ON);
    enroll_token(&machine, "alice");
    let path = record_path("alice");
    let good = std::fs::read(&path).unwrap();
    let refusal = |what: &str| {
        let (code, lines) = unasked(&machine, "alice");
        assert_eq!(code, code::AUTHINFO_UNAVAIL, "{what}");
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains(what), "{lines:?}");
    };
    std::fs::write(&path, "format = 1\n").unwrap();
    refusal("users/alice.toml: is not a valid record");
    std::fs::write(&path, &good).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    refusal("users/alice.toml: is accessible to others (mode 0640)");
    machine.policy("enabled = true\n[[exempt]]\nusers = [\"alice\"]\n");
    assert_eq!(unasked(&machine, "alice").0, IGNORED, "exempt before that");
    machine.policy("enabled = false\n");
    assert_eq!(unasked(&machine, "alice").0, IGNORED, "off before that");
}

#[test]
fn a_record_of_another_or_vanished_uid_refuses() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    machine.remove_user("alice");
    for policy in [ON, MANDATORY] {
        machine.policy(policy);
        let (code, lines) = unasked(&machine, "alice");
        assert_eq!(code, code::AUTHINFO_UNAVAIL);
        assert!(
            lines[0].contains(
                "but no such account\" hint=\"if that user is gone: twofactor unset USER;"
            ),
            "{lines:?}"
        );
    }
    machine.add_user_with_id("alice", 61_000);
    let outcome = run(alice.login().answer(alice.code()));
    assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL);
    assert_eq!(outcome.prompts, [""; 0]);
    let lines = logged(&machine);
    assert!(
        lines[0].contains("but the user now has uid 61000\" hint=\"twofactor adopt USER"),
        "{lines:?}"
    );
    assert_eq!(state_of("alice").failures, 0);
}

#[test]
fn a_broken_policy_comes_before_every_other_row() {
    let machine = machine("enabled = false\nno_such_key = 1\n");
    enroll_token(&machine, "alice");
    for user in ["alice", "no-such-user"] {
        assert_eq!(unasked(&machine, user).0, code::AUTHINFO_UNAVAIL);
    }
    add_stack(&machine, "broken", "no-such-argument");
    let broken = Drive::installed().service("broken").user("alice");
    assert_eq!(auth(broken), code::SERVICE_ERR, "arguments before that");
}

#[test]
fn with_pam_silent_an_error_is_told_in_one_question() {
    let machine = machine("no_such_key = 1\n");
    let question = format!("{UNUSABLE}\nPress Enter to go on: ");
    let outcome = run(login("alice").silent().answer(""));
    assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL);
    assert_eq!(said(&outcome), [("echo_off", question.as_str())]);
    // In one field the password is not known yet, and where only the first pass counts nothing is asked.
    add_stack(&machine, "x", "forward_pass");
    for silent in [false, true] {
        let drive = Drive::installed().service("x").user("alice");
        let outcome = run(if silent { drive.silent() } else { drive });
        assert_eq!(
            (outcome.auth, said(&outcome)),
            (code::AUTHINFO_UNAVAIL, vec![])
        );
    }
    add_stack(&machine, "x", "use_first_pass");
    let outcome = run(Drive::installed().service("x").user("alice").silent());
    assert_eq!(
        (outcome.auth, said(&outcome)),
        (code::AUTHINFO_UNAVAIL, vec![])
    );
}

/// A web server, which is not root and asks about its users.
#[test]
fn a_program_that_is_not_root_reads_which_uid_it_has() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let uid = machine.add_user("www");
    let drive = || alice.login().answer(alice.code()).as_user("www");
    assert_eq!(drive().run().auth, code::AUTHINFO_UNAVAIL);
    let line = |error: &str| {
        format!(
            "user=alice rhost= result=error error=\"{error}\" hint=\"this program runs as uid {uid}: \
             twofactor disable --service test\""
        )
    };
    let foreign = "/run/twofactor/socket: the user is not the one this program runs as";
    assert_eq!(logged(&machine), [line(foreign)]);
    machine.write_file(policy_path(), ON, 0o600);
    assert_eq!(drive().run().auth, code::AUTHINFO_UNAVAIL);
    let denied = "/etc/security/twofactor.toml: open: Permission denied (os error 13)";
    assert_eq!(logged(&machine), [line(denied)]);
    machine.policy("enabled = true\n[services]\ntest = false\n");
    assert_eq!(drive().run().auth, IGNORED);
}

/// The application, or another module, puts another user in the place while a question is open.
#[test]
fn a_code_is_no_verdict_on_another_user() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    enroll_token(&machine, "carol");
    add_account(&machine, "bob");
    add_stack(&machine, "x", "forward_pass");
    let another = |user: &str| format!("user={user} rhost= result=another-user");
    let outcome = run(alice.login().answer_as("carol", alice.code()));
    assert_eq!(outcome.auth, code::AUTH_ERR);
    assert_eq!(logged(&machine).last(), Some(&another("alice")));
    // Nor is it one that a policy asks nothing of the first.
    let one_field = Drive::installed().service("x").user("bob");
    assert_eq!(auth(one_field.answer_as("carol", "x")), code::AUTH_ERR);
    machine.policy("enabled = true\nuniform_prompt = true\n");
    assert_eq!(auth(login("bob").answer_as("carol", "x")), code::AUTH_ERR);
    assert_eq!(logged(&machine).last(), Some(&another("bob")));
    assert_eq!(auth(login("bob").answer_as("bob", "x")), IGNORED);
    assert_eq!(
        auth(alice.login().answer_as("alice", alice.code())),
        code::SUCCESS
    );
}
