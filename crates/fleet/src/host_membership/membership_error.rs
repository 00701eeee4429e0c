//! Errors of a host that founds a fleet, joins or leaves it.

use std::fmt;

use crate::attempt_steps::outage_reason::OutageReason;
use crate::factor_changes::factor_commit::CommitFault;
use crate::host_files::host_error::HostError;

/// Reason why a host did not get where it wanted. What was done before stays, and the same command goes on from there.
#[derive(Debug, Clone, PartialEq)]
pub enum MembershipError {
    /// A file of the fleet on this host.
    Host(HostError),
    /// The store cannot be used.
    Outage(OutageReason),
    /// A record or a state on this host.
    Store(twofactor_store::StoreError),
    /// A user, and why the record was not brought to the fleet.
    User(String, CommitFault),
    /// A refusal, in a sentence.
    Refused(String),
}

impl From<HostError> for MembershipError {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl From<OutageReason> for MembershipError {
    fn from(reason: OutageReason) -> Self {
        Self::Outage(reason)
    }
}

impl From<twofactor_store::StoreError> for MembershipError {
    fn from(error: twofactor_store::StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for MembershipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => error.fmt(f),
            Self::Outage(reason) => reason.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::User(user, fault) => write!(f, "{user}: {fault}"),
            Self::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for MembershipError {}
