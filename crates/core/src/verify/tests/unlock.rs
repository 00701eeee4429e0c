//! The changes that an administrator's unlock makes.

use super::*;

fn unlock(user: &mut User, now: u64) {
    user.state = unlocked(&user.policy, &user.record, &user.state, Some(now));
}

#[test]
fn failures_no_longer_count_but_are_still_told() {
    let mut user = User::usual();
    for _ in 0..3 {
        assert_eq!(user.types("000000", NOW), wrong());
    }
    let answer = TypedAnswer::read(b"000000", AnswerForm::Code, &[Digits::SIX]);
    refused_codes::remember(&mut user.state.refused, &answer, [7; 8]);
    unlock(&mut user, NOW);
    assert_eq!((user.state.failures, user.state.last_failure), (0, 0));
    assert!(!refused_codes::is_repeated(&user.state.refused, &answer));
    assert_eq!(user.state.unreported, 3);
}

#[test]
fn a_learned_drift_stays_and_resync_learns_another() {
    let mut user = User::usual();
    for offset in [1, 2, 3] {
        let step = STEP + 10 * offset;
        let code = user.code(0, step + offset);
        assert!(matches!(
            user.types(code, step * 30),
            CodeOutcome::Accepted(_)
        ));
    }
    let later = STEP + 100;
    unlock(&mut user, later * 30);
    assert_eq!(user.device_state(0).drift, 3);
    let code = user.code(0, later);
    assert_eq!(user.would(&code, later * 30), clock_differs("phone", 0));

    let read = |step: u64| TypedAnswer::read(user.code(0, step).as_bytes(), AnswerForm::Code, &[]);
    let (device, entry) = (&user.record.devices[0], user.device_state(0));
    let offset =
        |first, second| clock_offset(device, entry.next, &read(first), &read(second), later * 30);
    assert_eq!(offset(later - 1, later), Some(0));
    assert_eq!(offset(later + 4, later + 5), Some(5));
    assert_eq!(offset(later, later - 1), None);
    assert_eq!(offset(later + 20, later + 21), None);
    let soon = entry.next;
    let offset =
        |first, second| clock_offset(device, entry.next, &read(first), &read(second), soon * 30);
    assert_eq!(offset(soon - 1, soon), None, "the first was used already");
    assert_eq!(offset(soon, soon + 1), Some(1));
    let learned = |offset| with_offset(Interval::THIRTY, &entry, offset, 1, later * 30);
    let expected = DeviceState {
        id: entry.id,
        next: later + 1,
        drift: 0,
        last_used: later * 30,
        committed: true,
    };
    assert_eq!(learned(0), Some(expected));
    assert_eq!(learned(-3).map(|entry| entry.drift), Some(-3));
    assert_eq!(learned(4), None);
}

#[test]
fn a_device_used_in_the_future_works_again_soon() {
    let mut user = User::usual();
    let code = user.code(0, STEP + 1_000_000);
    assert!(matches!(
        user.types(code, NOW + 30_000_000),
        CodeOutcome::Accepted(_)
    ));
    unlock(&mut user, NOW);
    assert_eq!(user.device_state(0).next, STEP + furthest_ahead(1) + 1);
    for step in STEP..=STEP + furthest_ahead(1) {
        let code = user.code(0, step);
        assert_eq!(user.would(code, step * 30), used("phone"));
    }
    let step = STEP + furthest_ahead(1) + 1;
    assert_eq!(
        user.would(user.code(0, step), step * 30),
        by_device("phone", 0)
    );
}

/// The clock may as well have been right then, and be behind now.
#[test]
fn on_a_clock_of_doubt_no_used_code_works_again() {
    let mut user = User::usual();
    let later = STEP + 1_000_000;
    let code = user.code(0, later);
    assert_eq!(user.types(&code, later * 30), by_device("phone", 0));
    let ahead = |user: &User, now| ahead_of_clock(&user.record, &user.state, now);
    assert_eq!(ahead(&user, NOW), [("phone".to_owned(), later * 30)]);
    user.state.failures = 3;
    user.state = unlocked(&user.policy, &user.record, &user.state, None);
    assert_eq!(user.state.failures, 0);
    assert_eq!(user.device_state(0).next, later + 1);
    assert_eq!(user.would(&code, later * 30), used("phone"));
    assert_eq!(ahead(&user, later * 30), []);
    unlock(&mut user, NOW);
    assert_eq!(ahead(&user, NOW), []);
}

#[test]
fn nothing_that_was_used_works_again() {
    let mut user = User::usual();
    let code = user.code(0, STEP);
    assert_eq!(user.types(&code, NOW), by_device("phone", 0));
    unlock(&mut user, NOW);
    assert_eq!(user.would(&code, NOW), used("phone"));
}
