//! Limits on guessing: every attempt is charged before its code is compared (RFC 4226 section 7.3).
#![forbid(unsafe_code)]

use crate::policy::Throttle;
use crate::state::State;

/// Whether an attempt is let through to the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It is.
    Open,
    /// Not for so many seconds, at least 1.
    LockedFor(u64),
    /// Not until an administrator unlocks the user (NIST SP 800-63B section 5.2.2).
    LockedUntilUnlock,
}

/// A state in which the attempt under way is already counted as a failure. Only such a state can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charged {
    state: State,
    /// As it was before: failures, those of them that the user was not told of, and when the last one was.
    before: (u32, u32, u64),
}

impl Charged {
    /// The state to write before the code is compared.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The state with the charge of this attempt taken back, and with that alone: what others were charged stays.
    #[must_use]
    pub fn taken_back(&self) -> State {
        let mut state = self.state.clone();
        (state.failures, state.unreported, state.last_failure) = self.before;
        state
    }
}

/// Whether an attempt at `now` (seconds since 1970-01-01 UTC) would be let through.
#[must_use]
pub fn gate(throttle: &Throttle, state: &State, now: u64) -> Gate {
    if throttle.max_failures != 0 && state.failures >= throttle.max_failures {
        return Gate::LockedUntilUnlock;
    }
    let lockout = lockout(throttle, state.failures);
    let end = state.last_failure.saturating_add(lockout);
    // A failure in the future, after the clock was set back, locks for no longer than one just now.
    match end.saturating_sub(now).min(lockout) {
        0 => Gate::Open,
        left => Gate::LockedFor(left),
    }
}

/// Counts an attempt at `now` as failed.
///
/// # Errors
/// The [`Gate`] that is closed. Nothing is counted then.
pub fn charge(throttle: &Throttle, state: &State, now: u64) -> Result<Charged, Gate> {
    match gate(throttle, state, now) {
        Gate::Open => {
            let mut charged = state.clone();
            charged.failures = state.failures.saturating_add(1);
            charged.unreported = state.unreported.saturating_add(1);
            charged.last_failure = now;
            let before = (state.failures, state.unreported, state.last_failure);
            Ok(Charged {
                state: charged,
                before,
            })
        }
        closed => Err(closed),
    }
}

/// What to change when the clock was set back behind what the state knows, `None` when it was not.
///
/// A lock-out would otherwise last until the clock gets there again: it is counted anew from `now`, so it is never
/// shortened. Grace periods that begin in the future end.
#[must_use]
pub fn rebased(state: &State, now: u64) -> Option<State> {
    let ahead = state.last_failure > now || state.grace.iter().any(|grace| grace.since > now);
    ahead.then(|| {
        let mut rebased = state.clone();
        rebased.last_failure = state.last_failure.min(now);
        rebased.grace.retain(|grace| grace.since <= now);
        rebased
    })
}

/// Seconds of lock-out after so many consecutive failures: none before `attempts`, then doubling.
fn lockout(throttle: &Throttle, failures: u32) -> u64 {
    let Some(doublings) = failures.checked_sub(throttle.attempts) else {
        return 0;
    };
    let seconds = u64::from(throttle.lockout);
    let longest = u64::from(throttle.max_lockout);
    match doublings {
        // A lock-out of at most 2^32 s does not overflow when doubled 31 times.
        0..=31 => (seconds << doublings).min(longest),
        _ => longest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THROTTLE: Throttle = Throttle {
        attempts: 5,
        lockout: 30,
        max_lockout: 900,
        max_failures: 100,
        delay: 2,
    };

    fn failed(failures: u32, at: u64) -> State {
        let mut state = State::new(1);
        (state.failures, state.last_failure) = (failures, at);
        state
    }

    #[test]
    fn lockouts_begin_at_the_fifth_failure_double_and_are_capped() {
        let after = |failures| lockout(&THROTTLE, failures);
        let seconds: Vec<u64> = (3..13).map(after).collect();
        assert_eq!(seconds, [0, 0, 30, 60, 120, 240, 480, 900, 900, 900]);
        assert_eq!(after(u32::MAX), 900);
    }

    #[test]
    fn the_gate_opens_to_the_second() {
        let state = failed(6, 1000);
        assert_eq!(gate(&THROTTLE, &state, 1000), Gate::LockedFor(60));
        assert_eq!(gate(&THROTTLE, &state, 1059), Gate::LockedFor(1));
        assert_eq!(gate(&THROTTLE, &state, 1060), Gate::Open);
        assert_eq!(gate(&THROTTLE, &failed(4, 1000), 1000), Gate::Open);
    }

    #[test]
    fn the_hard_limit_holds_until_unlock() {
        assert_eq!(
            gate(&THROTTLE, &failed(100, 0), u64::MAX),
            Gate::LockedUntilUnlock
        );
        assert_eq!(gate(&THROTTLE, &failed(99, 0), u64::MAX), Gate::Open);
        let unlimited = Throttle {
            max_failures: 0,
            ..THROTTLE
        };
        assert_eq!(gate(&unlimited, &failed(u32::MAX, 0), u64::MAX), Gate::Open);
    }

    #[test]
    fn a_charge_counts_and_a_refusal_does_not() {
        let charged = charge(&THROTTLE, &failed(4, 10), 20).unwrap();
        let state = charged.state();
        assert_eq!(
            (state.failures, state.unreported, state.last_failure),
            (5, 1, 20)
        );
        assert_eq!(charge(&THROTTLE, state, 49), Err(Gate::LockedFor(1)));
        assert!(charge(&THROTTLE, state, 50).is_ok());
    }

    #[test]
    fn a_charge_taken_back_leaves_all_failures_before_it() {
        for before in [failed(0, 0), failed(4, 10), failed(6, 10)] {
            let charged = charge(&THROTTLE, &before, 1000).unwrap();
            assert_eq!(charged.taken_back(), before);
        }
    }

    #[test]
    fn a_clock_set_back_restarts_the_lockout_once() {
        let state = failed(5, 5000);
        assert_eq!(gate(&THROTTLE, &state, 100), Gate::LockedFor(30));
        assert_eq!(gate(&THROTTLE, &failed(4, 5000), 100), Gate::Open);
        let rebased_state = rebased(&state, 100).unwrap();
        assert_eq!(rebased_state.last_failure, 100);
        assert_eq!(gate(&THROTTLE, &rebased_state, 130), Gate::Open);
        assert_eq!(rebased(&rebased_state, 100), None);
    }
}
