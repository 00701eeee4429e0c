//! The report of `status`: its JSON form and its text.

use std::collections::BTreeMap;

use serde::Serialize;
use twofactor_core::account::Account;
use twofactor_core::policy::Policy;
use twofactor_core::verify::ThrottleStatus;
use zeroize::Zeroizing;

use super::grace_periods::GraceStatus;
use crate::device_info::DeviceInfo;
use crate::formatting::{count, span};
use crate::output::{Report, table};
use crate::shell;

/// Report of `status`.
#[derive(Serialize)]
pub struct StatusReport {
    /// The policy.
    pub policy: PolicyStatus,
    /// The kernel's state of the clock: `synchronized`, `unsynchronized` or `unknown`.
    pub clock: &'static str,
    /// Warnings of doctor about logins: that none is asked for a code, or that sshd refuses users.
    pub warnings: Vec<String>,
    /// All users with a record, or the one that was asked for.
    pub users: Vec<UserStatus>,
    /// Detail of the text about them.
    #[serde(skip)]
    pub detail: StatusDetail,
}

/// Detail of the text about the users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusDetail {
    /// One line for each.
    Table,
    /// Each device and each grace period, too.
    OneUser,
}

/// The policy in a few words; `null` where it cannot be read.
#[derive(Serialize)]
pub struct PolicyStatus {
    /// Path of the file.
    pub file: String,
    /// True if there is such a file.
    pub present: bool,
    /// Reason why it cannot be used.
    pub error: Option<String>,
    /// The global switch.
    pub enabled: Option<bool>,
    /// `optional` or `mandatory`.
    pub enforcement: Option<String>,
    /// The switches in words.
    #[serde(skip)]
    pub services: Option<String>,
    /// The switches of the services.
    #[serde(rename = "services")]
    pub services_on: Option<ServiceSwitches>,
}

/// The switches of the services.
#[derive(Serialize)]
pub struct ServiceSwitches {
    #[serde(flatten)]
    /// Those that the policy names.
    pub named: BTreeMap<String, bool>,
    /// All others.
    pub default: bool,
}

impl ServiceSwitches {
    /// Takes them from the policy.
    pub fn new(policy: &Policy) -> Self {
        Self {
            named: policy.own_services(),
            default: policy.services.default,
        }
    }
}

/// One user.
#[derive(Serialize)]
pub struct UserStatus {
    /// Login name.
    #[serde(rename = "user")]
    pub name: String,
    /// Numeric user id.
    pub uid: Option<u32>,
    /// The devices.
    pub devices: Vec<DeviceInfo>,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: usize,
    /// End of an unused bypass code, ISO 8601 UTC.
    pub bypass_until: Option<String>,
    /// End of an open invitation to enroll, ISO 8601 UTC.
    pub invited_until: Option<String>,
    /// Wrong codes in a row.
    pub failures: u32,
    /// Lock-out.
    #[serde(flatten)]
    pub lock: LockStatus,
    /// Wrong codes through the daemon.
    pub daemon: DaemonStatus,
    /// Grace periods: no code is asked for, because one was accepted a short while ago.
    pub grace: Vec<GraceStatus>,
    /// Requirement of `[[require]]`, or of `enforcement`, on a user without a device.
    #[serde(flatten)]
    pub requirement: RequirementStatus,
    /// Reason why the user's files cannot be used: a login is refused.
    pub error: Option<String>,
    /// The account, where there is one.
    #[serde(skip)]
    pub account: Option<Account>,
}

/// The requirement on a user without a device.
#[derive(Serialize)]
pub struct RequirementStatus {
    /// True if a login without a device is refused, or leads to enrollment.
    pub required: bool,
    /// Day from which a device is required, where that is yet to come.
    pub required_from: Option<String>,
    /// Both in words.
    #[serde(skip)]
    pub note: Option<String>,
}

/// Wrong codes of programs that ask the daemon, such as screen lockers.
#[derive(Serialize)]
pub struct DaemonStatus {
    /// In a row.
    pub failures: u32,
    /// Those that count towards `max_failures` there.
    pub failures_in_30_days: u32,
    /// Lock-out there.
    #[serde(flatten)]
    pub lock: LockStatus,
}

