//! Access to what a message is answered from: the users' factors.

use twofactor_core::account::Account;
use twofactor_core::verify::AnswerForm;
use twofactor_protocol::gate_call::GateAnswer;
use twofactor_protocol::reply::ServiceError;
use twofactor_protocol::service::{ChangeCall, StatusReply};
use twofactor_protocol::verify_call::VerifyAnswer;

use crate::calling_process::CallingProcess;
use crate::connection_memory::ConnectionMemory;

/// The error that a file, the clock or a database cannot be used; the log says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactorUnavailable;

/// The account that a code is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedAccount {
    /// The account.
    pub account: Account,
    /// The name of the account that asks about another one, as the policy lets it; `None` where users ask about themselves.
    pub verifier: Option<String>,
}

/// Access to the users' factors.
pub trait FactorAccess {
    /// The account with a login name.
    ///
    /// # Errors
    /// [`FactorUnavailable`].
    fn account(
        &self,
        user: &str,
        caller: CallingProcess,
    ) -> Result<Option<Account>, FactorUnavailable>;

    /// The devices and counters of an account.
    ///
    /// # Errors
    /// [`FactorUnavailable`].
    fn status(
        &self,
        account: &Account,
        caller: CallingProcess,
    ) -> Result<StatusReply, FactorUnavailable>;

    /// True if a code would be asked for and looked at.
    ///
    /// # Errors
    /// [`FactorUnavailable`].
    fn gate(
        &self,
        asked: &AskedAccount,
        caller: CallingProcess,
    ) -> Result<GateAnswer, FactorUnavailable>;

    /// Judges a code, after which it is used up or counted.
    ///
    /// # Errors
    /// [`ServiceError::Unavailable`]; [`ServiceError::Busy`] where other codes of the account are judged for long.
    fn verify(
        &self,
        asked: &AskedAccount,
        caller: CallingProcess,
        code: &str,
        form: AnswerForm,
    ) -> Result<VerifyAnswer, ServiceError>;

    /// Makes a change, or a step of one, and returns the message that reports it.
    ///
    /// # Errors
    /// [`ServiceError`]. After [`ServiceError::Unavailable`] the change may have been made; after the others devices and recovery codes
    /// are as they were.
    fn change(
        &self,
        account: &Account,
        caller: CallingProcess,
        call: &ChangeCall,
        memory: &mut ConnectionMemory,
    ) -> Result<Vec<u8>, ServiceError>;

    /// The name of the caller's account, if the policy lets it have codes of others judged.
    ///
    /// # Errors
    /// [`FactorUnavailable`].
    fn verifier(
        &self,
        user: &str,
        caller: CallingProcess,
    ) -> Result<Option<String>, FactorUnavailable>;

    /// Notes that a caller named another user.
    fn note_foreign(&self, user: &str, caller: CallingProcess);
}

impl From<FactorUnavailable> for ServiceError {
    fn from(_: FactorUnavailable) -> Self {
        Self::Unavailable
    }
}
