//! Replacing a record under the lock of its state, in steps of which each leaves a record that counts.

use std::os::fd::{AsFd, OwnedFd};

use crate::sys::file::{self, FileAccess};
use crate::sys::new_file::{LinkDurability, NewFile, NewFileKind};
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::state::{self, DeviceState, SpentCodes, UserState};

use super::{LockedFactor, refuse_while_moving};
use crate::files::known_devices::knows_all;
use crate::files::state_generations::StateFiles;
use crate::files::{FileFault, ShareResult, SharedChange, StoreError, file_names, uid_index};

impl LockedFactor<'_> {
    /// Replaces record and state, in three steps. First comes a state that knows the devices of both records, with no new one
    /// committed. Then come the index and the record, and then the state of the new record alone.
    ///
    /// A crash in between leaves the old record or the new one, with a state that knows it, and in which no device is
    /// committed that has no record.
    ///
    /// `entries` are the state of devices that are new. Grace ends.
    ///
    /// # Errors
    /// [`StoreError`]; the old record is in force then, unless only the last flushes failed.
    pub fn replace_record(
        &mut self,
        record: &UserRecord,
        entries: &[DeviceState],
    ) -> Result<(), StoreError> {
        let old = self.settled_record()?;
        let state = self.between(old.as_ref(), record, entries)?;
        self.replace_everywhere(old.as_ref(), record, state)
    }

    /// Puts a record in place whose state is `base`: what it says of failures and one-time codes, and of all devices of
    /// the record. In the order of [`LockedFactor::replace_record`]. Where a record was lost, which its state tells, the state goes on
    /// telling it until the record is in place.
    ///
    /// # Errors
    /// As [`LockedFactor::replace_record`]; what `base` says of devices that stay, of failures and codes can be in force already.
    pub fn restore_record(
        &mut self,
        record: &UserRecord,
        base: UserState,
    ) -> Result<(), StoreError> {
        let old = self.settled_record()?;
        let state = self.between_restored(old.as_ref(), record, base)?;
        self.replace_everywhere(old.as_ref(), record, state)
    }

    /// [`LockedFactor::restore_record`] for a record that counts in the fleet of this host already.
    ///
    /// # Errors
    /// As [`LockedFactor::restore_record`].
    pub fn mirror_record(
        &mut self,
        record: &UserRecord,
        base: UserState,
    ) -> Result<(), StoreError> {
        let old = self.settled_record()?;
        let state = self.between_restored(old.as_ref(), record, base)?;
        self.replace_through(old.as_ref(), record, state)
    }

    /// The record that is there, unless it is on its way to another name.
    fn settled_record(&self) -> Result<Option<UserRecord>, StoreError> {
        let old = self.record()?;
        refuse_while_moving(self.store, &self.account, old.as_ref())?;
        Ok(old)
    }

    /// Replaces record and state by way of `state`, first on the other hosts of a fleet.
    fn replace_everywhere(
        &mut self,
        old: Option<&UserRecord>,
        record: &UserRecord,
        state: UserState,
    ) -> Result<(), StoreError> {
        let shared = self.share_record(old, record, &state)?;
        let replaced = self.replace_through(old, record, state);
        replaced.map_err(|error| shared.told(error))
    }

    /// Puts a record in place on the other hosts of a fleet. What can be known to fail here has failed before.
    fn share_record(
        &mut self,
        old: Option<&UserRecord>,
        record: &UserRecord,
        local: &UserState,
    ) -> Result<ShareResult, StoreError> {
        self.legal(record)?;
        self.confirm()?;
        let change = SharedChange::Put { old, record, local };
        let (store, user) = (self.store, self.account.name.clone());
        store.share(&user, &change, &mut || self.write_heartbeat())
    }

    /// Replaces record and state by way of `state`, which knows the devices of both records.
    fn replace_through(
        &mut self,
        old: Option<&UserRecord>,
        record: &UserRecord,
        state: UserState,
    ) -> Result<(), StoreError> {
        self.legal(record)?;
        let text = record.to_toml();
        self.write(state)?;
        self.flush()?;
        self.confirm()?;
        self.publish_record(&text, old.is_some())?;
        self.finish_replacement(record)
    }

    /// Checks that a record that is written can be read: anything else would lock the user out.
    fn legal(&self, record: &UserRecord) -> Result<(), StoreError> {
        let parsed = UserRecord::parse(&record.to_toml());
        parsed.map(drop).map_err(|error| StoreError {
            path: self.store.record_path(&self.account.name),
            cause: FileFault::Record(error),
        })
    }

    /// The last step: the state of a record that is in place.
    ///
    /// # Errors
    /// [`StoreError`]; [`FileFault::TakenOver`] where another process has changed the record since.
    pub(in crate::files) fn finish_replacement(
        &mut self,
        record: &UserRecord,
    ) -> Result<(), StoreError> {
        match self.settle(record) {
            Err(error) if matches!(error.cause, FileFault::TakenOver) => self.settle_anew(record),
            other => other,
        }
    }

    /// Writes the state of a record that is in place. It names the set of recovery codes, so that an earlier set is known to be
    /// replaced also before a code of this one is used; the marks of the earlier set counted until now.
    fn settle(&mut self, record: &UserRecord) -> Result<(), StoreError> {
        self.state.devices.retain(|entry| has(record, entry));
        let set = record.recovery.as_ref().map(|set| set.id);
        if set.is_some() && set != self.state.recovery.set {
            self.state.recovery = SpentCodes { set, bits: 0 };
        }
        self.commit()?;
        self.flush()?;
        self.confirm()
    }

    /// Another process has taken the state over, since this one did not move after the record was in place. The last step is done
    /// all the same, unless that process has changed the record.
    fn settle_anew(&self, record: &UserRecord) -> Result<(), StoreError> {
        let mut current = Self::existing(self.store, &self.account)?;
        let kept = current.record()?.map(|kept| kept.to_toml());
        if kept.as_ref() != Some(&record.to_toml()) {
            return Err(self.error(FileFault::TakenOver));
        }
        current.settle(record)
    }

    /// Puts the text of a record in place, durably.
    pub(in crate::files) fn publish_record(
        &self,
        text: &str,
        replaces: bool,
    ) -> Result<(), StoreError> {
        let path = self.store.record_path(&self.account.name);
        let users = self.store.users.directory()?;
        self.write_record(users, text, replaces)
            .map_err(|error| match error {
                WriteFailed::File(error) => StoreError::file(&path)(error),
                WriteFailed::Meanwhile => self.error(FileFault::TakenOver),
            })
    }

    /// Moves the state to another name.
    pub(in crate::files) fn move_state(&self, name: &str) -> Result<(), StoreError> {
        let new = StateFiles::of(self.store, name)?;
        self.files.move_to(&self.held, &self.state, &new)
    }

    /// The state while the record is replaced.
    fn between(
        &self,
        old: Option<&UserRecord>,
        record: &UserRecord,
        entries: &[DeviceState],
    ) -> Result<UserState, StoreError> {
        let was = |entry: &DeviceState| old.is_some_and(|old| has(old, entry));
        let mut state = self.state.clone();
        for entry in entries {
            state.devices.retain(|old| old.id != entry.id);
            state.devices.push(*entry);
        }
        state
            .devices
            .retain(|entry| was(entry) || has(record, entry));
        self.transitional(state, record, was)
    }

    /// The state while the record is restored.
    fn between_restored(
        &self,
        old: Option<&UserRecord>,
        record: &UserRecord,
        base: UserState,
    ) -> Result<UserState, StoreError> {
        let was = |entry: &DeviceState| match old {
            Some(old) => has(old, entry),
            None => self.state.device(entry.id).is_some_and(|it| it.committed),
        };
        let mut state = base;
        state
            .devices
            .retain(|entry| was(entry) || has(record, entry));
        // One entry is enough to show that a record was lost, and the state has room for one more than a record.
        while old.is_none() && state.devices.len() > state::CAPACITY {
            let Some(surplus) = state.devices.iter().rposition(|entry| !has(record, entry)) else {
                break;
            };
            state.devices.remove(surplus);
        }
        self.transitional(state, record, was)
    }

    /// The state between two records: without grace, and only what `was` there before is committed.
    fn transitional(
        &self,
        mut state: UserState,
        record: &UserRecord,
        was: impl Fn(&DeviceState) -> bool,
    ) -> Result<UserState, StoreError> {
        state.end_grace();
        for entry in &mut state.devices {
            // One record or the other is always in place, unless the new one has no device.
            entry.committed = was(entry) && record.is_enrolled();
        }
        if state.devices.len() > state::CAPACITY {
            return Err(self.error(FileFault::System("too many devices")));
        }
        knows_all(&state, record).map_err(|cause| self.error(cause))?;
        Ok(state)
    }

    /// A first record is made only where there is none by now: its maker may have been stopped for long.
    fn write_record(&self, users: &OwnedFd, text: &str, replaces: bool) -> Result<(), WriteFailed> {
        let name = file_names::record_file(&self.account.name).ok_or(file::FileError::TooLarge)?;
        if uid_index::add(
            users,
            self.account.uid,
            &self.account.name,
            LinkDurability::Now,
        )? {
            file::flush_directory(users)?;
        }
        self.remove_temporary(users, &name)?;
        if replaces {
            // Each holder of the lock has a temporary name of its own, so that one that was stopped publishes nothing of
            // another's.
            let staged = self.files.staging_name(&self.held, &name);
            let written = file::stage(users, &staged, text.as_bytes(), FileAccess::Private)
                .and_then(|fd| file::flush(&fd));
            let still = written
                .map_err(WriteFailed::from)
                .and_then(|()| self.still_current());
            if still.is_err() {
                // The first error is the one to report.
                let _ = file::remove_leftover(users, &staged);
            }
            still?;
            return Ok(file::publish_as(users, &staged, &name)?);
        }
        self.publish_first(users, &name, text)
    }

    /// Puts a first record in place. Then the index entry is looked at again: a removal that was stopped may have taken it since.
    pub(in crate::files) fn publish_first(
        &self,
        users: &OwnedFd,
        name: &str,
        text: &str,
    ) -> Result<(), WriteFailed> {
        let file = NewFile::create(users.as_fd(), name, text.as_bytes(), NewFileKind::Free)?;
        file.flush()?;
        self.still_current()?;
        match file.publish(name)? {
            Some(_) => {
                let Account { name, uid, .. } = &self.account;
                let names = uid_index::names_of(users, *uid);
                if !names.is_ok_and(|names| names.contains(name)) {
                    uid_index::add(users, *uid, name, LinkDurability::Now)?;
                }
                Ok(file::flush_directory(users)?)
            }
            None => Err(WriteFailed::Meanwhile),
        }
    }

    /// Removes the temporary files of this record that killed changes have left.
    ///
    /// # Errors
    /// [`StoreError`] when one cannot be removed.
    pub(in crate::files) fn remove_temporary_records(&self) -> Result<(), StoreError> {
        let Some(name) = file_names::record_file(&self.account.name) else {
            return Ok(());
        };
        let users = self.store.users.directory()?;
        let path = self.store.record_path(&self.account.name);
        self.remove_temporary(users, &name)
            .map_err(StoreError::file(&path))
    }

    fn remove_temporary(&self, users: &OwnedFd, name: &str) -> Result<(), file::FileError> {
        for stale in self.files.stale_names(&self.held, name) {
            file::remove_leftover(users, &stale)?;
        }
        Ok(())
    }

    fn still_current(&self) -> Result<(), WriteFailed> {
        self.confirm().map_err(|_| WriteFailed::Meanwhile)
    }
}

fn has(record: &UserRecord, entry: &DeviceState) -> bool {
    record.devices.iter().any(|device| device.id == entry.id)
}

/// Reason why a record was not written.
#[derive(Debug)]
pub(in crate::files) enum WriteFailed {
    File(file::FileError),
    /// Another process made one.
    Meanwhile,
}

impl From<file::FileError> for WriteFailed {
    fn from(error: file::FileError) -> Self {
        Self::File(error)
    }
}
