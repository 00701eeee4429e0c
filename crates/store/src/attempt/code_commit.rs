//! The moment at which a code of a login is judged and becomes used: lock, charge written, verdict, the state that follows written, flush.

use std::borrow::Cow;

use crate::files::{FactorStore, FileFault, LoadedRecord, LockedFactor};
use crate::sys::random;
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;
use twofactor_core::verify::{self, AnswerForm, address_grace};

use super::charged_answer::{ChargeStop, ChargedAnswer, VerdictTerms};
use super::{
    AttemptFailure, AttemptResult, CredentialSet, JudgingHost, LoginAttempt, OutageRefusal,
    outage_limit,
};

impl LoginAttempt<'_> {
    /// Judges an answer under the lock. What it returns is told only since the state that follows is on the disk, and is still the
    /// state of this user.
    pub(super) fn judge(
        &mut self,
        mut locked: LockedFactor<'_>,
        record: &UserRecord,
        answer: (&[u8], AnswerForm),
        credentials: CredentialSet,
        host: JudgingHost,
    ) -> Result<AttemptResult, AttemptFailure> {
        self.refresh_for(credentials, host)?;
        let now = (self.clock)()?;
        let mut state = rebase(&mut locked, now)?;
        let policy = match host {
            JudgingHost::CutOff(Some(hosts)) => {
                Cow::Owned(outage_limit::cut_off(&self.loaded.policy, hosts))
            }
            _ => Cow::Borrowed(&self.loaded.policy),
        };
        match host {
            JudgingHost::Alone => {}
            // At local services no clock was compared with the store's, and one that is wrong would end the outage early.
            JudgingHost::CutOff(None) => state.begin_outage(0),
            JudgingHost::CutOff(Some(_)) => state.begin_outage(now),
        }
        let terms = VerdictTerms {
            policy: &policy,
            record,
            credentials,
            now,
        };
        let charged = match ChargedAnswer::begin(terms, state, answer, |key| random::fill(key)) {
            Ok(charged) => charged,
            Err(ChargeStop::Ended(result)) => return Ok(result),
            Err(ChargeStop::Failed(error)) => return Err(error.into()),
        };
        locked.write(charged.charge().clone())?;
        let (outcome, mut state) = charged.verdict(|state| {
            address_grace::begin(state, &self.origin(), now);
            self.await_session(state, now);
        });
        state.keep_outage();
        self.known.recovery_codes_left = verify::recovery_codes_left(record, &state);
        if state != *charged.charge() {
            locked.write(state)?;
        }
        locked.flush()?;
        // If the state was taken over meanwhile, nothing may be told of the code.
        locked.confirm()?;
        Ok(AttemptResult::Compared(outcome))
    }

    /// Reads the policy again where its file has changed. A code that the fleet has to judge is not judged by this host because it was
    /// asked for before the policy had one. Invitations are judged by each host.
    fn refresh_for(
        &mut self,
        credentials: CredentialSet,
        host: JudgingHost,
    ) -> Result<(), AttemptFailure> {
        let had_fleet = self.loaded.policy.fleet.enabled;
        let has_fleet = self.current_policy()?.fleet.enabled;
        let is_invitation = matches!(credentials, CredentialSet::Invitation(_));
        if has_fleet && !had_fleet && host == JudgingHost::Alone && !is_invitation {
            return Err(OutageRefusal::FleetMeanwhile.into());
        }
        Ok(())
    }
}

/// The state and record under the lock, `None` when the record is gone. `known` is the record as it was read before.
pub(super) fn lock_recorded<'s>(
    store: &'s FactorStore,
    account: &Account,
    known: Option<LoadedRecord>,
) -> Result<Option<(LockedFactor<'s>, LoadedRecord)>, AttemptFailure> {
    let locked = match store.lock(account) {
        Err(error) if matches!(error.cause, FileFault::MissingState) => {
            return match store.record(account)? {
                None => Ok(None),
                Some(_) => Err(error.into()),
            };
        }
        other => other?,
    };
    let record = locked.record_again(known)?;
    Ok(record.map(|record| (locked, record)))
}

/// The state, corrected and stored if `now` (seconds since 1970-01-01 UTC) shows that the clock was set back. It is flushed at
/// once, since a caller that goes no further would leave a slot in flight that the next process takes for flushed.
pub(super) fn rebase(locked: &mut LockedFactor<'_>, now: u64) -> Result<UserState, AttemptFailure> {
    if let Some(state) = verify::rebased(locked.state(), now) {
        locked.write(state)?;
        locked.flush()?;
    }
    Ok(locked.state().clone())
}
