//! Clients that send one answer again and again: mail programs, VPNs, screen lockers, scripts.

use std::collections::BTreeSet;

use super::*;
use crate::recovery::{self, CodeForm, RecoverySet};

const DAY: u64 = 86_400;
const FIVE_MINUTES: u64 = 300;

/// A user under the default limits.
fn user() -> User {
    User {
        policy: Policy::default(),
        ..User::usual()
    }
}

/// All codes that are right around a moment.
fn right(user: &User, now: u64) -> BTreeSet<String> {
    let step = now / 30;
    (step - 1..=step + 1)
        .map(|step| user.code(0, step))
        .collect()
}

/// Compared for a year and never counted, a fixed code would be right by chance with 96 %, or more than a quarter if it came in
/// every five minutes.
#[test]
fn a_fixed_code_is_never_right_by_chance() {
    let codes: Vec<String> = (0..6).map(|number| format!("{number:06}")).collect();
    let mut users: Vec<User> = codes.iter().map(|_| user()).collect();
    let mut by_chance = 0;
    for now in (NOW..NOW + 365 * DAY).step_by(FIVE_MINUTES as usize) {
        let right = right(&users[0], now);
        for (user, code) in users.iter_mut().zip(&codes) {
            by_chance += usize::from(right.contains(code));
            match user.logs_in(code, now) {
                Ok(None) => assert!(now > NOW),
                Ok(Some(outcome)) => assert_eq!((outcome, now), (wrong(), NOW)),
                Err(closed) => panic!("{code} after {} s: {closed:?}", now - NOW),
            }
            assert_eq!(user.state.failures, 1);
        }
    }
    assert!(by_chance > 0, "it would have been, so many times");
}

/// Right once, it gets in once.
#[test]
fn a_right_code_sent_for_a_year_gets_in_once() {
    let mut user = user();
    let code = user.code(0, STEP);
    let mut accepted = 0;
    for now in (NOW..NOW + 365 * DAY).step_by(FIVE_MINUTES as usize) {
        let outcome = user.logs_in(&code, now).unwrap();
        accepted += usize::from(matches!(outcome, Some(CodeOutcome::Accepted(_))));
        assert!(user.state.failures <= 1);
    }
    assert_eq!(accepted, 1);
}

/// The owner gives a mail program the code of the morning, which it sends until the next morning, and logs in at noon
/// somewhere else.
#[test]
fn the_code_of_the_morning_does_not_lock_out() {
    let mut user = user();
    for day in 0..30 {
        let morning = NOW + day * DAY;
        let code = user.code(0, morning / 30);
        for now in (morning..morning + DAY).step_by(FIVE_MINUTES as usize) {
            if now == morning + 6 * 3600 {
                let own = user.code(0, now / 30);
                let outcome = user.logs_in(&own, now);
                assert!(
                    matches!(&outcome, Ok(Some(CodeOutcome::Accepted(a))) if a.failures_before == 0),
                    "{day}: {outcome:?}"
                );
            }
            let outcome = user.logs_in(&code, now).expect("never locked out");
            let is_accepted = matches!(outcome, Some(CodeOutcome::Accepted(_)));
            assert_eq!(is_accepted, now == morning);
            assert!(user.state.failures <= 1, "{day}");
        }
    }
}

/// It sends yesterday's code for ever, and its owner never logs in.
#[test]
fn a_client_that_is_left_alone_counts_once_at_most() {
    let mut user = user();
    let code = user.code(0, STEP - 3000);
    for now in (NOW..NOW + 30 * DAY).step_by(FIVE_MINUTES as usize) {
        user.logs_in(&code, now).expect("never locked out");
    }
    assert_eq!((user.state.failures, user.state.unreported), (1, 1));
}

/// Several clients of one user, each with a code of its own.
#[test]
fn three_clients_with_old_codes_do_not_lock_out() {
    let mut user = user();
    let codes: Vec<String> = (1..=3).map(|n| user.code(0, STEP - 3000 * n)).collect();
    for now in (NOW..NOW + DAY).step_by(FIVE_MINUTES as usize) {
        for code in &codes {
            user.logs_in(code, now).expect("never locked out");
        }
    }
    assert_eq!(user.state.failures, 3);
}

/// Nothing that is not counted tells whether a code is right: it was not compared, or can never be right again.
#[test]
fn every_guess_that_is_compared_counts() {
    let mut user = user();
    user.policy.throttle.attempts = 1_000_000;
    user.policy.throttle.max_failures = 0;
    let code = user.code(0, STEP);
    assert_eq!(user.types(&code, NOW), by_device("phone", 0));
    let mut compared = 0;
    for number in 0..2000_u32 {
        // Each guess twice, and a known used code between them, which counts nothing and forgets nothing that counts.
        let guess = format!("{:06}", 500_000 + number);
        for typed in [&guess, &code, &guess] {
            match user.logs_in(typed, NOW).unwrap() {
                Some(outcome) if outcome == used("phone") => {}
                Some(outcome) => {
                    assert!(matches!(outcome, CodeOutcome::Rejected(_)));
                    compared += 1;
                }
                None => {}
            }
        }
        assert_eq!((user.state.failures, compared), (number + 1, number + 1));
    }
}

/// More used codes than are remembered as refused, in turns, beside a phone. Uncounted, one of them would be right for the
/// phone after two months.
#[test]
fn used_codes_in_turns_are_counted() {
    for number in [4, 10] {
        let mut user = User::with([totp("phone", 1), device("token", 2, OtpKind::Hotp, 6)]);
        user.policy = Policy::default();
        let codes: Vec<String> = (0..number).map(|counter| user.code(1, counter)).collect();
        for code in &codes {
            assert_eq!(user.types(code, NOW), by_device("token", 0));
        }
        let mut turns = codes.iter().cycle().take(20);
        let closed = turns.find_map(|code| user.logs_in(code, NOW + 30).err());
        assert_eq!(closed, Some(ThrottleStatus::LockedFor(30)), "{number}");
    }
}

/// This holds for what is spent as well, which is never counted: then it is never right either.
#[test]
fn a_spent_scratch_code_in_one_field_is_no_guess() {
    let mut user = user();
    let (mut set, _) = RecoverySet::generate(NOW).unwrap();
    let scratch = format!("23{}", user.code(0, STEP + 1));
    set.form = CodeForm::Digits;
    set.hashes = vec![recovery::hash(&set.salt, scratch.as_bytes())];
    user.record.recovery = Some(set);
    assert_eq!(
        user.types(&scratch, NOW),
        accepted(Credential::RecoveryCode { left: 0 })
    );
    let lengths = code_lengths(&user.record);
    let sent = format!("x{scratch}");
    let answer = TypedAnswer::read(sent.as_bytes(), AnswerForm::PasswordThenCode, &lengths);
    let charged = charge(&user.policy.throttle, &user.state, NOW).unwrap();
    let judged = verdict(&user.policy, &user.record, &charged, &answer, NOW + 30);
    assert_eq!(judged.outcome, CodeOutcome::Rejected(CodeRejection::Spent));
    assert_eq!(judged.state, user.state);
}
