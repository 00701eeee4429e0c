//! Log lines on standard error, which systemd hands to the journal: `key=value`, as those of the module.

use rustix::fs::FileType;
use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::line::Line;
use twofactor_core::verify::{Accepted, Credential, Outcome, Rejected, ThrottleStatus};
use twofactor_store::attempt::{AttemptResult, Failure};

use crate::dispatch::Caller;

/// The level of a line (syslog(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something is unusable.
    Error = 3,
    /// A lock-out.
    Warning = 4,
    /// A refusal.
    Notice = 5,
    /// A success.
    Info = 6,
}

/// Writes one line. Where nothing reads the log, the answer to the user does not depend on it.
pub fn line(level: Level, text: &str) {
    let stderr = rustix::stdio::stderr();
    // The journal takes the level from the beginning of the line (sd-daemon(3)).
    let is_journal = rustix::fs::fstat(stderr)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
    let line = if is_journal {
        format!("<{}>{text}\n", level as u8)
    } else {
        format!("{text}\n")
    };
    let _ = rustix::io::write(stderr, line.as_bytes());
}

/// The beginning of a line about a call of a user.
fn about(user: &str, caller: Caller) -> Line {
    Line::default()
        .with("user", &user)
        .with("uid", &caller.uid)
        .with("pid", &caller.pid)
}

/// A call that names another user than the caller.
pub fn not_yours(user: &str, caller: Caller) {
    let text = about(user, caller).result(LoginEvent::NotYours);
    line(Level::Notice, text.as_str());
}

/// A call that could not be answered.
pub fn unavailable(user: &str, caller: Caller, failure: &Failure) {
    let text = about(user, caller)
        .result(LoginEvent::Error)
        .saying("error", failure);
    let text = match failure.hint() {
        Some(hint) => text.saying("hint", &hint),
        None => text,
    };
    line(Level::Error, text.as_str());
}

/// A connection that is not served.
pub fn refused(uid: u32, event: LoginEvent) {
    let text = Line::default().with("uid", &uid).result(event);
    line(Level::Warning, text.as_str());
}

/// An error in the daemon that ends a connection. Its text may hold anything, and is not logged.
pub fn panicked() {
    line(
        Level::Error,
        Line::default().result(LoginEvent::Panic).as_str(),
    );
}

/// What became of a code.
pub fn judged(user: &str, caller: Caller, judged: &AttemptResult) {
    let text = about(user, caller);
    let (level, text) = match judged {
        AttemptResult::Compared(Outcome::Accepted(accepted)) => {
            (Level::Info, accepted_line(text, accepted))
        }
        AttemptResult::Compared(Outcome::Rejected(why)) => {
            (Level::Notice, rejected_line(text, why))
        }
        AttemptResult::Refused(gate) => (Level::Warning, closed_line(text, *gate)),
        AttemptResult::Repeated => (Level::Notice, text.result(LoginEvent::RepeatedCode)),
        AttemptResult::Gone => (Level::Notice, text.result(LoginEvent::Unenrolled)),
    };
    line(level, text.as_str());
}

fn accepted_line(text: Line, accepted: &Accepted) -> Line {
    let text = text.result(LoginEvent::Accepted);
    let text = match &accepted.by {
        Credential::Device { name, offset } => text.with("device", name).with("offset", offset),
        Credential::RecoveryCode { left } => {
            text.with("device", &"recovery-code").with("left", left)
        }
        Credential::Bypass => text.with("device", &"bypass"),
    };
    match accepted.failures_before {
        0 => text,
        count => text.with("failures_before", &count),
    }
}

fn rejected_line(text: Line, why: &Rejected) -> Line {
    match why {
        Rejected::Wrong => text.result(LoginEvent::Wrong),
        Rejected::ClockDiffers { device, steps } => text
            .result(LoginEvent::Wrong)
            .with("device", device)
            .with("steps_off", steps),
        Rejected::Used { device } => text.result(LoginEvent::Used).with("device", device),
        Rejected::ClockSetBack { device, seconds } => text
            .result(LoginEvent::ClockSetBack)
            .with("device", device)
            .with("behind", seconds),
        Rejected::Spent => text.result(LoginEvent::Spent),
        Rejected::BypassExpired => text.result(LoginEvent::BypassExpired),
    }
}

fn closed_line(text: Line, gate: ThrottleStatus) -> Line {
    match gate {
        ThrottleStatus::LockedFor(seconds) => {
            text.result(LoginEvent::Throttled).with("seconds", &seconds)
        }
        _ => text
            .result(LoginEvent::Locked)
            .saying("hint", &"twofactor unlock"),
    }
}
