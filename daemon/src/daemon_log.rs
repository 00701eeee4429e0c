//! Log lines on standard error, which systemd hands to the journal: `key=value`, as those of the module.

use std::sync::{Mutex, PoisonError};

use twofactor_core::log::event::LoginEvent;
use twofactor_core::log::log_line::LogLine;
use twofactor_core::verify::CodeOutcome;
use twofactor_store::attempt::{AttemptFailure, AttemptResult};
use twofactor_store::notify_message::NotifyMessage;
use twofactor_store::sys::accounts::LookupFailed;
use twofactor_store::sys::clock;

use crate::calling_process::CallingProcess;
use crate::factor_access::AskedAccount;
use crate::line_limit::{LeftOutLines, LineLimit};
use crate::stderr_output;

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
    stderr_output::write(level as u8, text);
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

/// Logs that this host judged a code by itself; nothing if `why` is `None`. The reason is empty if the service of the fleet logs it.
pub fn judged_alone(user: &str, caller: CallingProcess, why: Option<&str>) {
    if let Some(why) = why {
        let text = about(user, caller).outage(why);
        limited(LogLevel::Error, caller.uid, LoginEvent::Outage, &text);
    }
}

/// A state of this host that could not be merged into the fleet's, for this reason.
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
    stderr_output::write_patiently(LogLevel::Error as u8, text.as_str());
}

/// The result of a code. Lock-outs limit wrong ones, so each has its line.
pub fn judged(asked: &AskedAccount, caller: CallingProcess, judged: &AttemptResult) {
    let (level, event) = level_and_event(judged);
    let text = verdict_line(asked, caller, judged);
    match event {
        LoginEvent::Wrong => line(level, text.as_str()),
        _ => limited(level, caller.uid, event, &text),
    }
}

const fn level_and_event(judged: &AttemptResult) -> (LogLevel, LoginEvent) {
    match judged {
        AttemptResult::Compared(CodeOutcome::Accepted(_)) => (LogLevel::Info, LoginEvent::Accepted),
        AttemptResult::Compared(CodeOutcome::Rejected(why)) => (LogLevel::Notice, why.event()),
        AttemptResult::Refused(gate) => (LogLevel::Warning, gate.event()),
        AttemptResult::Repeated => (LogLevel::Notice, LoginEvent::RepeatedCode),
        AttemptResult::Gone => (LogLevel::Notice, LoginEvent::Unenrolled),
    }
}

fn verdict_line(asked: &AskedAccount, caller: CallingProcess, judged: &AttemptResult) -> LogLine {
    let text = about(&asked.account.name, caller);
    let text = match &asked.verifier {
        Some(verifier) => text.with("verifier", verifier),
        None => text,
    };
    match judged {
        AttemptResult::Compared(CodeOutcome::Accepted(accepted)) => text.accepted(accepted),
        AttemptResult::Compared(CodeOutcome::Rejected(why)) => text.rejected(why),
        AttemptResult::Refused(gate) => text.closed(*gate),
        AttemptResult::Repeated | AttemptResult::Gone => text.result(level_and_event(judged).1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::account::Account;
    use twofactor_core::verify::{CodeRejection, ThrottleStatus};

    const ALICE: CallingProcess = CallingProcess {
        uid: 1000,
        pid: 7,
        session: None,
        terminal: None,
    };

    fn said(verifier: Option<&str>, judged: &AttemptResult) -> String {
        let asked = AskedAccount {
            account: Account {
                name: "alice".to_owned(),
                uid: 1000,
                gid: 1000,
            },
            verifier: verifier.map(ToOwned::to_owned),
        };
        verdict_line(&asked, ALICE, judged).as_str().to_owned()
    }

    #[test]
    fn a_line_has_the_caller_and_the_verdict() {
        let set_back = CodeRejection::ClockSetBack {
            device: "phone".to_owned(),
            seconds: 90,
        };
        let at_a_login = LogLine::default().rejected(&set_back);
        let at_a_login = at_a_login.as_str();
        assert!(at_a_login.contains(" hint="), "{at_a_login}");
        let judged = AttemptResult::Compared(CodeOutcome::Rejected(set_back));
        assert_eq!(
            said(None, &judged),
            format!("user=alice uid=1000 pid=7 {at_a_login}")
        );
        assert_eq!(
            said(Some("postgres"), &AttemptResult::Repeated),
            "user=alice uid=1000 pid=7 verifier=postgres result=repeated-code"
        );
        assert_eq!(
            said(None, &AttemptResult::Refused(ThrottleStatus::LockedFor(30))),
            "user=alice uid=1000 pid=7 result=throttled seconds=30"
        );
        assert_eq!(
            said(None, &AttemptResult::Gone),
            "user=alice uid=1000 pid=7 result=unenrolled"
        );
    }
}
