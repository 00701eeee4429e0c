//! Single use, and several devices of one user.

use super::*;

#[test]
fn a_code_works_once() {
    let mut user = User::usual();
    let code = user.code(0, STEP);
    assert_eq!(user.types(&code, NOW), by_device("phone", 0));
    let state = user.device_state(0);
    assert_eq!(
        (state.next, state.drift, state.last_used),
        (STEP + 1, 0, NOW)
    );
    for second in [0, 1, 29, 30, 59] {
        assert_eq!(user.would(&code, NOW + second), used("phone"));
    }
    // Outside the window it is known until there is a newer one.
    for later in [NOW + 60, NOW + 86_400] {
        assert_eq!(user.would(&code, later), used("phone"));
    }
    let next = user.code(0, STEP + 1);
    assert_eq!(user.types(next, NOW + 30), by_device("phone", 0));
    assert_eq!(user.would(&code, NOW + 90), clock_differs("phone", -3));
}

#[test]
fn no_older_code_works_after_a_newer() {
    let mut user = User::usual().window(2);
    assert_eq!(
        user.types(user.code(0, STEP + 1), NOW),
        by_device("phone", 1)
    );
    for step in [STEP - 1, STEP, STEP + 1] {
        assert_eq!(user.would(user.code(0, step), NOW), used("phone"));
    }
    assert_eq!(
        user.would(user.code(0, STEP + 2), NOW),
        by_device("phone", 2)
    );
    assert_eq!(
        user.would(user.code(0, STEP + 3), NOW),
        by_device("phone", 3)
    );
}

#[test]
fn each_device_works_and_moves_alone() {
    let digits = |name, number, digits| {
        let interval = Interval::new(60).unwrap();
        device(name, number, OtpKind::Totp { interval }, digits)
    };
    let mut user = User::with([
        totp("phone", 1),
        digits("tablet", 2, 8),
        digits("key", 3, 7),
    ]);
    let before = user.state.clone();
    assert_eq!(
        user.types(user.code(1, NOW / 60), NOW),
        by_device("tablet", 0)
    );
    assert_eq!(user.device_state(0), before.devices[0]);
    assert_eq!(user.device_state(2), before.devices[2]);
    assert_eq!(user.types(user.code(0, STEP), NOW), by_device("phone", 0));
    assert_eq!(user.types(user.code(2, NOW / 60), NOW), by_device("key", 0));
    assert_eq!(user.types(user.code(1, NOW / 60), NOW), used("tablet"));
}

#[test]
fn every_algorithm_works() {
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
        let mut user = User::usual();
        let code = user.code(0, STEP);
        user.record.devices[0].algorithm = algorithm;
        assert_eq!(user.would(user.code(0, STEP), NOW), by_device("phone", 0));
        let expected = match algorithm {
            Algorithm::Sha1 => by_device("phone", 0),
            _ => wrong(),
        };
        assert_eq!(user.would(code, NOW), expected);
    }
}

#[test]
fn a_code_of_two_equal_devices_works_once() {
    let mut user = User::with([totp("phone", 1), totp("tablet", 1)]);
    user.record.devices[1].id = id(2);
    user.state.devices[1].id = id(2);
    let code = user.code(0, STEP);
    assert_eq!(user.types(&code, NOW), by_device("phone", 0));
    assert_eq!(user.device_state(0).next, STEP + 1);
    assert_eq!(user.device_state(1).next, STEP + 1);
    assert_eq!(user.types(&code, NOW), used("phone"));
}

/// The last code of one device gives its charge back, and so must be no guess at another.
#[test]
fn the_last_code_of_one_is_no_code_of_another() {
    let mut user = User::with([totp("phone", 1), totp("tablet", 1)]);
    user.record.devices[1].id = id(2);
    user.state.devices[1].id = id(2);
    user.state.devices[0].next = STEP + 1;
    let before = user.state.clone();
    assert_eq!(user.types(user.code(0, STEP), NOW), used("phone"));
    assert_eq!(user.state, before);
    assert_eq!(
        user.types(user.code(0, STEP + 1), NOW),
        by_device("phone", 1)
    );
}

/// Of a counter, older ones are more than a right code can avoid: they are charged, and may be right for another.
#[test]
fn an_older_used_counter_may_be_a_code_of_another() {
    let mut user = User::with([device("key", 1, OtpKind::Hotp, 6), totp("phone", 1)]);
    user.record.devices[1].id = id(2);
    user.state.devices[1].id = id(2);
    // Of one secret, so that the code of a step is that of a counter.
    for (ahead, expected) in [(2, by_device("phone", 0)), (1, used("key"))] {
        user.state.devices[0].next = STEP + ahead;
        assert_eq!(user.would(user.code(0, STEP), NOW), expected, "{ahead}");
    }
    user.state.devices[1].next = STEP + 1_000;
    user.record.devices.pop();
    for (ahead, failures) in [(1, 0), (2, 1)] {
        user.state.devices[0].next = STEP + ahead;
        assert_eq!(user.types(user.code(0, STEP), NOW), used("key"));
        assert_eq!(user.state.failures, failures);
    }
}

/// Two steps of the window may share a code; then the newer one is what was used, so that it works once.
#[test]
fn a_code_that_two_steps_share_works_once() {
    let mut user = User::usual().window(10);
    // Ten chances in a million for each step: the first that there is after this moment.
    let (first, later) = (STEP + 204_057, 5);
    assert_eq!(user.code(0, first), user.code(0, first + later));
    let (code, now) = (user.code(0, first), first * 30);
    assert_eq!(user.types(&code, now), by_device("phone", 5));
    assert_eq!(user.device_state(0).next, first + later + 1);
    assert_eq!(user.types(&code, now), used("phone"));
    assert_eq!(user.types(&code, now + later * 30), used("phone"));
}

#[test]
fn a_device_without_a_state_accepts_nothing() {
    let mut user = User::with([totp("phone", 1), totp("tablet", 2)]);
    user.state.devices.remove(0);
    assert_eq!(
        user.would(user.code(0, STEP), NOW),
        clock_differs("phone", 0)
    );
    assert_eq!(user.would(user.code(1, STEP), NOW), by_device("tablet", 0));
}

#[test]
fn a_renewed_device_starts_anew() {
    let mut user = User::usual();
    let old = user.code(0, STEP + 1);
    assert_eq!(user.types(user.code(0, STEP), NOW), by_device("phone", 0));
    user.record.devices = vec![totp("phone", 2)];
    user.state.devices.push(DeviceState {
        id: id(2),
        next: 0,
        drift: 0,
        last_used: 0,
        committed: true,
    });
    assert_eq!(user.types(old, NOW), wrong());
    assert_eq!(user.types(user.code(0, STEP), NOW), {
        let name = "phone".into();
        CodeOutcome::Accepted(CodeAcceptance {
            by: Credential::Device { name, offset: 0 },
            failures_before: 1,
            password_len: 0,
        })
    });
}
