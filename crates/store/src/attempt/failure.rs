//! Reasons why no verdict could be reached, and what an administrator can do about it.

use std::fmt;

use super::OutageRefusal;
use crate::daemon_client::DaemonError;
use crate::files::{FileFault, StoreError};
use crate::sys::accounts::LookupFailed;
use crate::sys::clock::BeforeEpoch;

/// Reason why no verdict could be reached. Every one of them denies.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptFailure {
    /// A file is unusable.
    Store(StoreError),
    /// The clock is.
    Clock(BeforeEpoch),
    /// The kernel gives no randomness.
    Random(getrandom::Error),
    /// The user or group database does not answer.
    Lookup(LookupFailed),
    /// A name has a record, of this uid, but no account: the user is gone, or the database does not tell everything.
    Vanished(u32),
    /// The daemon gives no answer.
    Daemon(DaemonError),
    /// The store of the fleet tells a result that no decision led to.
    Undecided,
    /// The store of the fleet cannot be reached, and this host may not judge by itself.
    Outage(OutageRefusal),
}

impl AttemptFailure {
    /// The step that an administrator can take about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            // A policy is made anew; a state directory that was in use is mounted or restored.
            Self::Store(error) if error.is_missing() => Some("twofactor doctor says what to do"),
            Self::Store(error) if error.fixed_by_unlock() => {
                Some("twofactor unlock USER makes a new state")
            }
            Self::Store(StoreError {
                cause: FileFault::OtherUid { .. } | FileFault::OtherUser(_),
                ..
            }) => Some(
                "twofactor adopt USER gives it to this user, twofactor unset USER removes what a former user left",
            ),
            Self::Store(StoreError {
                cause: FileFault::LostRecord,
                ..
            }) => Some(
                // It may be that of another name of the same uid.
                "restore that record from a backup, or repeat a twofactor rename that was stopped; twofactor unset with its user's name \
                 removes what is left of it",
            ),
            Self::Store(StoreError {
                cause: FileFault::SeveralRecords(_),
                ..
            }) => Some("twofactor unset removes those that do not count"),
            Self::Store(StoreError {
                cause: FileFault::NotNoted(_),
                ..
            }) => Some("if it is the right directory: twofactor init notes it"),
            Self::Store(StoreError {
                cause: FileFault::Unmarked | FileFault::OtherMark,
                ..
            }) => Some(
                "mount or restore the right directory; twofactor init tells what else there is",
            ),
            Self::Daemon(error) => Some(error.hint()),
            Self::Store(StoreError {
                cause: FileFault::Fleet(_) | FileFault::FleetAhead(_) | FileFault::InFleet,
                ..
            })
            | Self::Outage(_) => Some("twofactor fleet status says what the store lacks"),
            Self::Vanished(_) => Some(
                "if that user is gone: twofactor unset USER; if not, the user database does not answer",
            ),
            Self::Store(StoreError {
                cause: FileFault::Policy(_),
                ..
            }) => Some("twofactor policy check shows the error"),
            _ => None,
        }
    }

    /// True if a change was not made because the fleet has another record of the user than this host: one that is newer.
    #[must_use]
    pub const fn is_fleet_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if matches!(error.cause, FileFault::FleetConflict))
    }

    /// True if a change may count in the fleet that is not known to be made on this host.
    #[must_use]
    pub const fn may_be_made(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_unsure())
    }

    /// True if a change was not made because the fleet cannot be asked, about its proof or about the change.
    #[must_use]
    pub const fn is_unmade_in_fleet(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error.cause, FileFault::Fleet(_) | FileFault::InFleet),
            Self::Outage(_) | Self::Daemon(_) => true,
            _ => false,
        }
    }

    /// True if what is kept contradicts itself: a record of another uid, a record that is lost, several for one uid.
    #[must_use]
    pub const fn is_contradiction(&self) -> bool {
        matches!(
            self,
            Self::Vanished(_)
                | Self::Store(StoreError {
                    cause: FileFault::OtherUid { .. }
                        | FileFault::OtherUser(_)
                        | FileFault::LostRecord
                        | FileFault::SeveralRecords(_),
                    ..
                })
        )
    }
}

impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Clock(error) => error.fmt(f),
            Self::Random(error) => write!(f, "the kernel gives no randomness: {error}"),
            Self::Lookup(error) => error.fmt(f),
            Self::Daemon(error) => error.fmt(f),
            Self::Outage(refusal) => refusal.fmt(f),
            Self::Undecided => f.write_str("the store of the fleet tells a result of no decision"),
            Self::Vanished(uid) => write!(f, "there is a record (uid {uid}) but no such account"),
        }
    }
}

impl std::error::Error for AttemptFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Clock(error) => Some(error),
            Self::Random(error) => Some(error),
            Self::Lookup(error) => Some(error),
            Self::Daemon(error) => Some(error),
            Self::Vanished(_) | Self::Undecided | Self::Outage(_) => None,
        }
    }
}

impl From<OutageRefusal> for AttemptFailure {
    fn from(refusal: OutageRefusal) -> Self {
        Self::Outage(refusal)
    }
}

impl From<StoreError> for AttemptFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<DaemonError> for AttemptFailure {
    fn from(error: DaemonError) -> Self {
        Self::Daemon(error)
    }
}

impl From<BeforeEpoch> for AttemptFailure {
    fn from(error: BeforeEpoch) -> Self {
        Self::Clock(error)
    }
}

impl From<getrandom::Error> for AttemptFailure {
    fn from(error: getrandom::Error) -> Self {
        Self::Random(error)
    }
}

impl From<LookupFailed> for AttemptFailure {
    fn from(error: LookupFailed) -> Self {
        Self::Lookup(error)
    }
}
