//! The reply to `Status`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::json::ObjectWriter;
use crate::reply::{self, ReplyError};

/// A device without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEntry {
    /// Its name.
    pub name: String,
    /// `totp` or `hotp`.
    pub kind: Cow<'static, str>,
    /// `SHA1`, `SHA256` or `SHA512`.
    pub algorithm: Cow<'static, str>,
    /// Digits of a code.
    pub digits: u8,
    /// Seconds for which a code is shown; none for `hotp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
    /// Time of enrollment, in seconds since 1970-01-01 UTC.
    pub enrolled: u64,
    /// Time at which a code of it was last accepted, in seconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<u64>,
}

/// A change of the factor that the user is told of at logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeEntry {
    /// Time of the change, in seconds since 1970-01-01 UTC.
    pub time: u64,
    /// Its kind, by its word in the record.
    pub change: Cow<'static, str>,
    /// The device, where the change is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// `daemon`, `command` or `login`.
    pub through: Cow<'static, str>,
    /// The uid that made it.
    pub by: u32,
    /// The PAM service of a login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The terminal, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<String>,
    /// The remote host, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Changes that the policy allows users to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedChanges {
    /// True if devices may be added, renewed and removed, and recovery codes be replaced.
    pub manage: bool,
    /// Proof for the first device: `login`, `invite` or `off`.
    pub first_device: Cow<'static, str>,
    /// True if the last device may be removed.
    pub unset_last: bool,
}

/// Factors that are set up for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReply {
    /// Login name.
    pub user: String,
    /// The devices.
    pub devices: Vec<DeviceEntry>,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: usize,
    /// Wrong codes in a row through the daemon.
    pub failures: u32,
    /// True while the daemon looks at no code of this user.
    pub locked: bool,
    /// For how long; none while `locked` until an administrator unlocks the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_for_seconds: Option<u64>,
    /// Changes that the policy allows the user to make.
    pub may: AllowedChanges,
    /// Changes that the user is told of at logins, the newest last; none from a daemon that does not tell them.
    #[serde(default)]
    pub changes: Vec<ChangeEntry>,
}

/// The call `Status`, as a message.
#[must_use]
pub fn status_request(user: &str) -> Vec<u8> {
    let parameters = ObjectWriter::default().text("user", user);
    reply::call("io.twofactor.Status", parameters)
}

impl StatusReply {
    /// Reads a reply, given without its NUL byte. Fields that are not known are left out.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn read(message: &[u8]) -> Result<Self, ReplyError> {
        super::parameters(message)
    }

    /// The reply as a message.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        super::reply(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::ServiceError;
    use crate::service::ServiceCall;

    fn phone(name: &str) -> DeviceEntry {
        DeviceEntry {
            name: name.to_owned(),
            kind: "totp".into(),
            algorithm: "SHA512".into(),
            digits: 8,
            interval: Some(3600),
            enrolled: u64::from(u32::MAX),
            last_used: Some(u64::from(u32::MAX)),
        }
    }

    fn status(devices: Vec<DeviceEntry>) -> StatusReply {
        StatusReply {
            user: "alice".to_owned(),
            devices,
            recovery_codes_left: 10,
            failures: 5,
            locked: true,
            locked_for_seconds: Some(30),
            may: AllowedChanges {
                manage: true,
                first_device: "login".into(),
                unset_last: false,
            },
            changes: Vec::new(),
        }
    }

    #[test]
    fn a_status_is_read_as_it_is_written() {
        let name = "x".repeat(64);
        let change = ChangeEntry {
            time: u64::from(u32::MAX),
            change: "device-renewed".into(),
            device: Some(name.clone()),
            through: "login".into(),
            by: u32::MAX,
            service: Some(name.clone()),
            terminal: Some(name.clone()),
            address: Some(name.clone()),
        };
        let whole = StatusReply {
            changes: vec![change; 8],
            ..status(vec![phone(&name); 7])
        };
        let message = whole.message();
        assert!(message.len() <= crate::MAX_REPLY / 8, "{}", message.len());
        assert_eq!(
            StatusReply::read(message.strip_suffix(b"\0").unwrap()),
            Ok(whole)
        );
        let call = status_request("al\"ice");
        let user = "al\"ice".to_owned();
        let read = ServiceCall::read(call.strip_suffix(b"\0").unwrap());
        assert!(read == Ok(ServiceCall::Status { user }));
    }

    #[test]
    fn a_daemon_without_changes_is_understood() {
        let none = status(vec![phone("phone")]);
        let text = String::from_utf8(none.message()).unwrap();
        let earlier = text.replace(",\"changes\":[]", "");
        assert_ne!(earlier, text);
        let earlier = earlier.strip_suffix('\0').unwrap();
        assert_eq!(StatusReply::read(earlier.as_bytes()), Ok(none));
    }

    #[test]
    fn an_error_or_less_is_no_status() {
        for error in ServiceError::ALL {
            let message = error.message();
            let text = message.strip_suffix(b"\0").unwrap();
            assert_eq!(StatusReply::read(text), Err(ReplyError::Service(error)));
        }
        for text in ["", "{}", "{\"parameters\":{}}", "{\"parameters\":null}"] {
            let read = StatusReply::read(text.as_bytes());
            assert_eq!(read, Err(ReplyError::Malformed), "{text}");
        }
    }
}
