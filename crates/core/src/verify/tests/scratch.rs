//! Scratch codes taken over from google-authenticator: eight digits, each works once, beside devices and bypass.

use super::*;
use crate::recovery::{OneTimeCode, RecoverySet};

const CODES: [&str; 3] = ["55178222", "32205544", "20458289"];

fn with_scratch_codes(devices: impl IntoIterator<Item = Device>) -> User {
    let mut user = User::with(devices);
    user.record.recovery = Some(RecoverySet::from_scratch_codes(CODES, NOW).unwrap());
    user
}

fn spent() -> CodeOutcome {
    CodeOutcome::Rejected(CodeRejection::Spent)
}

fn one_of_set(left: usize) -> CodeOutcome {
    accepted(Credential::RecoveryCode { left })
}

#[test]
fn each_works_once_and_is_counted() {
    let mut user = with_scratch_codes([totp("phone", 1)]);
    for (position, code) in CODES.iter().enumerate() {
        let left = 2 - position;
        assert_eq!(user.types(code, NOW), one_of_set(left));
        assert_eq!(recovery_codes_left(&user.record, &user.state), left);
        assert_eq!(user.would(code, NOW), spent());
    }
    for code in CODES {
        assert_eq!(user.types(code, NOW), spent());
    }
    assert_eq!(user.device_state(0), User::usual().device_state(0));
}

#[test]
fn only_all_eight_digits_count() {
    let user = with_scratch_codes([totp("phone", 1)]);
    assert_eq!(user.would("5517 8222", NOW), one_of_set(2));
    assert_eq!(user.would(" 55178222\n", NOW), one_of_set(2));
    for typed in [
        "5517822",
        "178222",
        "055178222",
        "551782220",
        "55178223",
        "5517822A",
        "00000000",
    ] {
        assert_eq!(user.would(typed, NOW), wrong(), "{typed}");
    }
}

/// Such a code and one of a device with eight digits look the same: both are compared.
#[test]
fn a_device_with_eight_digits_works_beside_them() {
    let interval = Interval::THIRTY;
    let mut user = with_scratch_codes([device("tablet", 1, OtpKind::Totp { interval }, 8)]);
    let code = user.code(0, STEP);
    assert_eq!(user.types(&code, NOW), by_device("tablet", 0));
    assert_eq!(recovery_codes_left(&user.record, &user.state), 3);
    assert_eq!(user.types(CODES[1], NOW), one_of_set(2));
    assert_eq!(user.types(&code, NOW), used("tablet"));
}

/// A code that is both is used up as both.
#[test]
fn a_code_that_is_both_works_once_in_total() {
    let interval = Interval::THIRTY;
    let mut user = with_scratch_codes([device("tablet", 1, OtpKind::Totp { interval }, 8)]);
    let code = user.code(0, STEP);
    let set = RecoverySet::from_scratch_codes([code.as_str()], NOW).unwrap();
    user.record.recovery = Some(set);
    assert_eq!(user.types(&code, NOW), by_device("tablet", 0));
    assert_eq!(recovery_codes_left(&user.record, &user.state), 0);
    assert_eq!(user.types(&code, NOW), used("tablet"));
    assert_eq!(user.types(&code, NOW + 6000), used("tablet"));
    let next = user.code(0, STEP + 300);
    assert_eq!(user.types(next, NOW + 9000), by_device("tablet", 0));
    assert_eq!(user.types(&code, NOW + 9000), spent());
}

#[test]
fn the_form_of_a_set_decides_what_is_compared() {
    let mut user = with_scratch_codes([totp("phone", 1)]);
    let set = user.record.recovery.as_mut().unwrap();
    set.form = CodeForm::Base32;
    assert_eq!(user.would(CODES[0], NOW), wrong());
    let (set, codes) = RecoverySet::generate(NOW).unwrap();
    user.record.recovery = Some(set);
    assert_eq!(user.would(CODES[0], NOW), wrong());
    user.record.recovery.as_mut().unwrap().form = CodeForm::Digits;
    assert_eq!(user.would(plain(&codes[0]), NOW), wrong());
}

#[test]
fn a_bypass_works_beside_them() {
    let mut user = with_scratch_codes([totp("phone", 1)]);
    let (bypass, code) = OneTimeCode::generate(NOW + 600).unwrap();
    user.record.bypass = Some(bypass);
    assert_eq!(user.types(plain(&code), NOW), accepted(Credential::Bypass));
    assert_eq!(user.types(CODES[2], NOW), one_of_set(2));
}

#[test]
fn one_after_the_password_is_cut_off() {
    let user = with_scratch_codes([totp("phone", 1)]);
    let charged = charge(&user.policy.throttle, &user.state, NOW).unwrap();
    let lengths = [Digits::SIX, Digits::new(8).unwrap()];
    let answer = TypedAnswer::read(b"secret55178222", AnswerForm::PasswordThenCode, &lengths);
    let verdict = verdict(&user.policy, &user.record, &charged, &answer, NOW);
    let expected = CodeOutcome::Accepted(CodeAcceptance {
        by: Credential::RecoveryCode { left: 2 },
        failures_before: 0,
        password_len: 6,
    });
    assert_eq!(verdict.outcome, expected);
}
