//! What an administrator's unlock changes.
#![forbid(unsafe_code)]

use super::*;

fn unlock(user: &mut User, now: u64) {
    user.state = unlocked(&user.policy, &user.record, &user.state, now);
}

#[test]
fn failures_no_longer_count_but_are_still_told() {
    let mut user = User::usual();
    for _ in 0..3 {
        assert_eq!(user.types("000000", NOW), wrong());
    }
    unlock(&mut user, NOW);
    assert_eq!((user.state.failures, user.state.last_failure), (0, 0));
    assert_eq!(user.state.unreported, 3);
}

#[test]
fn a_learned_drift_is_forgotten() {
    let mut user = User::usual();
    for offset in [1, 2, 3] {
        let step = STEP + 10 * offset;
        let code = user.code(0, step + offset);
        assert!(matches!(user.types(code, step * 30), Outcome::Accepted(_)));
    }
    assert_eq!(user.device_state(0).drift, 3);
    let later = STEP + 100;
    let code = user.code(0, later);
    assert_eq!(user.would(&code, later * 30), clock_differs("phone", 0));
    unlock(&mut user, later * 30);
    assert_eq!(user.would(&code, later * 30), by_device("phone", 0));
}

#[test]
fn a_device_used_under_a_clock_of_the_future_works_again_soon() {
    let mut user = User::usual();
    let code = user.code(0, STEP + 1_000_000);
    assert!(matches!(
        user.types(code, NOW + 30_000_000),
        Outcome::Accepted(_)
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

#[test]
fn nothing_that_was_used_works_again() {
    let mut user = User::usual();
    let code = user.code(0, STEP);
    assert_eq!(user.types(&code, NOW), by_device("phone", 0));
    unlock(&mut user, NOW);
    assert_eq!(user.would(&code, NOW), used("phone"));
}
