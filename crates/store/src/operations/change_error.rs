//! Reasons why a user's factor was not changed.

use std::fmt;

use crate::attempt::AttemptFailure;
use twofactor_core::account::Account;
use twofactor_core::device::{DeviceName, MAX_DEVICES};

/// A change that was not made. Nothing is stored, unless a flush failed at the very end.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeError {
    /// The user whose factor it is, by the name of the record.
    pub user: String,
    /// The reason.
    pub cause: ChangeCause,
}

/// Reason why a change was not made.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeCause {
    /// A file, the clock or the source of randomness is unusable.
    Failed(AttemptFailure),
    /// The user has no device.
    NotEnrolled,
    /// The user has a device.
    AlreadyEnrolled,
    /// The user has no invitation.
    NotInvited,
    /// The user has a device of this name.
    NameTaken(DeviceName),
    /// The user has as many devices as a user can have.
    TooManyDevices,
    /// This device was renewed or removed since the caller read of it.
    DeviceChanged(DeviceName),
    /// The last device: only everything can be removed.
    LastDevice(DeviceName),
    /// Two codes are not in a row, or the counter of the HOTP device is further than this many presses away.
    CounterNotFound {
        /// The device.
        device: DeviceName,
        /// Number of counters that were looked at.
        reach: u64,
    },
    /// Two codes are not two unused ones in a row of this TOTP device, the second of this moment.
    StepNotFound(DeviceName),
    /// The clocks of this machine and of the TOTP device differ by more than can be learned.
    ClockTooFarOff {
        /// The device.
        device: DeviceName,
        /// By how much.
        seconds: u64,
    },
    /// The devices are others than those of which the caller spoke.
    DevicesChanged,
}

impl ChangeError {
    pub(super) fn new(account: &Account, cause: impl Into<ChangeCause>) -> Self {
        Self {
            user: account.name.clone(),
            cause: cause.into(),
        }
    }

    /// True if [`super::rebuild_state`] helps: the state, and only the state, is unusable.
    #[must_use]
    pub const fn is_fixed_by_rebuild(&self) -> bool {
        matches!(&self.cause, ChangeCause::Failed(AttemptFailure::Store(error)) if error.fixed_by_unlock())
    }
}

impl<E: Into<AttemptFailure>> From<E> for ChangeCause {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = &self.user;
        match &self.cause {
            ChangeCause::Failed(failure) => failure.fmt(f),
            ChangeCause::NotEnrolled => write!(f, "{user} has no device"),
            ChangeCause::AlreadyEnrolled => write!(f, "{user} already has a device"),
            ChangeCause::NotInvited => write!(f, "{user} has no invitation"),
            ChangeCause::NameTaken(name) => write!(f, "{user} already has a device named {name}"),
            ChangeCause::TooManyDevices => write!(f, "{user} already has {MAX_DEVICES} devices"),
            ChangeCause::DeviceChanged(name) => write!(
                f,
                "the device {name} was changed meanwhile; nothing was stored"
            ),
            ChangeCause::LastDevice(name) => write!(f, "{name} is the last device of {user}"),
            ChangeCause::CounterNotFound { device, reach } => write!(
                f,
                "these are not two codes in a row of {device}, or more than {reach} presses were skipped"
            ),
            ChangeCause::StepNotFound(device) => write!(
                f,
                "these are not two unused codes in a row of {device}, the second of this moment"
            ),
            ChangeCause::ClockTooFarOff { device, seconds } => write!(
                f,
                "the clocks of this machine and of {device} differ by {seconds} s, which is more than can be allowed for"
            ),
            ChangeCause::DevicesChanged => {
                write!(f, "the devices of {user} were changed meanwhile; try again")
            }
        }
    }
}

impl std::error::Error for ChangeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            ChangeCause::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}
