//! The daemon's answer to a code, in the terms of an attempt that a program makes itself.

use twofactor_core::verify::{
    CodeAcceptance, CodeOutcome, CodeRejection, Credential, ThrottleStatus,
};
use twofactor_protocol::verify_call::{AcceptedCode, CodeOrigin, VerifyAnswer};

use super::AttemptResult;

impl AttemptResult {
    /// The result that an answer stands for. `password_len` tells how many bytes of what was typed were the password, and is `None`
    /// where the answer contradicts what was sent; then so is the result.
    #[must_use]
    pub fn answered(
        answer: VerifyAnswer,
        password_len: impl FnOnce(&AcceptedCode) -> Option<usize>,
    ) -> Option<Self> {
        let rejected = |why| Self::Compared(CodeOutcome::Rejected(why));
        Some(match answer {
            VerifyAnswer::Accepted(code) => {
                let password_len = password_len(&code)?;
                Self::Compared(CodeOutcome::Accepted(accepted(code, password_len)?))
            }
            VerifyAnswer::Wrong => rejected(CodeRejection::Wrong),
            VerifyAnswer::Used(device) => rejected(CodeRejection::Used { device }),
            VerifyAnswer::Clock(clock) => rejected(CodeRejection::ClockSetBack {
                device: clock.device,
                seconds: clock.seconds,
            }),
            VerifyAnswer::Spent => rejected(CodeRejection::Spent),
            VerifyAnswer::Expired => rejected(CodeRejection::BypassExpired),
            VerifyAnswer::Repeated => Self::Repeated,
            VerifyAnswer::Locked(seconds) => Self::Refused(closed(seconds)),
            VerifyAnswer::Unenrolled => Self::Gone,
        })
    }
}

/// A lock-out of the daemon: for so many seconds, or until an administrator ends it.
#[must_use]
pub const fn closed(seconds: Option<u64>) -> ThrottleStatus {
    match seconds {
        Some(seconds) => ThrottleStatus::LockedFor(seconds),
        None => ThrottleStatus::LockedUntilUnlock,
    }
}

fn accepted(code: AcceptedCode, password_len: usize) -> Option<CodeAcceptance> {
    Some(CodeAcceptance {
        by: match code.by {
            // The daemon's log has the offset.
            CodeOrigin::Device(name) => Credential::Device { name, offset: 0 },
            CodeOrigin::RecoveryCode(left) => Credential::RecoveryCode {
                left: usize::try_from(left).ok()?,
            },
            CodeOrigin::Bypass => Credential::Bypass,
        },
        failures_before: u32::try_from(code.failures_before).unwrap_or(u32::MAX),
        password_len,
    })
}
