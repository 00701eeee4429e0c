//! Log lines on standard error, which systemd hands to the journal: `key=value`, as those of the module.

use std::sync::{Mutex, PoisonError};

use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::log_line::LogLine;
use twofactor_core::log::notify_message::NotifyMessage;
use twofactor_core::verify::{
    CodeAcceptance, CodeOutcome, CodeRejection, Credential, ThrottleStatus,
};
use twofactor_store::attempt::{AttemptFailure, AttemptResult};
use twofactor_store::sys::accounts::LookupFailed;
use twofactor_store::sys::clock;

use crate::line_limit::{LeftOutLines, LineLimit};
use crate::log_output;
use crate::user_factors::{AskedAccount, CallingProcess};

/// The level of a line (syslog(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Something is unusable.
    Error = 3,
    /// A lock-out.
    Warning = 4,
    /// A refusal.
    Notice = 5,
    /// A success.
    Info = 6,
}

/// The lines of users in this second.
static LIMIT: Mutex<Option<LineLimit>> = Mutex::new(None);

/// Writes one line, or drops it if that would block.
pub fn line(level: LogLevel, text: &str) {
    log_output::write(level as u8, text);
}

/// Writes a line that users can cause at will, within the limit.
fn limited(level: LogLevel, uid: u32, event: LoginEvent, text: &LogLine) {
    let (ended, is_admitted) = {
        let mut limit = LIMIT.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = limit.get_or_insert_default();
        let ended = limit.ended(clock::monotonic().as_secs());
        (ended, limit.admit(uid, event))
    };
    left_out(&ended);
    if is_admitted {
        line(level, text.as_str());
    }
}

/// Logs the number of lines that were left out.
pub fn finish() {
    let limit = LIMIT.lock().unwrap_or_else(PoisonError::into_inner).take();
    left_out(&limit.map(|mut limit| limit.take()).unwrap_or_default());
}

fn left_out(lines: &[LeftOutLines]) {
    for LeftOutLines { uid, event, count } in lines {
        let text = LogLine::default();
        let text = match uid {
            Some(uid) => text.with("uid", uid),
            None => text,
        };
        let text = text.result(*event).with("left_out", count);
        line(LogLevel::Warning, text.as_str());
    }
}

/// The beginning of a line about a call of a user.
fn about(user: &str, caller: CallingProcess) -> LogLine {
    LogLine::default()
        .with("user", &user)
        .with("uid", &caller.uid)
        .with("pid", &caller.pid)
}

/// A call that names another user than the caller.
pub fn not_yours(user: &str, caller: CallingProcess) {
    let text = about(user, caller).result(LoginEvent::NotYours);
    limited(LogLevel::Notice, caller.uid, LoginEvent::NotYours, &text);
}

/// A change that is not made, for this reason.
pub fn not_changed(user: &str, caller: CallingProcess, event: LoginEvent) {
    let text = about(user, caller).result(event);
    limited(LogLevel::Notice, caller.uid, event, &text);
}

/// A call that could not be answered.
pub fn unavailable(user: &str, caller: CallingProcess, failure: &AttemptFailure) {
    let text = about(user, caller)
        .result(LoginEvent::Error)
        .saying("error", failure);
    let text = match failure.hint() {
        Some(hint) => text.saying("hint", &hint),
        None => text,
    };
    limited(LogLevel::Error, caller.uid, LoginEvent::Error, &text);
}

/// A code about which the store of the fleet says nothing, for this reason.
pub fn outage(user: &str, caller: CallingProcess, reason: &dyn std::fmt::Display) {
    let text = about(user, caller)
        .result(LoginEvent::Outage)
        .saying("error", reason);
    limited(LogLevel::Error, caller.uid, LoginEvent::Outage, &text);
}

/// That this host judged a code by itself, where it did; the reason is empty where the service of the fleet has it.
pub fn judged_alone(user: &str, caller: CallingProcess, why: Option<&str>) {
    match why {
        None => {}
        Some("") => outage(user, caller, &"the service of the fleet says why"),
        Some(why) => outage(user, caller, &why),
    }
}

/// What this host judged by itself is not known to the fleet yet, for this reason.
pub fn not_pushed(user: &str, reason: &dyn std::fmt::Display) {
    let text = LogLine::default()
        .with("user", &user)
        .result(LoginEvent::Outage)
        .saying("error", reason);
    limited(LogLevel::Error, 0, LoginEvent::Outage, &text);
}

