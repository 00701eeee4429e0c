//! The source of a verdict in a program that runs as a user: the daemon.

use std::cell::Cell;

use twofactor_core::enroll::RecoveryLogin;
use twofactor_core::policy::Policy;
use twofactor_core::record::recent_changes::RecentChange;
use twofactor_core::verify::{AnswerForm, CodeAcceptance, SentAnswer, ThrottleStatus};
use twofactor_protocol::gate_call::GateAnswer;
use twofactor_protocol::reply::ReplyError;
use twofactor_protocol::verify_call::{CodeLayout, VerifyAnswer};
use twofactor_store::attempt::{AttemptFailure, AttemptResult, PreCheck, closed};
use twofactor_store::daemon_client::DaemonClient;

use super::verdict_source::VerdictSource;

/// The daemon, for the user that this process runs as.
pub struct DaemonVerdictSource {
    policy: Policy,
    client: DaemonClient,
    /// Its answer before the first prompt.
    first: Cell<Option<ThrottleStatus>>,
}

impl DaemonVerdictSource {
    /// Asks the daemon; `None` where the user has no device.
    ///
    /// # Errors
    /// [`AttemptFailure`].
    pub fn of_enrolled(
        policy: &Policy,
        client: &DaemonClient,
    ) -> Result<Option<Self>, AttemptFailure> {
        let Some(gate) = gate(client)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            policy: policy.clone(),
            client: client.clone(),
            first: Cell::new(Some(gate)),
        }))
    }
}

/// The lock-out of the daemon; `None` where the user has no device.
fn gate(client: &DaemonClient) -> Result<Option<ThrottleStatus>, AttemptFailure> {
    Ok(match client.gate()? {
        GateAnswer::Unenrolled => None,
        GateAnswer::Ask => Some(ThrottleStatus::Open),
        GateAnswer::Locked(seconds) => Some(closed(seconds)),
    })
}

impl VerdictSource for DaemonVerdictSource {
    fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Asked after grace alone, of which the daemon knows none.
    fn has_policy_of_now(&self) -> Result<bool, AttemptFailure> {
        Ok(false)
    }

    /// The daemon knows no grace.
    fn before(&self) -> Result<PreCheck, AttemptFailure> {
        let gate = match self.first.take() {
            Some(gate) => Some(gate),
            None => gate(&self.client)?,
        };
        // Of a device that was removed meanwhile the attempt tells.
        Ok(PreCheck::Throttle(gate.unwrap_or(ThrottleStatus::Open)))
    }

    fn attempt(&mut self, input: &[u8], form: AnswerForm) -> Result<AttemptResult, AttemptFailure> {
        let sent = SentAnswer::of(input, form);
        let answer = self.client.verify(&sent.text, layout_of(form))?;
        judged(answer, &sent).ok_or_else(|| self.client.error(ReplyError::Malformed).into())
    }

    /// The daemon does not say with a refusal.
    fn has_recovery_codes(&self) -> bool {
        false
    }

    /// A program that runs as the user stores nothing.
    fn recovery_login(&self, _: &CodeAcceptance) -> Option<RecoveryLogin> {
        None
    }

    /// They are told at logins, where there is room for them.
    fn changes_to_tell(&self) -> Vec<RecentChange> {
        Vec::new()
    }

    fn password_len(&self, input: &[u8]) -> Result<usize, AttemptFailure> {
        Ok(input.len())
    }
}

/// The layout of an answer on the wire.
const fn layout_of(form: AnswerForm) -> CodeLayout {
    match form {
        AnswerForm::Code => CodeLayout::Code,
        AnswerForm::PasswordThenCode => CodeLayout::AfterPassword,
    }
}

/// `None` where the answer contradicts what was sent.
fn judged(answer: VerifyAnswer, sent: &SentAnswer) -> Option<AttemptResult> {
    AttemptResult::answered(answer, |code| {
        let before = usize::try_from(code.password_length).ok()?;
        // Something has to be left that was the code.
        (before < sent.text.len()).then(|| sent.skipped + before)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use twofactor_core::verify::CodeOutcome;
    use twofactor_protocol::verify_call::{AcceptedCode, CodeOrigin};

    use super::*;

    /// No daemon listens there.
    #[test]
    fn a_source_keeps_the_policy_and_the_answer_whole() {
        let source = DaemonVerdictSource {
            policy: "enabled = true\ntries = 7\n".parse().unwrap(),
            client: DaemonClient::new(Path::new("/nonexistent"), "alice"),
            first: Cell::new(Some(ThrottleStatus::LockedUntilUnlock)),
        };
        assert_eq!(source.policy().tries, 7);
        assert_eq!(source.password_len(b"hunter2123456").unwrap(), 13);
        let locked = PreCheck::Throttle(ThrottleStatus::LockedUntilUnlock);
        assert_eq!(source.before().unwrap(), locked);
        assert!(source.before().is_err());
        assert!(!source.has_recovery_codes());
        assert_eq!(source.few_recovery_codes(), None);
        assert!(!source.has_policy_of_now().unwrap());
        // That there is no device is what a daemon says, and not its silence.
        assert!(DaemonVerdictSource::of_enrolled(&source.policy, &source.client).is_err());
    }

    fn code(password_length: u64) -> VerifyAnswer {
        VerifyAnswer::Accepted(AcceptedCode {
            by: CodeOrigin::Device("phone".to_owned()),
            password_length,
            failures_before: 1,
        })
    }

    #[test]
    fn the_password_ends_where_the_code_begins() {
        let typed = b"correct horse battery staple123456";
        let sent = SentAnswer::of(typed, AnswerForm::PasswordThenCode);
        let answer = judged(code(13), &sent);
        let Some(AttemptResult::Compared(CodeOutcome::Accepted(accepted))) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(accepted.password_len, typed.len() - 6);
        let whole = sent.text.len() as u64;
        assert!(judged(code(whole - 1), &sent).is_some());
        assert_eq!(judged(code(whole), &sent), None);
        assert_eq!(judged(code(whole + 1), &sent), None);
    }
}
