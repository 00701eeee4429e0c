//! The cost of guessing: charges, lock-outs and the hard limit over whole sequences of attempts.

use super::*;

/// A user under the default limits.
fn user() -> User {
    User {
        policy: Policy::default(),
        ..User::usual()
    }
}

/// One attempt by a user who does not wait.
fn attempt(user: &mut User, typed: &str, now: u64) -> Result<CodeOutcome, ThrottleStatus> {
    charge(&user.policy.throttle, &user.state, now)?;
    Ok(user.types(typed, now))
}

/// Not a code of the device in any step that these tests reach.
const GUESS: &str = "no code";

#[test]
fn the_charge_is_taken_back_on_success() {
    let mut user = user();
    for count in 1..=3 {
        assert_eq!(user.types(GUESS, NOW + u64::from(count)), wrong());
        let state = &user.state;
        let counted = (state.failures, state.unreported, state.last_failure);
        assert_eq!(counted, (count, count, NOW + u64::from(count)));
    }
    let outcome = user.types(user.code(0, STEP), NOW + 4);
    let CodeOutcome::Accepted(accepted) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(accepted.failures_before, 3);
    let state = &user.state;
    assert_eq!(
        (state.failures, state.unreported, state.last_failure),
        (0, 0, 0)
    );
    // The next success has nothing to tell.
    assert_eq!(
        user.types(user.code(0, STEP + 1), NOW + 30),
        by_device("phone", 0)
    );
}

#[test]
fn an_unlock_does_not_hide_what_was_tried() {
    let mut user = user();
    for _ in 0..4 {
        assert_eq!(user.types(GUESS, NOW), wrong());
    }
    (user.state.failures, user.state.last_failure) = (0, 0);
    let outcome = user.types(user.code(0, STEP), NOW);
    let CodeOutcome::Accepted(accepted) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(accepted.failures_before, 4);
}

#[test]
fn what_was_never_right_counts() {
    let mut user = user();
    assert_eq!(user.types(user.code(0, STEP), NOW), by_device("phone", 0));
    for (count, code) in [(1, STEP + 9), (2, STEP + 99), (3, STEP - 99)] {
        let outcome = user.types(user.code(0, code), NOW);
        assert!(matches!(outcome, CodeOutcome::Rejected(_)), "{outcome:?}");
        assert_eq!(user.state.failures, count);
    }
}

/// Also of failures that others were charged, and of a lock-out that has ended, nothing changes.
#[test]
fn a_used_code_leaves_all_counters_as_they_were() {
    let mut user = user();
    assert_eq!(user.types(user.code(0, STEP), NOW), by_device("phone", 0));
    for failures in [0, 1, 4, 6] {
        (user.state.failures, user.state.unreported) = (failures, failures + 2);
        user.state.last_failure = NOW - 3600;
        let before = user.state.clone();
        for code in [STEP, STEP - 1] {
            assert_eq!(user.types(user.code(0, code), NOW), used("phone"));
            assert_eq!(user.state, before);
        }
        assert_eq!(user.types(GUESS, NOW), wrong());
        assert_eq!(user.state.failures, failures + 1);
    }
}

/// Right for the time that the clock shows: the machine is wrong, and not who typed it.
#[test]
fn under_a_clock_set_back_only_right_codes_are_free() {
    let mut user = user();
    let later = STEP + 1000;
    assert_eq!(
        user.types(user.code(0, later), later * 30),
        by_device("phone", 0)
    );
    let back = clock_set_back("phone", 30_000);
    assert_eq!(user.types(user.code(0, STEP), NOW), back);
    assert_eq!(user.state.failures, 0);
    assert_eq!(user.types(GUESS, NOW), back);
    assert_eq!(user.state.failures, 1);
}

#[test]
fn lockouts_begin_at_the_fifth_wrong_code() {
    let mut user = user();
    let mut now = NOW;
    for lockout in [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900] {
        assert_eq!(attempt(&mut user, GUESS, now), Ok(wrong()));
        let state = user.state.clone();
        for second in [0, 1, lockout / 2, lockout - lockout.min(1)] {
            if second < lockout {
                let closed = Err(ThrottleStatus::LockedFor(lockout - second));
                let right = user.code(0, (now + second) / 30);
                assert_eq!(attempt(&mut user, &right, now + second), closed);
            }
        }
        assert_eq!(user.state, state, "a refused attempt changes nothing");
        now += lockout;
        assert_eq!(
            gate(&user.policy.throttle, &user.state, now),
            ThrottleStatus::Open
        );
    }
}

