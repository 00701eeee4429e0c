//! Limits on guessing: every attempt is charged before its code is compared (RFC 4226 section 7.3).

use crate::policy::ThrottlePolicy;
use crate::state::{DaemonFailures, UserState};

use super::typed_answer::TypedAnswer;

/// Wrong codes through the daemon after which it closes where the policy sets no limit. Logins may do without one, since each has
/// a password before it; any program of the user can guess at the daemon.
const DAEMON_LIMIT: u32 = 100;

/// The throttle's answer to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleStatus {
    /// The code is compared.
    Open,
    /// No code is compared for so many seconds, at least 1.
    LockedFor(u64),
    /// No code is compared until an administrator unlocks the user (NIST SP 800-63B section 5.2.2).
    LockedUntilUnlock,
}

/// Counter that an attempt is charged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCounter {
    /// Failures at logins, which lock out at logins.
    Logins,
    /// Failures through the daemon, which lock out there.
    Daemon,
}

/// A state in which the attempt under way is already counted as a failure. Only such a state can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargedState {
    state: UserState,
    counter: FailureCounter,
    before: FailuresBefore,
}

/// The counters before an attempt was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FailuresBefore {
    failures: u32,
    unreported: u32,
    last_failure: u64,
    daemon: DaemonFailures,
}

impl ChargedState {
    fn new(before: &UserState, counter: FailureCounter, now: u64) -> Self {
        let mut state = before.clone();
        state.unreported = before.unreported.saturating_add(1);
        match counter {
            FailureCounter::Logins => {
                state.failures = before.failures.saturating_add(1);
                state.last_failure = now;
            }
            FailureCounter::Daemon => state.daemon = before.daemon.charged(now),
        }
        Self {
            state,
            counter,
            before: FailuresBefore {
                failures: before.failures,
                unreported: before.unreported,
                last_failure: before.last_failure,
                daemon: before.daemon,
            },
        }
    }

    /// The state to write before the code is compared.
    #[must_use]
    pub const fn state(&self) -> &UserState {
        &self.state
    }

    /// The charge for this answer. One that holds no code to compare is no guess, so it does not count for the 30 days of the
    /// daemon: in one field each password without a code would.
    #[must_use]
    pub const fn for_answer(mut self, answer: &TypedAnswer) -> Self {
        if answer.is_unreadable() {
            self.state.daemon = self.before.daemon.with_row_of(&self.state.daemon);
        }
        self
    }

    /// The state with the charge of this attempt taken back, and with that alone: what others were charged stays.
    #[must_use]
    pub fn taken_back(&self) -> UserState {
        let mut state = self.state.clone();
        state.failures = self.before.failures;
        state.unreported = self.before.unreported;
        state.last_failure = self.before.last_failure;
        state.daemon = self.before.daemon;
        state
    }

    /// Wrong codes since the last success that is told of them, this attempt not included.
    #[must_use]
    pub const fn failures_before(&self) -> u32 {
        match self.counter {
            FailureCounter::Logins => self.before.unreported,
            FailureCounter::Daemon => self.before.daemon.in_a_row,
        }
    }

    /// Takes the charge out of what a success leaves. One at a login ends every lock-out, and one through the daemon those of the
    /// daemon; how many wrong codes came through the daemon in all stays. Some programs that ask the daemon show no messages, so that
    /// the next login tells of the wrong codes all the same.
    pub(super) const fn succeed(&self, state: &mut UserState) {
        state.daemon = self.before.daemon.after_success();
        match self.counter {
            FailureCounter::Logins => {
                state.failures = 0;
                state.unreported = 0;
                state.last_failure = 0;
            }
            FailureCounter::Daemon => state.unreported = self.before.unreported,
        }
    }
}

/// The throttle's answer to an attempt at `now` (seconds since 1970-01-01 UTC).
#[must_use]
pub fn gate(throttle: &ThrottlePolicy, state: &UserState, now: u64) -> ThrottleStatus {
    if throttle.max_failures != 0 && state.failures >= throttle.max_failures {
        return ThrottleStatus::LockedUntilUnlock;
    }
    locked_for(throttle, state.failures, state.last_failure, now)
}

/// The lock-out after so many failures in a row, the last at `last`; both times in seconds since 1970-01-01 UTC.
fn locked_for(throttle: &ThrottlePolicy, failures: u32, last: u64, now: u64) -> ThrottleStatus {
    let lockout = lockout(throttle, failures);
    let end = last.saturating_add(lockout);
    // A failure in the future, after the clock was set back, locks for no longer than one just now.
    match end.saturating_sub(now).min(lockout) {
        0 => ThrottleStatus::Open,
        left => ThrottleStatus::LockedFor(left),
    }
}

/// The throttle's answer to an attempt through the daemon at `now` (seconds since 1970-01-01 UTC).
#[must_use]
pub fn daemon_gate(throttle: &ThrottlePolicy, state: &UserState, now: u64) -> ThrottleStatus {
    let failures = &state.daemon;
    let limit = match throttle.max_failures {
        0 => DAEMON_LIMIT,
        limit => limit,
    };
    if failures.total(now) >= limit {
        return ThrottleStatus::LockedUntilUnlock;
    }
    locked_for(throttle, failures.in_a_row, failures.last, now)
}

/// Counts an attempt of a login at `now` (seconds since 1970-01-01 UTC) as failed.
///
/// # Errors
/// The [`ThrottleStatus`] that is closed. Nothing is counted then.
pub fn charge(
    throttle: &ThrottlePolicy,
    state: &UserState,
    now: u64,
) -> Result<ChargedState, ThrottleStatus> {
    charge_to(throttle, state, FailureCounter::Logins, now)
}

/// Counts an attempt at `now` (seconds since 1970-01-01 UTC) as a failure of this counter.
///
/// # Errors
/// The [`ThrottleStatus`] that is closed. Nothing is counted then.
pub fn charge_to(
    throttle: &ThrottlePolicy,
    state: &UserState,
    counter: FailureCounter,
    now: u64,
) -> Result<ChargedState, ThrottleStatus> {
    let gate = match counter {
        FailureCounter::Logins => gate(throttle, state, now),
        FailureCounter::Daemon => daemon_gate(throttle, state, now),
    };
    match gate {
        ThrottleStatus::Open => Ok(ChargedState::new(state, counter, now)),
        closed => Err(closed),
    }
}

/// The state to write when the clock was set back behind what the state knows, `None` when it was not.
///
/// A lock-out would otherwise last until the clock gets there again. It is counted anew from `now` (seconds since 1970-01-01
/// UTC), so it is never shortened. Grace periods that begin in the future end, and with one of a session those of all.
#[must_use]
pub fn rebased(state: &UserState, now: u64) -> Option<UserState> {
    let daemon = state.daemon.rebased(now);
    let ahead = state.last_failure > now
        || state.grace.iter().any(|grace| grace.since > now)
        || state.session_grace.is_ahead(now)
        || state.outage_since().is_some_and(|since| since > now);
    (ahead || daemon.is_some()).then(|| {
        let mut rebased = state.clone();
        rebased.daemon = daemon.unwrap_or(state.daemon);
        rebased.last_failure = state.last_failure.min(now);
        rebased.grace.retain(|grace| grace.since <= now);
        if rebased.session_grace.is_ahead(now) {
            rebased.session_grace.clear();
        }
        rebased.rebase_outage(now);
        rebased
    })
}

/// Seconds of lock-out after so many consecutive failures: none before `attempts`, then doubling.
fn lockout(throttle: &ThrottlePolicy, failures: u32) -> u64 {
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
mod tests;
