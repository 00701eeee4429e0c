//! A change as the program of `notify` gets it: one JSON object in a line, with the words of the log.

use std::fmt::{Display, Write as _};

use twofactor_core::log::audit_line::{AuditEvent, ChangeEnd, FactorChange};
use twofactor_core::log::event::{CommandEvent, LoginEvent};
use twofactor_core::log::log_line::LogLine;
use twofactor_core::record::recent_changes::{ChangeChannel, ChangeOrigin};
use twofactor_protocol::json::push_string;

/// A change under way to a program. It holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyMessage {
    event: CommandEvent,
    user: String,
    /// The members of the object so far.
    members: String,
}

impl NotifyMessage {
    /// A change of a user's factor, without details.
    #[must_use]
    pub fn new(event: CommandEvent, user: &str) -> Self {
        let message = Self {
            event,
            user: user.to_owned(),
            members: String::new(),
        };
        message.text("event", &event).text("user", &user)
    }

    /// A change that an operation has made, or may have.
    #[must_use]
    pub fn of(event: &AuditEvent<'_>) -> Self {
        let message = Self::changed(event);
        match event.end {
            ChangeEnd::Made => message,
            ChangeEnd::Unsure => message.member("unsure", "true"),
        }
    }

    fn changed(event: &AuditEvent<'_>) -> Self {
        let message = Self::new(event.change.event(), event.user);
        match event.change {
            FactorChange::DeviceAdded { device, confirmed }
            | FactorChange::DeviceRenewed { device, confirmed } => {
                let confirmed = if confirmed { "true" } else { "false" };
                message
                    .text("device", device)
                    .member("confirmed", confirmed)
            }
            FactorChange::DeviceImported { device, from, .. } => {
                message.text("device", device).text("from", &from)
            }
            FactorChange::DeviceRemoved(device) | FactorChange::Resynced(device) => {
                message.text("device", device)
            }
            FactorChange::AllRemoved => message.text("device", &"all"),
            FactorChange::Invited { expires } | FactorChange::BypassIssued { expires, .. } => {
                message.member("until", &expires.to_string())
            }
            FactorChange::InvitationWithdrawn | FactorChange::BypassWithdrawn => {
                message.member("withdrawn", "true")
            }
            FactorChange::Renamed { from } | FactorChange::Adopted { from } => {
                message.text("from", &from)
            }
            FactorChange::RecoveryCodesReplaced
            | FactorChange::Unlocked
            | FactorChange::StateRebuilt
            | FactorChange::Restored => message,
        }
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, key: &str, value: &dyn Display) -> Self {
        let value = quoted(&value.to_string());
        self.member(key, &value)
    }

    /// Adds author and time, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn by(self, origin: &ChangeOrigin, time: u64) -> Self {
        let service = match &origin.channel {
            ChangeChannel::Command => "twofactor".to_owned(),
            ChangeChannel::Daemon => "twofactord".to_owned(),
            ChangeChannel::Login(service) => service.to_string(),
        };
        let terminal = origin.terminal.as_ref();
        let terminal = terminal.map_or_else(|| "null".to_owned(), |it| quoted(&it.to_string()));
        let author = format!(
            "{{\"uid\":{},\"tty\":{terminal},\"service\":{}}}",
            origin.uid,
            quoted(&service)
        );
        self.member("by", &author).member("time", &time.to_string())
    }

    /// The line, with its end.
    #[must_use]
    pub fn json(&self) -> String {
        format!("{{{}}}\n", self.members)
    }

    /// The log line about a change that the program did not get, for this reason.
    #[must_use]
    pub fn undelivered(&self, error: &dyn Display) -> LogLine {
        LogLine::default()
            .with("user", &self.user)
            .result(LoginEvent::NotNotified)
            .with("action", &self.event)
            .saying("error", error)
    }

    /// `value` is JSON.
    fn member(mut self, key: &str, value: &str) -> Self {
        let comma = if self.members.is_empty() { "" } else { "," };
        // Writing to a String does not fail.
        let _ = write!(self.members, "{comma}{}:{value}", quoted(key));
        self
    }
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    let mut json = String::new();
    push_string(&mut json, text);
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::device::DeviceName;
    use twofactor_core::record::recent_changes::OriginName;

    fn origin(channel: ChangeChannel, terminal: &str) -> ChangeOrigin {
        ChangeOrigin {
            channel,
            uid: 1000,
            terminal: OriginName::of(terminal.as_bytes()),
            address: None,
        }
    }

    #[test]
    fn a_message_has_the_words_of_the_log() {
        let device = &DeviceName::first();
        let confirmed = true;
        for (change, members) in [
            (
                FactorChange::DeviceAdded { device, confirmed },
                "\"event\":\"enroll\",\"user\":\"alice\",\"device\":\"phone\",\"confirmed\":true",
            ),
            (
                FactorChange::DeviceRenewed {
                    device,
                    confirmed: false,
                },
                "\"event\":\"renew\",\"user\":\"alice\",\"device\":\"phone\",\"confirmed\":false",
            ),
            (
                FactorChange::DeviceImported {
                    device,
                    from: "uri",
                    replaces: false,
                },
                "\"event\":\"import\",\"user\":\"alice\",\"device\":\"phone\",\"from\":\"uri\"",
            ),
            (
                FactorChange::DeviceRemoved(device),
                "\"event\":\"unset\",\"user\":\"alice\",\"device\":\"phone\"",
            ),
            (
                FactorChange::AllRemoved,
                "\"event\":\"unset\",\"user\":\"alice\",\"device\":\"all\"",
            ),
            (
                FactorChange::Invited { expires: 7 },
                "\"event\":\"invite\",\"user\":\"alice\",\"until\":7",
            ),
            (
                FactorChange::BypassWithdrawn,
                "\"event\":\"bypass\",\"user\":\"alice\",\"withdrawn\":true",
            ),
            (
                FactorChange::Restored,
                "\"event\":\"restore\",\"user\":\"alice\"",
            ),
            (
                FactorChange::Adopted { from: "anna" },
                "\"event\":\"adopt\",\"user\":\"alice\",\"from\":\"anna\"",
            ),
        ] {
            let user = "alice";
            let by =
                "\"by\":{\"uid\":1000,\"tty\":\"pts/0\",\"service\":\"twofactor\"},\"time\":99";
            for (end, unsure) in [
                (ChangeEnd::Made, ""),
                (ChangeEnd::Unsure, ",\"unsure\":true"),
            ] {
                let message = NotifyMessage::of(&AuditEvent { user, change, end });
                let message = message.by(&origin(ChangeChannel::Command, "pts/0"), 99);
                assert_eq!(message.json(), format!("{{{members}{unsure},{by}}}\n"));
            }
        }
    }

    #[test]
    fn a_name_cannot_forge_a_member_or_a_line() {
        let message = NotifyMessage::new(CommandEvent::Rename, "a\",\"user\":\"b\\\n\u{9b}")
            .text("from", &"ä")
            .by(&origin(ChangeChannel::Daemon, ""), 1);
        assert_eq!(
            message.json(),
            "{\"event\":\"rename\",\"user\":\"a\\\",\\\"user\\\":\\\"b\\\\\\u000a\\u009b\",\"from\":\"ä\",\
             \"by\":{\"uid\":1000,\"tty\":null,\"service\":\"twofactord\"},\"time\":1}\n"
        );
        assert_eq!(
            message.undelivered(&"a \"b\"\nc").as_str(),
            "user=a\\x22,\\x22user\\x22:\\x22b\\x5c\\x0a\\xc2\\x9b result=not-notified action=rename error=\"a 'b'?c\""
        );
    }
}
