//! Applications that do not answer, or answer oddly.

use harness::pam::{Drive, code};

use harness::enrolled::{
    ON, SERVICE, add_account, auth, enroll_token, logged, login, machine, run, said, state_of,
};

#[test]
fn no_answer_is_conv_err_and_not_counted() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    for (name, drive) in [
        ("no answer", alice.login()),
        ("error", alice.login().answer_error()),
        ("null", alice.login().answer_null()),
        ("null array", alice.login().answer_null_array()),
    ] {
        let outcome = run(drive);
        assert_eq!(outcome.auth, code::CONV_ERR, "{name}");
        assert_eq!(outcome.prompts.len(), 1);
        assert_eq!(logged(&machine), ["user=alice rhost= result=aborted"]);
    }
    assert_eq!(state_of("alice").failures, 0);
    let later = run(alice.login().answer(alice.wrong()).answer_null());
    assert_eq!((later.auth, later.prompts.len()), (code::CONV_ERR, 2));
    assert_eq!(state_of("alice").failures, 1);
}

#[test]
fn texts_that_cannot_be_shown_change_nothing() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let drive = alice.login().text_error();
    let outcome = run(drive.answer(alice.wrong()).answer(alice.code()));
    assert_eq!(outcome.auth, code::SUCCESS);
    machine.policy("enabled = true\nenforcement = \"mandatory\"\n");
    add_account(&machine, "bob");
    assert_eq!(auth(login("bob").text_error()), code::AUTH_ERR);
}

#[test]
fn who_is_not_named_is_asked_for_the_name() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let nameless = || Drive::installed().service(SERVICE);
    let outcome = run(nameless().answer("alice").answer(alice.code()));
    assert_eq!(outcome.auth, code::SUCCESS);
    let expected = [("echo_on", "login:"), ("echo_off", "Verification code: ")];
    let asked: Vec<_> = said(&outcome);
    assert_eq!(asked, expected);
    machine.forget_log();
    assert_eq!(auth(nameless()), code::CONV_ERR);
    assert_eq!(logged(&machine), ["result=aborted"]);
}

#[test]
fn the_code_may_be_typed_as_it_is_shown() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let spaced = |separator: &str| {
        let code = alice.code();
        format!("{}{separator}{}", &code[..3], &code[3..])
    };
    for typed in [
        spaced(" "),
        spaced("-"),
        format!(" {}\t", spaced("\u{a0}")),
        spaced("\r\n"),
    ] {
        assert_eq!(
            auth(alice.login().answer(&typed)),
            code::SUCCESS,
            "{typed:?}"
        );
    }
}

/// R27: nothing typed and nothing kept secret is ever logged.
#[test]
fn nothing_secret_is_logged_even_with_debug() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    let recovery = harness::enrolled::add_recovery_codes("alice");
    let bypass = harness::enrolled::add_bypass("alice", u64::MAX >> 2);
    let ftp = harness::pam::TAKES_PASSWORD;
    let password = "hunter2-hunter2";
    let typed = [
        alice.wrong(),
        alice.code(),
        recovery[0].clone(),
        bypass,
        password.to_owned(),
        format!("{password}{}", alice.code_at(20)),
        "typed nonsense".to_owned(),
    ];
    machine.policy("enabled = true\ntries = 1\n[throttle]\nattempts = 1000\nmax_failures = 0\n");
    for arguments in ["", "use_first_pass", "try_first_pass", "forward_pass"] {
        for first in ["", ftp] {
            machine.stack(
                "x",
                &format!("{first}\nauth required pam_twofactor.so debug {arguments}\n"),
            );
            for answer in &typed {
                let drive = Drive::installed().service("x").user("alice");
                run(drive.answer(password).answer(answer).answer(answer));
                let drive = Drive::installed().service("x").user("alice");
                run(drive.answer(answer).answer(answer).answer(answer));
            }
        }
    }
    let lines = machine.log();
    assert!(lines.len() > 50);
    let mut secrets = typed.to_vec();
    secrets.extend(typed.iter().map(|answer| answer.replace('-', "")));
    secrets.extend([harness::enrolled::SECRET.to_owned(), "hunter2".to_owned()]);
    for line in lines {
        let text = String::from_utf8_lossy(&line.raw);
        // The time and the process number may contain anything that is only digits.
        let message = text
            .split_once("): ")
            .map_or(&*line.message, |(_, said)| said);
        for secret in &secrets {
            assert!(!message.contains(secret), "{secret} in {message}");
        }
        assert_eq!(line.facility, "authpriv");
    }
}