#[test]
fn the_right_code_works_as_soon_as_the_lockout_ends() {
    let mut user = user();
    for _ in 0..5 {
        assert_eq!(attempt(&mut user, GUESS, NOW), Ok(wrong()));
    }
    let code = user.code(0, STEP + 1);
    assert_eq!(
        attempt(&mut user, &code, NOW + 29),
        Err(ThrottleStatus::LockedFor(1))
    );
    let outcome = attempt(&mut user, &code, NOW + 30);
    assert!(
        matches!(outcome, Ok(CodeOutcome::Accepted(_))),
        "{outcome:?}"
    );
    // A success resets: four wrong codes are free again.
    for _ in 0..5 {
        assert_eq!(attempt(&mut user, GUESS, NOW + 31), Ok(wrong()));
    }
    assert_eq!(
        attempt(&mut user, GUESS, NOW + 31),
        Err(ThrottleStatus::LockedFor(30))
    );
}

/// Guesses without pause for a simulated year.
#[test]
fn no_success_follows_the_hard_limit() {
    let mut user = user();
    let (mut now, mut compared) = (NOW, 0);
    while now < NOW + 365 * 86_400 {
        match attempt(&mut user, GUESS, now) {
            Ok(outcome) => {
                assert_eq!(outcome, wrong());
                compared += 1;
            }
            Err(ThrottleStatus::LockedFor(seconds)) => now += seconds,
            Err(ThrottleStatus::LockedUntilUnlock) => break,
            Err(ThrottleStatus::Open) => unreachable!("an open gate refuses no user"),
        }
    }
    assert_eq!(compared, 100);
    for later in [now, now + 86_400, now + 365 * 86_400] {
        let right = user.code(0, later / 30);
        assert_eq!(
            attempt(&mut user, &right, later),
            Err(ThrottleStatus::LockedUntilUnlock)
        );
    }
    (user.state.failures, user.state.last_failure) = (0, 0);
    let right = user.code(0, now / 30);
    assert!(matches!(
        attempt(&mut user, &right, now),
        Ok(CodeOutcome::Accepted(_))
    ));
}

#[test]
fn the_last_attempt_before_the_hard_limit_may_succeed() {
    let mut user = user();
    (user.state.failures, user.state.unreported) = (99, 99);
    let code = user.code(0, STEP);
    let outcome = attempt(&mut user, &code, NOW);
    assert!(
        matches!(outcome, Ok(CodeOutcome::Accepted(_))),
        "{outcome:?}"
    );
    assert_eq!(user.state.failures, 0);
}

#[test]
fn a_clock_set_back_does_not_shorten_a_lockout() {
    let mut user = user();
    for _ in 0..5 {
        assert_eq!(attempt(&mut user, GUESS, NOW), Ok(wrong()));
    }
    let earlier = NOW - 7200;
    assert_eq!(
        attempt(&mut user, GUESS, earlier),
        Err(ThrottleStatus::LockedFor(30))
    );
    user.state = rebased(&user.state, earlier).unwrap();
    assert_eq!(user.state.failures, 5);
    assert_eq!(
        attempt(&mut user, GUESS, earlier + 29),
        Err(ThrottleStatus::LockedFor(1))
    );
    assert_eq!(attempt(&mut user, GUESS, earlier + 30), Ok(wrong()));
}

#[test]
fn a_clock_set_back_ends_grace_that_began_later() {
    let mut state = UserState::new(1);
    let grace = |since| crate::state::GracePeriod {
        address: [192, 0, 2, 1].into(),
        service: 1,
        since,
    };
    state.grace = vec![grace(NOW), grace(NOW - 10)];
    assert_eq!(rebased(&state, NOW), None);
    let rebased_state = rebased(&state, NOW - 1).unwrap();
    assert_eq!(rebased_state.grace, [grace(NOW - 10)]);
    assert_eq!(rebased(&rebased_state, NOW - 1), None);
}
