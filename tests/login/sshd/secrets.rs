//! That no log tells a secret, whatever is logged.

use harness::logins::{Phone, enroll, files, machine};
use harness::{Machine, PASSWORD, Sshd};

const GUESS: &str = "hunter2-is-a-guess";
const NO_CODE: &str = "not-a-code-at-all";

#[test]
fn r33_no_log_has_a_secret_even_with_debug() {
    logs_of_a_whole_run_tell_nothing("sshd");
}

#[test]
fn r33_no_log_has_a_secret_of_one_field() {
    logs_of_a_whole_run_tell_nothing("sshd-password-and-code-in-one-field");
}

fn logs_of_a_whole_run_tell_nothing(stack: &str) {
    let machine = machine();
    machine.install_stack_as(stack, "sshd");
    for file in ["sshd", "common-auth"] {
        let lines = machine.read(format!("/etc/pam.d/{file}"));
        let lines = lines.replace("pam_twofactor.so", "pam_twofactor.so debug");
        machine.stack(
            file,
            &lines.replace("pam_unix.so", "pam_unix.so debug nodelay"),
        );
    }
    machine.add_user("alice");
    // Eight digits, so that no other number in the logs happens to be a code.
    let phone = enroll(&machine, "alice", &["--digits=8"]);
    let sshd = machine.sshd("LogLevel DEBUG3\nPasswordAuthentication yes");
    let secrets = match stack {
        "sshd" => every_kind_of_login(&machine, &phone, |code| login(&sshd, &[PASSWORD, code, ""])),
        _ => every_kind_of_login(&machine, &phone, |code| {
            login(&sshd, &[&format!("{PASSWORD}{code}")])
        }),
    };
    assert!(!login(&sshd, &[GUESS]));
    let mut logs: Vec<String> = machine.log().into_iter().map(|line| line.message).collect();
    logs.push(sshd.log());
    for file in files("/var/log") {
        logs.extend(std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    for outcome in ["accepted", "wrong", "used", "spent", "service-off", "error"] {
        let outcome = format!("result={outcome}");
        assert!(logs.iter().any(|text| text.contains(&outcome)), "{outcome}");
    }
    assert!(sshd.log().contains("debug3: PAM"));
    for secret in secrets {
        assert!(!logs.iter().any(|text| text.contains(&secret)), "{secret}");
    }
}

/// Returns everything that was typed, and the secret.
fn every_kind_of_login(
    machine: &Machine,
    phone: &Phone,
    login: impl Fn(&str) -> bool,
) -> Vec<String> {
    // The password method tries each answer as often as the module asks: no user is to be locked out here.
    machine
        .policy("enabled = true\n[services]\nsshd = true\n[throttle]\nattempts = 100\ndelay = 0\n");
    let (wrong, right) = (phone.wrong_code(), phone.code());
    let (recovery, bare) = (&phone.recovery[0], phone.recovery[0].replace('-', ""));
    for (code, is_in) in [
        (right.as_str(), true),
        (&right, false),
        (&wrong, false),
        (NO_CODE, false),
        (recovery, true),
        (&bare, false),
        (GUESS, false),
    ] {
        assert_eq!(login(code), is_in, "{code}");
    }
    machine.policy("enabled = true\n");
    login(&right);
    machine.policy("enabled = ohno\n");
    assert!(!login(&right));
    let secret = &phone.totp.secret;
    [
        PASSWORD, GUESS, NO_CODE, &wrong, &right, recovery, &bare, secret,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// By keyboard-interactive, and if that fails by sshd's password method; hangs up at a question without an answer.
fn login(sshd: &Sshd<'_>, answers: &[&str]) -> bool {
    let asked = sshd.login("alice").answers(answers).run();
    let method = "PreferredAuthentications=password";
    let by_password = sshd.login("alice").option(method).answers(&[answers[0]]);
    asked.is_in() || by_password.run().is_in()
}
