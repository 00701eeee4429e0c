//! One line in the authpriv log for every change that an administrator makes, and every secret that is shown.
//!
//! A log that cannot be reached never stops a change: the socket is not waited for, and nothing is sent elsewhere.

use std::fmt::Write as _;
use std::os::unix::net::UnixDatagram;

use syslog::{Facility, Formatter3164, Logger, LoggerBackend};

use crate::formatting::plain;

/// Where syslog daemons and journald listen.
const SOCKET: &str = "/dev/log";

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody's record or state, or the policy.
    Changed,
    /// A secret was shown.
    Revealed,
    /// A code was checked without a login.
    Verified,
}

/// Logs `EVENT KEY=VALUE … by=UID`. Values must not be secret.
pub fn log(event: Event, fields: &[(&str, &str)]) {
    // Nothing to be done when it fails: the change is made, and the caller's report says so.
    let _ = send(&line(event, fields, caller()));
}

fn line(event: Event, fields: &[(&str, &str)], by: u32) -> String {
    let mut line = String::from(match event {
        Event::Changed => "changed",
        Event::Revealed => "revealed",
        Event::Verified => "verified",
    });
    for (key, value) in fields {
        let _ = write!(line, " {key}={}", plain(value));
    }
    let _ = write!(line, " by={by}");
    line
}

fn send(line: &str) -> Option<()> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect(SOCKET).ok()?;
    let formatter = Formatter3164 {
        facility: Facility::LOG_AUTHPRIV,
        hostname: None,
        process: "twofactor".to_owned(),
        pid: std::process::id(),
    };
    Logger::new(LoggerBackend::Unix(socket), formatter)
        .notice(line)
        .ok()
}

/// The uid that logged in, which sudo and su keep; without one, the uid that started the command.
pub fn caller() -> u32 {
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
    fn a_line_names_the_change_and_its_caller() {
        assert_eq!(
            line(
                Event::Changed,
                &[("user", "alice"), ("action", "enroll"), ("device", "phone")],
                1000
            ),
            "changed user=alice action=enroll device=phone by=1000"
        );
    }

    #[test]
    fn a_value_cannot_forge_another_field_or_line() {
        assert_eq!(
            line(Event::Changed, &[("user", "x by=0\nchanged")], 7),
            "changed user=\"x by=0\\nchanged\" by=7"
        );
    }
}
