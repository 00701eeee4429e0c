//! Changes that count on all hosts of a fleet: they are made in the store of the fleet first, and here afterwards.
//!
//! A host that is in a fleet changes no record by itself. Where a change cannot be made in the fleet, it is not made here either.

use std::path::PathBuf;
use std::sync::Arc;

use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;

use super::{FactorStore, FileFault, StoreError};
use crate::fleet_contact::{FLEET_DIRECTORY, HOST_FILE};
use crate::sys::file::{self, FileAccess};
use crate::sys::lock_heartbeat::LockHeartbeat;

/// A change of one user's factor.
pub enum SharedChange<'a> {
    /// A record in the place of `old`, or of none.
    Put {
        /// The record on this host.
        old: Option<&'a UserRecord>,
        /// The record that counts from now on.
        record: &'a UserRecord,
        /// The state on this host, which knows all devices of the record.
        local: &'a UserState,
    },
    /// No record.
    Remove {
        /// The record on this host; `None` where it cannot be read.
        old: Option<&'a UserRecord>,
    },
    /// No record, where what the fleet has can be used on no host.
    RemoveUnusable,
    /// Another state of the record that is there: what follows from the one of the fleet.
    State(&'a dyn Fn(&UserState) -> UserState),
}

/// Reason why a change does not count in the fleet, or is not known to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareFault {
    /// The fleet has another record of the user than this host.
    Conflict,
    /// The change was not made: a sentence that says why.
    NotMade(String),
    /// The change may have been made: a sentence that says why that is not known.
    Unknown(String),
}

/// The fleet of this host, as those see it who change a factor.
pub trait SharedFactors: Send + Sync {
    /// Makes a change in the fleet. It counts on all hosts when this returns. While it waits it shows that the holder of the user's
    /// lock moves.
    ///
    /// # Errors
    /// [`ShareFault`].
    fn commit(
        &self,
        user: &str,
        change: &SharedChange<'_>,
        heartbeat: LockHeartbeat<'_>,
    ) -> Result<(), ShareFault>;

    /// True if what it makes counts on this host alone.
    fn is_local(&self) -> bool {
        false
    }
}

impl FactorStore {
    /// This store, with changes made in this fleet first.
    #[must_use]
    pub fn with_fleet(mut self, fleet: Arc<dyn SharedFactors>) -> Self {
        self.fleet = Some(fleet);
        self
    }

    /// True if this host is in a fleet, by the word of its file.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be told.
    pub fn is_in_fleet(&self) -> Result<bool, StoreError> {
        let path = self.fleet_file();
        // A host that is wrongly taken for one in no fleet changes what its users have by itself: one answer is not enough.
        let is_absent = || {
            let top = file::open_directory(rustix::fs::CWD, &self.path, FileAccess::Private)?;
            let name = format!("{FLEET_DIRECTORY}/{HOST_FILE}");
            Ok(file::is_absent(&top, &name)? && file::is_absent(&top, &name)?)
        };
        Ok(!is_absent().map_err(StoreError::file(&path))?)
    }

    /// Makes a change in the fleet, where this host is in one. `heartbeat` is that of the user's lock.
    pub(crate) fn share(
        &self,
        user: &str,
        change: &SharedChange<'_>,
        heartbeat: LockHeartbeat<'_>,
    ) -> Result<ShareResult, StoreError> {
        if !self.is_in_fleet()? {
            return Ok(ShareResult::Alone);
        }
        let failed = |cause| StoreError {
            path: self.record_path(user),
            cause,
        };
        let Some(fleet) = &self.fleet else {
            return Err(failed(FileFault::InFleet));
        };
        match fleet.commit(user, change, heartbeat) {
            Ok(()) if fleet.is_local() => Ok(ShareResult::Alone),
            Ok(()) => Ok(ShareResult::Shared),
            Err(ShareFault::Conflict) => Err(failed(FileFault::FleetConflict)),
            Err(ShareFault::NotMade(text)) => Err(failed(FileFault::Fleet(text))),
            Err(ShareFault::Unknown(text)) => Err(failed(FileFault::FleetAhead(text))),
        }
    }

    fn fleet_file(&self) -> PathBuf {
        self.path.join(FLEET_DIRECTORY).join(HOST_FILE)
    }
}

/// Result of a change that all hosts have to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum ShareResult {
    /// This host is in no fleet, or the change is this host's alone.
    Alone,
    /// The change counts in the fleet.
    Shared,
}

impl ShareResult {
    /// The error of a change that could not be made on this host after it was made in the fleet: it counts there all the same.
    pub(crate) fn told(self, error: StoreError) -> StoreError {
        match self {
            Self::Alone => error,
            Self::Shared => StoreError {
                cause: FileFault::FleetAhead(format!(
                    "{}; the change counts in the fleet, and here once the service of the fleet could make it",
                    error.cause
                )),
                path: error.path,
            },
        }
    }
}
