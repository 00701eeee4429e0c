//! Calls that change the caller's own factor, and their reply.

use serde::{Deserialize, Serialize};

use super::DeviceEntry;
use crate::reply::ReplyError;

/// A call that changes a factor, or is part of a change.
#[derive(Clone, PartialEq, Eq)]
pub enum ChangeCall {
    /// `io.twofactor.Begin`: a new device, which does not count before it is confirmed.
    Begin(NewDeviceCall),
    /// `io.twofactor.Renew`: a new key for a device, which does not count before it is confirmed.
    Renew(DeviceCall),
    /// `io.twofactor.Confirm`: a code of the device of the last `Begin` or `Renew` on this connection.
    Confirm(CodeCall),
    /// `io.twofactor.Unset`: a device goes, or all that is kept about the user.
    Unset(RemovalCall),
    /// `io.twofactor.NewRecoveryCodes`: new codes in place of the old ones.
    NewRecoveryCodes(CodeCall),
}

/// The parameters of `Begin`. What is left out is as the policy says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDeviceCall {
    /// The user.
    pub user: String,
    /// Name of the new device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Kind of its codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<DeviceKind>,
    /// Hash of its codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<HashAlgorithm>,
    /// Digits of a code, 6 to 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digits: Option<u8>,
    /// Seconds for which a code is shown, 5 to 3600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
    /// The proof: a code, a recovery code, or the code of an invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// The parameters of `Renew`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceCall {
    /// The user.
    pub user: String,
    /// Name of the device; without it the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The proof: a code or a recovery code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// The parameters of `Unset`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalCall {
    /// The user.
    pub user: String,
    /// Name of the device; without it all go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Names of all devices, as the user saw them when all were to go: nothing is removed where there are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<String>>,
    /// The proof: a code or a recovery code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// The parameters of `Confirm` and `NewRecoveryCodes`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeCall {
    /// The user.
    pub user: String,
    /// A code of the new device, or the proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Kind of a device's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// Codes of the time.
    Totp,
    /// Codes of a counter.
    Hotp,
}

/// Hash of a device's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HashAlgorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// The value of `result` in a [`ChangeReply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeResult {
    /// The device is shown, and waits for `Confirm` on this connection.
    Pending,
    /// The device counts from now on.
    Stored,
    /// The device, or everything, is removed.
    Removed,
    /// The new recovery codes count from now on.
    Replaced,
    /// The code belongs to nothing. Of a new device it may be tried again `tries_left` times.
    Wrong,
    /// The code was refused lately, and is neither compared nor counted again.
    Repeated,
    /// The code, or a newer one, was used.
    Used,
    /// The code is right for another time: of this machine, or, at `Confirm`, `steps` away.
    Clock,
    /// A recovery code that was used.
    Spent,
    /// The invitation is too old.
    Expired,
    /// No code is looked at: for `seconds`, or until an administrator unlocks the user.
    Locked,
    /// The change needs a code, and none was given.
    CodeRequired,
    /// The change needs a login in the same session within the last minutes.
    LoginRequired,
    /// The first device needs an administrator's invitation, and there is none, or its code was not given.
    InvitationRequired,
    /// The user has no device.
    Unenrolled,
    /// The user has a device of this name.
    NameTaken,
    /// The user has as many devices as a user can have.
    TooManyDevices,
    /// The user has no device of this name, or several and none was named.
    NoSuchDevice,
    /// The last device goes only with everything else, without a name.
    LastDevice,
    /// The devices were changed since the proof.
    Changed,
    /// No device waits for a code on this connection, or no longer.
    NothingPending,
    /// The store of the fleet cannot be used.
    Outage,
}

/// The reply to every call that changes something. It may hold a key or recovery codes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeReply {
    /// Result of the call.
    pub result: ChangeResult,
    /// The device that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceEntry>,
    /// Its key in base32, with `pending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The URI that an app reads, with key and settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The QR code of the URI as a drawing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub svg: Option<String>,
    /// The QR code in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qr: Option<String>,
    /// Codes of the new device that may still be tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries_left: Option<u32>,
    /// Steps that the clock of the new device is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<i64>,
    /// Seconds of a lock-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// New recovery codes, the only time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<Vec<String>>,
    /// Devices that are left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices_left: Option<usize>,
}

