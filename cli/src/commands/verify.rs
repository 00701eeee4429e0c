//! `verify`: the check of a login, without a login.

use std::process::ExitCode;

use serde::Serialize;
use twofactor_core::log::event::{CommandEvent, LoginEvent};
use twofactor_core::verify::{Accepted, Credential, Form, Outcome, Rejected, ThrottleStatus};
use twofactor_store::attempt::{AttemptResult, LoginAttempt, PreCheck};
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::args::VerifyArgs;
use crate::audit;
use crate::context::{Context, not_enrolled};
use crate::error::{ExitStatus, Failure, for_user};
use crate::failure_kind::FailureKind;
use crate::formatting::{count, span, utc};
use crate::output::{OutputFormat, Report};
use crate::shell;

/// Stands for a PAM service.
const SERVICE: &str = "twofactor";

/// Runs it.
pub fn run(context: &Context, args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let user = context.user_or_caller(args.user.as_deref())?;
    Ok(match try_code(context, &user)? {
        CodeTrial::Right => ExitCode::SUCCESS,
        CodeTrial::Wrong => ExitCode::from(ExitStatus::Refused as u8),
    })
}

/// Result of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeTrial {
    /// A code was right.
    Right,
    /// All were wrong.
    Wrong,
}

/// Asks for codes of a user and checks them as a login does; each answer is reported.
///
/// # Errors
/// When the user has no device, is locked out, or types nothing, or a file cannot be used.
pub fn try_code(context: &Context, user: &str) -> Result<CodeTrial, Failure> {
    let (account, store, _) = context.enrolled(user)?;
    let named =
        |failure: twofactor_store::attempt::AttemptFailure| for_user(failure, &account.name);
    let loaded = context.existing_policy()?;
    let tries = loaded.policy.tries;
    let prompt = loaded.policy.prompt.clone();
    let mut session = LoginAttempt::new(&context.policy, loaded, &store, &account, SERVICE);
    if let PreCheck::Throttle(
        closed @ (ThrottleStatus::LockedFor(_) | ThrottleStatus::LockedUntilUnlock),
    ) = session.before().map_err(named)?
    {
        return Err(locked_out(&account.name, closed));
    }
    let mut last = None;
    for _ in 0..tries {
        let Some(typed) = context.terminal.ask(&prompt)? else {
            break;
        };
        let judged = session
            .attempt(typed.as_bytes(), Form::Code)
            .map_err(named)?;
        let result = match judged {
            AttemptResult::Gone => return Err(not_enrolled(&account.name)),
            AttemptResult::Refused(closed) => return Err(locked_out(&account.name, closed)),
            AttemptResult::Repeated => VerifyReport::repeated(&account.name),
            AttemptResult::Compared(outcome) => VerifyReport::new(&account.name, &outcome),
        };
        audit::log(
            CommandEvent::Verify,
            Some(&account.name),
            &[("result", result.reason)],
        );
        if result.accepted {
            context.write(&result)?;
            return Ok(CodeTrial::Right);
        }
        context.terminal.prose(&format!("{}\n", result.message))?;
        last = Some(result);
    }
    match (last, context.format) {
        (None, _) => {
            return Err(Failure::refused("no code was typed").of_kind(FailureKind::Cancelled));
        }
        (Some(result), OutputFormat::Json) => context.write(&result)?,
        // It was said when the code was typed.
        (Some(_), OutputFormat::Text | OutputFormat::Dialogue) => {}
    }
    Ok(CodeTrial::Wrong)
}

/// Refused because of too many wrong codes.
pub(super) fn locked_out(user: &str, gate: ThrottleStatus) -> Failure {
    let failure = match gate {
        ThrottleStatus::LockedFor(seconds) => Failure::refused(format!(
            "{user} is locked out for {} after too many wrong codes",
            span(seconds)
        )),
        ThrottleStatus::Open | ThrottleStatus::LockedUntilUnlock => {
            Failure::refused(format!("{user} is locked out after too many wrong codes"))
        }
    };
    failure.of_kind(FailureKind::Locked).next(format!(
        "To end it: {}",
        shell::twofactor("unlock", &[user], &[])
    ))
}

