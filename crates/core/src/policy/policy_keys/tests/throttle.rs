//! Tests of the keys of `[throttle]`: bounds of each, and of each beside the others.

use super::within;

#[test]
fn throttle_settings_have_bounds() {
    let set = |lines: &str| within("[throttle]", lines).map(|policy| policy.throttle);
    let free = "max_failures = 0\n";
    for attempts in [1, 1000] {
        assert_eq!(
            set(&format!("{free}attempts = {attempts}")).map(|limits| limits.attempts),
            Ok(attempts)
        );
    }
    for attempts in [0, 1001] {
        assert_eq!(
            set(&format!("{free}attempts = {attempts}")).unwrap_err(),
            format!("line 4, column 12: throttle.attempts is {attempts}; allowed: 1 to 1000")
        );
    }
    let wide = "max_lockout = 604800\n";
    for lockout in [1, 86_400] {
        assert_eq!(
            set(&format!("{wide}lockout = {lockout}")).map(|limits| limits.lockout),
            Ok(lockout)
        );
    }
    for lockout in [0, 86_401] {
        assert_eq!(
            set(&format!("{wide}lockout = {lockout}")).unwrap_err(),
            format!("line 4, column 11: throttle.lockout is {lockout}; allowed: 1 to 86400")
        );
    }
}

#[test]
fn max_lockout_is_at_least_lockout() {
    let set = |lines: &str| within("[throttle]", lines).map(|policy| policy.throttle.max_lockout);
    assert_eq!(set("max_lockout = 60\nlockout = 60"), Ok(60));
    assert_eq!(set("max_lockout = 30"), Ok(30));
    assert_eq!(set("max_lockout = 604800"), Ok(604_800));
    assert_eq!(
        set("max_lockout = 604801").unwrap_err(),
        "line 3, column 15: throttle.max_lockout is 604801; allowed: 30 to 604800 (throttle.lockout \
         is 30)"
    );
    assert_eq!(
        set("max_lockout = 59\nlockout = 60").unwrap_err(),
        "line 3, column 15: throttle.max_lockout is 59; allowed: 60 to 604800 (throttle.lockout is \
         60)"
    );
    assert_eq!(set("lockout = 900"), Ok(900));
    assert_eq!(
        set("lockout = 901").unwrap_err(),
        "line 3, column 11: throttle.lockout is 901, but throttle.max_lockout is 900 by default; set \
         throttle.max_lockout to 901 or more"
    );
}

#[test]
fn max_failures_is_zero_or_at_least_attempts() {
    let set = |lines: &str| within("[throttle]", lines).map(|policy| policy.throttle.max_failures);
    for limit in [0, 5, 1_000_000] {
        assert_eq!(set(&format!("max_failures = {limit}")), Ok(limit));
    }
    for limit in ["1", "4", "1000001", "-1"] {
        assert_eq!(
            set(&format!("max_failures = {limit}")).unwrap_err(),
            format!(
                "line 3, column 16: throttle.max_failures is {limit}; allowed: 0 to 1000000 (0 is no \
                 limit; else at least throttle.attempts, 5)"
            )
        );
    }
    assert_eq!(set("attempts = 100"), Ok(100));
    assert_eq!(
        set("attempts = 101").unwrap_err(),
        "line 3, column 12: throttle.attempts is 101, but throttle.max_failures is 100 by default; \
         set throttle.max_failures to 101 or more, or to 0 for no limit"
    );
}
