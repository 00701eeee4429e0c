//! Counter-based devices and their resynchronization (RFC 4226 sections 7.2 and 7.4).

use super::*;
use crate::state::COUNTER_UNKNOWN;

fn user(next: u64) -> User {
    let mut user = User::with([device("token", 1, OtpKind::Hotp, 6)]);
    user.state.devices[0].next = next;
    user
}

fn reads(code: &str) -> TypedAnswer {
    TypedAnswer::read(code.as_bytes(), AnswerForm::Code, &[])
}

#[test]
fn counters_up_to_next_plus_10_are_accepted() {
    let user = user(1000);
    for counter in 980..=1020 {
        let expected = match counter {
            990..=999 => used("token"),
            1000..=1010 => by_device("token", i64::try_from(counter).unwrap() - 1000),
            _ => wrong(),
        };
        assert_eq!(
            user.would(user.code(0, counter), NOW),
            expected,
            "{counter}"
        );
    }
}

#[test]
fn a_success_moves_past_the_matched_counter() {
    let mut user = user(0);
    assert_eq!(user.types(user.code(0, 0), NOW), by_device("token", 0));
    assert_eq!(user.device_state(0).next, 1);
    assert_eq!(user.types(user.code(0, 7), NOW), by_device("token", 6));
    let state = user.device_state(0);
    assert_eq!((state.next, state.drift, state.last_used), (8, 0, NOW));
    for counter in 0..=7 {
        assert_eq!(user.would(user.code(0, counter), NOW), used("token"));
    }
    assert_eq!(user.would(user.code(0, 18), NOW), by_device("token", 10));
    assert_eq!(user.would(user.code(0, 19), NOW), wrong());
}

/// The key of RFC 4226, appendix D: its codes at 2386 and 2394 are the same.
fn user_with_a_repeated_code(next: u64) -> User {
    let mut user = user(next);
    let secret = b"12345678901234567890".to_vec();
    user.record.devices[0].secret = Secret::from_bytes(secret.into()).unwrap();
    assert_eq!(user.code(0, 2386), user.code(0, 2394));
    user
}

#[test]
fn a_recurring_code_costs_none_in_between() {
    let mut user = user_with_a_repeated_code(2386);
    for counter in 2386..=2400 {
        let outcome = user.types(user.code(0, counter), NOW);
        assert_eq!(outcome, by_device("token", 0), "{counter}");
    }
}

#[test]
fn a_recurring_code_works_once_until_its_turn() {
    let mut user = user_with_a_repeated_code(2386);
    let repeated = user.code(0, 2386);
    assert_eq!(user.types(&repeated, NOW), by_device("token", 0));
    for counter in 2387..2394 {
        assert_eq!(user.would(&repeated, NOW), used("token"), "{counter}");
        user.types(user.code(0, counter), NOW);
    }
    assert_eq!(user.types(&repeated, NOW), by_device("token", 0));
    assert_eq!(user.would(&repeated, NOW), used("token"));
    // Of two that are both to come, the next one.
    let user = user_with_a_repeated_code(2385);
    assert_eq!(user.would(&repeated, NOW), by_device("token", 1));
}

#[test]
fn the_clock_does_not_matter() {
    let mut user = user(5);
    assert_eq!(user.types(user.code(0, 5), NOW), by_device("token", 0));
    assert_eq!(user.types(user.code(0, 6), 0), by_device("token", 0));
    assert_eq!(user.would(user.code(0, 6), u64::MAX), used("token"));
    user.policy.window = 0;
    assert_eq!(user.would(user.code(0, 17), NOW), by_device("token", 10));
    user.policy.window = 10;
    assert_eq!(user.would(user.code(0, 18), NOW), wrong());
}

#[test]
fn an_unknown_counter_accepts_nothing() {
    let user = user(COUNTER_UNKNOWN);
    let last = COUNTER_UNKNOWN;
    for counter in (0..50).chain([last - 11, last - 10, last - 1, last]) {
        assert_eq!(user.would(user.code(0, counter), NOW), wrong(), "{counter}");
    }
}

#[test]
fn the_last_counter_ends_the_device() {
    let mut user = user(COUNTER_UNKNOWN - 1);
    assert_eq!(user.would(user.code(0, COUNTER_UNKNOWN), NOW), wrong());
    assert_eq!(user.would(user.code(0, 0), NOW), wrong());
    let code = user.code(0, COUNTER_UNKNOWN - 1);
    assert_eq!(user.types(&code, NOW), by_device("token", 0));
    assert_eq!(user.device_state(0).next, COUNTER_UNKNOWN);
    assert_eq!(user.types(&code, NOW), wrong());
}

#[test]
fn resync_finds_two_consecutive_codes_within_reach() {
    let token = device("token", 1, OtpKind::Hotp, 6);
    let code = |counter: u64| reads(&token.code(counter).reveal());
    let resync = |from, reach, one, two| resync(&token, from, reach, &code(one), &code(two));
    assert_eq!(resync(100, 1000, 100, 101), Some(102));
    assert_eq!(resync(100, 1000, 700, 701), Some(702));
    assert_eq!(resync(100, 1000, 1100, 1101), Some(1102));
    assert_eq!(resync(100, 1000, 1101, 1102), None, "beyond reach");
    assert_eq!(resync(100, 1000, 99, 100), None, "used already");
    assert_eq!(resync(100, 1000, 200, 200), None, "one code twice");
    assert_eq!(resync(100, 1000, 201, 200), None, "in the wrong order");
    assert_eq!(resync(100, 1000, 200, 202), None, "one left out");
}

#[test]
fn resync_ends_before_the_mark_for_unknown() {
    let token = device("token", 1, OtpKind::Hotp, 6);
    let code = |counter: u64| reads(&token.code(counter).reveal());
    let last = COUNTER_UNKNOWN - 3;
    let found = resync(&token, last, 1000, &code(last), &code(last + 1));
    assert_eq!(found, Some(COUNTER_UNKNOWN - 1));
    let found = resync(&token, last, 1000, &code(last + 1), &code(last + 2));
    assert_eq!(found, None);
}

#[test]
fn resync_reads_codes_as_people_type_them() {
    let token = device("token", 1, OtpKind::Hotp, 6);
    let spaced = |counter: u64| {
        let code = token.code(counter).reveal();
        reads(&format!("{} {}", &code[..3], &code[3..]))
    };
    assert_eq!(resync(&token, 0, 100, &spaced(50), &spaced(51)), Some(52));
    assert_eq!(resync(&token, 0, 100, &reads(""), &reads("")), None);
}

/// One key under two names, as a token that was imported twice.
#[test]
fn a_used_code_of_two_tokens_is_said_of_the_first() {
    let mut user = User::with([
        device("token", 1, OtpKind::Hotp, 6),
        device("again", 2, OtpKind::Hotp, 6),
    ]);
    user.record.devices[1].secret = user.record.devices[0].secret.clone();
    for entry in &mut user.state.devices {
        entry.next = 1000;
    }
    for counter in [990, 998, 999] {
        let code = user.code(0, counter);
        assert_eq!(user.would(code, NOW), used("token"), "{counter}");
    }
}
