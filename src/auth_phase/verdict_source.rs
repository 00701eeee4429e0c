//! The side that gives the verdict on a typed code, as the questions need it: the files, for root, the daemon
//! (`daemon_verdict_source.rs`), or the service of a fleet (`fleet_verdict_source.rs`). The rule itself is in `verify` of the core.

use twofactor_core::enroll::RecoveryLogin;
use twofactor_core::policy::Policy;
use twofactor_core::record::recent_changes::RecentChange;
use twofactor_core::verify::{AnswerForm, CodeAcceptance};
use twofactor_store::attempt::{AttemptFailure, AttemptResult, LoginAttempt, PreCheck};

/// The source of a verdict on a typed code.
pub trait VerdictSource {
    /// The policy as it was last read.
    fn policy(&self) -> &Policy;

    /// True if the file of the policy still says what this goes by. Asked before grace lets a user in.
    ///
    /// # Errors
    /// [`AttemptFailure`].
    fn has_policy_of_now(&self) -> Result<bool, AttemptFailure>;

    /// Grace and lock-out, before a prompt.
    ///
    /// # Errors
    /// [`AttemptFailure`].
    fn before(&self) -> Result<PreCheck, AttemptFailure>;

    /// Judges what was typed.
    ///
    /// # Errors
    /// [`AttemptFailure`]: nothing may be concluded about the code.
    fn attempt(&mut self, input: &[u8], form: AnswerForm) -> Result<AttemptResult, AttemptFailure>;

    /// True if a recovery code is known to be left, so that a refusal may tell of them.
    fn has_recovery_codes(&self) -> bool;

    /// The login that a recovery or bypass code has just made, if a new device may follow from it.
    fn recovery_login(&self, accepted: &CodeAcceptance) -> Option<RecoveryLogin>;

    /// Changes of the factor that a user whose code was right is to be told of.
    fn changes_to_tell(&self) -> Vec<RecentChange>;

    /// Number of recovery codes that are left after a right code, where it is known and there are few.
    fn few_recovery_codes(&self) -> Option<usize> {
        None
    }

    /// The length of the password in an answer in one field, given during grace.
    ///
    /// # Errors
    /// [`AttemptFailure`].
    fn password_len(&self, input: &[u8]) -> Result<usize, AttemptFailure>;

    /// The reason why the last code was left to this host's files, in a fleet; empty where the log of the daemon has it.
    fn outage(&self) -> Option<&str> {
        None
    }
}

impl VerdictSource for LoginAttempt<'_> {
    fn policy(&self) -> &Policy {
        &self.loaded.policy
    }

    fn has_policy_of_now(&self) -> Result<bool, AttemptFailure> {
        Ok(self.file.is_as(&self.loaded)?)
    }

    fn before(&self) -> Result<PreCheck, AttemptFailure> {
        self.before()
    }

    fn attempt(&mut self, input: &[u8], form: AnswerForm) -> Result<AttemptResult, AttemptFailure> {
        self.attempt(input, form)
    }

    fn has_recovery_codes(&self) -> bool {
        self.has_recovery_codes()
    }

    fn recovery_login(&self, accepted: &CodeAcceptance) -> Option<RecoveryLogin> {
        self.recovery_login(accepted)
    }

    fn changes_to_tell(&self) -> Vec<RecentChange> {
        self.changes_to_tell()
    }

    fn few_recovery_codes(&self) -> Option<usize> {
        self.few_recovery_codes()
    }

    fn password_len(&self, input: &[u8]) -> Result<usize, AttemptFailure> {
        self.password_len(input)
    }
}
