//! The removal of what this host has under a name, under the lock of its state, where there is one that can be used.
//!
//! Before each step it is sure that the lock is still its own: another process takes over the state of one that is stopped, and may have
//! enrolled the user anew. A state that is damaged or missing has no lock, and is looked for again: an enrollment makes it first.

use std::cell::Cell;

use twofactor_core::account::Account;

use crate::files::state_generations::StateFiles;
use crate::files::{FactorStore, FileFault, LockedFactor, StoreError, killed_change, uid_index};
use crate::sys::file;

use super::FoundRecord;

/// A removal that has begun, and what it needs to know between its steps.
pub(in crate::files) struct LocalRemoval<'s> {
    store: &'s FactorStore,
    name: &'s str,
    /// The name of the record's file.
    record: &'s str,
    has_record: bool,
    /// True once this removal has removed the record.
    has_removed: Cell<bool>,
    /// The lock of the state under the name.
    own: Option<LockedFactor<'s>>,
    /// The lock of the state under the name that the record is on its way to.
    moving: Option<LockedFactor<'s>>,
}

impl<'s> LocalRemoval<'s> {
    /// Says durably in the state that no device has a record any more, where the record is as expected, or gone.
    pub(in crate::files) fn begin(
        store: &'s FactorStore,
        name: &'s str,
        record: &'s str,
        successor: Option<&str>,
        is_expected: &dyn Fn(&FoundRecord) -> bool,
    ) -> Result<Self, StoreError> {
        // The move of a record holds one of the two locks.
        let moving = match successor {
            Some(successor) => store.lock_any(successor)?,
            None => None,
        };
        let own = store.lock_any(name)?;
        let found = store.record_named(name);
        // It is gone where the service of the fleet has removed it, or another process.
        let has_record = !matches!(found, Ok(None));
        if !is_expected(&found) && has_record {
            return Err(store.changed(name));
        }
        let mut removal = Self {
            store,
            name,
            record,
            has_record,
            has_removed: Cell::new(false),
            own,
            moving,
        };
        removal.mark()?;
        Ok(removal)
    }

    /// So a kill after the removal of the record leaves no contradiction.
    fn mark(&mut self) -> Result<(), StoreError> {
        // That of the other name first: it tells of the same record, which is found by either name. Where the record is there by now, it is
        // looked at under that name.
        let moving = self.moving.as_mut().filter(|_| self.has_record);
        for held in moving.into_iter().chain(&mut self.own) {
            match held.mark_removal() {
                Err(error) if matches!(error.cause, FileFault::TakenOver) => return Err(error),
                // A state that cannot be written refuses its user as before, until it is removed as well.
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes the record, durably; true if this call did.
    pub(in crate::files) fn remove_record(&self) -> Result<bool, StoreError> {
        let leftovers = self.store.file_names()?;
        self.confirm()?;
        let users = self.store.users.directory()?;
        let remove = || {
            // Those of all numbers: where no state can be used it tells of none.
            for name in leftovers {
                if killed_change::user_of_temporary(&name).as_deref() == Some(self.name) {
                    file::remove_if_there(users, &name)?;
                }
            }
            // Where there was none, one that is there by now is another process's.
            let removed = self.has_record && file::remove_if_there(users, self.record)?;
            self.has_removed.set(removed || self.has_removed.get());
            file::flush_directory(users)?;
            Ok(removed)
        };
        remove().map_err(StoreError::file(&self.store.record_path(self.name)))
    }

    /// True if the record was removed, also where that is not known to be durable.
    pub(super) const fn has_removed(&self) -> bool {
        self.has_removed.get()
    }

    /// [`LocalRemoval::remove_traces`] after [`LocalRemoval::remove_record`]. Where that has removed the record and there is one again,
    /// what is left is that of another process's enrollment.
    pub(in crate::files) fn remove_rest(&self) -> Result<bool, StoreError> {
        match self.remove_traces() {
            Err(StoreError {
                cause: FileFault::TakenOver | FileFault::Changed,
                ..
            }) if self.has_removed()
                && matches!(self.store.record_named(self.name), Ok(Some(_))) =>
            {
                Ok(false)
            }
            other => other,
        }
    }

    /// Removes the index entries, then the state; true if this call removed any.
    pub(in crate::files) fn remove_traces(&self) -> Result<bool, StoreError> {
        // All entries of the store are read for it, which takes long.
        let index = self.store.index()?;
        self.confirm()?;
        self.remove_found(&index)
    }

    /// The part of [`LocalRemoval::remove_traces`] after its first look at the lock.
    pub(in crate::files) fn remove_found(
        &self,
        index: &[(u32, String)],
    ) -> Result<bool, StoreError> {
        let (store, name) = (self.store, self.name);
        let path = store.record_path(name);
        let users = store.users.directory()?;
        let mut removed = false;
        for (uid, _) in index.iter().filter(|(_, entry)| entry == name) {
            removed |= uid_index::remove(users, *uid, name).map_err(StoreError::file(&path))?;
        }
        file::flush_directory(users).map_err(StoreError::file(&path))?;
        if let Err(error) = self.confirm() {
            store.keep_index_entry(name)?;
            return Err(error);
        }
        Ok(StateFiles::of(store, name)?.remove_all()? || removed)
    }

    /// Checks that no other process has made what would be removed.
    fn confirm(&self) -> Result<(), StoreError> {
        for held in self.moving.iter().chain(&self.own) {
            held.confirm()?;
        }
        if self.own.is_none() && self.store.lock_any(self.name)?.is_some() {
            return Err(self.store.changed(self.name));
        }
        Ok(())
    }
}

impl FactorStore {
    /// The lock of a state, of whatever uid; `None` where there is none that can be used.
    fn lock_any(&self, name: &str) -> Result<Option<LockedFactor<'_>>, StoreError> {
        let Ok(Some(state)) = self.peek_named(name) else {
            return Ok(None);
        };
        let account = Account {
            name: name.to_owned(),
            uid: state.uid,
            gid: state.uid,
        };
        match self.lock(&account) {
            Ok(held) => Ok(Some(held)),
            Err(error) if matches!(error.cause, FileFault::Busy(_)) => Err(error),
            Err(_) => Ok(None),
        }
    }
}
