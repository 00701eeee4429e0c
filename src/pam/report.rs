//! The log lines about a code that was compared.
#![forbid(unsafe_code)]

use crate::verify::{Accepted, Credential, Rejected};

use super::log::Line;

/// Completes the line about a success.
#[must_use]
pub fn accepted(line: Line, accepted: &Accepted) -> Line {
    let line = line.with("result", &"accepted");
    let line = match &accepted.by {
        Credential::Device { name, offset } => line.with("device", name).with("offset", offset),
        Credential::RecoveryCode { left } => {
            line.with("device", &"recovery-code").with("left", left)
        }
        Credential::Bypass => line.with("device", &"bypass"),
    };
    match accepted.failures_before {
        0 => line,
        count => line.with("failures_before", &count),
    }
}

/// Completes the line about a refused code.
#[must_use]
pub fn rejected(line: Line, why: &Rejected) -> Line {
    match why {
        Rejected::Wrong => line.with("result", &"wrong"),
        Rejected::ClockDiffers { device, steps } => line
            .with("result", &"wrong")
            .with("device", device)
            .with("steps_off", steps)
            .saying(
                "hint",
                &"the clocks of this machine and of the device differ: set the wrong one right, or: twofactor resync USER DEVICE",
            ),
        Rejected::Used { device } => line.with("result", &"used").with("device", device),
        Rejected::ClockSetBack { device, seconds } => line
            .with("result", &"clock-set-back")
            .with("device", device)
            .with("behind", seconds)
            .saying(
                "hint",
                &"codes were accepted at a later time than the clock shows now: set it right, or if it is right: twofactor unlock USER",
            ),
        Rejected::Spent => line.with("result", &"spent"),
        Rejected::BypassExpired => line.with("result", &"bypass-expired"),
    }
}
