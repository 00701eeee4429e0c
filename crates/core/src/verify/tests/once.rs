//! Recovery codes and the administrator's bypass: each works once.

use super::*;
use crate::recovery::{OneTimeCode, RecoverySet};

fn with_set() -> (User, Vec<String>) {
    let (set, codes) = RecoverySet::generate(NOW).unwrap();
    let mut user = User::usual();
    user.record.recovery = Some(set);
    (user, codes.iter().map(plain).collect())
}

fn with_bypass(expires: u64) -> (User, String) {
    let (bypass, code) = OneTimeCode::generate(expires).unwrap();
    let mut user = User::usual();
    user.record.bypass = Some(bypass);
    (user, plain(&code))
}

fn spent() -> CodeOutcome {
    CodeOutcome::Rejected(CodeRejection::Spent)
}

fn one_of_set(left: usize) -> CodeOutcome {
    accepted(Credential::RecoveryCode { left })
}

#[test]
fn every_recovery_code_works_once() {
    let (mut user, codes) = with_set();
    assert_eq!(recovery_codes_left(&user.record, &user.state), 10);
    for (position, code) in codes.iter().enumerate() {
        let left = 9 - position;
        assert_eq!(user.types(code, NOW), one_of_set(left));
        assert_eq!(recovery_codes_left(&user.record, &user.state), left);
        assert_eq!(user.would(code, NOW), spent());
    }
    for code in &codes {
        assert_eq!(user.types(code, NOW), spent());
    }
    assert_eq!(user.state.failures, 0, "none of them is a guess");
    assert_eq!(user.device_state(0), User::usual().device_state(0));
}

#[test]
fn a_recovery_code_is_read_as_people_type_it() {
    let (user, codes) = with_set();
    let code = &codes[4];
    for typed in [
        code.to_lowercase(),
        code.replace('-', ""),
        code.replace('-', "").to_lowercase(),
        code.replace('-', " "),
        format!("  {code}\n"),
    ] {
        assert_eq!(user.would(&typed, NOW), one_of_set(9), "{typed:?}");
    }
    let bare = code.replace('-', "");
    for typed in [
        &bare[1..],
        &bare[..15],
        &format!("{bare}A"),
        &format!("A{bare}"),
    ] {
        assert_eq!(user.would(typed, NOW), wrong());
    }
}

#[test]
fn another_code_of_that_shape_is_wrong() {
    let (user, codes) = with_set();
    let other = |letter: char| if letter == 'A' { 'B' } else { 'A' };
    let first = codes[0].chars().next().unwrap();
    let changed = format!("{}{}", other(first), &codes[0][1..]);
    assert_eq!(user.would(changed, NOW), wrong());
    assert_eq!(User::usual().would(&codes[0], NOW), wrong());
}

#[test]
fn a_new_set_revives_nothing() {
    let (mut user, old) = with_set();
    for code in &old[..3] {
        assert!(matches!(user.types(code, NOW), CodeOutcome::Accepted(_)));
    }
    let (set, new) = RecoverySet::generate(NOW).unwrap();
    let first = user.record.recovery.replace(set);
    for code in &old {
        assert_eq!(user.would(code, NOW), wrong());
    }
    assert_eq!(recovery_codes_left(&user.record, &user.state), 10);
    for (position, code) in new.iter().enumerate() {
        assert_eq!(user.types(plain(code), NOW), one_of_set(9 - position));
    }
    // Only the current set is known to the record.
    assert_ne!(first, user.record.recovery);
    assert_eq!(user.types(plain(&new[0]), NOW), spent());
}

#[test]
fn a_bypass_works_once() {
    let (mut user, code) = with_bypass(NOW + 600);
    assert_eq!(
        user.types(code.to_lowercase(), NOW),
        accepted(Credential::Bypass)
    );
    assert_eq!(user.types(&code, NOW), spent());
    assert_eq!(user.types(&code, NOW + 600), spent());
    let (bypass, next) = OneTimeCode::generate(NOW + 600).unwrap();
    user.record.bypass = Some(bypass);
    assert_eq!(user.would(&code, NOW), wrong());
    assert_eq!(user.types(plain(&next), NOW), accepted(Credential::Bypass));
}

#[test]
fn a_bypass_expires_to_the_second() {
    let (user, code) = with_bypass(NOW);
    let expired = CodeOutcome::Rejected(CodeRejection::BypassExpired);
    assert_eq!(user.would(&code, NOW - 1), accepted(Credential::Bypass));
    assert_eq!(user.would(&code, NOW), expired);
    assert_eq!(user.would(&code, u64::MAX), expired);
    let mut user = user;
    assert_eq!(user.types(&code, NOW), expired);
    assert_eq!(user.state.failures, 1, "it never was right at that time");
}

#[test]
fn recovery_codes_bypass_and_devices_are_independent() {
    let (mut user, codes) = with_set();
    let (bypass, code) = OneTimeCode::generate(NOW + 600).unwrap();
    user.record.bypass = Some(bypass);
    assert_eq!(user.types(user.code(0, STEP), NOW), by_device("phone", 0));
    let device = user.device_state(0);
    assert_eq!(user.types(&codes[0], NOW), one_of_set(9));
    assert_eq!(user.types(plain(&code), NOW), accepted(Credential::Bypass));
    assert_eq!(user.device_state(0), device);
    assert_eq!(
        user.types(user.code(0, STEP + 1), NOW),
        by_device("phone", 1)
    );
    assert_eq!(recovery_codes_left(&user.record, &user.state), 9);
    assert_eq!(user.types(plain(&code), NOW), spent());
}
