//! One line in the authpriv log for every change that an administrator makes, and every secret that is shown. Those of users'
//! factors come from the operations; the others from here.
//!
//! Each change of a factor also waits here for the program of `notify`, which runs when the command has done its work.
//!
//! A log that cannot be reached never stops a change: a socket that takes no line is waited for once, for a second, and nothing is sent
//! elsewhere. Without that wait, lines of an import were lost where the log read more slowly than they came.

use std::fmt::Display;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use syslog::{Facility, Formatter3164, Logger, LoggerBackend};
use twofactor_core::POLICY_FILE;
use twofactor_core::account::Account;
use twofactor_core::log::audit_line::AuditEvent;
use twofactor_core::log::event::CommandEvent;
use twofactor_core::log::log_line::LogLine;
use twofactor_core::log::policy_event::PolicyEvent;
use twofactor_core::record::recent_changes::{ChangeChannel, ChangeOrigin, OriginName};
use twofactor_store::files::{RemovalResult, StoreError};
use twofactor_store::notify_message::NotifyMessage;
use twofactor_store::operations::{
    self, AuditSink, NewcomerImport, PolicyAudit, PolicyPlace, ShownRecord, UserFactor,
};
use twofactor_store::sys::process;
use twofactor_store::{FactorStore, NewRecord, PolicyFile};

use crate::formatting::utc;
use crate::unmatched_name::UnmatchedName;

/// Socket on which syslog daemons and journald listen.
const SOCKET: &str = "/dev/log";
/// Longest wait of a line for a log that has no room.
const PATIENCE: Duration = Duration::from_secs(1);

/// True once a line has waited in vain: the others wait no more.
static DEAF: AtomicBool = AtomicBool::new(false);

/// The changes that the program did not get yet. Import makes some of them in several threads.
static WAITING: Mutex<Vec<NotifyMessage>> = Mutex::new(Vec::new());

/// The log of the changes that this command makes.
struct CommandLog;

impl AuditSink for CommandLog {
    fn origin(&self) -> ChangeOrigin {
        ChangeOrigin {
            channel: ChangeChannel::Command,
            uid: invoking_uid(),
            terminal: process::own_terminal().and_then(|it| OriginName::of(it.name()?.as_bytes())),
            address: None,
        }
    }

    fn changed(&self, event: &AuditEvent<'_>) {
        // As below.
        let _ = send(event.line(invoking_uid(), utc).as_str());
        wait(NotifyMessage::of(event));
    }
}

impl PolicyAudit for CommandLog {
    fn policy_changed(&self, event: &PolicyEvent<'_>) {
        // As below.
        let _ = send(event.line(invoking_uid()).as_str());
    }
}

/// The policy file, whose changes are logged as those of the command.
pub const fn policy<'a>(file: &'a PolicyFile, store: Option<&'a FactorStore>) -> PolicyPlace<'a> {
    let audit = &CommandLog;
    PolicyPlace { file, store, audit }
}

/// The factor of a user, whose changes are logged as those of the command.
pub const fn factor<'a>(store: &'a FactorStore, account: &'a Account) -> UserFactor<'a> {
    UserFactor {
        store,
        account,
        audit: &CommandLog,
    }
}

/// Removes whatever is kept under a name, in whatever condition, while its record is as it was shown, and logs it.
///
/// # Errors
/// As [`operations::discard`].
pub fn discard(
    store: &FactorStore,
    name: &str,
    shown: &ShownRecord,
) -> Result<RemovalResult, StoreError> {
    operations::discard(store, name, shown, &CommandLog)
}

/// Enrolls users who have no record, many at a time, and logs it as an import `from` a format.
pub fn newcomers(store: &FactorStore, newcomers: &[NewRecord], from: &str) -> NewcomerImport {
    operations::import_newcomers(store, newcomers, from, &CommandLog)
}

/// Logs `VERB user=NAME action=WORD KEY=VALUE … by=UID`, without the fields that do not apply. Values must not be secret.
pub fn log(event: CommandEvent, user: Option<&str>, fields: &[(&str, &str)]) {
    // Nothing to be done when it fails: the change is made, and the caller's report says so.
    let _ = send(line(event, user, fields, invoking_uid()).as_str());
    if let Some(user) = user.filter(|_| event.verb() == CommandEvent::CHANGED) {
        let message = NotifyMessage::new(event, user);
        let with = |message: NotifyMessage, (key, value): &(&str, &str)| message.text(key, value);
        wait(fields.iter().fold(message, with));
    }
}

/// Logs the names in the policy by which an entry applies to no user. Those of another file than the one in use say nothing about logins.
pub fn unmatched_names(policy: &Path, unmatched: &[UnmatchedName]) {
    if policy != Path::new(POLICY_FILE) {
        return;
    }
    for name in unmatched {
        // As above.
        let _ = send(name.line(invoking_uid()).as_str());
    }
}

