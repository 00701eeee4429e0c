//! Lock-outs after wrong codes, and their ends.

use super::super::typed_answer::AnswerForm;
use super::FailureCounter::{Daemon, Logins};
use super::*;
use crate::otp::Digits;

const THROTTLE: ThrottlePolicy = ThrottlePolicy {
    attempts: 5,
    lockout: 30,
    max_lockout: 900,
    max_failures: 100,
    delay: 2,
};

fn failed(failures: u32, at: u64) -> UserState {
    let mut state = UserState::new(1);
    (state.failures, state.last_failure) = (failures, at);
    state
}

#[test]
fn lockouts_double_from_the_fifth_failure() {
    let after = |failures| lockout(&THROTTLE, failures);
    let seconds: Vec<u64> = (3..13).map(after).collect();
    assert_eq!(seconds, [0, 0, 30, 60, 120, 240, 480, 900, 900, 900]);
    assert_eq!(after(u32::MAX), 900);
}

#[test]
fn the_gate_opens_to_the_second() {
    let state = failed(6, 1000);
    assert_eq!(gate(&THROTTLE, &state, 1000), ThrottleStatus::LockedFor(60));
    assert_eq!(gate(&THROTTLE, &state, 1059), ThrottleStatus::LockedFor(1));
    assert_eq!(gate(&THROTTLE, &state, 1060), ThrottleStatus::Open);
    assert_eq!(
        gate(&THROTTLE, &failed(4, 1000), 1000),
        ThrottleStatus::Open
    );
}

#[test]
fn the_hard_limit_holds_until_unlock() {
    assert_eq!(
        gate(&THROTTLE, &failed(100, 0), u64::MAX),
        ThrottleStatus::LockedUntilUnlock
    );
    assert_eq!(
        gate(&THROTTLE, &failed(99, 0), u64::MAX),
        ThrottleStatus::Open
    );
    let unlimited = ThrottlePolicy {
        max_failures: 0,
        ..THROTTLE
    };
    assert_eq!(
        gate(&unlimited, &failed(u32::MAX, 0), u64::MAX),
        ThrottleStatus::Open
    );
}

#[test]
fn a_charge_counts_and_a_refusal_does_not() {
    let charged = charge(&THROTTLE, &failed(4, 10), 20).unwrap();
    let state = charged.state();
    assert_eq!(
        (state.failures, state.unreported, state.last_failure),
        (5, 1, 20)
    );
    assert_eq!(
        charge(&THROTTLE, state, 49),
        Err(ThrottleStatus::LockedFor(1))
    );
    assert!(charge(&THROTTLE, state, 50).is_ok());
}

#[test]
fn a_charge_taken_back_leaves_all_failures_before_it() {
    for before in [failed(0, 0), failed(4, 10), failed(6, 10)] {
        for counter in [Logins, Daemon] {
            let charged = charge_to(&THROTTLE, &before, counter, 1000).unwrap();
            assert_eq!(charged.taken_back(), before);
        }
    }
}

#[test]
fn a_clock_set_back_restarts_the_lockout_once() {
    let state = failed(5, 5000);
    assert_eq!(gate(&THROTTLE, &state, 100), ThrottleStatus::LockedFor(30));
    assert_eq!(gate(&THROTTLE, &failed(4, 5000), 100), ThrottleStatus::Open);
    let rebased_state = rebased(&state, 100).unwrap();
    assert_eq!(rebased_state.last_failure, 100);
    assert_eq!(gate(&THROTTLE, &rebased_state, 130), ThrottleStatus::Open);
    assert_eq!(rebased(&rebased_state, 100), None);
}

/// A state after so many wrong codes through the daemon, one every 1000 s.
fn guessed(count: u64) -> UserState {
    let mut state = UserState::new(1);
    for n in 0..count {
        let charged = charge_to(&THROTTLE, &state, Daemon, 1000 * n).unwrap();
        state = charged.state().clone();
    }
    state
}

