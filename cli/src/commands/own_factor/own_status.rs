//! The report of `status` for a user without root.

use serde::Serialize;
use twofactor_core::verify::ThrottleStatus;
use twofactor_protocol::service::{AllowedChanges, DeviceEntry, StatusReply};
use twofactor_store::attempt::closed;
use zeroize::Zeroizing;

use crate::commands::status::{ChangeStatus, DaemonStatus, LockStatus, told_by_daemon, told_lines};
use crate::device_info::DeviceInfo;
use crate::formatting::{ReportedTime, count};
use crate::output::{CommandReport, table};

/// Report of `status` without root; its user has the keys of root's report that the daemon tells.
#[derive(Serialize)]
pub struct OwnStatusReport<'a> {
    users: [OwnStatus<'a>; 1],
    may: &'a AllowedChanges,
}

#[derive(Serialize)]
struct OwnStatus<'a> {
    user: &'a str,
    enrolled: bool,
    last_used: Option<ReportedTime>,
    devices: Vec<DeviceInfo>,
    recovery_codes_left: usize,
    daemon: DaemonStatus,
    changes: Vec<ChangeStatus>,
}

impl<'a> OwnStatusReport<'a> {
    /// The status as the daemon tells it; `None` where it has words that are not known.
    pub fn new(reply: &'a StatusReply) -> Option<Self> {
        let devices: Option<Vec<_>> = reply.devices.iter().map(device_info).collect();
        let last_used = reply.devices.iter().filter_map(|it| it.last_used).max();
        let lock = if reply.locked {
            closed(reply.locked_for_seconds)
        } else {
            ThrottleStatus::Open
        };
        let user = OwnStatus {
            user: &reply.user,
            enrolled: !reply.devices.is_empty(),
            last_used: last_used.map(ReportedTime),
            devices: devices?,
            recovery_codes_left: reply.recovery_codes_left,
            daemon: DaemonStatus {
                failures: reply.failures,
                failures_in_30_days: None,
                lock: LockStatus::new(lock),
            },
            changes: told_by_daemon(&reply.changes),
        };
        let is_known = ["login", "invite", "off"].contains(&reply.may.first_device.as_ref());
        is_known.then_some(Self {
            users: [user],
            may: &reply.may,
        })
    }
}

/// A device in the terms of root's reports; `None` where it has words that are not known.
pub fn device_info(entry: &DeviceEntry) -> Option<DeviceInfo> {
    let known = |word: &str, words: &[&'static str]| {
        let mut words = words.iter().copied();
        words.find(|it| *it == word)
    };
    Some(DeviceInfo {
        name: entry.name.clone(),
        kind: known(&entry.kind, &["totp", "hotp"])?,
        algorithm: known(&entry.algorithm, &["SHA1", "SHA256", "SHA512"])?,
        digits: entry.digits,
        interval: entry.interval,
        enrolled: ReportedTime(entry.enrolled),
        last_used: entry.last_used.map(ReportedTime),
    })
}

impl CommandReport for OwnStatusReport<'_> {
    fn text(&self) -> Zeroizing<String> {
        let [user] = &self.users;
        let mut text = String::new();
        if user.devices.is_empty() {
            text.push_str(&format!("{} has no device.\n", user.user));
        } else {
            let mut rows = vec![vec!["DEVICE".to_owned(), "LAST USED".to_owned()]];
            for device in &user.devices {
                rows.push(vec![device.name.clone(), device.last_used_text()]);
            }
            let left = u64::try_from(user.recovery_codes_left).unwrap_or(u64::MAX);
            let left = count(left, "recovery code");
            text.push_str(&format!("{}{left} left.\n", table(&rows)));
        }
        text.push_str(&told_lines(&user.changes));
        if let Some(note) = user.daemon.note(user.user) {
            text.push_str(&format!("Note: {note}.\n"));
        }
        text.push_str(permitted(self.may, user.enrolled));
        Zeroizing::new(text)
    }
}

/// The changes that the policy leaves to the user.
fn permitted(may: &AllowedChanges, is_enrolled: bool) -> &'static str {
    match (may.manage, is_enrolled, may.first_device.as_ref()) {
        (false, ..) => "The policy leaves all changes to the administrator.\n",
        (true, false, "off") => "The administrator enrolls the first device.\n",
        (true, false, "invite") => {
            "You may enroll a device, with an enrollment code of the administrator: twofactor enroll, or in \
             Cockpit.\n"
        }
        (true, false, _) => {
            "You may enroll a device, within 10 minutes of a login: twofactor enroll, or in Cockpit.\n"
        }
        (true, true, _) if may.unset_last => {
            "You may add, renew and remove devices and replace recovery codes, with a code: twofactor enroll, \
             renew, unset and recovery-codes, or in Cockpit.\n"
        }
        (true, true, _) => {
            "You may add, renew and remove devices, but for the last one, and replace recovery codes, with a \
             code: twofactor enroll, renew, unset and recovery-codes, or in Cockpit.\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> StatusReply {
        let phone = DeviceEntry {
            name: "phone".to_owned(),
            kind: "totp".into(),
            algorithm: "SHA1".into(),
            digits: 6,
            interval: Some(30),
            enrolled: 0,
            last_used: None,
        };
        StatusReply {
            user: "alice".to_owned(),
            devices: vec![phone],
            recovery_codes_left: 1,
            failures: 0,
            locked: false,
            locked_for_seconds: None,
            may: AllowedChanges {
                manage: true,
                first_device: "login".into(),
                unset_last: false,
            },
            changes: Vec::new(),
        }
    }

    #[test]
    fn the_text_says_what_a_user_may_do() {
        let text = |reply: &StatusReply| OwnStatusReport::new(reply).unwrap().text();
        let mut reply = status();
        let shown = text(&reply);
        assert!(shown.contains("1 recovery code left.\n"), "{}", *shown);
        assert!(shown.contains("but for the last one"), "{}", *shown);
        let commands = "twofactor enroll, renew, unset and recovery-codes, or in Cockpit.\n";
        assert!(shown.ends_with(commands), "{}", *shown);
        reply.may.unset_last = true;
        let shown = text(&reply);
        assert!(!shown.contains("last one"), "{}", *shown);
        assert!(shown.ends_with(commands), "{}", *shown);
        reply.may.manage = false;
        assert!(text(&reply).ends_with(" to the administrator.\n"));
        reply.may.manage = true;
        reply.devices.clear();
        for (word, part) in [
            ("off", "The administrator enrolls"),
            ("invite", "enrollment code"),
            ("login", "within 10 minutes of a login"),
        ] {
            reply.may.first_device = word.into();
            let shown = text(&reply);
            assert!(shown.starts_with("alice has no device.\n"), "{}", *shown);
            assert!(shown.contains(part), "{}", *shown);
            assert_eq!(shown.contains("twofactor enroll"), word != "off");
        }
    }

    #[test]
    fn words_that_are_not_known_are_no_status() {
        let mut reply = status();
        reply.devices[0].kind = "sms".into();
        assert!(OwnStatusReport::new(&reply).is_none());
        let mut reply = status();
        reply.may.first_device = "any".into();
        assert!(OwnStatusReport::new(&reply).is_none());
    }
}
