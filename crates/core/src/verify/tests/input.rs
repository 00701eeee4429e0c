//! Typed answers: impossible input, and a password with the code after it.

use super::*;
use crate::recovery::RecoverySet;

/// Verdict on a right code that stands after a password.
fn behind(name: &str, password_len: usize) -> CodeOutcome {
    CodeOutcome::Accepted(CodeAcceptance {
        by: Credential::Device {
            name: name.into(),
            offset: 0,
        },
        failures_before: 0,
        password_len,
    })
}

fn would(user: &User, typed: &[u8]) -> CodeOutcome {
    let mut copy = User::with(user.record.devices.clone());
    copy.record.recovery.clone_from(&user.record.recovery);
    copy.answers(typed, AnswerForm::PasswordThenCode, NOW)
}

fn six_and_eight() -> User {
    let interval = Interval::THIRTY;
    let eight = device("tablet", 2, OtpKind::Totp { interval }, 8);
    User::with([totp("phone", 1), eight])
}

#[test]
fn input_that_cannot_be_a_code_is_a_wrong_code() {
    let user = User::usual();
    let code = user.code(0, STEP);
    for typed in [
        Vec::new(),
        b" ".to_vec(),
        b"-".to_vec(),
        vec![b'1'; 512],
        vec![b'1'; 513],
        vec![0; 6],
        vec![0xff; 6],
        format!("{code}\0").into_bytes(),
        format!("\0{code}").into_bytes(),
        [code.as_bytes(), b"\xff"].concat(),
        [b"\xc3".as_slice(), code.as_bytes()].concat(),
        vec![b'A'; 1 << 20],
    ] {
        let start = &typed[..typed.len().min(20)];
        assert_eq!(user.would(&typed, NOW), wrong(), "{start:?}");
        let outcome = would(&user, &typed);
        // Before the code there may be any password, except one with a NUL.
        if typed.ends_with(code.as_bytes()) && !typed.contains(&0) {
            assert_eq!(outcome, behind("phone", 1));
        } else {
            assert_eq!(outcome, wrong(), "{start:?}");
        }
    }
}

#[test]
fn every_impossible_input_is_charged() {
    let mut user = User::usual();
    for (count, typed) in (1..).zip([b"".as_slice(), b"\0", b"\xff", &[b'1'; 513]]) {
        assert_eq!(user.types(typed, NOW), wrong());
        assert_eq!((user.state.failures, user.state.unreported), (count, count));
    }
}

#[test]
fn up_to_512_bytes_are_read() {
    let user = User::usual();
    let padded = |len: usize| format!("{:>len$}", user.code(0, STEP));
    assert_eq!(user.would(padded(512), NOW), by_device("phone", 0));
    assert_eq!(user.would(padded(513), NOW), wrong());
    let password = |len: usize| format!("{}{}", "p".repeat(len), user.code(0, STEP));
    assert_eq!(would(&user, password(506).as_bytes()), behind("phone", 506));
    assert_eq!(would(&user, password(507).as_bytes()), wrong());
}

#[test]
fn a_password_before_the_code_is_measured() {
    let user = six_and_eight();
    for (number, name) in [(0, "phone"), (1, "tablet")] {
        let code = user.code(number, STEP);
        for password in [
            "",
            "x",
            "hunter2",
            "pässwört ",
            "12",
            "123456",
            "12345678",
            "a-b c",
            "ends in  ",
            "ends in--",
        ] {
            let outcome = would(&user, format!("{password}{code}").as_bytes());
            assert_eq!(outcome, behind(name, password.len()), "{password:?}");
        }
        // A password may be in any encoding.
        let latin1 = [b"p\xe4ss".as_slice(), code.as_bytes()].concat();
        assert_eq!(would(&user, &latin1), behind(name, 4));
    }
}

#[test]
fn the_code_after_a_password_is_the_very_end() {
    let user = six_and_eight();
    let code = user.code(0, STEP);
    for separator in [" ", "-"] {
        let typed = format!("password{}{separator}{}", &code[..3], &code[3..]);
        assert_eq!(
            would(&user, typed.as_bytes()),
            behind("phone", 8),
            "{typed:?}"
        );
    }
    for typed in [
        format!("{code}password"),
        format!("password{code} "),
        format!("password{}  {}", &code[..3], &code[3..]),
        format!("password{code}0"),
        format!("password{}", &code[..5]),
        "password".into(),
    ] {
        assert_eq!(would(&user, typed.as_bytes()), wrong(), "{typed:?}");
    }
}

#[test]
fn only_lengths_that_a_device_has_are_cut_off() {
    let user = six_and_eight();
    let seven = device("key", 3, user.record.devices[0].kind, 7);
    let alone = User::with([seven]);
    let code = alone.code(0, STEP);
    assert_eq!(
        would(&alone, format!("pw{code}").as_bytes()),
        behind("key", 2)
    );
    assert_eq!(
        would(&alone, format!("pw{}", &code[1..]).as_bytes()),
        wrong()
    );
    assert_eq!(would(&user, format!("pw{code}").as_bytes()), wrong());
}

#[test]
fn a_recovery_code_may_stand_after_a_password() {
    let (set, codes) = RecoverySet::generate(NOW).unwrap();
    let mut user = six_and_eight();
    user.record.recovery = Some(set);
    let grouped = plain(&codes[2]);
    let bare = grouped.replace('-', "");
    for code in [
        &grouped,
        &grouped.to_lowercase(),
        &bare,
        &bare.to_lowercase(),
    ] {
        for password in ["", "hunter2", "pässwört-", "ABCDEFGH"] {
            let outcome = would(&user, format!("{password}{code}").as_bytes());
            let expected = CodeOutcome::Accepted(CodeAcceptance {
                by: Credential::RecoveryCode { left: 9 },
                failures_before: 0,
                password_len: password.len(),
            });
            assert_eq!(outcome, expected, "{password:?} {code:?}");
        }
    }
    let spaced = grouped.replace('-', " ");
    assert_eq!(would(&user, format!("pw{spaced}").as_bytes()), wrong());
}

#[test]
fn a_used_code_after_a_password_is_reported_as_used() {
    let mut user = six_and_eight();
    let typed = format!("password{}", user.code(1, STEP));
    let form = AnswerForm::PasswordThenCode;
    assert_eq!(
        user.answers(typed.as_bytes(), form, NOW),
        behind("tablet", 8)
    );
    assert_eq!(user.answers(typed.as_bytes(), form, NOW), used("tablet"));
    let typed = format!("password{}", user.code(0, STEP + 9));
    assert_eq!(
        user.answers(typed.as_bytes(), form, NOW),
        clock_differs("phone", 9)
    );
}

#[test]
fn an_input_with_several_readings_is_one_attempt() {
    let mut user = six_and_eight();
    let form = AnswerForm::PasswordThenCode;
    for count in 1..=3 {
        assert_eq!(user.answers(b"pw0000000000000000", form, NOW), wrong());
        assert_eq!(user.state.failures, count);
    }
}
