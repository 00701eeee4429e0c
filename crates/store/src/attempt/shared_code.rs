//! A code that is judged on a state that the hosts of a fleet share, under the lock of this host's own file.
//!
//! The rules, which the model of a fleet knows by the same names:
//!
//! * **file lock**: of one host, one attempt of a user at a time: the lock of its file is held from the first read of the store to the end.
//! * **own file agrees**: the decision is made on the state of all hosts joined with the host's own file, so that a success needs both.
//! * **join**: what this host judged by itself is part of that state, and of all hosts' from this attempt on.
//! * **write through**: the result is in the host's own file, flushed, before it is told.

use twofactor_core::record::UserRecord;
use twofactor_core::state::{DeviceState, UserState};
use twofactor_core::verify::address_grace;
use twofactor_core::verify::{self, AnswerForm, CodeOutcome, counting_part, merged_with_own};

use super::code_commit::{lock_recorded, rebase};
use super::outage_count::{OutageCount, name_outage};
use super::{
    AttemptFailure, AttemptResult, ChargeStop, ChargedAnswer, LoginAttempt, SharedPurpose,
    VerdictTerms,
};
use crate::files::{LockedFactor, nothing_reusable};
use crate::sys::lock_heartbeat::{LONGEST, with_heartbeat};
use crate::sys::random;

/// Epoch of the state that hosts share, beside the fleet's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedEpoch {
    /// The fleet's.
    Current,
    /// An earlier one, from before a backup was restored: codes that it does not know as used may have been used.
    Earlier,
}

/// The decision on a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedVerdict {
    /// Nothing is compared, nothing changes.
    Unchanged(AttemptResult),
    /// The code was compared. The outcome may be told once the state is stored, by all hosts and by this one.
    Compared(CodeOutcome, Box<UserState>),
}

/// A code that waits for its decision, while the lock of its user is held.
pub struct SharedCode<'a> {
    terms: VerdictTerms<'a>,
    purpose: SharedPurpose,
    own: UserState,
    input: &'a [u8],
    form: AnswerForm,
    /// The state that follows from the last decision.
    next: Option<UserState>,
}

/// The end of an attempt that did not fail on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedEnd<O> {
    /// A verdict of the whole fleet.
    Judged(AttemptResult),
    /// The store cannot be used.
    Outage(O),
}

impl SharedCode<'_> {
    /// The record of this host, by which it is decided.
    #[must_use]
    pub const fn record(&self) -> &UserRecord {
        self.terms.record
    }

    /// The wrong codes that this host counted by itself, which the decision adds. The store remembers them in the same transaction.
    #[must_use]
    pub fn outage_count(&self) -> Option<OutageCount> {
        OutageCount::of(&self.own)
    }

    /// Decides on the state that all hosts share, which has so many of this host's wrong codes (`known`) already. It is called again where
    /// an attempt on another host came first.
    ///
    /// # Errors
    /// [`AttemptFailure`] where the kernel gives no randomness.
    pub fn decide(
        &mut self,
        shared: &UserState,
        known: u32,
        epoch: SharedEpoch,
    ) -> Result<SharedVerdict, AttemptFailure> {
        self.next = None;
        let VerdictTerms { record, now, .. } = self.terms;
        // What was removed or replaced on another host does not count before this host's record says so.
        let mut left = counting_part(record, shared);
        if left.devices.is_empty() {
            return Ok(SharedVerdict::Unchanged(AttemptResult::Gone));
        }
        let mut own = self.own.clone();
        own.know_counted(known);
        let mut state = merged_with_own(shared, &own, record);
        if epoch == SharedEpoch::Earlier {
            let window = self.terms.policy.window;
            forget_unused(&mut state, &nothing_reusable(&left, window, now));
        }
        self.purpose.narrow(&mut left);
        // The clock of another host may be ahead.
        let state = verify::rebased(&state, now).unwrap_or(state);
        let answer = (self.input, self.form);
        let terms = VerdictTerms {
            record: &left,
            ..self.terms
        };
        let begun = ChargedAnswer::begin(terms, state, answer, |key| random::fill(key));
        match begun {
            Ok(charged) => {
                // Grace is granted by the process that logs the user in.
                let (outcome, state) = charged.verdict(|_| {});
                self.next = Some(state.clone());
                Ok(SharedVerdict::Compared(outcome, Box::new(state)))
            }
            Err(ChargeStop::Ended(result)) => Ok(SharedVerdict::Unchanged(result)),
            Err(ChargeStop::Failed(error)) => Err(error.into()),
        }
    }
}

