//! Removing whatever is kept under a name, in whatever condition it is.

use crate::sys::file;
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;

use super::state_generations::StateFiles;
use super::{
    FactorStore, FileFault, LockedFactor, ShareResult, SharedChange, StoreError, UnmirroredUsers,
    file_names, uid_index,
};
use crate::fleet_contact::FLEET_DIRECTORY;
use crate::fleet_mark;

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
    /// Removes record, index entries and state of a name, of whatever uid and in whatever condition they are.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be removed.
    pub fn discard(&self, name: &str) -> Result<RemovalResult, StoreError> {
        self.discard_if(name, &|_| true)
    }

    /// [`FactorStore::discard`] of a record that is as expected, also under the lock of its state, where there is one that can be
    /// used.
    ///
    /// # Errors
    /// [`StoreError`]; [`FileFault::Changed`] where it is another one on this host, and nothing is removed. [`FileFault::FleetAhead`] where
    /// the fleet has no record any more, and something failed here.
    pub fn discard_if(
        &self,
        name: &str,
        is_expected: &dyn Fn(&FoundRecord) -> bool,
    ) -> Result<RemovalResult, StoreError> {
        let Some(record) = file_names::record_file(name) else {
            return Ok(RemovalResult::NothingLeft);
        };
        if !is_expected(&self.record_named(name)) {
            return Err(self.changed(name));
        }
        let shared = self.share_discard(name)?;
        let removed = self
            .discard_here(name, &record, is_expected)
            .map_err(|error| shared.told(error))?;
        // The service of the fleet may have been first here.
        Ok(if removed || shared == ShareResult::Shared {
            RemovalResult::Removed
        } else {
            RemovalResult::NothingLeft
        })
    }

    /// Removes what this host has; true if there was something.
    fn discard_here(
        &self,
        name: &str,
        record: &str,
        is_expected: &dyn Fn(&FoundRecord) -> bool,
    ) -> Result<bool, StoreError> {
        let path = self.record_path(name);
        // Of a record on its way to another name there are traces under that one.
        let successor = match self.record_named(name) {
            Ok(Some(record)) if record.user != name && self.is_moving(&record)? => {
                Some(record.user)
            }
            _ => None,
        };
        // The successor first: its state tells of the same record, and both are found by either name.
        if let Some(successor) = &successor {
            drop(self.lock_any(successor).map(mark_discarded));
        }
        let held = self.lock_any(name);
        let found = self.record_named(name);
        // It is gone where the service of the fleet has removed it, or another process.
        if !is_expected(&found) && !matches!(found, Ok(None)) {
            return Err(self.changed(name));
        }
        let held = held.map(mark_discarded);
        let users = self.users.directory()?;
        let remove_record = || {
            file::remove_leftover(users, record)?;
            let removed = file::remove_if_there(users, record)?;
            file::flush_directory(users)?;
            Ok(removed)
        };
        let mut removed = remove_record().map_err(StoreError::file(&path))?;
        for (uid, entry) in self.index()? {
            if entry == name {
                removed |= uid_index::remove(users, uid, name).map_err(StoreError::file(&path))?;
            }
        }
        file::flush_directory(users).map_err(StoreError::file(&path))?;
        removed |= StateFiles::of(self, name)?.remove_all()?;
        drop(held);
        if let Some(successor) = successor {
            removed |= self.discard(&successor)? == RemovalResult::Removed;
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

    /// The lock of a state that can be used, of whatever uid.
    fn lock_any(&self, name: &str) -> Option<LockedFactor<'_>> {
        let uid = self.peek_named(name).ok()??.uid;
        let account = Account {
            name: name.to_owned(),
            uid,
            gid: uid,
        };
        self.lock(&account).ok()
    }
}

/// Says in a state that no device has a record any more: so that a kill after the removal of the record leaves no contradiction. One
/// that cannot be used refuses its user as before, until it is removed as well.
fn mark_discarded(mut locked: LockedFactor<'_>) -> LockedFactor<'_> {
    // Nothing to be done where it fails.
    let _ = locked.mark_removal();
    locked
}
