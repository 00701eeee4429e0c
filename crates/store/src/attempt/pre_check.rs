//! The look at grace and lock-out before a question. It waits for no lock and writes nothing.

use twofactor_core::state::UserState;
use twofactor_core::verify::address_grace;
use twofactor_core::verify::session_grace;
use twofactor_core::verify::{self, AnswerForm, ThrottleStatus, TypedAnswer};

use super::{AttemptFailure, LoginAttempt, RunningSession};

/// The answer of the state before anything is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreCheck {
    /// A grace period runs for so many seconds: nothing is asked.
    Grace(u64),
    /// One runs in the session of this process.
    SessionGrace(RunningSession),
    /// The throttle: whether a code would be looked at.
    Throttle(ThrottleStatus),
}

impl LoginAttempt<'_> {
    /// Looks at grace and lock-out, before a prompt. It waits for no lock and writes nothing.
    ///
    /// # Errors
    /// [`AttemptFailure`].
    pub fn before(&self) -> Result<PreCheck, AttemptFailure> {
        let now = (self.clock)()?;
        let Some(state) = self.store.peek(self.holder)? else {
            return Err(self.store.missing_state(self.holder).into());
        };
        // The attempt corrects the state, and refuses what this lets pass.
        if verify::rebased(&state, now).is_some() {
            return Ok(PreCheck::Throttle(ThrottleStatus::Open));
        }
        if let Some(grace) = self.grace(&state, now)? {
            return Ok(grace);
        }
        let gate = verify::gate(&self.loaded.policy.throttle, &state, now);
        Ok(PreCheck::Throttle(gate))
    }

    /// The lock-out of the daemon, with the same restrictions.
    ///
    /// # Errors
    /// [`AttemptFailure`].
    pub fn daemon_gate(&self) -> Result<ThrottleStatus, AttemptFailure> {
        let now = (self.clock)()?;
        let Some(state) = self.store.peek(self.holder)? else {
            return Err(self.store.missing_state(self.holder).into());
        };
        if verify::rebased(&state, now).is_some() {
            return Ok(ThrottleStatus::Open);
        }
        Ok(verify::daemon_gate(
            &self.loaded.policy.throttle,
            &state,
            now,
        ))
    }

    /// A grace period that runs at `now` (seconds since 1970-01-01 UTC), decided under the lock. If the lock is not free, the
    /// code is asked for.
    fn grace(&self, peeked: &UserState, now: u64) -> Result<Option<PreCheck>, AttemptFailure> {
        let session = self.graced_session();
        let running = |state: &UserState, now| {
            let of_session = || {
                let (terms, id) = session?;
                let left = session_grace::running(state, &terms, id, now)?;
                Some(PreCheck::SessionGrace(RunningSession { id, left }))
            };
            let left = address_grace::running(state, &self.origin(), now);
            left.map(PreCheck::Grace).or_else(of_session)
        };
        if running(peeked, now).is_none() {
            return Ok(None);
        }
        let Some(locked) = self.store.try_lock(self.holder)? else {
            return Ok(None);
        };
        let found = running(locked.state(), (self.clock)()?);
        locked.confirm()?;
        Ok(found)
    }

    /// The length of the password in an answer in one field, given during grace: without the code of the last login after
    /// it, which a client sends again that keeps both. An answer without such a code is the password.
    ///
    /// # Errors
    /// [`AttemptFailure`].
    pub fn password_len(&self, input: &[u8]) -> Result<usize, AttemptFailure> {
        let Some(snapshot) = self.store.snapshot(self.holder)? else {
            return Ok(input.len());
        };
        let lengths = verify::code_lengths(&snapshot.record);
        let answer = TypedAnswer::read(input, AnswerForm::PasswordThenCode, &lengths);
        let end = verify::before_last_code(&snapshot.record, &snapshot.state, &answer);
        Ok(end.unwrap_or(input.len()))
    }
}
