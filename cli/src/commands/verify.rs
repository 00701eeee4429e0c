//! `verify`: the check of a login, without a login.

use std::process::ExitCode;

use twofactor_core::log::event::CommandEvent;
use twofactor_core::verify::{AnswerForm, FailureCounter, ThrottleStatus};
use twofactor_store::attempt::{AttemptResult, LoginAttempt, PreCheck};

use super::verify_report::VerifyReport;
use crate::args::VerifyArgs;
use crate::command_context::{CommandContext, not_enrolled};
use crate::command_failure::{CommandFailure, ExitStatus, for_user};
use crate::command_log;
use crate::failure_kind::FailureKind;
use crate::formatting::span;
use crate::output::OutputFormat;
use crate::suggested_command;

/// Stands for a PAM service.
const SERVICE: &str = "twofactor";

/// Runs it.
pub fn run(context: &CommandContext, args: &VerifyArgs) -> Result<ExitCode, CommandFailure> {
    let user = context.user_or_caller(args.user.as_deref())?;
    Ok(try_code(context, &user)?.exit_code())
}

/// Result of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeTrial {
    /// A code was right.
    Right,
    /// All were wrong.
    Wrong,
}

impl CodeTrial {
    /// The exit code of `verify`.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Right => ExitCode::SUCCESS,
            Self::Wrong => ExitCode::from(ExitStatus::Refused as u8),
        }
    }
}

/// Asks for codes of a user and checks them as a login does; each answer is reported.
///
/// # Errors
/// When the user has no device, is locked out, or types nothing, or a file cannot be used.
pub fn try_code(context: &CommandContext, user: &str) -> Result<CodeTrial, CommandFailure> {
    let (account, store, _) = context.enrolled(user)?;
    let named =
        |failure: twofactor_store::attempt::AttemptFailure| for_user(failure, &account.name);
    let loaded = context.existing_policy()?;
    let tries = loaded.policy.tries;
    let prompt = loaded.policy.prompt.clone();
    let mut session = LoginAttempt::new(&context.policy, loaded, &store, &account, SERVICE);
    let is_in_fleet = session.loaded.policy.fleet.enabled;
    // In a fleet a lock-out is that of all hosts, which the attempt tells.
    if !is_in_fleet
        && let PreCheck::Throttle(
            closed @ (ThrottleStatus::LockedFor(_) | ThrottleStatus::LockedUntilUnlock),
        ) = session.before().map_err(named)?
    {
        return Err(locked_out(&account.name, closed));
    }
    let dialogue = CodeDialogue {
        context,
        prompt: &prompt,
        tries,
    };
    dialogue.run(|typed| {
        let answer = (typed.as_bytes(), AnswerForm::Code);
        let judged = if session.loaded.policy.fleet.enabled {
            let judged = session.fleet_attempt(user, answer, FailureCounter::Logins);
            judged.map(|judged| judged.result)
        } else {
            session.attempt(answer.0, answer.1)
        };
        let report = judged_report(&account.name, judged.map_err(named)?)?;
        command_log::log(
            CommandEvent::Verify,
            Some(&account.name),
            &[("result", report.reason)],
        );
        Ok(report)
    })
}

/// Questions for codes of a user.
pub(super) struct CodeDialogue<'a> {
    /// The person's side.
    pub context: &'a CommandContext,
    /// The question.
    pub prompt: &'a str,
    /// Codes that may be typed.
    pub tries: u8,
}

impl CodeDialogue<'_> {
    /// Has each code judged, until one is right; each answer is reported.
    ///
    /// # Errors
    /// When no code is typed, and what the judge says.
    pub fn run<'r>(
        &self,
        mut judge: impl FnMut(&str) -> Result<VerifyReport<'r>, CommandFailure>,
    ) -> Result<CodeTrial, CommandFailure> {
        let context = self.context;
        let mut last = None;
        for _ in 0..self.tries {
            let Some(typed) = context.terminal.ask(self.prompt)? else {
                break;
            };
            let result = judge(&typed)?;
            if result.accepted {
                context.write(&result)?;
                return Ok(CodeTrial::Right);
            }
            context.terminal.prose(&format!("{}\n", result.message))?;
            last = Some(result);
        }
        match (last, context.format) {
            (None, _) => {
                return Err(
                    CommandFailure::refused("no code was typed").of_kind(FailureKind::Cancelled)
                );
            }
            (Some(result), OutputFormat::Json) => context.write(&result)?,
            // It was said when the code was typed.
            (Some(_), OutputFormat::Text | OutputFormat::Dialogue) => {}
        }
        Ok(CodeTrial::Wrong)
    }
}

/// The report of a code that was judged.
///
/// # Errors
/// A refusal where the code was not looked at.
pub(super) fn judged_report(
    user: &str,
    judged: AttemptResult,
) -> Result<VerifyReport<'_>, CommandFailure> {
    match judged {
        AttemptResult::Gone => Err(not_enrolled(user)),
        AttemptResult::Refused(closed) => Err(locked_out(user, closed)),
        AttemptResult::Repeated => Ok(VerifyReport::repeated(user)),
        AttemptResult::Compared(outcome) => Ok(VerifyReport::new(user, &outcome)),
    }
}

/// Refused because of too many wrong codes.
pub(super) fn locked_out(user: &str, status: ThrottleStatus) -> CommandFailure {
    let failure = match status {
        ThrottleStatus::LockedFor(seconds) => CommandFailure::refused(format!(
            "{user} is locked out for {} after too many wrong codes",
            span(seconds)
        )),
        ThrottleStatus::Open | ThrottleStatus::LockedUntilUnlock => {
            CommandFailure::refused(format!("{user} is locked out after too many wrong codes"))
        }
    };
    failure.of_kind(FailureKind::Locked).next(format!(
        "To end it: {}",
        suggested_command::twofactor("unlock", &[user], &[])
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::verify::{CodeAcceptance, CodeOutcome, CodeRejection, Credential};

    #[test]
    fn a_success_names_device_and_offset() {
        let by = Credential::Device {
            name: "phone".into(),
            offset: -1,
        };
        let accepted = CodeAcceptance {
            by,
            failures_before: 2,
            password_len: 0,
        };
        let checked = VerifyReport::new("alice", &CodeOutcome::Accepted(accepted));
        assert_eq!(
            (checked.accepted, checked.device.as_deref(), checked.offset),
            (true, Some("phone"), Some(-1))
        );
        assert_eq!(
            checked.message,
            "Right: device phone. It is used up; the next login needs another one.\n2 wrong codes since the last \
             right one."
        );
    }

    #[test]
    fn a_used_code_has_its_own_message() {
        let checked = VerifyReport::new(
            "alice",
            &CodeOutcome::Rejected(CodeRejection::Used {
                device: "phone".into(),
            }),
        );
        assert_eq!((checked.accepted, checked.reason), (false, "used"));
        assert_eq!(
            checked.message,
            "The code was used already; wait for the next one."
        );
    }

    #[test]
    fn lock_outs_name_their_end() {
        let failure = locked_out("alice", ThrottleStatus::LockedFor(60));
        assert_eq!(
            failure.what,
            "alice is locked out for 1 minute after too many wrong codes"
        );
        assert_eq!(
            failure.next.as_deref(),
            Some("To end it: twofactor unlock alice")
        );
    }
}