impl ChangeCall {
    /// The user who is named.
    #[must_use]
    pub fn user(&self) -> &str {
        match self {
            Self::Begin(call) => &call.user,
            Self::Renew(call) => &call.user,
            Self::Unset(call) => &call.user,
            Self::Confirm(call) | Self::NewRecoveryCodes(call) => &call.user,
        }
    }

    /// The call as a message.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        match self {
            Self::Begin(call) => super::call_message("Begin", call),
            Self::Renew(call) => super::call_message("Renew", call),
            Self::Confirm(call) => super::call_message("Confirm", call),
            Self::Unset(call) => super::call_message("Unset", call),
            Self::NewRecoveryCodes(call) => super::call_message("NewRecoveryCodes", call),
        }
    }
}

impl ChangeReply {
    /// A reply with a result and nothing more.
    #[must_use]
    pub const fn new(result: ChangeResult) -> Self {
        Self {
            result,
            device: None,
            secret: None,
            uri: None,
            svg: None,
            qr: None,
            tries_left: None,
            steps: None,
            seconds: None,
            recovery_codes: None,
            devices_left: None,
        }
    }

    /// Reads a reply, given without its NUL byte. Fields that are not known are left out; a result that is not known is no reply.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn read(message: &[u8]) -> Result<Self, ReplyError> {
        #[derive(Deserialize)]
        struct ReadChange {
            change: ChangeReply,
        }
        let ReadChange { change } = super::parameters(message)?;
        Ok(change)
    }

    /// The reply as a message.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Parameters<'a> {
            change: &'a ChangeReply,
        }
        super::reply(&Parameters { change: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::ServiceError;
    use crate::service::ServiceCall;

    fn again(call: &ChangeCall) -> bool {
        let message = call.message();
        let text = message.strip_suffix(b"\0").unwrap();
        ServiceCall::read(text) == Ok(ServiceCall::Change(call.clone()))
    }

    #[test]
    fn calls_are_read_as_they_are_written() {
        let text = |text: &str| Some(text.to_owned());
        let begin = NewDeviceCall {
            user: "alice".to_owned(),
            device: text("phone"),
            kind: Some(DeviceKind::Totp),
            algorithm: Some(HashAlgorithm::Sha256),
            digits: Some(8),
            interval: Some(60),
            code: text("123456"),
        };
        let device = DeviceCall {
            user: "alice".to_owned(),
            device: None,
            code: text("1\"2"),
        };
        let removal = RemovalCall {
            user: "alice".to_owned(),
            device: None,
            all: Some(vec!["phone".to_owned(), "token".to_owned()]),
            code: None,
        };
        let code = CodeCall {
            user: "alice".to_owned(),
            code: None,
        };
        for call in [
            ChangeCall::Begin(begin),
            ChangeCall::Renew(device),
            ChangeCall::Unset(removal),
            ChangeCall::Confirm(code.clone()),
            ChangeCall::NewRecoveryCodes(code),
        ] {
            assert!(again(&call));
            assert_eq!(call.user(), "alice");
        }
    }

    #[test]
    fn a_setting_that_is_not_known_is_an_error() {
        for setting in [
            "\"digits\":-6",
            "\"kind\":\"sms\"",
            "\"algorithm\":\"MD5\"",
            "\"x\":1",
        ] {
            let parameters = format!("{{\"user\":\"a\",{setting}}}");
            let call = format!("{{\"method\":\"io.twofactor.Begin\",\"parameters\":{parameters}}}");
            assert!(ServiceCall::read(call.as_bytes()).is_err(), "{call}");
        }
    }
    #[test]
    fn a_reply_is_read_as_it_is_written() {
        let mut whole = ChangeReply::new(ChangeResult::Stored);
        whole.steps = Some(-5);
        whole.recovery_codes = Some(vec!["AAAA-BBBB".to_owned()]);
        let text = |message: &[u8]| message.strip_suffix(b"\0").unwrap().to_vec();
        assert!(ChangeReply::read(&text(&whole.message())) == Ok(whole));
        let error = ServiceError::NotAllowed;
        let read = ChangeReply::read(&text(&error.message())).err();
        assert_eq!(read, Some(ReplyError::Service(error)));
        for none in [
            "{}",
            "{\"parameters\":{}}",
            "{\"parameters\":{\"change\":{\"result\":\"made\"}}}",
        ] {
            let read = ChangeReply::read(none.as_bytes()).err();
            assert_eq!(read, Some(ReplyError::Malformed), "{none}");
        }
    }
}
