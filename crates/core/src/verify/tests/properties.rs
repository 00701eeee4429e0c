//! Properties that hold for every sequence of logins, each for itself.

use super::*;
use crate::state::COUNTER_UNKNOWN;

/// xorshift64*: repeatable, and good enough to stir things up.
struct CaseGenerator(u64);

impl CaseGenerator {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

/// Not a code of anything.
const GUESS: &str = "no code";

/// One attempt as a login makes it.
fn login(user: &mut User, typed: &str, now: u64) -> Result<CodeOutcome, ThrottleStatus> {
    user.state = rebased(&user.state, now).unwrap_or_else(|| user.state.clone());
    charge(&user.policy.throttle, &user.state, now)?;
    Ok(user.types(typed, now))
}

fn throttled(random: &mut CaseGenerator) -> User {
    let mut user = User::usual();
    let (attempts, lockout) = (1 + random.below(4), 1 + random.below(120));
    user.policy.throttle = ThrottlePolicy {
        attempts: attempts as u32,
        lockout: lockout as u32,
        max_lockout: (lockout * (1 + random.below(20))) as u32,
        max_failures: (attempts + random.below(8)) as u32,
        delay: 0,
    };
    user
}

/// The first second at which a code would be looked at, `None` for never.
fn opens(user: &User, now: u64) -> Option<u64> {
    match gate(&user.policy.throttle, &user.state, now) {
        ThrottleStatus::Open => Some(now),
        ThrottleStatus::LockedFor(seconds) => Some(now + seconds),
        ThrottleStatus::LockedUntilUnlock => None,
    }
}

/// RFC 6238 section 5.2: in whatever order a hundred codes are typed at whatever times, each is accepted once at most,
/// and none after a newer one.
#[test]
fn in_any_order_of_clocks_each_code_works_once() {
    let mut random = CaseGenerator(0x0bad_cafe);
    let mut count = 0;
    for round in 0..30_u8 {
        let mut user = User::usual().window(round % 11);
        let mut last = None;
        for _ in 0..60 {
            let clock = STEP + random.below(50);
            let code = (clock + random.below(28)) - 14;
            let outcome = user.types(user.code(0, code), clock * 30 + random.below(30));
            if let CodeOutcome::Accepted(_) = outcome {
                assert!(last.is_none_or(|last| last < code), "{code} after {last:?}");
                assert!(code.abs_diff(clock) <= 2 * u64::from(user.policy.window) + 2);
                last = Some(code);
                count += 1;
            }
        }
    }
    assert!(count > 100, "some are accepted: {count}");
}

/// A user who waits is let in at the same second, however often an attacker tried in the meantime.
#[test]
fn refused_attempts_do_not_move_a_lockout() {
    let mut random = CaseGenerator(0x0dd_ba11);
    let mut refused = 0;
    for _ in 0..200 {
        let mut user = throttled(&mut random);
        let mut now = NOW;
        for _ in 0..=random.below(10) {
            now = opens(&user, now).unwrap_or(now);
            let _ = login(&mut user, GUESS, now);
        }
        let before = (opens(&user, now), user.state.clone());
        for _ in 0..20 {
            let Some(end) = before.0 else { break };
            if end <= now {
                break;
            }
            now += random.below(end - now);
            let typed = user.code(0, now / 30);
            assert!(login(&mut user, &typed, now).is_err(), "during a lock-out");
            assert_eq!((opens(&user, now), user.state.clone()), before);
            refused += 1;
        }
    }
    assert!(refused > 500, "{refused}");
}

/// Also a clock that goes back, again and again, does not open the gate earlier than a lock-out that began just now.
#[test]
fn a_clock_that_jumps_never_shortens_a_lockout() {
    let mut random = CaseGenerator(0x7ea_5e7);
    for _ in 0..200 {
        let mut user = throttled(&mut random);
        user.policy.throttle.max_failures = 0;
        let mut now = NOW;
        for _ in 0..=random.below(8) {
            now = opens(&user, now).unwrap_or(now);
            let _ = login(&mut user, GUESS, now);
        }
        // Seconds that really pass, on a clock that is set back meanwhile.
        let mut left = opens(&user, now).unwrap_or(now) - now;
        while left > 1 {
            let passed = 1 + random.below(left - 1);
            left -= passed;
            now = now + passed - random.below(2) * (passed + random.below(10_000));
            let typed = user.code(0, now / 30);
            assert!(login(&mut user, &typed, now).is_err(), "{left} s too early");
        }
    }
}

/// NIST SP 800-63B section 5.2.2: nothing succeeds after the limit, whatever is typed and whatever the clock says.
#[test]
fn no_success_follows_the_hard_limit() {
    let mut random = CaseGenerator(0x5ca1_ab1e);
    let mut reached = 0;
    for _ in 0..100 {
        let mut user = throttled(&mut random);
        let mut now = NOW;
        for _ in 0..60 {
            now = opens(&user, now).unwrap_or(now) + random.below(100);
            now -= random.below(2) * random.below(10_000);
            let at_the_limit = user.state.failures >= user.policy.throttle.max_failures;
            let typed = match random.below(4) {
                0 if !at_the_limit => GUESS.to_owned(),
                _ if !at_the_limit => "000000".to_owned(),
                _ => user.code(0, now / 30),
            };
            let found = login(&mut user, &typed, now);
            if at_the_limit {
                assert_eq!(found, Err(ThrottleStatus::LockedUntilUnlock));
                reached += 1;
            }
        }
    }
    assert!(reached > 1000, "{reached}");
}

/// A record and a state that do not belong together, a counter that is not known, an answer that cannot be read: each is
/// a refusal, also where the code is right.
#[test]
fn what_does_not_fit_is_never_a_success() {
    let mut token = User::with([device("token", 1, OtpKind::Hotp, 6)]);
    let code = token.code(0, 0);
    assert_eq!(token.would(&code, NOW), by_device("token", 0));
    token.state.devices[0].next = COUNTER_UNKNOWN;
    let mut stranger = User::usual();
    stranger.state.devices[0].id = id(77);
    let broken = |code: &str, around: &[u8]| [code.as_bytes(), around].concat();
    for (user, code) in [(&token, code.clone()), (&stranger, stranger.code(0, STEP))] {
        assert!(matches!(user.would(&code, NOW), CodeOutcome::Rejected(_)));
    }
    let user = User::usual();
    let code = user.code(0, STEP);
    for around in [&b"\0"[..], b"\xff", b"0", &[b' '; MAX_INPUT]] {
        let outcome = user.would(broken(&code, around), NOW);
        assert_eq!(outcome, wrong(), "{}", around.escape_ascii());
    }
}
