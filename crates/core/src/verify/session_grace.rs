//! Grace within a session: for a while after a login with a code, the same user is not asked by local services of the session that began
//! with it.
//!
//! The session does not exist yet when the code is given. So the login stores a fingerprint of its process in the state, and the
//! session claims it once, when it begins.

use super::address_grace::adopt_policy;
use crate::state::UserState;
use crate::state::graced_sessions::{AwaitedSession, GracedSession, MAX_SESSIONS};

/// The boot, the length of the grace and the policy that judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTerms {
    /// Fingerprint of the boot.
    pub boot: u64,
    /// Length of the grace in seconds (policy `grace_session`); 0 for none.
    pub seconds: u32,
    /// Fingerprint of the policy: a changed policy ends all grace.
    pub policy: u64,
}

/// The process in which a code was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginProcess {
    /// Its fingerprint.
    pub process: u64,
    /// Fingerprint of the parent process.
    pub parent: u64,
    /// Its audit session; the highest number for none.
    pub seen: u32,
}

/// Stores the process of a login with a code, for its session to claim. Only the last login of a user is kept. `now`: seconds
/// since 1970-01-01 UTC.
pub fn await_session(state: &mut UserState, terms: &SessionTerms, login: LoginProcess, now: u64) {
    if terms.seconds == 0 {
        return;
    }
    adopt_policy(state, terms.policy);
    let grace = &mut state.session_grace;
    if grace.boot != terms.boot {
        grace.clear();
        grace.boot = terms.boot;
    }
    grace.awaited = Some(AwaitedSession {
        process: login.process,
        parent: login.parent,
        seen: login.seen,
        since: now,
    });
}

/// Seconds left at `now` (seconds since 1970-01-01 UTC) of the grace that the session `id` of this process can claim.
#[must_use]
pub fn claimable(
    state: &UserState,
    terms: &SessionTerms,
    process: u64,
    id: u32,
    now: u64,
) -> Option<u64> {
    let login = state.session_grace.awaited?;
    let is_own = process == login.process || process == login.parent;
    if !holds(state, terms) || !is_own || id == login.seen {
        return None;
    }
    left(login.since, terms.seconds, now)
}

/// Claims that grace, if there is any, and removes the stored process. The oldest of [`MAX_SESSIONS`] sessions makes room. `now`:
/// seconds since 1970-01-01 UTC.
pub fn claim(
    state: &mut UserState,
    terms: &SessionTerms,
    process: u64,
    id: u32,
    now: u64,
) -> Option<u64> {
    let left = claimable(state, terms, process, id, now)?;
    let grace = &mut state.session_grace;
    let since = grace.awaited.take()?.since;
    grace.sessions.retain(|session| session.id != id);
    if grace.sessions.len() >= MAX_SESSIONS {
        grace.sessions.remove(0);
    }
    grace.sessions.push(GracedSession { id, since });
    Some(left)
}

/// Seconds left of the grace of this session at `now` (seconds since 1970-01-01 UTC); `None` if there is none.
#[must_use]
pub fn running(state: &UserState, terms: &SessionTerms, id: u32, now: u64) -> Option<u64> {
    let all = all_running(state, terms, now);
    let found = all.into_iter().find(|(session, _)| session.id == id);
    found.map(|(_, left)| left)
}

/// All sessions whose grace runs, each with its seconds left.
#[must_use]
pub fn all_running(state: &UserState, terms: &SessionTerms, now: u64) -> Vec<(GracedSession, u64)> {
    if !holds(state, terms) {
        return Vec::new();
    }
    let sessions = state.session_grace.sessions.iter();
    let with_time = |it: &GracedSession| Some((*it, left(it.since, terms.seconds, now)?));
    sessions.filter_map(with_time).collect()
}

const fn holds(state: &UserState, terms: &SessionTerms) -> bool {
    state.grace_policy == terms.policy && state.session_grace.boot == terms.boot
}

fn left(since: u64, seconds: u32, now: u64) -> Option<u64> {
    // A beginning in the future means that the clock was set back.
    let age = now.checked_sub(since)?;
    u64::from(seconds).checked_sub(age).filter(|left| *left > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: SessionTerms = SessionTerms {
        boot: 5,
        seconds: 60,
        policy: 7,
    };
    const LOGIN: LoginProcess = LoginProcess {
        process: 11,
        parent: 12,
        seen: u32::MAX,
    };

    fn awaited() -> UserState {
        let mut state = UserState::new(1);
        await_session(&mut state, &TERMS, LOGIN, 100);
        state
    }

    #[test]
    fn the_process_of_the_login_or_its_parent_claims_once() {
        for process in [11, 12] {
            let mut state = awaited();
            assert_eq!(claim(&mut state, &TERMS, process, 3, 110), Some(50));
            assert_eq!(claim(&mut state, &TERMS, process, 4, 110), None);
            assert_eq!(running(&state, &TERMS, 3, 110), Some(50));
            assert_eq!(running(&state, &TERMS, 3, 159), Some(1));
            assert_eq!(running(&state, &TERMS, 3, 160), None);
            assert_eq!(running(&state, &TERMS, 3, 99), None, "clock set back");
            assert_eq!(running(&state, &TERMS, 4, 110), None);
        }
    }

    #[test]
    fn no_other_session_process_or_time_claims() {
        let other = |change: fn(&mut SessionTerms), process, id, now| {
            let mut terms = TERMS;
            change(&mut terms);
            let mut state = awaited();
            let claimed = claim(&mut state, &terms, process, id, now);
            assert_eq!(state, awaited());
            claimed
        };
        let same = |_: &mut SessionTerms| {};
        assert_eq!(other(same, 13, 3, 110), None);
        assert_eq!(
            other(same, 11, u32::MAX, 110),
            None,
            "the session that was seen"
        );
        assert_eq!(other(same, 11, 3, 160), None);
        assert_eq!(other(same, 11, 3, 99), None);
        assert_eq!(other(|terms| terms.boot = 6, 11, 3, 110), None);
        assert_eq!(other(|terms| terms.policy = 8, 11, 3, 110), None);
        assert_eq!(other(|terms| terms.seconds = 0, 11, 3, 110), None);
    }

    #[test]
    fn another_boot_or_policy_ends_what_runs() {
        let mut state = awaited();
        claim(&mut state, &TERMS, 11, 3, 100);
        let boot = SessionTerms { boot: 6, ..TERMS };
        let policy = SessionTerms { policy: 8, ..TERMS };
        for terms in [boot, policy] {
            assert_eq!(running(&state, &terms, 3, 100), None);
            let mut next = state.clone();
            await_session(&mut next, &terms, LOGIN, 101);
            assert!(next.session_grace.sessions.is_empty());
            assert_eq!(running(&next, &TERMS, 3, 101), None);
        }
        let off = SessionTerms {
            seconds: 0,
            ..TERMS
        };
        let mut kept = state.clone();
        await_session(&mut kept, &off, LOGIN, 101);
        assert_eq!(kept, state);
    }

    #[test]
    fn the_oldest_of_too_many_sessions_goes() {
        let mut state = UserState::new(1);
        for id in 1..=4 {
            await_session(&mut state, &TERMS, LOGIN, 100);
            claim(&mut state, &TERMS, 11, id, 100);
        }
        let ids: Vec<_> = all_running(&state, &TERMS, 100)
            .iter()
            .map(|(session, _)| session.id)
            .collect();
        assert_eq!(ids, [2, 3, 4]);
    }
}
