//! The report of `verify`.

use serde::Serialize;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::verify::{CodeAcceptance, CodeOutcome, CodeRejection, Credential};
use twofactor_store::sys::clock;
use zeroize::Zeroizing;

use crate::formatting::{count, span, utc};
use crate::output::CommandReport;

/// Report of `verify`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct VerifyReport<'a> {
    /// The user.
    user: &'a str,
    /// True if a login would have been let in.
    pub accepted: bool,
    /// The word that the log of a login has: `accepted`, `wrong` (with `device` and `offset` where it is a code for another time),
    /// `repeated-code`, `used`, `clock-set-back`, `spent` or `bypass-expired`.
    pub reason: &'static str,
    /// `device`, `recovery_code` or `bypass`; `null` when nothing matched.
    by: Option<&'static str>,
    /// The device that the code belongs to.
    pub device: Option<String>,
    /// TOTP: how many steps the device's clock is off. HOTP: counters skipped.
    pub offset: Option<i64>,
    /// Wrong codes since the last right one, this one not included.
    failures_before: Option<u32>,
    /// The result for people.
    pub message: String,
}

impl<'a> VerifyReport<'a> {
    /// A code that was compared.
    pub fn new(user: &'a str, outcome: &CodeOutcome) -> Self {
        match outcome {
            CodeOutcome::Accepted(accepted) => Self::accepted(user, accepted),
            CodeOutcome::Rejected(why) => Self::rejected(user, why),
        }
    }

    /// A code that was refused already: it was not compared.
    pub fn repeated(user: &'a str) -> Self {
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

    fn accepted(user: &'a str, accepted: &CodeAcceptance) -> Self {
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

    fn rejected(user: &'a str, why: &CodeRejection) -> Self {
        let (device, offset, message) = match why {
            CodeRejection::Wrong => (None, None, "Wrong code.".to_owned()),
            CodeRejection::ClockDiffers { device, steps } => (
                Some(device.clone()),
                Some(*steps),
                clock_differs(device, *steps),
            ),
            CodeRejection::Used { device } => (
                Some(device.clone()),
                None,
                "The code was used already; wait for the next one.".to_owned(),
            ),
            CodeRejection::ClockSetBack { device, seconds } => {
                let message = format!(
                    "This machine's clock is {} behind the last code that was accepted. Set it right.",
                    span(*seconds)
                );
                (Some(device.clone()), None, message)
            }
            CodeRejection::Spent => (
                None,
                None,
                "The code was used already; take another one.".to_owned(),
            ),
            CodeRejection::BypassExpired => (None, None, "The bypass code has expired.".to_owned()),
        };
        Self {
            user,
            accepted: false,
            reason: why.event().word(),
            by: None,
            device,
            offset,
            failures_before: None,
            message,
        }
    }
}

fn clock_differs(device: &str, steps: i64) -> String {
    let amount = count(steps.unsigned_abs(), "code");
    let when = if steps < 0 { "old" } else { "early" };
    let now = clock::now().map_or_else(|error| error.to_string(), utc);
    format!(
        "The code belongs to device {device}, but is {amount} too {when}: a clock is wrong. This machine's clock \
         shows {now}."
    )
}

impl CommandReport for VerifyReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", self.message))
    }
}
