//! Logins over ssh with all kinds of devices, and what is accepted as their code.

use harness::logins::{
    ASK_AGAIN, ASK_CODE, ASK_PASSWORD, dialogue, enroll, enrolled, logged, machine, policy,
};
use harness::{PASSWORD, Sshd, hotp};

#[test]
fn r1_a_new_device_has_six_digits_and_30_seconds() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    assert_eq!(
        (phone.totp.digits, phone.totp.interval, phone.totp.algorithm),
        (6, 30, "SHA1")
    );
    let sshd = machine.sshd("");
    // The harness computes with these defaults, whatever the report says.
    let totp = harness::Totp::new(&phone.totp.secret);
    totp.settle(5);
    assert_eq!(totp.code().len(), 6);
    assert!(
        sshd.login("alice")
            .answers(&[PASSWORD, &totp.code()])
            .run()
            .is_in()
    );
}

#[test]
fn r2_r3_r41_each_device_has_its_own_settings() {
    let machine = machine();
    let sshd = machine.sshd("");
    let devices: [(&str, &[&str], usize); 4] = [
        (
            "eight",
            &["--digits=8", "--algorithm=SHA512", "--interval=60"],
            8,
        ),
        ("seven", &["--digits=7", "--algorithm=SHA256"], 7),
        ("quick", &["--interval=5"], 6),
        ("slow", &["--interval=3600"], 6),
    ];
    for (user, arguments, digits) in devices {
        machine.add_user(user);
        let phone = enroll(&machine, user, arguments);
        let code = phone.code();
        assert_eq!(code.len(), digits);
        let session = sshd.login(user).answers(&[PASSWORD, &code]).run();
        assert_eq!(
            dialogue(&session),
            (true, vec![ASK_PASSWORD, ASK_CODE]),
            "{user}"
        );
    }
}

#[test]
fn r4_r6_window_1_accepts_three_codes() {
    let machine = machine();
    let sshd = machine.sshd("");
    for (user, steps) in [("past", -1), ("now", 0), ("future", 1)] {
        let phone = enrolled(&machine, user);
        assert!(login(&sshd, user, &phone.code_after(steps)), "{user}");
        let line =
            format!("user={user} rhost=127.0.0.1 result=accepted device=phone offset={steps}");
        assert_eq!(logged(&machine, "sshd:auth"), [line]);
        machine.forget_log();
    }
    for (user, steps) in [("early", -2), ("late", 2)] {
        let phone = enrolled(&machine, user);
        let code = phone.code_after(steps);
        let session = sshd.login(user).answers(&[PASSWORD, &code]).run();
        // A guesser sees what any wrong code gets.
        assert_eq!(
            dialogue(&session),
            (false, vec![ASK_PASSWORD, ASK_CODE, ASK_AGAIN])
        );
        let line = format!(
            "user={user} rhost=127.0.0.1 result=wrong device=phone steps_off={steps} \
             hint=\"the clocks of this machine and of the device differ: set the wrong one right, or: twofactor resync USER DEVICE\""
        );
        assert_eq!(logged(&machine, "sshd:auth"), [line]);
        machine.forget_log();
    }
}

#[test]
fn r4_window_0_accepts_one_code() {
    let machine = machine();
    policy(&machine, "window = 0", "");
    let sshd = machine.sshd("");
    for (user, steps, is_in) in [("past", -1, false), ("now", 0, true), ("future", 1, false)] {
        let phone = enrolled(&machine, user);
        assert_eq!(
            login(&sshd, user, &phone.code_after(steps)),
            is_in,
            "{user}"
        );
    }
}

#[test]
fn r9_the_code_is_typed_with_or_without_the_space() {
    let machine = machine();
    let sshd = machine.sshd("");
    let phone = enrolled(&machine, "alice");
    let code = phone.code();
    let spaced = format!(" {} {}", &code[..3], &code[3..]);
    assert!(login(&sshd, "alice", &spaced));
    assert!(!login(&sshd, "alice", &code));
    assert!(machine.log_with("result=used").len() == 1);
}

#[test]
fn a_counting_token_may_be_ahead() {
    let machine = machine();
    machine.add_user("alice");
    let token = enroll(&machine, "alice", &["--hotp", "--device=token"]);
    let secret = &token.totp.secret;
    let sshd = machine.sshd("");
    assert!(login(&sshd, "alice", &hotp(secret, 0, 6)));
    assert!(!login(&sshd, "alice", &hotp(secret, 0, 6)));
    assert!(login(&sshd, "alice", &hotp(secret, 11, 6)));
    assert!(!login(&sshd, "alice", &hotp(secret, 23, 6)));
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=alice rhost=127.0.0.1 result=accepted device=token offset=0",
            "user=alice rhost=127.0.0.1 result=used device=token",
            "user=alice rhost=127.0.0.1 result=accepted device=token offset=10",
            "user=alice rhost=127.0.0.1 result=wrong",
        ]
    );
    let (first, second) = (hotp(secret, 50, 6), hotp(secret, 51, 6));
    machine
        .command(&["resync", "alice", "token", &first, &second])
        .ok();
    assert!(login(&sshd, "alice", &hotp(secret, 52, 6)));
}

#[test]
fn every_device_of_a_user_works() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let tablet = enroll(&machine, "alice", &["--device=tablet"]);
    assert!(tablet.recovery.is_empty());
    let sshd = machine.sshd("");
    assert!(login(&sshd, "alice", &tablet.code()));
    assert!(login(&sshd, "alice", &phone.code()));
    machine
        .command(&["unset", "alice", "--device=tablet", "--yes"])
        .ok();
    assert!(!login(&sshd, "alice", &tablet.code_after(1)));
    assert!(login(&sshd, "alice", &phone.code_after(1)));
}

/// One login with password and code; hangs up when the code is asked for again.
fn login(sshd: &Sshd<'_>, user: &str, code: &str) -> bool {
    let session = sshd.login(user).answers(&[PASSWORD, code]).run();
    assert_eq!(session.prompts[..2], [ASK_PASSWORD, ASK_CODE]);
    session.is_in()
}
