//! A code that the service of the fleet judges; this host's file during an outage.

use std::path::Path;

use twofactor_core::verify::{AnswerForm, FailureCounter, SentAnswer};
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_protocol::fleet_attempt_call::CodePurpose;
use twofactor_protocol::reply::ReplyError;
use twofactor_protocol::verify_call::CodeLayout;

use super::{AttemptFailure, AttemptResult, LoginAttempt, OutageRefusal, ProofCodes};
use crate::daemon_client::{DaemonError, DaemonFault};
use crate::fleet_client::{FleetClient, FleetVerdict};

/// Result of a code in a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetResult {
    /// The result.
    pub result: AttemptResult,
    /// The reason why this host judged by itself, where it did; empty where the log of the service has it.
    pub outage: Option<String>,
}

impl LoginAttempt<'_> {
    /// A client of the service of this machine's own files.
    fn fleet_client(
        &self,
        name: &str,
        purpose: CodePurpose,
    ) -> Result<FleetClient, AttemptFailure> {
        let client = FleetClient::new(&self.loaded.policy.fleet, name, purpose);
        if are_of_service(self.store.path(), self.file.path()) {
            Ok(client)
        } else {
            Err(client.fault(DaemonFault::OtherFiles).into())
        }
    }

    /// Has the proof for a change through the daemon judged with the store of the fleet. `name` is the login name.
    ///
    /// # Errors
    /// [`AttemptFailure`]: nothing may be concluded about the code; also in an outage, in which no host makes a change by itself.
    pub fn fleet_proof(
        &self,
        name: &str,
        input: &[u8],
        accepts: ProofCodes,
    ) -> Result<AttemptResult, AttemptFailure> {
        let purpose = match accepts {
            ProofCodes::All => CodePurpose::Proof,
            ProofCodes::OfDevices => CodePurpose::DeviceProof,
        };
        proved(&self.fleet_client(name, purpose)?, input)
    }

    /// Has a code judged with the store of the fleet. `name` is the login name. Only the service of this machine's own files is asked.
    ///
    /// # Errors
    /// [`AttemptFailure`]: nothing may be concluded about the code.
    pub fn fleet_attempt(
        &mut self,
        name: &str,
        (input, form): (&[u8], AnswerForm),
        counter: FailureCounter,
    ) -> Result<FleetResult, AttemptFailure> {
        let purpose = match counter {
            FailureCounter::Logins => CodePurpose::Login,
            FailureCounter::Daemon => CodePurpose::Program,
        };
        let client = self.fleet_client(name, purpose)?;
        self.attempt_through(&client, (input, form), counter)
    }

    /// Has a code judged by the service, or by this host's file where there is no answer.
    pub(super) fn attempt_through(
        &mut self,
        client: &FleetClient,
        (input, form): (&[u8], AnswerForm),
        counter: FailureCounter,
    ) -> Result<FleetResult, AttemptFailure> {
        let sent = SentAnswer::of(input, form);
        let layout = match form {
            AnswerForm::Code => CodeLayout::Code,
            AnswerForm::PasswordThenCode => CodeLayout::AfterPassword,
        };
        self.current_policy()?;
        let is_local = self.loaded.policy.fleet.is_local(self.service);
        let judged = match judged(client, &sent, layout) {
            // The way in to a host whose fleet is out of order does not depend on what is wrong with it.
            Err(error) if is_local => Err(Some(error)),
            other => other?,
        };
        match judged {
            Ok(result) => {
                if counter == FailureCounter::Logins {
                    self.after_shared(&result)?;
                }
                Ok(FleetResult {
                    result,
                    outage: None,
                })
            }
            Err(why) => {
                let why = why.map(|error| error.to_string());
                Ok(FleetResult {
                    result: self.outage_attempt((input, form), counter)?,
                    outage: Some(why.unwrap_or_default()),
                })
            }
        }
    }
}

/// True if these are the state directory and the policy of the service.
pub(super) fn are_of_service(state: &Path, policy: &Path) -> bool {
    state == Path::new(STATE_DIR) && policy == Path::new(POLICY_FILE)
}

/// The verdict on the proof for a change, for which there is no other judge.
pub(super) fn proved(client: &FleetClient, input: &[u8]) -> Result<AttemptResult, AttemptFailure> {
    let sent = SentAnswer::of(input, AnswerForm::Code);
    match judged(client, &sent, CodeLayout::Code)? {
        Ok(result) => Ok(result),
        Err(Some(error)) => Err(error.into()),
        Err(None) => Err(OutageRefusal::NoChange.into()),
    }
}

/// The verdict of the service; inside of it, an outage is the error, with the reason where this host knows it.
fn judged(
    client: &FleetClient,
    sent: &SentAnswer,
    layout: CodeLayout,
) -> Result<Result<AttemptResult, Option<DaemonError>>, DaemonError> {
    let answer = match client.judge(sent, layout)? {
        FleetVerdict::Judged(answer) => answer,
        FleetVerdict::Outage(why) => return Ok(Err(why)),
    };
    let result = AttemptResult::answered(answer, |code| {
        let before = usize::try_from(code.password_length).ok()?;
        // Something has to be left that was the code.
        (before < sent.text.len()).then(|| sent.skipped + before)
    });
    let result = result.ok_or_else(|| client.error(ReplyError::Malformed))?;
    Ok(Ok(result))
}
