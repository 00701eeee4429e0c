//! Lock-outs, at logins and at the daemon.

use serde::Serialize;
use twofactor_core::verify::ThrottleStatus;

use crate::formatting::{count, span};
use crate::suggested_command;

/// Wrong codes of programs that ask the daemon, such as screen lockers.
#[derive(Serialize)]
pub struct DaemonStatus {
    /// Wrong codes in a row.
    pub failures: u32,
    /// Wrong codes that count towards `max_failures` there; `null` if the daemon does not say.
    pub failures_in_30_days: Option<u32>,
    /// Lock-out there.
    #[serde(flatten)]
    pub lock: LockStatus,
}

impl DaemonStatus {
    /// Without wrong codes.
    pub const NONE: Self = Self {
        failures: 0,
        failures_in_30_days: Some(0),
        lock: LockStatus::new(ThrottleStatus::Open),
    };

    /// The reasons that keep the user out there, or may do so soon.
    pub fn note(&self, user: &str) -> Option<String> {
        let number = self.failures_in_30_days.unwrap_or(0).max(self.failures);
        match (self.lock.locked, self.lock.locked_for_seconds) {
            (false, _) if number == 0 => None,
            (false, _) => {
                let number = u64::from(number);
                Some(format!(
                    "{} through the daemon",
                    count(number, "wrong code")
                ))
            }
            (true, Some(seconds)) => {
                Some(format!("locked out at the daemon for {}", span(seconds)))
            }
            (true, None) => Some(format!(
                "locked out at the daemon, see {}",
                suggested_command::twofactor("unlock", &[user], &[])
            )),
        }
    }
}

/// A lock-out after wrong codes.
#[derive(Serialize)]
pub struct LockStatus {
    /// True if codes are refused unseen.
    pub locked: bool,
    /// `null` with `locked`: until `twofactor unlock`.
    pub locked_for_seconds: Option<u64>,
}

impl LockStatus {
    /// The lock-out that the gate shows.
    pub const fn new(gate: ThrottleStatus) -> Self {
        match gate {
            ThrottleStatus::Open => Self {
                locked: false,
                locked_for_seconds: None,
            },
            ThrottleStatus::LockedFor(seconds) => Self {
                locked: true,
                locked_for_seconds: Some(seconds),
            },
            ThrottleStatus::LockedUntilUnlock => Self {
                locked: true,
                locked_for_seconds: None,
            },
        }
    }
}