impl DaemonStatus {
    /// Without wrong codes.
    const NONE: Self = Self {
        failures: 0,
        failures_in_30_days: 0,
        lock: LockStatus::new(ThrottleStatus::Open),
    };

    fn note(&self, user: &str) -> Option<String> {
        match (self.lock.locked, self.lock.locked_for_seconds) {
            (false, _) if self.failures_in_30_days == 0 && self.failures == 0 => None,
            (false, _) => {
                let number = u64::from(self.failures_in_30_days.max(self.failures));
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
                shell::twofactor("unlock", &[user], &[])
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

impl RequirementStatus {
    /// None.
    const NONE: Self = Self {
        required: false,
        required_from: None,
        note: None,
    };
}

impl UserStatus {
    /// A user without a device.
    pub const fn empty(name: String) -> Self {
        Self {
            name,
            uid: None,
            devices: Vec::new(),
            recovery_codes_left: 0,
            bypass_until: None,
            invited_until: None,
            failures: 0,
            lock: LockStatus::new(ThrottleStatus::Open),
            daemon: DaemonStatus::NONE,
            grace: Vec::new(),
            requirement: RequirementStatus::NONE,
            error: None,
            account: None,
        }
    }

    fn details(&self) -> String {
        let mut rows = vec![vec!["DEVICE".to_owned(), "LAST USED".to_owned()]];
        for device in &self.devices {
            let used = device.last_used.as_deref().unwrap_or("never");
            rows.push(vec![device.name.clone(), used.to_owned()]);
        }
        let mut text = format!("\n{}", table(&rows));
        for grace in &self.grace {
            text.push_str(&format!("Not asked for a code: {}\n", grace.text()));
        }
        text
    }

    fn row(&self) -> Vec<String> {
        let devices: Vec<&str> = self
            .devices
            .iter()
            .map(|device| device.name.as_str())
            .collect();
        let used = self
            .devices
            .iter()
            .filter_map(|device| device.last_used.as_deref())
            .max();
        if self.error.is_some() {
            let unknown = || "?".to_owned();
            return vec![
                self.name.clone(),
                unknown(),
                unknown(),
                unknown(),
                self.notes(),
            ];
        }
        vec![
            self.name.clone(),
            if devices.is_empty() {
                "none".to_owned()
            } else {
                devices.join(",")
            },
            self.recovery_codes_left.to_string(),
            used.unwrap_or("never").to_owned(),
            self.notes(),
        ]
    }

    fn notes(&self) -> String {
        let mut notes = Vec::new();
        match (self.lock.locked, self.lock.locked_for_seconds) {
            (false, _) if self.failures > 0 => {
                notes.push(count(u64::from(self.failures), "wrong code"));
            }
            (false, _) => {}
            (true, Some(seconds)) => notes.push(format!("locked out for {}", span(seconds))),
            (true, None) => notes.push(format!(
                "locked out, see {}",
                shell::twofactor("unlock", &[&self.name], &[])
            )),
        }
        notes.extend(self.daemon.note(&self.name));
        notes.extend(
            self.bypass_until
                .as_ref()
                .map(|until| format!("bypass code until {until}")),
        );
        if !self.grace.is_empty() {
            let number = u64::try_from(self.grace.len()).unwrap_or(u64::MAX);
            notes.push(format!("{} of grace", count(number, "period")));
        }
        notes.extend(self.error.clone());
        match &self.invited_until {
            Some(until) => notes.push(format!("invited to enroll until {until}")),
            None if self.devices.is_empty() && self.error.is_none() => {
                notes.push("not enrolled".to_owned());
            }
            None => {}
        }
        notes.extend(self.requirement.note.clone());
        if notes.is_empty() {
            "ok".to_owned()
        } else {
            notes.join("; ")
        }
    }
}

impl Report for StatusReport {
    fn text(&self) -> Zeroizing<String> {
        let policy = &self.policy;
        let mut text = match (&policy.error, policy.enabled) {
            (Some(error), _) => format!(
                "Policy:  {error}\n         Logins are refused wherever a PAM file names pam_twofactor.so.\n"
            ),
            (None, None) => format!(
                "Policy:  {} does not exist; twofactor enable makes it\n         \
                 Until then pam_twofactor.so, where it is used, refuses logins.\n",
                policy.file
            ),
            (None, Some(enabled)) => {
                let word = if enabled { "on" } else { "off" };
                let enforcement = policy.enforcement.as_deref().unwrap_or_default();
                let services = policy.services.as_deref().unwrap_or_default();
                format!(
                    "Two-factor login is {word}, {enforcement} ({})\nServices: {services}\n",
                    policy.file
                )
            }
        };
        text.push_str(&format!("Clock: {}\n", self.clock));
        for warning in &self.warnings {
            text.push_str(&format!("Warning: {warning}\n"));
        }
        text.push('\n');
        if self.users.is_empty() {
            text.push_str("No user has a device.\n");
            return Zeroizing::new(text);
        }
        let head = ["USER", "DEVICES", "RECOVERY CODES", "LAST USED", "NOTES"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.users.iter().map(UserStatus::row));
        text.push_str(&table(&rows));
        if self.detail == StatusDetail::OneUser {
            let with_devices = self.users.iter().filter(|user| !user.devices.is_empty());
            text.extend(with_devices.map(UserStatus::details));
        }
        Zeroizing::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(failures: u32, gate: ThrottleStatus) -> UserStatus {
        let phone = DeviceInfo {
            name: "phone".into(),
            kind: "totp",
            algorithm: "SHA1",
            digits: 6,
            interval: Some(30),
            enrolled: "1970-01-01T00:00:00Z".into(),
            last_used: None,
        };
        UserStatus {
            devices: vec![phone],
            failures,
            lock: LockStatus::new(gate),
            ..UserStatus::empty("alice".into())
        }
    }

    #[test]
    fn notes_say_what_keeps_a_user_out() {
        assert_eq!(UserStatus::empty("bob".into()).notes(), "not enrolled");
        assert_eq!(user(0, ThrottleStatus::Open).notes(), "ok");
        assert_eq!(user(1, ThrottleStatus::Open).notes(), "1 wrong code");
        assert_eq!(
            user(5, ThrottleStatus::LockedFor(90)).notes(),
            "locked out for 1 minute 30 seconds"
        );
        assert_eq!(
            user(100, ThrottleStatus::LockedUntilUnlock).notes(),
            "locked out, see twofactor unlock alice"
        );
    }

    #[test]
    fn notes_tell_of_the_daemons_counter() {
        let notes = |failures, failures_in_30_days, gate| {
            let daemon = DaemonStatus {
                failures,
                failures_in_30_days,
                lock: LockStatus::new(gate),
            };
            let alice = UserStatus {
                daemon,
                ..user(0, ThrottleStatus::Open)
            };
            alice.notes()
        };
        let open = ThrottleStatus::Open;
        assert_eq!(notes(0, 7, open), "7 wrong codes through the daemon");
        assert_eq!(notes(1, 0, open), "1 wrong code through the daemon");
        assert_eq!(
            notes(5, 5, ThrottleStatus::LockedFor(30)),
            "locked out at the daemon for 30 seconds"
        );
        assert_eq!(
            notes(0, 100, ThrottleStatus::LockedUntilUnlock),
            "locked out at the daemon, see twofactor unlock alice"
        );
    }

    #[test]
    fn the_keys_of_a_user_are_stable() {
        assert_eq!(
            serde_json::to_string(&user(5, ThrottleStatus::LockedFor(90))).unwrap(),
            "{\"user\":\"alice\",\"uid\":null,\"devices\":[{\"name\":\"phone\",\"kind\":\"totp\",\
             \"algorithm\":\"SHA1\",\"digits\":6,\"interval\":30,\"enrolled\":\"1970-01-01T00:00:00Z\",\
             \"last_used\":null}],\"recovery_codes_left\":0,\"bypass_until\":null,\"invited_until\":null,\"failures\":5,\
             \"locked\":true,\"locked_for_seconds\":90,\"daemon\":{\"failures\":0,\"failures_in_30_days\":0,\
             \"locked\":false,\"locked_for_seconds\":null},\"grace\":[],\"required\":false,\"required_from\":null,\"error\":null}"
        );
    }
}
