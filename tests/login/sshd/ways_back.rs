//! The ways back in over ssh for a user without the device.

use harness::PASSWORD;
use harness::logins::{
    ASK_AGAIN, ASK_CODE, ASK_NEW_CODES, ASK_NEW_DEVICE, ASK_PASSWORD, dialogue, enroll, enrolled,
    logged, machine,
};

use super::limits::login;

/// Text before the question for a new device.
const OFFER: &str = "\nIs your phone lost, or new? A new device can be set up now, with an\n\
                     authenticator app such as Aegis, FreeOTP or Google Authenticator.\n";

#[test]
fn r39_a_recovery_code_replaces_the_device_once() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    assert_eq!(phone.recovery.len(), 10);
    let sshd = machine.sshd("");
    let first = login(&sshd, "alice", &[&phone.recovery[3], ""]);
    let offer = format!("{OFFER}{ASK_NEW_DEVICE}");
    assert_eq!(
        dialogue(&first),
        (true, vec![ASK_PASSWORD, ASK_CODE, &offer])
    );
    assert_eq!(first.stderr, "");
    // Typed without hyphens and in small letters it is the same code: spent.
    let small = phone.recovery[3].replace('-', "").to_lowercase();
    let other = phone.recovery[0].replace('-', " ").to_lowercase();
    let second = login(&sshd, "alice", &[&small, &other, ""]);
    assert_eq!(
        dialogue(&second),
        (
            true,
            vec![
                ASK_PASSWORD,
                ASK_CODE,
                "This one-time code was used already. Use another one.\nVerification code: ",
                &offer,
            ]
        )
    );
    assert_eq!(second.stderr, "");
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=alice rhost=127.0.0.1 result=accepted device=recovery-code left=9",
            "user=alice rhost=127.0.0.1 result=spent",
            "user=alice rhost=127.0.0.1 result=accepted device=recovery-code left=8",
        ]
    );
    assert!(login(&sshd, "alice", &[&phone.code()]).is_in());
}

#[test]
fn r39_the_last_recovery_codes_say_so() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    for (code, left) in phone.recovery.iter().zip((0..10).rev()) {
        let said = match left {
            0 => "That was your last recovery code.\n".to_owned(),
            1 => "Recovery code accepted. One is left.\n".to_owned(),
            left => format!("Recovery code accepted. {left} are left.\n"),
        };
        let mut session = sshd.login("alice").shell().pty();
        session.answer(ASK_PASSWORD, PASSWORD);
        session.answer(ASK_CODE, code);
        session.answer(ASK_NEW_DEVICE, "");
        if left <= 3 {
            session.answer(ASK_NEW_CODES, "");
        }
        session.expect(&said);
        session.send_line("exit");
        session.end();
    }
    // A login with the device tells of it, too.
    let mut session = sshd.login("alice").shell().pty();
    session.answer(ASK_PASSWORD, PASSWORD);
    session.answer(ASK_CODE, &phone.code());
    session.expect("No recovery code is left. New ones: twofactor recovery-codes\n");
    session.send_line("exit");
    session.end();
}

#[test]
fn r39_a_bypass_code_of_the_administrator_works_once() {
    let machine = machine();
    enrolled(&machine, "alice");
    let bypass = || {
        let run = machine.command(&["bypass", "alice", "--json"]).ok();
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        report["code"].as_str().unwrap().to_owned()
    };
    let code = bypass();
    let sshd = machine.sshd("");
    assert!(login(&sshd, "alice", &[&code]).is_in());
    assert!(!login(&sshd, "alice", &[&code]).is_in());
    let withdrawn = bypass();
    machine.command(&["bypass", "alice", "--for", "0"]).ok();
    assert!(!login(&sshd, "alice", &[&withdrawn]).is_in());
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=alice rhost=127.0.0.1 result=accepted device=bypass",
            "user=alice rhost=127.0.0.1 result=spent",
            "user=alice rhost=127.0.0.1 result=wrong",
        ]
    );
}

#[test]
fn r39_unset_lets_one_user_in_without_a_code() {
    let machine = machine();
    enrolled(&machine, "alice");
    enrolled(&machine, "bob");
    machine.command(&["unset", "alice", "--yes"]).ok();
    let sshd = machine.sshd("");
    assert_eq!(
        dialogue(&login(&sshd, "alice", &[])),
        (true, vec![ASK_PASSWORD])
    );
    assert!(!login(&sshd, "bob", &[]).is_in());
}

#[test]
fn r34_a_renewed_device_replaces_the_old_one() {
    let machine = machine();
    let old = enrolled(&machine, "alice");
    let renewed = machine
        .command(&["renew", "alice", "--no-confirm", "--json"])
        .ok();
    let report: serde_json::Value = serde_json::from_str(&renewed.stdout).unwrap();
    let new = harness::Totp::new(report["secret"].as_str().unwrap());
    let sshd = machine.sshd("");
    new.settle(5);
    let session = login(&sshd, "alice", &[&old.totp.code(), &new.code()]);
    assert_eq!(
        dialogue(&session),
        (true, vec![ASK_PASSWORD, ASK_CODE, ASK_AGAIN])
    );
}

#[test]
fn r40_root_turns_it_off_without_a_code() {
    let machine = machine();
    enroll(&machine, "root", &[]);
    let sshd = machine.sshd("");
    assert_eq!(
        dialogue(&login(&sshd, "root", &[])),
        (false, vec![ASK_PASSWORD, ASK_CODE])
    );
    let mut terminal = machine.pty("twofactor", &["disable"]);
    terminal.answer("[y/N]", "y");
    assert_eq!(terminal.end().code, Some(0));
    assert_eq!(
        dialogue(&login(&sshd, "root", &[])),
        (true, vec![ASK_PASSWORD])
    );
}
