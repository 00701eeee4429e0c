//! The notice to a user after a right code, and its form in a variable of PAM's environment.

use twofactor_core::record::recent_changes::{
    ChangeChannel, ChangeOrigin, ChangeWord, OriginName, RecentChange,
};
use twofactor_core::verify::{CodeAcceptance, Credential};

use crate::login_text::CodesLeft;
use crate::{factor_change_text, login_text};

/// The notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginNotice {
    /// Recovery codes that are left.
    left: Option<CodesLeft>,
    /// Wrong codes before.
    failures: u32,
    /// Changes of the factor, the newest last.
    changes: Vec<RecentChange>,
}

impl LoginNotice {
    /// The notice after this code. `few` is the number of recovery codes that are left, where they are few.
    pub fn new(accepted: &CodeAcceptance, few: Option<usize>, changes: &[RecentChange]) -> Self {
        Self {
            left: match accepted.by {
                Credential::RecoveryCode { left } => Some(CodesLeft::Used(left)),
                Credential::Device { .. } => few.map(CodesLeft::Few),
                Credential::Bypass => None,
            },
            failures: accepted.failures_before,
            changes: changes.to_vec(),
        }
    }

    /// The notice of nothing but changes.
    pub fn of_changes(changes: &[RecentChange]) -> Self {
        Self {
            left: None,
            failures: 0,
            changes: changes.to_vec(),
        }
    }

    /// The notice without the recovery codes that are left.
    pub fn without_codes(self) -> Self {
        Self { left: None, ..self }
    }

    /// True if there is nothing to tell.
    pub const fn is_empty(&self) -> bool {
        self.left.is_none() && self.failures == 0 && self.changes.is_empty()
    }

    /// The text, on a terminal of so many columns.
    pub fn lines(&self, columns: Option<usize>) -> Vec<String> {
        let mut lines = login_text::accepted(self.left, self.failures);
        lines.extend(factor_change_text::lines(&self.changes, columns));
        lines
    }

    /// Two numbers: recovery codes left, after `f` where a device was used, `-` where nothing is told of them, and wrong codes
    /// before; then each change.
    pub fn text(&self) -> String {
        let left = match self.left {
            None => "-".to_owned(),
            Some(CodesLeft::Used(left)) => left.to_string(),
            Some(CodesLeft::Few(left)) => format!("f{left}"),
        };
        let mut text = format!("{left},{}", self.failures);
        for change in &self.changes {
            text.push(';');
            text.push_str(&change_fields(change));
        }
        text
    }

    /// `None` for what is no such text: another module can set the variable, too.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (left, failures) = parts.next()?.split_once(',')?;
        Some(Self {
            left: match (left, left.strip_prefix('f')) {
                ("-", _) => None,
                (_, Some(few)) => Some(CodesLeft::Few(few.parse().ok()?)),
                (used, None) => Some(CodesLeft::Used(used.parse().ok()?)),
            },
            failures: failures.parse().ok()?,
            changes: parts.map(read_change).collect::<Option<_>>()?,
        })
    }
}

/// The fields of a change. None of them can hold a comma or a semicolon.
fn change_fields(change: &RecentChange) -> String {
    let origin = &change.origin;
    let name = |name: Option<&OriginName>| name.map(OriginName::to_string).unwrap_or_default();
    let (channel, service) = match &origin.channel {
        ChangeChannel::Daemon => ("daemon", None),
        ChangeChannel::Command => ("command", None),
        ChangeChannel::Login(service) => ("login", Some(service)),
    };
    let device = change.device.as_ref().map(ToString::to_string);
    [
        change.time.to_string(),
        change.kind.word().to_owned(),
        device.unwrap_or_default(),
        channel.to_owned(),
        origin.uid.to_string(),
        name(service),
        name(origin.terminal.as_ref()),
        name(origin.address.as_ref()),
    ]
    .join(",")
}

fn read_change(text: &str) -> Option<RecentChange> {
    let fields: Vec<&str> = text.split(',').collect();
    let [time, kind, device, channel, uid, service, terminal, address] = fields.as_slice() else {
        return None;
    };
    let name = |text: &str| OriginName::of(text.as_bytes());
    Some(RecentChange {
        time: time.parse().ok()?,
        kind: ChangeWord::of_word(kind)?,
        device: match *device {
            "" => None,
            device => Some(device.parse().ok()?),
        },
        origin: ChangeOrigin {
            channel: match *channel {
                "daemon" => ChangeChannel::Daemon,
                "command" => ChangeChannel::Command,
                "login" => ChangeChannel::Login(name(service)?),
                _ => return None,
            },
            uid: uid.parse().ok()?,
            terminal: name(terminal),
            address: name(address),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(device: &str, channel: ChangeChannel) -> RecentChange {
        RecentChange {
            time: 1_796_000_000,
            kind: ChangeWord::DeviceAdded,
            device: device.parse().ok(),
            origin: ChangeOrigin {
                channel,
                uid: 1000,
                terminal: OriginName::of(b"pts/0"),
                address: OriginName::of(b"a,b;c"),
            },
        }
    }

    #[test]
    fn a_notice_tells_the_same_later() {
        let by_ssh = ChangeChannel::Login(OriginName::of(b"sshd").unwrap());
        let changes = [
            change("phone", ChangeChannel::Daemon),
            change("", ChangeChannel::Command),
            change("x", by_ssh),
        ];
        let device = || Credential::Device {
            name: "phone".into(),
            offset: 0,
        };
        for (by, few, failures_before, changes, lines) in [
            (
                Credential::RecoveryCode { left: 9 },
                None,
                2,
                &changes[..0],
                2,
            ),
            (
                Credential::RecoveryCode { left: 1 },
                Some(1),
                0,
                &changes[..0],
                1,
            ),
            (Credential::Bypass, Some(2), 1, &changes[..1], 3),
            (device(), None, 7, &changes[..0], 1),
            (device(), Some(3), 7, &changes[..0], 2),
            (device(), Some(0), 0, &changes[..0], 1),
            (device(), None, 0, &changes[..], 4),
        ] {
            let accepted = CodeAcceptance {
                by,
                failures_before,
                password_len: 0,
            };
            let notice = LoginNotice::new(&accepted, few, changes);
            assert_eq!(LoginNotice::read(&notice.text()), Some(notice.clone()));
            assert_eq!(notice.lines(None).len(), lines);
            assert!(!notice.is_empty());
        }
        let changes = LoginNotice::of_changes(&changes);
        assert_eq!(LoginNotice::read(&changes.text()), Some(changes));
    }

    #[test]
    fn what_is_no_notice_tells_nothing() {
        let texts = "|,|-|9|-,|x,1|f,1|fx,1|1,x|-1,2|1,2,3|-,0;|-,0;7,invited,,daemon,0,,|-,0;7,other,,daemon,0,,,|-,0;7,invited,,login,0,,,";
        for text in texts.split('|') {
            assert_eq!(LoginNotice::read(text), None, "{text}");
        }
        assert!(LoginNotice::read("-,0;7,invited,,daemon,0,,,").is_some());
    }
}
