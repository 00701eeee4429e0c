//! One attempt with a typed code, from the lock to the flush. A login and `twofactor verify` share it.

use crate::files::{FactorStore, LoadedPolicy, LoadedRecord, PolicyFile};
use crate::sys::clock::{self, BeforeEpoch};
use twofactor_core::account::Account;
use twofactor_core::device::CredentialId;
use twofactor_core::enroll::RecoveryLogin;
use twofactor_core::policy::Policy;
use twofactor_core::record::recent_changes::RecentChange;
use twofactor_core::recovery::FEW_CODES;
use twofactor_core::verify::address_grace::GraceOrigin;
use twofactor_core::verify::{
    AnswerForm, CodeAcceptance, CodeOutcome, FailureCounter, ThrottleStatus,
};

mod charged_answer;
mod code_commit;
mod credentials;
mod daemon_answer;
mod failure;
mod fleet_attempt;
mod outage_attempt;
mod outage_count;
mod outage_limit;
mod outage_push;
mod outage_refusal;
mod pre_check;
mod session_role;
mod shared_code;
#[cfg(test)]
mod tests;

use code_commit::lock_recorded;

pub use charged_answer::{ChargeStop, ChargedAnswer, VerdictTerms};
pub use credentials::{CredentialSet, ProofCodes, SharedPurpose};
pub use daemon_answer::closed;
pub use failure::AttemptFailure;
pub use fleet_attempt::FleetResult;
pub use outage_attempt::prove_unenrolled;
pub use outage_count::OutageCount;
pub use outage_push::{PushedStates, StatePush, push_outage};
pub use outage_refusal::OutageRefusal;
pub use pre_check::PreCheck;
pub use session_role::{RunningSession, SessionRole, claim_session, terms as session_terms};
pub use shared_code::{SharedCode, SharedEnd, SharedEpoch, SharedVerdict};

/// Reads the wall clock: seconds since 1970-01-01 UTC.
pub type ClockReader = fn() -> Result<u64, BeforeEpoch>;

/// Everything that one login's attempts have in common.
pub struct LoginAttempt<'a> {
    /// The policy file.
    pub file: &'a PolicyFile,
    /// The policy as it was last read.
    pub loaded: LoadedPolicy,
    /// The store with the user's files.
    pub store: &'a FactorStore,
    /// The account that logs in, with the name under which its record is kept.
    pub holder: &'a Account,
    /// PAM service name.
    pub service: &'a str,
    /// `PAM_RHOST` as an address.
    pub address: Option<std::net::IpAddr>,
    /// Part of the login in the sessions of this machine.
    pub role: SessionRole,
    /// The clock.
    pub clock: ClockReader,
    /// Facts that are known from before.
    pub known: KnownFactor,
}

impl<'a> LoginAttempt<'a> {
    /// An attempt of no address and no session of its own, of which nothing is known from before.
    #[must_use]
    pub fn new(
        file: &'a PolicyFile,
        loaded: LoadedPolicy,
        store: &'a FactorStore,
        holder: &'a Account,
        service: &'a str,
    ) -> Self {
        Self {
            file,
            loaded,
            store,
            holder,
            service,
            address: None,
            role: SessionRole::Apart,
            clock: clock::now,
            known: KnownFactor::default(),
        }
    }
}

/// The user's record and state as one login saw them last.
#[derive(Debug, Default)]
pub struct KnownFactor {
    record: Option<LoadedRecord>,
    recovery_codes_left: usize,
}

impl KnownFactor {
    /// The record as it was found before anything was asked.
    #[must_use]
    pub const fn found(record: Option<LoadedRecord>) -> Self {
        Self {
            record,
            recovery_codes_left: 0,
        }
    }
}

/// Result of a typed code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The code was compared; the state that follows from it is on the disk.
    Compared(CodeOutcome),
    /// The code was not compared.
    Refused(ThrottleStatus),
    /// The code is one of those that were refused last: not compared, and not counted.
    Repeated,
    /// The credential of the code was removed while it was typed.
    Gone,
}

/// A host, as far as it judges by its own file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum JudgingHost {
    /// The host is in no fleet.
    Alone,
    /// The host is cut off from its fleet. The number of hosts is given if it limits the wrong codes.
    CutOff(Option<u32>),
}

