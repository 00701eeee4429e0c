//! The reply to `Status`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

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
    /// When it was enrolled, in seconds since 1970-01-01 UTC.
    pub enrolled: u64,
    /// When a code of it was last accepted, in the same unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<u64>,
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
}

impl StatusReply {
    /// The reply as a message.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        super::reply(self)
    }
}