/// Logs that a change did not reach the program, for this reason.
pub fn undelivered(message: &NotifyMessage, error: &dyn Display) {
    // As above.
    let _ = send(
        message
            .undelivered(error)
            .with("by", &invoking_uid())
            .as_str(),
    );
}

/// The changes that the program did not get yet, in their order.
pub fn take_waiting() -> Vec<NotifyMessage> {
    std::mem::take(&mut WAITING.lock().unwrap_or_else(PoisonError::into_inner))
}

fn wait(message: NotifyMessage) {
    let message = message.by(&CommandLog.origin(), CommandLog.time());
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.push(message);
}

fn line(event: CommandEvent, user: Option<&str>, fields: &[(&str, &str)], by: u32) -> LogLine {
    let mut line = LogLine::of(event.verb());
    if let Some(user) = user {
        line = line.with("user", &user);
    }
    let action = event.action().map(|action| ("action", action));
    // The action stands before the details, and what was shown before how.
    let (first, last) = match event {
        CommandEvent::Export => (None, action),
        _ => (action, None),
    };
    for (key, value) in first.iter().chain(fields).chain(&last) {
        line = line.with(key, value);
    }
    line.with("by", &by)
}

fn send(line: &str) -> Option<()> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect(SOCKET).ok()?;
    send_to(socket, line, &DEAF)
}

/// Sends a line to a log, which has a moment to make room unless it is deaf.
fn send_to(socket: UnixDatagram, line: &str, deaf: &AtomicBool) -> Option<()> {
    if deaf.load(Ordering::Relaxed) {
        socket.set_nonblocking(true).ok()?;
    } else {
        socket.set_write_timeout(Some(PATIENCE)).ok()?;
    }
    let formatter = Formatter3164 {
        facility: Facility::LOG_AUTHPRIV,
        hostname: None,
        process: "twofactor".to_owned(),
        pid: std::process::id(),
    };
    let sent = Logger::new(LoggerBackend::Unix(socket), formatter).notice(line);
    deaf.fetch_or(sent.is_err(), Ordering::Relaxed);
    sent.ok()
}

/// The uid that logged in, which sudo and su keep; without one, the uid that started the command.
pub fn invoking_uid() -> u32 {
    let login = std::fs::read_to_string("/proc/self/loginuid").ok();
    match login.and_then(|text| text.trim().parse().ok()) {
        Some(uid) if uid != u32::MAX => uid,
        _ => rustix::process::getuid().as_raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_what_changed_and_who_did_it() {
        let device = [("device", "phone")];
        let text =
            |event, fields: &[_]| line(event, Some("alice"), fields, 1000).as_str().to_owned();
        assert_eq!(
            text(CommandEvent::Enroll, &device),
            "changed user=alice action=enroll device=phone by=1000"
        );
        assert_eq!(
            text(CommandEvent::Show, &device),
            "revealed user=alice device=phone by=1000"
        );
        assert_eq!(
            text(CommandEvent::Verify, &[("result", "accepted")]),
            "verified user=alice result=accepted by=1000"
        );
        assert_eq!(
            line(CommandEvent::Init, None, &[], 0).as_str(),
            "changed action=init by=0"
        );
    }

    /// Far more lines than the kernel keeps for a reader.
    #[test]
    fn a_log_that_reads_slowly_gets_all_lines() {
        const LINES: usize = 2_000;
        let (log, writer) = UnixDatagram::pair().unwrap();
        let deaf = AtomicBool::new(false);
        let reader = std::thread::spawn(move || {
            let mut line = [0; 256];
            std::thread::sleep(Duration::from_millis(50));
            for _ in 0..LINES {
                log.recv(&mut line).unwrap();
            }
        });
        for _ in 0..LINES {
            let writer = writer.try_clone().unwrap();
            assert_eq!(send_to(writer, "changed", &deaf), Some(()));
        }
        reader.join().unwrap();
    }

    #[test]
    fn a_log_that_reads_nothing_is_waited_for_once() {
        let (_log, writer) = UnixDatagram::pair().unwrap();
        let deaf = AtomicBool::new(false);
        let sent = || send_to(writer.try_clone().unwrap(), "changed", &deaf);
        while sent().is_some() {}
        assert!(deaf.load(Ordering::Relaxed));
        assert_eq!(sent(), None);
    }

    #[test]
    fn a_value_cannot_forge_another_field_or_line() {
        assert_eq!(
            line(CommandEvent::Bypass, Some("x by=0\nchanged"), &[], 7).as_str(),
            "changed user=x\\x20by\\x3d0\\x0achanged action=bypass by=7"
        );
    }
}