/// Report of `verify`.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct VerifyReport<'a> {
    user: &'a str,
    /// True if a login would have been let in.
    accepted: bool,
    /// The word that the log of a login has: `accepted`, `wrong` (with `device` and `offset` where it is a code for another time),
    /// `repeated-code`, `used`, `clock-set-back`, `spent` or `bypass-expired`.
    reason: &'static str,
    /// `device`, `recovery_code` or `bypass`; `null` when nothing matched.
    by: Option<&'static str>,
    device: Option<String>,
    /// TOTP: how many steps the device's clock is off. HOTP: counters skipped.
    offset: Option<i64>,
    /// Wrong codes since the last right one, this one not included.
    failures_before: Option<u32>,
    message: String,
}

impl<'a> VerifyReport<'a> {
    fn new(user: &'a str, outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted(accepted) => Self::accepted(user, accepted),
            Outcome::Rejected(why) => Self::rejected(user, why),
        }
    }

    /// A code that was refused already: it was not compared.
    fn repeated(user: &'a str) -> Self {
        Self {
            user,
            accepted: false,
            reason: LoginEvent::RepeatedCode.word(),
            by: None,
            device: None,
            offset: None,
            failures_before: None,
            message:
                "This code was refused already, and does not count again; wait for the next one."
                    .to_owned(),
        }
    }

    fn accepted(user: &'a str, accepted: &Accepted) -> Self {
        let (by, device, offset, what) = match &accepted.by {
            Credential::Device { name, offset } => (
                "device",
                Some(name.clone()),
                Some(*offset),
                format!("device {name}"),
            ),
            Credential::RecoveryCode { left } => (
                "recovery_code",
                None,
                None,
                format!("a recovery code; {} left", count(*left as u64, "code")),
            ),
            Credential::Bypass => ("bypass", None, None, "the bypass code".to_owned()),
        };
        let mut message =
            format!("Right: {what}. It is used up; the next login needs another one.");
        if accepted.failures_before > 0 {
            let wrong = count(u64::from(accepted.failures_before), "wrong code");
            message.push_str(&format!("\n{wrong} since the last right one."));
        }
        Self {
            user,
            accepted: true,
            reason: LoginEvent::Accepted.word(),
            by: Some(by),
            device,
            offset,
            failures_before: Some(accepted.failures_before),
            message,
        }
    }

    fn rejected(user: &'a str, why: &Rejected) -> Self {
        let (reason, device, offset, message) = match why {
            Rejected::Wrong => (LoginEvent::Wrong, None, None, "Wrong code.".to_owned()),
            Rejected::ClockDiffers { device, steps } => {
                let (amount, when) = (
                    count(steps.unsigned_abs(), "code"),
                    if *steps < 0 { "old" } else { "early" },
                );
                let message = format!(
                    "The code belongs to device {device}, but is {amount} too {when}: a clock is wrong. This \
                     machine's clock shows {}.",
                    clock::now().map_or_else(|error| error.to_string(), utc)
                );
                (
                    LoginEvent::Wrong,
                    Some(device.clone()),
                    Some(*steps),
                    message,
                )
            }
            Rejected::Used { device } => (
                LoginEvent::Used,
                Some(device.clone()),
                None,
                "The code was used already; wait for the next one.".to_owned(),
            ),
            Rejected::ClockSetBack { device, seconds } => {
                let message = format!(
                    "This machine's clock is {} behind the last code that was accepted. Set it right.",
                    span(*seconds)
                );
                (
                    LoginEvent::ClockSetBack,
                    Some(device.clone()),
                    None,
                    message,
                )
            }
            Rejected::Spent => (
                LoginEvent::Spent,
                None,
                None,
                "The code was used already; take another one.".to_owned(),
            ),
            Rejected::BypassExpired => (
                LoginEvent::BypassExpired,
                None,
                None,
                "The bypass code has expired.".to_owned(),
            ),
        };
        Self {
            user,
            accepted: false,
            reason: reason.word(),
            by: None,
            device,
            offset,
            failures_before: None,
            message,
        }
    }
}

impl Report for VerifyReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", self.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_names_device_and_offset() {
        let by = Credential::Device {
            name: "phone".into(),
            offset: -1,
        };
        let accepted = Accepted {
            by,
            failures_before: 2,
            password_len: 0,
        };
        let checked = VerifyReport::new("alice", &Outcome::Accepted(accepted));
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
            &Outcome::Rejected(Rejected::Used {
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
