//! Changes that count on all hosts of a fleet: they are made in the store of the fleet first, and here afterwards.
//!
//! A host that is in a fleet changes no record by itself. Where a change cannot be made in the fleet, it is not made here either.

use std::path::PathBuf;
use std::sync::Arc;

use twofactor_core::record::Record;
use twofactor_core::state::State;

use super::{Cause, Error, Store};
use crate::fleet_contact::FLEET_DIRECTORY;
use crate::sys::file::{self, FileAccess};

/// Name of the file that says that the host is in a fleet, in the fleet's directory.
const HOST_FILE: &str = "host";

/// A change of one user's factor.
pub enum SharedChange<'a> {
    /// A record in the place of `old`, or of none.
    Put {
        /// The record on this host.
        old: Option<&'a Record>,
        /// The record that counts from now on.
        record: &'a Record,
        /// The state on this host, which knows all devices of the record.
        local: &'a State,
    },
    /// No record, whatever there was.
    Remove,
    /// Another state of the record that is there: what follows from the one of the fleet.
    State(&'a dyn Fn(&State) -> State),
}

/// The fleet of this host, as those see it who change a factor.
pub trait SharedFactors: Send + Sync {
    /// Makes a change in the fleet. It counts on all hosts when this returns.
    ///
    /// # Errors
    /// A sentence that says why it was not made, or is not known to be.
    fn commit(&self, user: &str, change: &SharedChange<'_>) -> Result<(), String>;
}

impl Store {
    /// The same store, whose changes are made in this fleet first.
    #[must_use]
    pub fn with_fleet(mut self, fleet: Arc<dyn SharedFactors>) -> Self {
        self.fleet = Some(fleet);
        self
    }

    /// True if this host is in a fleet, by the word of its file.
    ///
    /// # Errors
    /// [`Error`] when that cannot be told.
    pub fn is_in_fleet(&self) -> Result<bool, Error> {
        let path = self.fleet_file();
        let is_absent = || {
            let top = file::open_directory(rustix::fs::CWD, &self.path, FileAccess::Private)?;
            file::is_absent(top, &format!("{FLEET_DIRECTORY}/{HOST_FILE}"))
        };
        Ok(!is_absent().map_err(Error::file(&path))?)
    }

    /// Makes a change in the fleet, where this host is in one.
    pub(crate) fn share(&self, user: &str, change: &SharedChange<'_>) -> Result<(), Error> {
        if !self.is_in_fleet()? {
            return Ok(());
        }
        let failed = |cause| Error {
            path: self.record_path(user),
            cause,
        };
        let Some(fleet) = &self.fleet else {
            return Err(failed(Cause::InFleet));
        };
        let made = fleet.commit(user, change);
        made.map_err(|text| failed(Cause::Fleet(text)))
    }

    fn fleet_file(&self) -> PathBuf {
        self.path.join(FLEET_DIRECTORY).join(HOST_FILE)
    }
}
