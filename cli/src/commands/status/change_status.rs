//! The changes of a factor that its user is told of at logins.

use serde::Serialize;
use twofactor_core::record::UserRecord;
use twofactor_core::record::recent_changes::{
    ChangeChannel, ChangeOrigin, ChangeWord, OriginName, RecentChange,
};
use twofactor_protocol::service::ChangeEntry;

use crate::formatting::ReportedTime;

/// A change that the user is told of.
#[derive(Serialize)]
pub struct ChangeStatus {
    /// ISO 8601 UTC.
    time: ReportedTime,
    /// The kind of the change.
    change: &'static str,
    /// The device, where the change is about one.
    device: Option<String>,
    /// `daemon`, `command` or `login`.
    through: &'static str,
    /// The uid that made it.
    by: u32,
    /// The PAM service of a login.
    service: Option<String>,
    /// The terminal.
    terminal: Option<String>,
    /// The remote host.
    address: Option<String>,
}

/// The changes of a user that are reported at `now` (seconds since 1970-01-01 UTC), the newest last.
pub fn told(record: &UserRecord, now: u64) -> Vec<ChangeStatus> {
    let changes = record.changes.iter();
    changes
        .filter(|change| change.is_told(now))
        .map(ChangeStatus::new)
        .collect()
}

/// The changes that the daemon reports to its caller. Changes that this command does not know, from a later daemon, are left out,
/// as in a record.
pub fn told_by_daemon(changes: &[ChangeEntry]) -> Vec<ChangeStatus> {
    let changes = changes.iter().filter_map(recent_change);
    changes.map(|change| ChangeStatus::new(&change)).collect()
}

fn recent_change(entry: &ChangeEntry) -> Option<RecentChange> {
    let name = |text: Option<&String>| OriginName::of(text?.as_bytes());
    Some(RecentChange {
        time: entry.time,
        kind: ChangeWord::of_word(&entry.change)?,
        device: match &entry.device {
            Some(device) => Some(device.parse().ok()?),
            None => None,
        },
        origin: ChangeOrigin {
            channel: match entry.through.as_ref() {
                "daemon" => ChangeChannel::Daemon,
                "command" => ChangeChannel::Command,
                "login" => ChangeChannel::Login(name(entry.service.as_ref())?),
                _ => return None,
            },
            uid: entry.by,
            terminal: name(entry.terminal.as_ref()),
            address: name(entry.address.as_ref()),
        },
    })
}

/// The lines of `status` about them.
pub fn lines(changes: &[ChangeStatus]) -> String {
    let line = |change: &ChangeStatus| format!("Told at logins: {}\n", change.text());
    changes.iter().map(line).collect()
}

impl ChangeStatus {
    fn new(change: &RecentChange) -> Self {
        let origin = &change.origin;
        let (through, service) = match &origin.channel {
            ChangeChannel::Daemon => ("daemon", None),
            ChangeChannel::Command => ("command", None),
            ChangeChannel::Login(service) => ("login", Some(service.to_string())),
        };
        Self {
            time: ReportedTime(change.time),
            change: change.kind.word(),
            device: change.device.as_ref().map(ToString::to_string),
            through,
            by: origin.uid,
            service,
            terminal: origin.terminal.as_ref().map(ToString::to_string),
            address: origin.address.as_ref().map(ToString::to_string),
        }
    }

    /// One line about it.
    fn text(&self) -> String {
        let time = self.time.to_string();
        let mut words = vec![time.as_str(), self.change];
        words.extend(self.device.as_deref());
        let by = format!("by uid {}", self.by);
        match self.through {
            "command" => words.push("with the command"),
            "daemon" => words.push("from a session"),
            _ => words.push("at a login"),
        }
        words.extend(self.service.as_deref());
        let terminal = self.terminal.as_ref().map(|name| format!("on {name}"));
        words.extend(terminal.as_deref());
        let address = self.address.as_ref().map(|host| format!("from {host}"));
        words.extend(address.as_deref());
        if self.through == "command" {
            words.push(&by);
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::record::recent_changes::TOLD_FOR;

    #[test]
    fn a_change_is_shown_while_it_is_told() {
        let mut record = UserRecord::new("alice".into(), 1000);
        let name = |text: &str| OriginName::of(text.as_bytes());
        for (time, kind, device, channel) in [
            (5, ChangeWord::BypassIssued, "", ChangeChannel::Command),
            (6, ChangeWord::DeviceAdded, "x", ChangeChannel::Daemon),
            (
                7,
                ChangeWord::DeviceRemoved,
                "x",
                ChangeChannel::Login(name("sshd").unwrap()),
            ),
        ] {
            record.note(RecentChange {
                time,
                kind,
                device: device.parse().ok(),
                origin: ChangeOrigin {
                    uid: 0,
                    terminal: name("tty2").filter(|_| time == 6),
                    address: name("192.0.2.1").filter(|_| time == 7),
                    channel,
                },
            });
        }
        let lines = |now| -> Vec<String> {
            let told = told(&record, now);
            told.iter().map(ChangeStatus::text).collect()
        };
        let time = ReportedTime(5);
        let shown = [
            "bypass-issued with the command by uid 0",
            "device-added x from a session on tty2",
            "device-removed x at a login sshd from 192.0.2.1",
        ]
        .map(|told| format!("{time} {told}"));
        assert_eq!(lines(8), shown);
        assert_eq!(lines(6 + TOLD_FOR), shown[2..]);
        let json = serde_json::to_string(&told(&record, 6 + TOLD_FOR)).unwrap();
        assert_eq!(
            json,
            "[{\"time\":\"1970-01-01T00:00:07Z\",\"change\":\"device-removed\",\"device\":\"x\",\"through\":\"login\",\"by\":0,\
             \"service\":\"sshd\",\"terminal\":null,\"address\":\"192.0.2.1\"}]"
        );
    }

    #[test]
    fn the_daemons_changes_are_shown_as_a_records() {
        let text = |text: &str| Some(text.to_owned());
        let added = ChangeEntry {
            time: 6,
            change: "device-added".into(),
            device: text("x"),
            through: "daemon".into(),
            by: 1000,
            service: None,
            terminal: text("tty2"),
            address: None,
        };
        let at_login = ChangeEntry {
            change: "recovery-codes".into(),
            device: None,
            through: "login".into(),
            service: text("sshd"),
            terminal: None,
            address: text("192.0.2.1\u{1b}[2J"),
            ..added.clone()
        };
        let unknown = ChangeEntry {
            change: "later-kind".into(),
            ..added.clone()
        };
        let time = ReportedTime(6);
        assert_eq!(
            lines(&told_by_daemon(&[added.clone(), unknown, at_login])),
            format!(
                "Told at logins: {time} device-added x from a session on tty2\n\
                 Told at logins: {time} recovery-codes at a login sshd from 192.0.2.1__2J\n"
            )
        );
        for no_change in [
            ChangeEntry {
                through: "mail".into(),
                ..added.clone()
            },
            ChangeEntry {
                through: "login".into(),
                ..added.clone()
            },
            ChangeEntry {
                device: text("a b"),
                ..added
            },
        ] {
            assert!(told_by_daemon(&[no_change]).is_empty());
        }
    }
}