/// Takes from a state what a restored backup may have made good again.
fn forget_unused(state: &mut UserState, unusable: &UserState) {
    for entry in &mut state.devices {
        if let Some(other) = unusable.device(entry.id) {
            entry.next = entry.next.max(other.next);
        }
    }
    if unusable.recovery.set.is_some() {
        state.recovery = unusable.recovery;
    } else if state.recovery.set.is_some() {
        // Of a set that this host's record does not have, all may have been used.
        state.recovery.bits = u32::MAX;
    }
    state.bypass = unusable.bypass.or(state.bypass);
}

impl LoginAttempt<'_> {
    /// Judges what was typed with the store of a fleet. `settle` asks the store, and returns when it is known what is stored there; an
    /// outage leaves this host's file as it is.
    ///
    /// # Errors
    /// [`AttemptFailure`]: nothing may be concluded about the code.
    pub fn shared_attempt<O>(
        &mut self,
        (input, form): (&[u8], AnswerForm),
        purpose: SharedPurpose,
        settle: impl FnOnce(&mut SharedCode<'_>) -> Result<SharedEnd<O>, AttemptFailure>,
    ) -> Result<SharedEnd<O>, AttemptFailure> {
        let recorded = lock_recorded(self.store, self.holder, None)?;
        let Some((mut locked, loaded)) = recorded.filter(|(_, it)| it.record.is_enrolled()) else {
            return Ok(SharedEnd::Judged(AttemptResult::Gone));
        };
        self.file.refresh(&mut self.loaded)?;
        let now = (self.clock)()?;
        rebase(&mut locked, now)?;
        name_outage(&mut locked)?;
        let own = locked.state().clone();
        let mut code = SharedCode {
            terms: VerdictTerms {
                policy: &self.loaded.policy,
                record: &loaded.record,
                credentials: purpose.credentials(),
                now,
            },
            purpose,
            own,
            input,
            form,
            next: None,
        };
        let end = with_heartbeat(&mut || locked.write_heartbeat(), LONGEST, || {
            settle(&mut code)
        })?;
        let is_compared = matches!(end, SharedEnd::Judged(AttemptResult::Compared(_)));
        match code.next {
            Some(state) if is_compared => {
                write_through(locked, (&loaded.record, &code.own), state)?
            }
            // What was compared follows from a decision.
            None if is_compared => return Err(AttemptFailure::Undecided),
            // Another host's attempt came first, or the end is not known.
            _ => locked.confirm()?,
        }
        Ok(end)
    }
}

impl LoginAttempt<'_> {
    /// Reads what the service of the fleet has stored on this host, after its verdict on a code; for an accepted one adds the grace
    /// that the policy grants, which is that of this process.
    ///
    /// # Errors
    /// [`AttemptFailure`]: the verdict may not be told.
    pub fn after_shared(&mut self, result: &AttemptResult) -> Result<(), AttemptFailure> {
        self.known.record = None;
        let recorded = lock_recorded(self.store, self.holder, None)?;
        let Some((mut locked, loaded)) = recorded else {
            return Ok(());
        };
        let before = locked.state();
        self.known.recovery_codes_left = verify::recovery_codes_left(&loaded.record, before);
        let mut state = before.clone();
        if matches!(result, AttemptResult::Compared(CodeOutcome::Accepted(_))) {
            let now = (self.clock)()?;
            address_grace::begin(&mut state, &self.origin(), now);
            self.await_session(&mut state, now);
        }
        if state != *before {
            locked.write(state)?;
            locked.flush()?;
        }
        locked.confirm()?;
        self.known.record = Some(loaded);
        Ok(())
    }
}

/// Stores the result in the host's own file: only then may it be told. Entries of devices come and go with the record alone.
pub(super) fn write_through(
    mut locked: LockedFactor<'_>,
    (record, own): (&UserRecord, &UserState),
    mut state: UserState,
) -> Result<(), AttemptFailure> {
    // So do the marks of recovery and bypass codes: by those of other codes, the ones of this host's record would be unused.
    if state.recovery.set != record.recovery.as_ref().map(|set| set.id) {
        state.recovery = own.recovery;
    }
    if state.bypass != record.bypass.as_ref().map(|bypass| bypass.id) {
        state.bypass = own.bypass;
    }
    let known = |entry: &DeviceState| state.device(entry.id).copied().unwrap_or(*entry);
    state.devices = own.devices.iter().map(known).collect();
    locked.write(state)?;
    locked.flush()?;
    // If the state was taken over meanwhile, nothing may be told of the code.
    locked.confirm()?;
    Ok(())
}