/// The store of the fleet was met, at the beginning or after an outage.
pub fn store_met() {
    let text = LogLine::default().result(LoginEvent::StoreMet);
    line(LogLevel::Info, text.as_str());
}

/// The store of the fleet cannot be used, for this reason.
pub fn store_not_met(reason: &dyn std::fmt::Display) {
    let text = LogLine::default()
        .result(LoginEvent::Outage)
        .saying("error", reason);
    limited(LogLevel::Error, 0, LoginEvent::Outage, &text);
}

/// A connection whose uid cannot be looked up.
pub fn not_looked_up(uid: u32, error: &LookupFailed) {
    let text = LogLine::default()
        .with("uid", &uid)
        .result(LoginEvent::Error)
        .saying("error", error);
    limited(LogLevel::Error, uid, LoginEvent::Error, &text);
}

/// A connection that is not served.
pub fn refused(uid: u32, event: LoginEvent) {
    let text = LogLine::default().with("uid", &uid).result(event);
    limited(LogLevel::Warning, uid, event, &text);
}

/// A panic that ends a connection. Its text may hold a secret and is not logged.
pub fn panicked() {
    line(
        LogLevel::Error,
        LogLine::default().result(LoginEvent::Panic).as_str(),
    );
}

/// A change that did not reach the program of `notify`, for this reason.
pub fn undelivered(message: &NotifyMessage, error: &dyn std::fmt::Display) {
    let text = message.undelivered(error);
    // Each change has its line, as it has in the log of changes.
    log_output::write_patiently(LogLevel::Error as u8, text.as_str());
}

/// The result of a code. Lock-outs limit wrong ones, so each has its line.
pub fn judged(asked: &AskedAccount, caller: CallingProcess, judged: &AttemptResult) {
    let text = about(&asked.account.name, caller);
    let text = match &asked.verifier {
        Some(verifier) => text.with("verifier", verifier),
        None => text,
    };
    let (level, event) = level_and_event(judged);
    let text = text.result(event);
    let text = match judged {
        AttemptResult::Compared(CodeOutcome::Accepted(accepted)) => accepted_line(text, accepted),
        AttemptResult::Compared(CodeOutcome::Rejected(why)) => rejected_line(text, why),
        AttemptResult::Refused(gate) => closed_line(text, *gate),
        AttemptResult::Repeated | AttemptResult::Gone => text,
    };
    match event {
        LoginEvent::Wrong => line(level, text.as_str()),
        _ => limited(level, caller.uid, event, &text),
    }
}

const fn level_and_event(judged: &AttemptResult) -> (LogLevel, LoginEvent) {
    match judged {
        AttemptResult::Compared(CodeOutcome::Accepted(_)) => (LogLevel::Info, LoginEvent::Accepted),
        AttemptResult::Compared(CodeOutcome::Rejected(why)) => (
            LogLevel::Notice,
            match why {
                CodeRejection::Wrong | CodeRejection::ClockDiffers { .. } => LoginEvent::Wrong,
                CodeRejection::Used { .. } => LoginEvent::Used,
                CodeRejection::ClockSetBack { .. } => LoginEvent::ClockSetBack,
                CodeRejection::Spent => LoginEvent::Spent,
                CodeRejection::BypassExpired => LoginEvent::BypassExpired,
            },
        ),
        AttemptResult::Refused(ThrottleStatus::LockedFor(_)) => {
            (LogLevel::Warning, LoginEvent::Throttled)
        }
        AttemptResult::Refused(_) => (LogLevel::Warning, LoginEvent::Locked),
        AttemptResult::Repeated => (LogLevel::Notice, LoginEvent::RepeatedCode),
        AttemptResult::Gone => (LogLevel::Notice, LoginEvent::Unenrolled),
    }
}

fn accepted_line(text: LogLine, accepted: &CodeAcceptance) -> LogLine {
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

fn rejected_line(text: LogLine, why: &CodeRejection) -> LogLine {
    match why {
        CodeRejection::Wrong | CodeRejection::Spent | CodeRejection::BypassExpired => text,
        CodeRejection::ClockDiffers { device, steps } => {
            text.with("device", device).with("steps_off", steps)
        }
        CodeRejection::Used { device } => text.with("device", device),
        CodeRejection::ClockSetBack { device, seconds } => {
            text.with("device", device).with("behind", seconds)
        }
    }
}

fn closed_line(text: LogLine, gate: ThrottleStatus) -> LogLine {
    match gate {
        ThrottleStatus::LockedFor(seconds) => text.with("seconds", &seconds),
        _ => text.saying("hint", &"twofactor unlock"),
    }
}
