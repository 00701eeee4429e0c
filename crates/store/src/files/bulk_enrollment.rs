//! The first records of many users at once, with a few flushes for all of them instead of a few for each.

use std::os::fd::AsFd;

use crate::sys::file::{self, FileError};
use crate::sys::new_file::{LinkDurability, NewFile, NewFileKind};
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::state::{self, DeviceState, UserState};

use super::known_devices::knows_all;
use super::locked_factor::LockedFactor;
use super::state_generations::StateFiles;
use super::{FactorStore, FileFault, StoreError, file_names, uid_index};

/// Most newcomers of one call: each keeps two files open, one of them locked.
pub const BATCH: usize = 200;

/// A user who gets a first record.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// The user's account.
    pub account: Account,
    /// The record that is written; at least one device.
    pub record: UserRecord,
    /// The state of each of its devices.
    pub entries: Vec<DeviceState>,
}

/// Result for one newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkEnrollment {
    /// Record and state are on the disk.
    Done,
    /// There was a record or a state already; nothing was changed.
    Occupied,
}

/// A newcomer whose state is written, and has no name yet.
struct StagedRecord<'s> {
    position: usize,
    files: StateFiles<'s>,
    state: UserState,
    file: NewFile<'s>,
    record: NewFile<'s>,
    record_file: String,
}

/// A newcomer whose state has its name and is locked, so that no other process makes a record beside it.
struct ClaimedName<'s> {
    position: usize,
    locked: LockedFactor<'s>,
    record: NewFile<'s>,
    record_file: String,
}

type BulkResults = Vec<Result<BulkEnrollment, StoreError>>;

impl FactorStore {
    /// Makes record and state of up to [`BATCH`] accounts that have neither. The order is that of all changes: a state in which
    /// no device is committed, the index, the record, the state in which they are committed. A crash leaves a newcomer with a
    /// record, or with nothing that tells of one.
    ///
    /// # Errors
    /// [`StoreError`] for all of them when more than [`BATCH`] are given, or the disk cannot be flushed: then some may be
    /// enrolled, and calling again finds them occupied. In the list: for one of them.
    pub fn enroll_all(&self, newcomers: &[NewRecord]) -> Result<BulkResults, StoreError> {
        if newcomers.len() > BATCH {
            let cause = FileFault::System("too many newcomers at once");
            let path = self.path.clone();
            return Err(StoreError { path, cause });
        }
        if self.is_in_fleet()? {
            // Each is a change of the fleet, which is the slower part.
            return Ok(newcomers.iter().map(|it| self.enroll_one(it)).collect());
        }
        let mut results: BulkResults = Vec::with_capacity(newcomers.len());
        let mut staged = Vec::with_capacity(newcomers.len());
        for (position, newcomer) in newcomers.iter().enumerate() {
            let mut before = newcomers.iter().take(position);
            // Two names of one uid as well: the second is looked at when the first has its record.
            if before.any(|other| {
                other.account.name == newcomer.account.name
                    || other.account.uid == newcomer.account.uid
            }) {
                results.push(Ok(BulkEnrollment::Occupied));
                continue;
            }
            results.push(match self.stage(position, newcomer) {
                Ok(Some(ready)) => {
                    staged.push(ready);
                    Ok(BulkEnrollment::Done)
                }
                Ok(None) => Ok(BulkEnrollment::Occupied),
                Err(error) => Err(error),
            });
        }
        self.finish(newcomers, staged, &mut results)?;
        Ok(results)
    }

    fn enroll_one(&self, newcomer: &NewRecord) -> Result<BulkEnrollment, StoreError> {
        let mut locked = self.lock_for_change(&newcomer.account)?;
        if locked.record()?.is_some() {
            return Ok(BulkEnrollment::Occupied);
        }
        let made = locked.replace_record(&newcomer.record, &newcomer.entries);
        if made.is_err() && matches!(locked.record(), Ok(None)) {
            // The error is the one to report; a state alone is harmless.
            let _ = locked.remove();
        }
        made.map(|()| BulkEnrollment::Done)
    }

