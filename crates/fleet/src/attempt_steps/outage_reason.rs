//! Reasons why the store cannot be used.

use std::fmt;

use crate::etcd::gateway_fault::GatewayFault;
use crate::host_files::host_error::{HostError, HostFault};
use crate::sealed_values::fleet_entry::EntryError;
use crate::sealed_values::fleet_key::{BrokenSeal, SealError};
use crate::sealed_values::shared_record::RecordValueError;
use crate::sealed_values::shared_state::ValueError;

/// Reason why the store cannot be used for this attempt. None of them says anything about the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutageReason {
    /// The store does not answer, or not in time: the fault of the last try.
    Unreachable(GatewayFault),
    /// The store has no fleet: a wrong store, or an empty one.
    NoFleet,
    /// The store has another fleet, or one of a newer format.
    OtherFleet,
    /// The store has another epoch than this host.
    OtherEpoch,
    /// A restoration of the store is under way.
    Restoration,
    /// The number of this host is not the one that it wrote last: a backup was restored, or another host has its id.
    WentBack,
    /// The store says that this host has left the fleet.
    HasLeft,
    /// A file of the fleet on this host cannot be used: the text of its error.
    HostFiles(String),
    /// Another process of this host changes the files of the fleet. This says nothing about the store.
    HostBusy(String),
    /// The store has no state of this user.
    NoState,
    /// The store has a newer record of this user than this host.
    OlderRecord,
    /// The store has an older record of this user than this host.
    NewerRecord,
    /// The record of this user cannot be put in place on this host: why.
    NotMirrored(String),
    /// The fleet, or the host's number, is not sealed with the key of the fleet.
    Seal(BrokenSeal),
    /// A value of this user is not sealed with the key of the fleet.
    UserSeal(BrokenSeal),
    /// A value cannot be read.
    Value(ValueError),
    /// A record cannot be read.
    Record(RecordValueError),
    /// The fleet or the host's number cannot be read.
    Entry(EntryError),
    /// The new state could not be sealed.
    Sealing(SealError),
    /// The end of a write is unknown, and too many attempts came after it.
    Forgotten,
    /// The store refused a write, and has what the write was decided on.
    Contradiction,
}

impl OutageReason {
    pub(crate) fn files(error: HostError) -> Self {
        let text = error.to_string();
        match error.cause {
            HostFault::Busy => Self::HostBusy(text),
            _ => Self::HostFiles(text),
        }
    }

    /// True if no host can use the user's values in the store: they are damaged, half of them is missing, or they are not sealed
    /// with the key of the fleet. A value of a later version is none of these: a host of that version can use it.
    #[must_use]
    pub const fn is_of_value(&self) -> bool {
        match self {
            Self::NoState | Self::UserSeal(_) => true,
            Self::Value(error) => !matches!(error, ValueError::Version(_)),
            Self::Record(error) => !matches!(error, RecordValueError::Version(_)),
            _ => false,
        }
    }

    /// True where what the host knew of its fleet was not what the store has: it may have become so just now.
    pub(crate) const fn is_of_standing(&self) -> bool {
        matches!(self, Self::WentBack | Self::OtherEpoch | Self::Restoration)
    }
}

impl fmt::Display for OutageReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(fault) => {
                write!(f, "the store of the fleet does not answer: {fault}")
            }
            Self::NoFleet => f.write_str("the store has no fleet"),
            Self::OtherFleet => f.write_str("the store belongs to another fleet"),
            Self::OtherEpoch => f.write_str("the fleet has another epoch than this host"),
            Self::Restoration => f.write_str(
                "the hosts of the fleet bring what a restored backup lacks; twofactor fleet after-restore ends that",
            ),
            Self::WentBack => {
                f.write_str("the store went back in time, or another host has this one's id")
            }
            Self::HasLeft => f.write_str("this host has left the fleet"),
            Self::HostFiles(error) | Self::HostBusy(error) => f.write_str(error),
            Self::NoState => f.write_str("the store has no state of this user"),
            Self::OlderRecord => f.write_str("this host has an older record of this user than the store"),
            Self::NewerRecord => f.write_str("the store has an older record of this user than this host"),
            Self::NotMirrored(text) => {
                write!(f, "this host has an older record of this user than the store: {text}")
            }
            Self::Seal(error) => error.fmt(f),
            Self::UserSeal(_) => f.write_str(
                "what the store has of this user is not sealed with the key of the fleet",
            ),
            Self::Value(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
            Self::Entry(error) => error.fmt(f),
            Self::Sealing(error) => error.fmt(f),
            Self::Forgotten => f.write_str("the end of this attempt is not known any more"),
            Self::Contradiction => f.write_str("the store contradicts itself"),
        }
    }
}

impl std::error::Error for OutageReason {}
