//! The last code that was accepted, sent again after the password during grace.

use super::*;
use crate::recovery::{OneTimeCode, RecoverySet};
use crate::state::COUNTER_UNKNOWN;

const PASSWORD: &str = "hunter2";

/// Length of the password when this code stands after it.
fn end(user: &User, code: &str) -> Option<usize> {
    let typed = format!("{PASSWORD}{code}");
    let lengths = code_lengths(&user.record);
    let answer = TypedAnswer::read(typed.as_bytes(), AnswerForm::PasswordThenCode, &lengths);
    before_last_code(&user.record, &user.state, &answer)
}

const BEFORE: Option<usize> = Some(PASSWORD.len());

#[test]
fn of_a_device_only_the_last_one_is_known() {
    let mut user = User::with([totp("phone", 1), device("token", 2, OtpKind::Hotp, 6)]);
    assert_eq!(end(&user, &user.code(1, 0)), None, "never used");
    for (number, factor) in [(0, STEP), (0, STEP + 1), (1, 0), (1, 4)] {
        let code = user.code(number, factor);
        let outcome = user.types(&code, NOW);
        assert!(matches!(outcome, CodeOutcome::Accepted(_)), "{outcome:?}");
        assert_eq!(end(&user, &code), BEFORE);
        assert_eq!(
            end(&user, &format!("{} {}", &code[..3], &code[3..])),
            BEFORE
        );
    }
    for (number, factor) in [(0, STEP), (0, STEP + 2), (1, 0), (1, 3), (1, 5)] {
        assert_eq!(end(&user, &user.code(number, factor)), None);
    }
    assert_eq!(end(&user, ""), None);
}

/// A state that was made anew names steps and counters that were not accepted.
#[test]
fn a_code_that_was_not_accepted_is_none() {
    let mut user = User::with([totp("phone", 1), device("token", 2, OtpKind::Hotp, 6)]);
    user.state.devices[0].next = STEP + 5;
    assert_eq!(end(&user, &user.code(0, STEP + 4)), None);
    (user.state.devices[1].next, user.state.devices[1].last_used) = (COUNTER_UNKNOWN, NOW);
    assert_eq!(end(&user, &user.code(1, COUNTER_UNKNOWN - 1)), None);
    user.state.devices[0].last_used = NOW;
    assert_eq!(end(&user, &user.code(0, STEP + 4)), BEFORE);
    user.state.devices[0].next = 0;
    assert_eq!(end(&user, &user.code(0, 0)), None);
}

#[test]
fn recovery_and_bypass_codes_are_known_when_spent() {
    let mut user = User::usual();
    let (set, codes) = RecoverySet::generate(NOW).unwrap();
    let (bypass, code) = OneTimeCode::generate(NOW + 600).unwrap();
    (user.record.recovery, user.record.bypass) = (Some(set), Some(bypass));
    for code in [plain(&codes[3]), plain(&code)] {
        assert_eq!(end(&user, &code), None, "not yet");
        let outcome = user.types(&code, NOW);
        assert!(matches!(outcome, CodeOutcome::Accepted(_)), "{outcome:?}");
        assert_eq!(end(&user, &code), BEFORE);
        assert_eq!(end(&user, &code.replace('-', "")), BEFORE);
    }
    assert_eq!(end(&user, &plain(&codes[4])), None);
}
