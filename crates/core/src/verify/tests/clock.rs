//! Verdicts when the clocks of server and device disagree, and when the server's was set back.

use super::*;

/// R6: a code outside the window but near it is told apart, as a probable clock error.
#[test]
fn r6_codes_up_to_20_steps_away_say_clocks_differ() {
    let user = User::usual();
    for offset in [-20, -19, -2, 2, 19, 20] {
        let code = user.code(0, step_after(STEP, offset));
        assert_eq!(user.would(code, NOW), clock_differs("phone", offset));
    }
    for offset in [-21, 21] {
        let code = user.code(0, step_after(STEP, offset));
        assert_eq!(user.would(code, NOW), wrong());
    }
}

#[test]
fn r6_the_device_whose_code_it_is_is_named() {
    let user = User::with([totp("phone", 1), totp("tablet", 2)]);
    assert_eq!(
        user.would(user.code(1, STEP - 7), NOW),
        clock_differs("tablet", -7)
    );
    // Both show it, one of them nearer to now.
    let mut twins = User::with([totp("phone", 1), totp("tablet", 1)]);
    twins.record.devices[1].kind = OtpKind::Totp {
        interval: Interval::new(25).unwrap(),
    };
    let (code, now) = (twins.code(0, 50), 40 * 30);
    assert_eq!((now / 30, now / 25), (40, 48));
    assert_eq!(twins.would(&code, now), clock_differs("tablet", 2));
    twins.record.devices.reverse();
    assert_eq!(twins.would(&code, now), clock_differs("tablet", 2));
}

#[test]
fn r6_of_two_steps_with_a_code_the_nearer_is_told() {
    let user = User::usual();
    // The first two of that kind after this moment.
    let (first, later) = (STEP + 204_057, 5);
    assert_eq!(user.code(0, first), user.code(0, first + later));
    for (step, expected) in [(first - 7, 7), (first + later + 7, -7)] {
        let outcome = user.would(user.code(0, first), step * 30);
        assert_eq!(outcome, clock_differs("phone", expected));
    }
}

#[test]
fn a_clock_set_back_is_told_with_seconds() {
    let mut user = User::usual();
    assert_eq!(user.types(user.code(0, STEP), NOW), by_device("phone", 0));
    let earlier = NOW - 7200;
    // Right for what the clock shows, but older than the last code.
    let code = user.code(0, STEP - 240);
    assert_eq!(user.would(code, earlier), clock_set_back("phone", 7200));
    // Right for the time it really is.
    let code = user.code(0, STEP + 2);
    assert_eq!(user.would(code, earlier), clock_set_back("phone", 7200));
    assert_eq!(user.would("000000", earlier), clock_set_back("phone", 7200));
}

#[test]
fn drift_is_not_called_a_clock_set_back() {
    for window in [0_u8, 1, 10] {
        let mut user = User::usual().window(window);
        assert_eq!(user.types(user.code(0, STEP), NOW), by_device("phone", 0));
        let most = 2 * u64::from(window) + 2;
        let code = |behind: u64| user.code(0, STEP - behind);
        assert_eq!(user.would(code(most), NOW - most * 30), used("phone"));
        let seconds = (most + 1) * 30;
        let outcome = user.would(code(most + 1), NOW - seconds);
        assert_eq!(outcome, clock_set_back("phone", seconds));
    }
}

#[test]
fn a_clock_set_back_revives_no_code() {
    let mut user = User::usual();
    for step in [STEP - 1, STEP] {
        assert_eq!(
            user.types(user.code(0, step), step * 30),
            by_device("phone", 0)
        );
    }
    for (code, clock) in [(0, 0), (1, 1), (1, 0), (0, 1), (2, 2), (9, 9), (4000, 4000)] {
        let outcome = user.would(user.code(0, STEP - code), (STEP - clock) * 30);
        assert!(
            matches!(outcome, CodeOutcome::Rejected(_)),
            "{code} {clock}"
        );
    }
    // It works again as soon as the clock is past the last code.
    assert_eq!(
        user.types(user.code(0, STEP + 1), NOW),
        by_device("phone", 1)
    );
}

#[test]
fn other_devices_and_recovery_codes_still_work() {
    let hotp = device("token", 2, OtpKind::Hotp, 6);
    let mut user = User::with([totp("phone", 1), hotp, totp("tablet", 3)]);
    assert_eq!(user.types(user.code(0, STEP), NOW), by_device("phone", 0));
    let earlier = NOW - 7200;
    assert_eq!(user.types(user.code(1, 0), earlier), by_device("token", 0));
    let code = user.code(2, STEP - 240);
    assert_eq!(user.types(code, earlier), by_device("tablet", 0));
}
