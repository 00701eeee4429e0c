//! Moving what is kept about a user to another name or uid: after a rename, a change of the uid, or a move to another
//! machine.
//!
//! Devices, recovery codes, used codes and lock-out move along, under the lock of the state. The steps, each atomic and on
//! the disk before the next:
//!
//! 1. The index leads from the new uid to the old name, as it did from the old uid.
//! 2. The state gets the new uid, and says that all devices of the record are committed.
//! 3. The record, still under the old name, says the new name and uid.
//! 4. The index gets the new name.
//! 5. The state moves to the new name (`StateFiles::move_to`).
//! 6. The record gets the new name.
//! 7. The index loses the old name.
//!
//! A record that says another name than that of its file, and whose own file is not there, is on its way. It counts for the uid
//! that it says, with the state that is under either name. Up to step 6 it is found by the old name and by uid, from then on by
//! the new name. So a login in between is asked as before. Only where the uid changes it is refused between steps 2 and 3, since
//! record and state say different uids.
//!
//! A user who has an invitation, and no device, is refused between steps 6 and 7: nothing tells the old name, which the index still has,
//! from one whose record and state are lost. No other order helps. Without the entry of the old name the record would not be found
//! before step 6, and a state that is left under that name would count as that of the record.

use crate::sys::file::{self, FileError};
use crate::sys::new_file::{self, LinkDurability};
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;

use super::known_devices::knows_all;
use super::state_generations::StateFiles;
use super::{FactorStore, FileFault, LockedFactor, StoreError, file_names, uid_index};

/// Progress of a move.
#[derive(Debug, Clone)]
pub enum RelocationProgress {
    /// Not begun, or nothing of it counts yet: the record as it is.
    Ahead(Box<UserRecord>),
    /// State or record say the new name and uid already.
    Begun,
    /// Only the index knows the old name still.
    Moved,
}

impl FactorStore {
    /// Progress of the move from a name to an account. `None` when there is nothing to move.
    ///
    /// # Errors
    /// [`StoreError`] when a record cannot be read, or is that of a third user.
    pub fn relocation(
        &self,
        from: &str,
        to: &Account,
    ) -> Result<Option<RelocationProgress>, StoreError> {
        let stale = || -> Result<bool, StoreError> {
            let index = self.index()?;
            Ok(index
                .iter()
                .any(|(uid, name)| name == from && (*uid, name) != (to.uid, &to.name)))
        };
        match self.record_named(from)? {
            Some(record) if is_of(&record, to) && from != to.name => {
                Ok(Some(RelocationProgress::Begun))
            }
            Some(record) if is_of(&record, to) => Ok(stale()?.then_some(RelocationProgress::Moved)),
            Some(record) if record.user != from => Err(StoreError {
                path: self.record_path(from),
                cause: FileFault::OtherUser(record.user),
            }),
            Some(record) => {
                // The state is written first, which is not done before the move was allowed.
                let state = self.peek_named(from)?;
                let begun = record.uid != to.uid && state.is_some_and(|state| state.uid == to.uid);
                Ok(Some(if begun {
                    RelocationProgress::Begun
                } else {
                    RelocationProgress::Ahead(Box::new(record))
                }))
            }
            None => {
                let new = self.record_named(&to.name)?;
                let moved = new.is_some_and(|record| is_of(&record, to))
                    && !StateFiles::of(self, from)?.is_in_use()?
                    && stale()?;
                Ok(moved.then_some(RelocationProgress::Moved))
            }
        }
    }

