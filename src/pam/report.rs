//! The log lines about a code, and about what kept one from being compared.
#![forbid(unsafe_code)]

use crate::check::Failure;
use crate::verify::{Accepted, Credential, Gate, Rejected};

use super::log::Line;

/// Completes the line about a login that could not be judged.
#[must_use]
pub fn failed(line: Line, failure: &Failure) -> Line {
    let line = line.with("result", &"error").saying("error", failure);
    match failure.hint() {
        Some(hint) => line.saying("hint", &hint),
        None => line,
    }
}

/// Completes the line about a login whose code is not looked at.
#[must_use]
pub fn closed(line: Line, gate: Gate) -> Line {
    match gate {
        Gate::LockedFor(seconds) => line.with("result", &"throttled").with("seconds", &seconds),
        _ => line
            .with("result", &"locked")
            .saying("hint", &"twofactor unlock"),
    }
}

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
