//! Grace within a session, with the facts of this process: its login and its audit session.

use super::{AttemptFailure, LoginAttempt};
use crate::files::{FactorStore, LoadedPolicy};
use crate::sys::clock;
use crate::sys::process::{self, ProcessId};
use twofactor_core::account::Account;
use twofactor_core::state::UserState;
use twofactor_core::state::graced_sessions::{boot_fingerprint, process_fingerprint};
use twofactor_core::verify::session_grace::{self, LoginProcess, SessionTerms};

/// Part that a login has in the sessions of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionRole {
    /// A session may begin with it.
    Begins,
    /// The login may be within a session: a local service.
    Within,
    /// Neither.
    Apart,
}

/// A session in which no code is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningSession {
    /// Its audit session.
    pub id: u32,
    /// Seconds left.
    pub left: u64,
}

impl LoginAttempt<'_> {
    /// The audit session of this process, with what judges it; `None` where the policy has no such grace, this is no local service, or
    /// the session is none of this user's.
    pub(super) fn graced_session(&self) -> Option<(SessionTerms, u32)> {
        if self.role != SessionRole::Within || self.loaded.policy.grace_session == 0 {
            return None;
        }
        let id = process::own_audit_session(self.holder.uid)?;
        Some((terms(&self.loaded)?, id))
    }

    /// Stores the fingerprint of the login's process in the state, for the session that begins with it. Stores nothing if the
    /// process cannot be identified. `now`: seconds since 1970-01-01 UTC.
    pub(super) fn await_session(&self, state: &mut UserState, now: u64) {
        if self.role != SessionRole::Begins || self.loaded.policy.grace_session == 0 {
            return;
        }
        if let (Some(terms), Some(login)) = (terms(&self.loaded), login_process()) {
            session_grace::await_session(state, &terms, login, now);
        }
    }
}

/// Claims for this process's audit session what the login left that began it. Waits for no lock; where nothing can be claimed nothing is
/// written.
///
/// # Errors
/// [`AttemptFailure`]: nothing was claimed.
pub fn claim_session(
    store: &FactorStore,
    holder: &Account,
    loaded: &LoadedPolicy,
) -> Result<Option<RunningSession>, AttemptFailure> {
    if loaded.policy.grace_session == 0 {
        return Ok(None);
    }
    let facts = (
        process::own_audit_session(holder.uid),
        process::this_process(),
        terms(loaded),
    );
    let (Some(id), Some(own), Some(terms)) = facts else {
        return Ok(None);
    };
    let process = fingerprint(own);
    let Some(peeked) = store.peek(holder)? else {
        return Ok(None);
    };
    if session_grace::claimable(&peeked, &terms, process, id, clock::now()?).is_none() {
        return Ok(None);
    }
    let Some(mut locked) = store.try_lock(holder)? else {
        return Ok(None);
    };
    let mut state = locked.state().clone();
    let Some(left) = session_grace::claim(&mut state, &terms, process, id, clock::now()?) else {
        return Ok(None);
    };
    locked.write(state)?;
    locked.flush()?;
    locked.confirm()?;
    Ok(Some(RunningSession { id, left }))
}

/// The terms of grace within a session, as they are now on this machine; `None` where the boot cannot be told.
#[must_use]
pub fn terms(loaded: &LoadedPolicy) -> Option<SessionTerms> {
    Some(SessionTerms {
        boot: boot_fingerprint(&process::boot_id()?),
        seconds: loaded.policy.grace_session,
        policy: loaded.fingerprint(),
    })
}

fn login_process() -> Option<LoginProcess> {
    let (own, parent) = process::self_and_parent()?;
    Some(LoginProcess {
        process: fingerprint(own),
        parent: fingerprint(parent),
        seen: process::audit_session_number()?,
    })
}

fn fingerprint(process: ProcessId) -> u64 {
    process_fingerprint(process.pid, process.started)
}