    /// Moves record and state, or completes a move that was stopped at any step. `permit` lets the record go, under the lock. It is not
    /// asked again about a move that has begun.
    ///
    /// # Errors
    /// [`StoreError`]; [`FileFault::Occupied`] where something is kept under the new name. Calling again completes the move. Those of
    /// `permit`: nothing is changed then.
    pub fn relocate_if<E: From<StoreError>>(
        &self,
        from: &str,
        to: &Account,
        permit: impl FnOnce(&UserRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_in_fleet()? {
            return Err(E::from(StoreError {
                path: self.record_path(from),
                cause: FileFault::Fleet(
                    "a record of a fleet is not moved: remove it, and enroll the new name"
                        .to_owned(),
                ),
            }));
        }
        match self.relocation(from, to)? {
            None => return Err(self.lost_before(from).into()),
            Some(RelocationProgress::Moved) => return Ok(self.forget(from, to)?),
            Some(RelocationProgress::Ahead(_) | RelocationProgress::Begun) => {}
        }
        // The state is the first of the two that gets the new name.
        let old = StateFiles::of(self, from)?;
        let state_at = if old.is_in_use()? { from } else { &to.name };
        let Some(state) = self.peek_named(state_at)? else {
            return Err(self.missing_state(&named(from, to)).into());
        };
        let held = Account {
            uid: state.uid,
            ..named(from, to)
        };
        let mut locked = self.lock(&held)?;
        // As it is under the lock.
        let record = match self.record_named(from)? {
            Some(record) if record.user == from || is_of(&record, to) => record,
            _ => return Err(self.lost_before(from).into()),
        };
        // From step 3 on nothing but this move makes a state under the new name.
        let resumed = is_of(&record, to);
        // Another uid is in the state first.
        if !resumed && (record.uid == to.uid || locked.state().uid != to.uid) {
            permit(&record)?;
        }
        self.prove_free(from, !resumed, to)?;
        self.change_owner(&mut locked, from, record, to)?;
        if from != to.name {
            if state_at == from {
                locked.move_state(&to.name)?;
            } else {
                old.leave_name()?;
            }
            self.rename_record(from, to)?;
        }
        Ok(self.forget(from, to)?)
    }

    /// Steps 1 to 4.
    pub(super) fn change_owner(
        &self,
        locked: &mut LockedFactor<'_>,
        from: &str,
        mut record: UserRecord,
        to: &Account,
    ) -> Result<(), StoreError> {
        let path = self.record_path(from);
        let mut state = locked.state().clone();
        knows_all(&state, &record).map_err(|cause| StoreError {
            path: self.state_path(from),
            cause,
        })?;
        self.enter(to.uid, from)?;
        state.uid = to.uid;
        let kept = |id| record.devices.iter().any(|device| device.id == id);
        state.devices.retain(|entry| kept(entry.id));
        // Without a committed device a state without record would tell of nothing.
        state.devices.iter_mut().for_each(|d| d.committed = true);
        if state != *locked.state() {
            locked.write(state)?;
            locked.flush()?;
        }
        locked.confirm()?;
        if !is_of(&record, to) {
            record.user.clone_from(&to.name);
            record.uid = to.uid;
            let text = record.to_toml();
            // A record that is written can be read: anything else would lock the user out.
            UserRecord::parse(&text).map_err(|error| StoreError {
                path,
                cause: FileFault::Record(error),
            })?;
            locked.publish_record(&text, true)?;
            locked.confirm()?;
        }
        self.enter(to.uid, &to.name)
    }

    /// Adds an entry of the index, durably.
    fn enter(&self, uid: u32, name: &str) -> Result<(), StoreError> {
        let users = self.users.directory()?;
        uid_index::add(users, uid, name, LinkDurability::Now)
            .and_then(|_| file::flush_directory(users))
            .map_err(StoreError::file(&self.record_path(name)))
    }

    /// Step 6.
    pub(super) fn rename_record(&self, from: &str, to: &Account) -> Result<(), StoreError> {
        let path = self.record_path(&to.name);
        let users = self.users.directory()?;
        let file_of = |user: &str| {
            file_names::record_file(user).ok_or_else(|| too_long(&self.record_path(user)))
        };
        let (old, new) = (file_of(from)?, file_of(&to.name)?);
        if !new_file::rename_new(users, &old, &new).map_err(StoreError::file(&path))? {
            return Err(self.occupied(&to.name));
        }
        file::flush_directory(users).map_err(StoreError::file(&path))
    }

    /// Step 7, and what others claimed of the old state meanwhile.
    fn forget(&self, from: &str, to: &Account) -> Result<(), StoreError> {
        let path = self.record_path(from);
        let users = self.users.directory()?;
        for (uid, name) in self.index()? {
            if name == from && (uid, name.as_str()) != (to.uid, to.name.as_str()) {
                uid_index::remove(users, uid, from).map_err(StoreError::file(&path))?;
            }
        }
        file::flush_directory(users).map_err(StoreError::file(&path))?;
        let old = StateFiles::of(self, from)?;
        if from == to.name || old.is_in_use()? {
            return Ok(());
        }
        old.remove_all().map(drop)
    }

    /// True if a record is on its way from the name of its file to the one that it says, which has none yet.
    pub(super) fn is_moving(&self, record: &UserRecord) -> Result<bool, StoreError> {
        Ok(self.record_named(&record.user)?.is_none())
    }

    /// The name to which the record under a name is on its way, if it is, and of that uid.
    pub(super) fn successor(&self, name: &str, uid: u32) -> Result<Option<String>, StoreError> {
        match self.record_named(name)? {
            Some(record) if record.user != name && record.uid == uid => {
                Ok(self.is_moving(&record)?.then_some(record.user))
            }
            _ => Ok(None),
        }
    }

    /// The state under a name, or under the one that its record is on its way to.
    pub(super) fn peek_following(
        &self,
        name: &str,
        uid: u32,
    ) -> Result<Option<UserState>, StoreError> {
        let state = self.peek_named(name);
        let is_missing = |error: &StoreError| matches!(error.cause, FileFault::MissingState);
        if state.as_ref().map_or_else(is_missing, Option::is_none)
            && let Some(successor) = self.successor(name, uid)?
        {
            return self.peek_named(&successor);
        }
        state
    }

    /// Nothing may be kept under the new name but what this move has put there.
    fn prove_free(&self, from: &str, no_state: bool, to: &Account) -> Result<(), StoreError> {
        if from == to.name {
            return Ok(());
        }
        if self.record_named(&to.name)?.is_some() {
            return Err(self.occupied(&to.name));
        }
        if no_state {
            let new = StateFiles::of(self, &to.name)?;
            if new.is_in_use()? {
                return Err(self.occupied(&to.name));
            }
            // Remains of a user of that name who was removed.
            new.remove_all()?;
        }
        Ok(())
    }

    fn occupied(&self, name: &str) -> StoreError {
        StoreError {
            path: self.record_path(name),
            cause: FileFault::Occupied,
        }
    }

    fn lost_before(&self, name: &str) -> StoreError {
        StoreError::file(&self.record_path(name))(FileError::System(
            "open",
            rustix::io::Errno::NOENT,
        ))
    }
}

fn is_of(record: &UserRecord, account: &Account) -> bool {
    record.user == account.name && record.uid == account.uid
}

fn named(name: &str, account: &Account) -> Account {
    Account {
        name: name.to_owned(),
        ..account.clone()
    }
}

fn too_long(path: &std::path::Path) -> StoreError {
    StoreError {
        path: path.to_owned(),
        cause: FileFault::NameTooLong,
    }
}
