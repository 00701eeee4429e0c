//! One user in the report of `status`.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use twofactor_core::account::Account;
use twofactor_core::record::EnrollmentStatus;
use twofactor_core::verify::ThrottleStatus;

use super::change_status::{self, ChangeStatus};
use super::grace_periods::{GraceStatus, SessionGraceStatus};
use super::lock_status::{DaemonStatus, LockStatus};
use crate::device_info::DeviceInfo;
use crate::failure_kind::FailureKind;
use crate::formatting::{ReportedTime, count, span};
use crate::output::table;
use crate::suggested_command;

/// One user.
#[derive(Serialize)]
pub struct UserStatus {
    /// Login name.
    #[serde(rename = "user")]
    pub name: String,
    /// Numeric user id.
    pub uid: Option<u32>,
    /// Full name, of the GECOS field of the account; `null` where there is none.
    pub full_name: Option<String>,
    /// True of root and of the members of `sudo` and `wheel`.
    pub administrator: bool,
    /// True if the user has a device; `null` where that cannot be told.
    pub enrolled: Option<bool>,
    /// True if an `[[exempt]]` entry covers each login of the user.
    pub exempt: bool,
    /// The services whose PAM files name the module and at which the policy asks this user for a code.
    #[serde(serialize_with = "listed")]
    pub asked_by: Arc<Vec<String>>,
    /// The last accepted code of any device, ISO 8601 UTC; `null` for never.
    pub last_used: Option<ReportedTime>,
    /// The devices.
    pub devices: Vec<DeviceInfo>,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: usize,
    /// End of an unused bypass code, ISO 8601 UTC.
    pub bypass_until: Option<ReportedTime>,
    /// End of an open invitation to enroll, ISO 8601 UTC.
    pub invited_until: Option<ReportedTime>,
    /// Wrong codes in a row.
    pub failures: u32,
    /// Lock-out.
    #[serde(flatten)]
    pub lock: LockStatus,
    /// Wrong codes through the daemon.
    pub daemon: DaemonStatus,
    /// Grace periods: no code is asked for, because one was accepted a short while ago.
    pub grace: Vec<GraceStatus>,
    /// Changes that the user is told of at logins, the newest last.
    pub changes: Vec<ChangeStatus>,
    /// Login sessions in which no code is asked for.
    pub grace_sessions: Vec<SessionGraceStatus>,
    /// Requirement of `[[require]]`, or of `enforcement`, on a user without a device.
    #[serde(flatten)]
    pub requirement: RequirementStatus,
    /// Reason why the user's files cannot be used, or the account cannot be looked up: a login is refused.
    pub error: Option<String>,
    /// Kind of that error.
    #[serde(serialize_with = "word")]
    pub kind: Option<FailureKind>,
    /// The account, where there is one.
    #[serde(skip)]
    pub account: Option<Account>,
    /// Progress of the enrollment; `None` where it cannot be told.
    #[serde(skip)]
    pub enrollment: Option<EnrollmentStatus>,
    /// True if there is a record of that name.
    #[serde(skip)]
    pub is_recorded: bool,
    /// The last accepted code of any device, in seconds since 1970-01-01.
    #[serde(skip)]
    pub last_used_at: Option<u64>,
}

fn word<S: Serializer>(kind: &Option<FailureKind>, to: S) -> Result<S::Ok, S::Error> {
    kind.map(FailureKind::word).serialize(to)
}

fn listed<S: Serializer>(services: &Arc<Vec<String>>, to: S) -> Result<S::Ok, S::Error> {
    services.as_ref().serialize(to)
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
    pub fn empty(name: String) -> Self {
        Self {
            name,
            uid: None,
            full_name: None,
            administrator: false,
            enrolled: None,
            exempt: false,
            asked_by: Arc::default(),
            last_used: None,
            devices: Vec::new(),
            recovery_codes_left: 0,
            bypass_until: None,
            invited_until: None,
            failures: 0,
            lock: LockStatus::new(ThrottleStatus::Open),
            daemon: DaemonStatus::NONE,
            grace: Vec::new(),
            changes: Vec::new(),
            grace_sessions: Vec::new(),
            requirement: RequirementStatus::NONE,
            error: None,
            kind: None,
            account: None,
            enrollment: None,
            is_recorded: false,
            last_used_at: None,
        }
    }

    /// True if the user database did not answer: nothing is known of the record.
    pub fn is_unanswered(&self) -> bool {
        self.kind == Some(FailureKind::NameService)
    }

    /// True if the user is locked out, at logins or at the daemon.
    pub const fn is_locked(&self) -> bool {
        self.lock.locked || self.daemon.lock.locked
    }

    /// Each device and each grace period.
    pub fn details(&self) -> String {
        let mut rows = vec![vec!["DEVICE".to_owned(), "LAST USED".to_owned()]];
        for device in &self.devices {
            rows.push(vec![device.name.clone(), device.last_used_text()]);
        }
        let mut text = format!("\n{}", table(&rows));
        for grace in &self.grace_sessions {
            text.push_str(&format!("Not asked for a code: {}\n", grace.text()));
        }
        for grace in &self.grace {
            text.push_str(&format!("Not asked for a code: {}\n", grace.text()));
        }
        text.push_str(&change_status::lines(&self.changes));
        text
    }

    /// The reasons that keep the user out, the grace periods, and the policy's demands.
    pub fn notes(&self) -> String {
        let mut notes = Vec::new();
        match (self.lock.locked, self.lock.locked_for_seconds) {
            (false, _) if self.failures > 0 => {
                notes.push(count(u64::from(self.failures), "wrong code"));
            }
            (false, _) => {}
            (true, Some(seconds)) => notes.push(format!("locked out for {}", span(seconds))),
            (true, None) => notes.push(format!(
                "locked out, see {}",
                suggested_command::twofactor("unlock", &[&self.name], &[])
            )),
        }
        notes.extend(self.daemon.note(&self.name));
        notes.extend(
            self.bypass_until
                .as_ref()
                .map(|until| format!("bypass code until {until}")),
        );
        let periods = self.grace.len() + self.grace_sessions.len();
        if periods > 0 {
            let number = u64::try_from(periods).unwrap_or(u64::MAX);
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
        if self.exempt {
            notes.push("exempt".to_owned());
        }
        if notes.is_empty() {
            "ok".to_owned()
        } else {
            notes.join("; ")
        }
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
            enrolled: ReportedTime(0),
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
                failures_in_30_days: Some(failures_in_30_days),
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
            "{\"user\":\"alice\",\"uid\":null,\"full_name\":null,\"administrator\":false,\"enrolled\":null,\"exempt\":false,\
             \"asked_by\":[],\"last_used\":null,\"devices\":[{\"name\":\"phone\",\"kind\":\"totp\",\
             \"algorithm\":\"SHA1\",\"digits\":6,\"interval\":30,\"enrolled\":\"1970-01-01T00:00:00Z\",\
             \"last_used\":null}],\"recovery_codes_left\":0,\"bypass_until\":null,\"invited_until\":null,\"failures\":5,\
             \"locked\":true,\"locked_for_seconds\":90,\"daemon\":{\"failures\":0,\"failures_in_30_days\":0,\
             \"locked\":false,\"locked_for_seconds\":null},\"grace\":[],\"changes\":[],\"grace_sessions\":[],\"required\":false,\"required_from\":null,\"error\":null,\"kind\":null}"
        );
    }
}