#[test]
fn wrong_codes_of_the_daemon_lock_out_there_alone() {
    let state = guessed(5);
    assert_eq!(
        daemon_gate(&THROTTLE, &state, 4001),
        ThrottleStatus::LockedFor(29)
    );
    assert_eq!(
        charge_to(&THROTTLE, &state, Daemon, 4001),
        Err(ThrottleStatus::LockedFor(29))
    );
    assert_eq!(gate(&THROTTLE, &state, 4001), ThrottleStatus::Open);
    assert_eq!((state.failures, state.last_failure), (0, 0));
    assert_eq!(state.unreported, 5);
    assert_eq!(
        daemon_gate(&THROTTLE, &failed(100, 0), 0),
        ThrottleStatus::Open
    );
}

#[test]
fn the_daemon_has_a_limit_where_logins_have_none() {
    let unlimited = ThrottlePolicy {
        max_failures: 0,
        ..THROTTLE
    };
    let gate_after = |count| daemon_gate(&unlimited, &guessed(count), 200_000);
    assert_eq!(gate_after(99), ThrottleStatus::Open);
    assert_eq!(gate_after(100), ThrottleStatus::LockedUntilUnlock);
    // A count that can no longer rise is over any limit.
    let mut state = UserState::new(1);
    for _ in 0..u16::MAX {
        state.daemon = state.daemon.charged(10).after_success();
    }
    let widest = ThrottlePolicy {
        max_failures: 1_000_000,
        ..THROTTLE
    };
    assert_eq!(
        daemon_gate(&widest, &state, 10),
        ThrottleStatus::LockedUntilUnlock
    );
}

#[test]
fn an_answer_without_a_code_counts_for_the_row_alone() {
    let before = guessed(3);
    let charged = charge_to(&THROTTLE, &before, Daemon, 4000).unwrap();
    let answer =
        |text: &[u8]| TypedAnswer::read(text, AnswerForm::PasswordThenCode, &[Digits::SIX]);
    let guess = charged.clone().for_answer(&answer(b"password000000"));
    assert_eq!(guess, charged);
    let charged = charged.for_answer(&answer(b"password"));
    let daemon = charged.state().daemon;
    assert_eq!((daemon.in_a_row, daemon.last), (4, 4000));
    assert_eq!(daemon.total(4000), 3);
    assert_eq!(charged.taken_back(), before);
    let charged = charge(&THROTTLE, &before, 4000).unwrap();
    let charged = charged.for_answer(&answer(b"password"));
    assert_eq!(
        (charged.state().failures, charged.state().daemon),
        (1, before.daemon)
    );
}

#[test]
fn a_success_keeps_the_total_of_the_daemon() {
    let before = guessed(99);
    let now = 200_000;
    let charged = charge_to(&THROTTLE, &before, Logins, now).unwrap();
    let mut state = charged.state().clone();
    charged.succeed(&mut state);
    assert_eq!(charged.failures_before(), 99);
    assert_eq!(
        (state.failures, state.unreported, state.daemon.in_a_row),
        (0, 0, 0)
    );
    let charged = charge_to(&THROTTLE, &state, Daemon, now).unwrap();
    let last = charged.state();
    assert_eq!(
        daemon_gate(&THROTTLE, last, now),
        ThrottleStatus::LockedUntilUnlock
    );
    assert_eq!(gate(&THROTTLE, last, now), ThrottleStatus::Open);
    let month = now + 33 * 24 * 3600;
    assert_eq!(daemon_gate(&THROTTLE, last, month), ThrottleStatus::Open);
}

#[test]
fn a_success_of_the_daemon_leaves_logins_count() {
    let mut before = failed(4, 10);
    (before.unreported, before.daemon) = (6, guessed(2).daemon);
    let charged = charge_to(&THROTTLE, &before, Daemon, 5000).unwrap();
    assert_eq!(charged.failures_before(), 2);
    let mut state = charged.state().clone();
    charged.succeed(&mut state);
    let counters = (state.failures, state.last_failure, state.unreported);
    assert_eq!(counters, (4, 10, 6));
    assert_eq!((state.daemon.in_a_row, state.daemon.total(5000)), (0, 2));
}
