//! The record of one user: devices, recovery codes and bypass, and their TOML form.
//!
//! Error texts name line and column only: TOML's own errors quote the line, and lines here hold secrets.

mod enrollment_status;
mod read;
pub mod recent_changes;
mod toml_fields;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::device::Device;
use crate::recovery::{OneTimeCode, RecoverySet};
pub use enrollment_status::EnrollmentStatus;
use recent_changes::RecentChange;

/// Version of the file format that this program reads and writes.
pub const FORMAT: u32 = 1;
/// Most recovery codes in a set: the state has one bit for each.
pub const MAX_RECOVERY_CODES: usize = 32;

/// Everything that is secret about one user.
#[derive(Debug, Clone)]
pub struct UserRecord {
    /// Canonical login name (`pw_name`).
    pub user: String,
    /// Numeric user id; a record of another uid is refused.
    pub uid: u32,
    /// At most [`crate::device::MAX_DEVICES`], names and ids unique. Only a user who is invited to enroll has none.
    pub devices: Vec<Device>,
    /// The current set of recovery codes.
    pub recovery: Option<RecoverySet>,
    /// The administrator's one-time code in place of a device's.
    pub bypass: Option<OneTimeCode>,
    /// The administrator's invitation to enroll at login; only without a device.
    pub invite: Option<OneTimeCode>,
    /// The last changes, the newest last; at most [`recent_changes::MAX_CHANGES`].
    pub changes: Vec<RecentChange>,
}

impl UserRecord {
    /// A record to which the first device is yet to be added.
    #[must_use]
    pub const fn new(user: String, uid: u32) -> Self {
        Self {
            user,
            uid,
            devices: Vec::new(),
            recovery: None,
            bypass: None,
            invite: None,
            changes: Vec::new(),
        }
    }

    /// True if there is a device.
    #[must_use]
    pub const fn is_enrolled(&self) -> bool {
        !self.devices.is_empty()
    }

    /// Adds a device and removes the invitation.
    pub fn enroll(&mut self, device: Device) {
        self.devices.push(device);
        self.invite = None;
    }

    /// True if there is an invitation that has not expired at `now`, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn is_invited(&self, now: u64) -> bool {
        self.invite
            .as_ref()
            .is_some_and(|invite| invite.is_running(now))
    }

    /// The invitation alone, as the verdict takes it: a bypass code and nothing else.
    #[must_use]
    pub fn into_invitation(self) -> Option<Self> {
        Some(Self {
            bypass: Some(self.invite?),
            ..Self::new(self.user, self.uid)
        })
    }

    /// The device of that name.
    #[must_use]
    pub fn device(&self, name: &str) -> Option<&Device> {
        self.devices.iter().find(|d| d.name.as_str() == name)
    }

    /// Reads the TOML form.
    ///
    /// # Errors
    /// [`RecordError`]: with line and column where the text is not TOML or not of this format; never quoting it.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        read::record(text)
    }

    /// The TOML form.
    #[must_use]
    pub fn to_toml(&self) -> Zeroizing<String> {
        write::record(self)
    }

    /// The SHA-256 of the TOML form: that of another record is another one.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_toml().as_bytes()).into()
    }
}

/// Reason why a record cannot be read. Carries no part of the file but the name of the program that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError(String);

impl RecordError {
    fn new(what: &str) -> Self {
        Self(what.to_owned())
    }

    fn version(format: u32, writer: &str) -> Self {
        let writer: String = writer
            .chars()
            .take(40)
            .flat_map(char::escape_default)
            .collect();
        Self(format!(
            "has format {format}, written by {writer}; this program reads format {FORMAT}"
        ))
    }

    /// The error that what stands at byte `place` of `text` is not TOML, or not what has to be there.
    fn at(text: &str, place: usize) -> Self {
        let before = text.get(..place).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self(format!(
            "is not a valid record (line {line}, column {column})"
        ))
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RecordError {}