    fn finish(
        &self,
        newcomers: &[NewRecord],
        staged: Vec<StagedRecord<'_>>,
        results: &mut BulkResults,
    ) -> Result<(), StoreError> {
        self.flush_all()?;
        let mut claimed = Vec::with_capacity(staged.len());
        for one in staged {
            let position = one.position;
            let account = newcomers.get(position).map(|newcomer| &newcomer.account);
            let done = account.map_or(Ok(None), |account| self.claim(account, one));
            claimed.extend(keep(results, position, done));
        }
        // The names of the states, too, before the first record can be seen.
        self.flush_all()?;
        // Then the index, as everywhere.
        claimed.retain(|one: &ClaimedName<'_>| {
            let account = newcomers
                .get(one.position)
                .map(|newcomer| &newcomer.account);
            let added = account.map_or(Ok(()), |account| self.add_to_index(account));
            keep(results, one.position, added.map(Some)).is_some()
        });
        self.flush_all()?;
        let mut stored = Vec::with_capacity(claimed.len());
        for one in claimed {
            let position = one.position;
            let done = self.publish(one);
            stored.extend(keep(results, position, done));
        }
        file::flush_directory(self.users.directory()?)
            .map_err(StoreError::file(self.users.path()))?;
        for (position, mut locked) in stored {
            let done = locked.commit().map(|()| Some(()));
            keep(results, position, done);
        }
        self.flush_all()
    }

    fn stage<'s>(
        &'s self,
        position: usize,
        newcomer: &NewRecord,
    ) -> Result<Option<StagedRecord<'s>>, StoreError> {
        let NewRecord {
            account,
            record,
            entries,
        } = newcomer;
        let state_path = self.state_path(&account.name);
        let failed = |cause| StoreError {
            path: state_path.clone(),
            cause,
        };
        let files = StateFiles::of(self, &account.name)?;
        if files.peek()?.is_some() {
            return Ok(None);
        }
        let holder = self.holder(account)?;
        if holder.record.is_some() {
            return Ok(None);
        }
        let mut state = UserState::new(account.uid);
        state.devices = entries.clone();
        state.devices.iter_mut().for_each(|d| d.committed = false);
        if state.devices.len() > state::CAPACITY {
            return Err(failed(FileFault::System("too many devices")));
        }
        knows_all(&state, record).map_err(failed)?;
        // A record that is written can be read: anything else would lock the user out.
        let text = record.to_toml();
        UserRecord::parse(&text).map_err(|error| failed(FileFault::Record(error)))?;
        let Some(record_file) = file_names::record_file(&account.name) else {
            return Ok(None);
        };
        let file = files.stage(&state)?;
        let bytes = text.as_bytes();
        let record = NewFile::create(
            self.users.directory()?.as_fd(),
            &record_file,
            bytes,
            NewFileKind::Free,
        )
        .map_err(StoreError::file(&self.record_path(&account.name)))?;
        Ok(Some(StagedRecord {
            position,
            files,
            state,
            file,
            record,
            record_file,
        }))
    }

    /// Gives the state its name.
    fn claim<'s>(
        &'s self,
        account: &Account,
        staged: StagedRecord<'s>,
    ) -> Result<Option<ClaimedName<'s>>, StoreError> {
        let Some(held) = staged.files.publish(staged.file, &staged.state)? else {
            return Ok(None);
        };
        Ok(Some(ClaimedName {
            position: staged.position,
            locked: LockedFactor::of_new(self, account, staged.files, held),
            record: staged.record,
            record_file: staged.record_file,
        }))
    }

    fn add_to_index(&self, account: &Account) -> Result<(), StoreError> {
        uid_index::add(
            self.users.directory()?,
            account.uid,
            &account.name,
            LinkDurability::Later,
        )
        .map(drop)
        .map_err(StoreError::file(&self.record_path(&account.name)))
    }

    /// Gives the record its name, unless the state was taken over while this process did not move.
    fn publish<'s>(
        &self,
        claimed: ClaimedName<'s>,
    ) -> Result<Option<(usize, LockedFactor<'s>)>, StoreError> {
        claimed.locked.confirm()?;
        let path = self.path.join("users").join(&claimed.record_file);
        let made = claimed
            .record
            .publish(&claimed.record_file)
            .map_err(StoreError::file(&path))?;
        Ok(made.map(|_| (claimed.position, claimed.locked)))
    }

    fn flush_all(&self) -> Result<(), StoreError> {
        let (users, states) = (self.users.directory()?, self.states.directory()?);
        let flush = || -> Result<(), FileError> {
            file::flush_file_system(states)?;
            if file::device(states)? == file::device(users)? {
                return Ok(());
            }
            file::flush_file_system(users)
        };
        flush().map_err(StoreError::file(&self.path))
    }
}

/// Notes what became of one; what goes on with it.
fn keep<T>(
    results: &mut BulkResults,
    position: usize,
    done: Result<Option<T>, StoreError>,
) -> Option<T> {
    let result = results.get_mut(position)?;
    match done {
        Ok(Some(next)) => return Some(next),
        Ok(None) => *result = Ok(BulkEnrollment::Occupied),
        Err(error) => *result = Err(error),
    }
    None
}
