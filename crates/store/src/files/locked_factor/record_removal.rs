//! Removing a record under the lock of its state, with everything that tells of it.
//!
//! A process that is stopped between its last look and the removal of the record cannot know that a login takes the state
//! over there, and notes in it that the device counts. So it looks after the removal, too, and says in the state that
//! counts now that the device is gone.

use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;

use super::{LockedFactor, refuse_while_moving};
use crate::files::{FactorStore, FileFault, SharedChange, StoreError, file_names, uid_index};
use crate::sys::file;
use crate::sys::new_file::LinkDurability;

/// Number of times that a state which was taken over is looked for, once its record is removed.
const TRIES: u32 = 3;

impl LockedFactor<'_> {
    /// Removes the record, its index entry, then the state. First the state says that no device has a record any more.
    ///
    /// # Errors
    /// [`StoreError`]; when only the state is left it is harmless, and the next enrollment uses it. [`FileFault::TakenOver`] where
    /// nothing was removed, or another process has enrolled the user anew meanwhile.
    pub fn remove(self) -> Result<(), StoreError> {
        self.remove_noting(&mut false)
    }

    /// [`LockedFactor::remove`]; `is_removed` becomes true once this call has removed the record on this host, also where something fails
    /// after it.
    ///
    /// # Errors
    /// As [`LockedFactor::remove`].
    pub fn remove_noting(mut self, is_removed: &mut bool) -> Result<(), StoreError> {
        let old = self.store.record(&self.account)?;
        let Some(old) = &old else {
            return self.remove_here(is_removed);
        };
        self.confirm()?;
        let change = SharedChange::Remove { old: Some(old) };
        let (store, user) = (self.store, self.account.name.clone());
        let shared = store.share(&user, &change, &mut || self.write_heartbeat())?;
        self.remove_here(is_removed)
            .map_err(|error| shared.told(error))
    }

    /// [`LockedFactor::remove`] for a record that is removed in the fleet of this host already.
    ///
    /// # Errors
    /// As [`LockedFactor::remove`].
    pub fn mirror_removal(self) -> Result<(), StoreError> {
        self.remove_here(&mut false)
    }

    fn remove_here(mut self, is_removed: &mut bool) -> Result<(), StoreError> {
        let record = self.store.record(&self.account)?;
        refuse_while_moving(self.store, &self.account, record.as_ref())?;
        // What was judged under this lock is not judged again under another one: nothing is removed if it is gone.
        self.mark_removal()?;
        let done = self.remove_record();
        // It may be gone where only the flush has failed.
        let is_gone = || record.is_some() && matches!(self.store.record(&self.account), Ok(None));
        *is_removed = *done.as_ref().unwrap_or(&is_gone());
        done?;
        match record {
            Some(record) => self.remove_rest(&record),
            None => self.remove_traces(),
        }
    }

    /// Notes durably that no device has a record.
    pub(crate) fn mark_removal(&mut self) -> Result<(), StoreError> {
        let mut state = self.state.clone();
        state.end_grace();
        state.devices.iter_mut().for_each(|d| d.committed = false);
        if state != self.state {
            self.write(state)?;
            self.flush()?;
        }
        self.confirm()
    }

    /// Removes the record, durably; true if this call did.
    pub(crate) fn remove_record(&self) -> Result<bool, StoreError> {
        let name = file_names::record_file(&self.account.name)
            .ok_or_else(|| self.error(FileFault::NameTooLong))?;
        let users = self.store.users.directory()?;
        let remove = || {
            for stale in self.files.stale_names(&self.held, &name) {
                file::remove_leftover(users, &stale)?;
            }
            let removed = file::remove_if_there(users, &name)?;
            file::flush_directory(users)?;
            Ok(removed)
        };
        remove().map_err(StoreError::file(
            &self.store.record_path(&self.account.name),
        ))
    }

    /// Removes what is left of a record that was removed, also where another process has taken the state over before.
    pub(crate) fn remove_rest(self, removed: &UserRecord) -> Result<(), StoreError> {
        let (store, account) = (self.store, self.account.clone());
        match self.remove_traces() {
            Err(error) if is_taken_over(&error) => remove_anew(store, &account, removed, error),
            other => other,
        }
    }

    /// Removes the index entry and the state of a record that is gone.
    fn remove_traces(self) -> Result<(), StoreError> {
        // Another process may have enrolled the user anew.
        self.confirm()?;
        self.remove_unconfirmed()
    }

    /// The removal of the traces after the first look at the lock.
    pub(in crate::files) fn remove_unconfirmed(self) -> Result<(), StoreError> {
        let users = self.store.users.directory()?;
        uid_index::remove(users, self.account.uid, &self.account.name)
            .and_then(|_| file::flush_directory(users))
            .map_err(StoreError::file(
                &self.store.record_path(&self.account.name),
            ))?;
        if let Err(error) = self.confirm() {
            self.store.keep_index_entry(&self.account.name)?;
            return Err(error);
        }
        self.files.remove_all().map(drop)
    }
}

impl FactorStore {
    /// Puts the index entry back that a removal has taken from a record which another process has made meanwhile: its enrollment may have
    /// found the entry in place. Without it the record is not found by another name of the uid.
    pub(in crate::files) fn keep_index_entry(&self, name: &str) -> Result<(), StoreError> {
        let Ok(Some(record)) = self.record_named(name) else {
            return Ok(());
        };
        let users = self.users.directory()?;
        uid_index::add(users, record.uid, name, LinkDurability::Now)
            .and_then(|_| file::flush_directory(users))
            .map_err(StoreError::file(&self.record_path(name)))
    }
}

/// The rest of a removal whose state was taken over before its record was gone: in the state that counts now.
fn remove_anew(
    store: &FactorStore,
    account: &Account,
    removed: &UserRecord,
    taken_over: StoreError,
) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let mut current = match LockedFactor::existing(store, account) {
            // Another process has removed the rest, or begun to.
            Err(error) if matches!(error.cause, FileFault::MissingState) => {
                return store
                    .holder(account)
                    .and_then(|holder| match holder.record {
                        None => Ok(()),
                        Some(_) => Err(taken_over),
                    });
            }
            other => other?,
        };
        if !is_rest_of(&current, removed)? {
            break;
        }
        let done = current
            .mark_removal()
            .and_then(|()| current.remove_traces());
        if !done.as_ref().is_err_and(is_taken_over) {
            return done;
        }
    }
    Err(taken_over)
}

/// True if what is left tells of no other device than of those that were removed.
fn is_rest_of(current: &LockedFactor<'_>, removed: &UserRecord) -> Result<bool, StoreError> {
    let was = |id| removed.devices.iter().any(|device| device.id == id);
    let mut committed = current.state.devices.iter().filter(|d| d.committed);
    Ok(current.store.record(&current.account)?.is_none() && committed.all(|d| was(d.id)))
}

const fn is_taken_over(error: &StoreError) -> bool {
    matches!(error.cause, FileFault::TakenOver)
}
