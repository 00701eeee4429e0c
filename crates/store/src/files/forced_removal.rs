//! Removing whatever is kept under a name, in whatever condition it is.

mod local_removal;

use twofactor_core::record::UserRecord;

use super::{
    FactorStore, FileFault, ShareResult, SharedChange, StoreError, UnmirroredUsers, file_names,
};
use crate::fleet_contact::FLEET_DIRECTORY;
use crate::fleet_mark;
pub(super) use local_removal::LocalRemoval;

/// Result of a removal of whatever is kept under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovalResult {
    /// This call removed something.
    Removed,
    /// Nothing was left to be removed.
    NothingLeft,
}

/// The record of a name as it is found, or the reason why it cannot be read.
pub type FoundRecord = Result<Option<UserRecord>, StoreError>;

impl FactorStore {
    /// Removes record, index entries and state of a name, of whatever uid and in whatever condition they are. The record has to be as
    /// expected, also under the lock of its state, where there is one that can be used. `is_removed` becomes true once this call has
    /// removed the record on this host, also where something fails after it. What another process has made since is left as it is.
    ///
    /// # Errors
    /// [`StoreError`]; [`FileFault::Changed`] where it is another one on this host; [`FileFault::TakenOver`] where another process has
    /// taken the state over. Nothing is removed then, unless `is_removed` tells otherwise. [`FileFault::FleetAhead`] where the fleet
    /// has no record any more, and something failed here.
    pub fn discard_if(
        &self,
        name: &str,
        is_expected: &dyn Fn(&FoundRecord) -> bool,
        is_removed: &mut bool,
    ) -> Result<RemovalResult, StoreError> {
        let Some(record) = file_names::record_file(name) else {
            return Ok(RemovalResult::NothingLeft);
        };
        if !is_expected(&self.record_named(name)) {
            return Err(self.changed(name));
        }
        let shared = self.share_discard(name)?;
        let removed = self
            .moving_to(name)
            .and_then(|successor| {
                self.discard_here(name, &record, successor, is_expected, is_removed)
            })
            .map_err(|error| shared.told(error))?;
        // The service of the fleet may have been first here.
        Ok(if removed || shared == ShareResult::Shared {
            RemovalResult::Removed
        } else {
            RemovalResult::NothingLeft
        })
    }

    /// The name that a record is on its way to, under which there are traces of it as well.
    pub(super) fn moving_to(&self, name: &str) -> Result<Option<String>, StoreError> {
        match self.record_named(name) {
            Ok(Some(record)) if record.user != name && self.is_moving(&record)? => {
                Ok(Some(record.user))
            }
            _ => Ok(None),
        }
    }

    /// Removes what this host has; true if there was something. The record is on its way to `successor`, or there by now.
    pub(super) fn discard_here(
        &self,
        name: &str,
        record: &str,
        successor: Option<String>,
        is_expected: &dyn Fn(&FoundRecord) -> bool,
        is_removed: &mut bool,
    ) -> Result<bool, StoreError> {
        let removal = LocalRemoval::begin(self, name, record, successor.as_deref(), is_expected)?;
        let done = removal.remove_record();
        let has_removed = removal.has_removed();
        *is_removed |= has_removed;
        let mut removed = done?;
        removed |= removal.remove_rest()?;
        drop(removal);
        if let Some(successor) = successor {
            // It has the record by now where the move was completed meanwhile.
            let is_rest = |found: &FoundRecord| matches!(found, Ok(None)) || is_expected(found);
            match self.discard_if(&successor, &is_rest, is_removed) {
                Ok(result) => removed |= result == RemovalResult::Removed,
                // What was shown is removed, and the record there is another process's.
                Err(error) if has_removed && matches!(error.cause, FileFault::Changed) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    fn changed(&self, name: &str) -> StoreError {
        StoreError {
            path: self.record_path(name),
            cause: FileFault::Changed,
        }
    }

    /// Removes the record in the fleet, whichever it has. What is left here alone is no record of the fleet, which may have a healthy one.
    fn share_discard(&self, name: &str) -> Result<ShareResult, StoreError> {
        let old = self.record_named(name);
        let change = match &old {
            Ok(Some(record)) => SharedChange::Remove { old: Some(record) },
            // Also one that cannot be read is one on the other hosts.
            Err(_) => SharedChange::Remove { old: None },
            Ok(None) if self.has_traces(name)? => {
                self.note_discarded(name)?;
                return Ok(ShareResult::Alone);
            }
            Ok(None) if !self.is_unmirrored(name)? => return Ok(ShareResult::Alone),
            Ok(None) => SharedChange::RemoveUnusable,
        };
        self.share(name, &change, &mut || ())
    }

    /// Notes, durably, that the fleet may have a record of which this host removes what it has left: until that is put in place again, its
    /// user is not one without a device.
    fn note_discarded(&self, name: &str) -> Result<(), StoreError> {
        if !self.has_fleet_mark(name)? {
            return Ok(());
        }
        let fleet = self.path.join(FLEET_DIRECTORY);
        let uid = self.peek_named(name).ok().flatten().map(|state| state.uid);
        UnmirroredUsers::open(&fleet)
            .and_then(|notes| match uid {
                Some(uid) => notes.note_with_uid(name, uid),
                None => notes.note(name),
            })
            .map_err(StoreError::file(&fleet))
    }

    /// True if the service of the fleet brings a record under this name to this host again, once nothing of it is left here.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be told.
    pub fn is_brought_again(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.has_traces(name)? && (self.is_unmirrored(name)? || self.has_fleet_mark(name)?))
    }

    /// True if this host is in a fleet, and had a record of it under this name.
    fn has_fleet_mark(&self, name: &str) -> Result<bool, StoreError> {
        if !self.is_in_fleet()? {
            return Ok(false);
        }
        let marked = fleet_mark::is_there(&self.path, name);
        marked.map_err(StoreError::file(&self.path.join(FLEET_DIRECTORY)))
    }

    /// True if the fleet has a record under this name that this host could not put in place.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be told.
    pub fn is_unmirrored(&self, name: &str) -> Result<bool, StoreError> {
        let noted = UnmirroredUsers::has(&self.path, name);
        noted.map_err(StoreError::file(&self.path.join(FLEET_DIRECTORY)))
    }
}