impl LoginAttempt<'_> {
    /// Reads the policy again where its file has changed. Returns it.
    ///
    /// # Errors
    /// [`AttemptFailure`] when it cannot be used any more.
    pub fn current_policy(&mut self) -> Result<&Policy, AttemptFailure> {
        self.file.refresh(&mut self.loaded)?;
        Ok(&self.loaded.policy)
    }

    /// True if a recovery code could be typed in place of a code that was compared last.
    #[must_use]
    pub const fn has_recovery_codes(&self) -> bool {
        self.known.recovery_codes_left > 0
    }

    /// Number of recovery codes that are left after a code that was compared last, where the user was given some and few are left.
    #[must_use]
    pub fn few_recovery_codes(&self) -> Option<usize> {
        let loaded = self.known.record.as_ref()?;
        loaded.record.recovery.as_ref()?;
        Some(self.known.recovery_codes_left).filter(|left| *left <= FEW_CODES)
    }

    /// The login with a recovery or bypass code that was just accepted, if a new device may follow from it.
    #[must_use]
    pub fn recovery_login(&self, accepted: &CodeAcceptance) -> Option<RecoveryLogin> {
        let loaded = self.known.record.as_ref()?;
        RecoveryLogin::of(&loaded.record, &accepted.by)
    }

    /// Changes that a user whose code was compared last is to be told of, the newest last.
    #[must_use]
    pub fn changes_to_tell(&self) -> Vec<RecentChange> {
        let record = self.known.record.as_ref().map(|loaded| &loaded.record);
        let changes = record
            .map(|record| record.changes.as_slice())
            .unwrap_or_default();
        if changes.is_empty() {
            return Vec::new();
        }
        // Where the clock cannot be read, rather too many than none.
        let now = (self.clock)().unwrap_or_default();
        let told = changes.iter().filter(|change| change.is_told(now));
        told.cloned().collect()
    }

    /// Judges what was typed, under the lock, by state, record and policy as they are then.
    ///
    /// The attempt is charged in the state file before its code is compared; one flush, before this returns, makes
    /// the charge or the success durable.
    ///
    /// # Errors
    /// [`AttemptFailure`]: nothing may be concluded about the code.
    pub fn attempt(
        &mut self,
        input: &[u8],
        form: AnswerForm,
    ) -> Result<AttemptResult, AttemptFailure> {
        self.counted_attempt(input, form, FailureCounter::Logins)
    }

    /// [`LoginAttempt::attempt`] for the daemon, which has a counter of its own, and grants no grace.
    ///
    /// # Errors
    /// [`AttemptFailure`]: nothing may be concluded about the code.
    pub fn daemon_attempt(
        &mut self,
        input: &[u8],
        form: AnswerForm,
    ) -> Result<AttemptResult, AttemptFailure> {
        self.counted_attempt(input, form, FailureCounter::Daemon)
    }

    fn counted_attempt(
        &mut self,
        input: &[u8],
        form: AnswerForm,
        counter: FailureCounter,
    ) -> Result<AttemptResult, AttemptFailure> {
        let known = self.known.record.take();
        let recorded = lock_recorded(self.store, self.holder, known)?;
        let Some((locked, loaded)) = recorded.filter(|(_, loaded)| loaded.record.is_enrolled())
        else {
            return Ok(AttemptResult::Gone);
        };
        let credentials = CredentialSet::Devices(counter);
        let answer = (input, form);
        let judged = self.judge(
            locked,
            &loaded.record,
            answer,
            credentials,
            JudgingHost::Alone,
        );
        self.known.record = Some(loaded);
        judged
    }

    /// Judges an invitation to enroll in the same way. It stays valid until its user is enrolled. Tells which one it was
    /// compared with: an administrator may have replaced it while it was typed.
    ///
    /// # Errors
    /// [`AttemptFailure`]: nothing may be concluded about it.
    pub fn invitation(
        &mut self,
        input: &[u8],
    ) -> Result<(AttemptResult, Option<CredentialId>), AttemptFailure> {
        self.counted_invitation(input, FailureCounter::Logins)
    }

    /// [`LoginAttempt::invitation`] for the daemon, which has a counter of its own.
    ///
    /// # Errors
    /// [`AttemptFailure`]: nothing may be concluded about it.
    pub fn daemon_invitation(
        &mut self,
        input: &[u8],
    ) -> Result<(AttemptResult, Option<CredentialId>), AttemptFailure> {
        self.counted_invitation(input, FailureCounter::Daemon)
    }

    /// Judges the proof for a change through the daemon. A bypass code lets its user log in, and is none.
    ///
    /// # Errors
    /// [`AttemptFailure`]: nothing may be concluded about the code.
    pub fn daemon_proof(
        &mut self,
        input: &[u8],
        accepts: ProofCodes,
    ) -> Result<AttemptResult, AttemptFailure> {
        let recorded = lock_recorded(self.store, self.holder, None)?;
        let Some((locked, loaded)) = recorded.filter(|(_, it)| it.record.is_enrolled()) else {
            return Ok(AttemptResult::Gone);
        };
        let mut record = loaded.record;
        accepts.narrow(&mut record);
        let credentials = CredentialSet::ChangeProof;
        self.judge(
            locked,
            &record,
            (input, AnswerForm::Code),
            credentials,
            JudgingHost::Alone,
        )
    }

    fn counted_invitation(
        &mut self,
        input: &[u8],
        counter: FailureCounter,
    ) -> Result<(AttemptResult, Option<CredentialId>), AttemptFailure> {
        let recorded = lock_recorded(self.store, self.holder, None)?;
        let Some((locked, loaded)) = recorded else {
            return Ok((AttemptResult::Gone, None));
        };
        let Some(record) = loaded.record.into_invitation() else {
            return Ok((AttemptResult::Gone, None));
        };
        let credentials = CredentialSet::Invitation(counter);
        let judged = self.judge(
            locked,
            &record,
            (input, AnswerForm::Code),
            credentials,
            JudgingHost::Alone,
        )?;
        Ok((judged, record.bypass.map(|invite| invite.id)))
    }

    fn origin(&self) -> GraceOrigin<'_> {
        let seconds = self.loaded.policy.grace;
        GraceOrigin {
            address: self.address,
            service: self.service,
            seconds,
            // Without grace none begins, and none runs: the text need not be hashed.
            policy: if seconds == 0 {
                0
            } else {
                self.loaded.fingerprint()
            },
        }
    }
}
