//! Digits, interval, window and learned drift (RFC 6238 sections 5.2 and 6).

use super::*;

fn with_interval(seconds: u32) -> Device {
    let interval = Interval::new(seconds).unwrap();
    device("phone", 1, OtpKind::Totp { interval }, 6)
}

/// R1: a 6-digit code, new every 30 s unless changed.
#[test]
fn r1_a_default_code_has_six_digits_for_30_seconds() {
    let user = User::usual().window(0);
    let code = user.code(0, STEP);
    assert_eq!(code.len(), 6);
    for (second, expected) in [
        (NOW - 1, clock_differs("phone", 1)),
        (NOW, by_device("phone", 0)),
        (NOW + 29, by_device("phone", 0)),
        (NOW + 30, clock_differs("phone", -1)),
    ] {
        assert_eq!(user.would(&code, second), expected);
    }
}

/// R2: the number of digits is a setting: a code has exactly that many.
#[test]
fn r2_codes_have_six_seven_or_eight_digits() {
    for digits in 6..=8 {
        let interval = Interval::THIRTY;
        let user = User::with([device("phone", 1, OtpKind::Totp { interval }, digits)]);
        let code = user.code(0, STEP);
        assert_eq!(code.len(), usize::from(digits));
        assert_eq!(user.would(&code, NOW), by_device("phone", 0));
        assert_eq!(user.would(&code[1..], NOW), wrong(), "the last digits only");
        assert_eq!(user.would(format!("{code}0"), NOW), wrong());
        assert_eq!(user.would(format!("0{code}"), NOW), wrong());
    }
}

/// R3: the interval is a setting.
#[test]
fn r3_intervals_last_5_to_3600_seconds() {
    for seconds in [5, 6, 29, 30, 31, 59, 60, 61, 300, 3599, 3600] {
        let user = User::with([with_interval(seconds)]).window(0);
        let long = u64::from(seconds);
        let step = NOW / long + 1;
        let code = user.code(0, step);
        for (second, expected) in [
            (step * long - 1, clock_differs("phone", 1)),
            (step * long, by_device("phone", 0)),
            (step * long + long - 1, by_device("phone", 0)),
            (step * long + long, clock_differs("phone", -1)),
        ] {
            assert_eq!(user.would(&code, second), expected, "{seconds} s");
        }
    }
}

/// R4: window n accepts n codes before and n after the current one, and no other.
#[test]
fn r4_window_n_accepts_exactly_n_codes_on_either_side() {
    for window in 0..=MAX_WINDOW {
        let user = User::usual().window(window);
        let mut count = 0;
        for offset in -40..=40 {
            let outcome = user.would(user.code(0, step_after(STEP, offset)), NOW);
            let expected = match offset.abs() {
                off if off <= i64::from(window) => by_device("phone", offset),
                0..=20 => clock_differs("phone", offset),
                _ => wrong(),
            };
            assert_eq!(outcome, expected, "window {window}, offset {offset}");
            count += i32::from(matches!(outcome, CodeOutcome::Accepted(_)));
        }
        assert_eq!(count, 2 * i32::from(window) + 1);
    }
}

#[test]
fn the_first_steps_of_all_are_no_special_case() {
    let user = User::usual().window(10);
    for step in 0..=13 {
        let expected = match step {
            0..=12 => by_device("phone", step - 2),
            _ => clock_differs("phone", 11),
        };
        let code = user.code(0, u64::try_from(step).unwrap());
        assert_eq!(user.would(code, 60), expected);
    }
}

#[test]
fn an_accepted_code_moves_the_centre() {
    for off in [-1, 1] {
        let mut user = User::usual();
        let code = user.code(0, step_after(STEP, off));
        assert_eq!(user.types(code, NOW), by_device("phone", off));
        assert_eq!(i64::from(user.device_state(0).drift), off);
        let (now, step) = (NOW + 3000, STEP + 100);
        for other in -4..=4 {
            let expected = match (other - off).abs() {
                0..=1 => by_device("phone", other),
                _ => clock_differs("phone", other),
            };
            assert_eq!(
                user.would(user.code(0, step_after(step, other)), now),
                expected
            );
        }
    }
}

#[test]
fn drift_ends_two_steps_beyond_the_window() {
    for window in 0..=MAX_WINDOW {
        for side in [-1_i64, 1] {
            let mut user = User::usual().window(window);
            let bound = i64::from(window) + 2;
            let mut reached = 0;
            for login in 1..=30_u64 {
                // The device shows the code furthest off that is still accepted.
                let drift = i64::from(user.device_state(0).drift);
                let offset = drift + side * i64::from(window);
                let (now, step) = (NOW + login * 3000, STEP + login * 100);
                let code = user.code(0, step_after(step, offset));
                assert_eq!(user.types(code, now), by_device("phone", offset));
                reached = user.device_state(0).drift.into();
                assert!(reached * side <= bound);
            }
            let expected = if window == 0 { 0 } else { bound * side };
            assert_eq!(reached, expected, "window {window}");
        }
    }
}

#[test]
fn drift_shrinks_with_the_window() {
    let mut user = User::usual().window(0);
    for (drift, centre) in [(12, 2), (-12, -2), (127, 2), (-128, -2)] {
        user.state.devices[0].drift = drift;
        for offset in -13..=13 {
            let expected = match offset {
                _ if offset == centre => by_device("phone", offset),
                _ => clock_differs("phone", offset),
            };
            let code = user.code(0, step_after(STEP, offset));
            assert_eq!(user.would(code, NOW), expected, "drift {drift}");
        }
    }
}

#[test]
fn refused_codes_never_move_the_centre() {
    let mut user = User::usual();
    assert_eq!(
        user.types(user.code(0, STEP + 1), NOW),
        by_device("phone", 1)
    );
    let before = user.device_state(0);
    for offset in [-3, -1, 0, 1, 3, 4, 20] {
        let code = user.code(0, step_after(STEP, offset));
        assert!(matches!(user.types(code, NOW), CodeOutcome::Rejected(_)));
        assert_eq!(user.device_state(0), before);
    }
}
