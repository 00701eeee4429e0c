//! The place of records, states and the policy: plain files that only root can touch.
//!
//! Nothing here knows of terminals or of PAM.

mod bulk_enrollment;
mod directory_inventory;
pub mod directory_mark;
pub(crate) mod file_names;
mod forced_removal;
mod killed_change;
mod known_devices;
mod locked_factor;
mod policy_file;
mod record_file;
mod record_lookup;
mod shared_factor;
mod state_generations;
mod state_subdirectory;
mod store_error;
mod uid_index;
mod unmirrored_users;
mod unusable_policy;
mod user_relocation;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{CWD, Dir};

use crate::sys::file::{self, FileAccess, FileError};
use crate::sys::lock;
use crate::sys::new_file::LinkDurability;
use twofactor_core::account::Account;
use twofactor_core::state::UserState;

pub use bulk_enrollment::{BATCH, BulkEnrollment, NewRecord};
pub use directory_inventory::DirectoryInventory;
pub use directory_mark::{MarkDisagreement, MarkResult};
pub use forced_removal::{FoundRecord, RemovalResult};
pub use locked_factor::LockedFactor;
pub(crate) use locked_factor::nothing_reusable;
pub use policy_file::{LoadedPolicy, LockWait, OTHER_COMMANDS, OtherWriters, PolicyFile};
pub use record_file::LoadedRecord;
pub use record_lookup::{FactorSnapshot, FoundBy, RecordHolder};
pub(crate) use shared_factor::ShareResult;
pub use shared_factor::{ShareFault, SharedChange, SharedFactors};
pub use store_error::{FileFault, StoreError};
pub use unmirrored_users::UnmirroredUsers;
pub use unusable_policy::UnusablePolicy;
pub use user_relocation::RelocationProgress;

use state_generations::StateFiles;
use state_subdirectory::StateSubdirectory;

/// The state directory (`/var/lib/twofactor` unless told otherwise).
pub struct FactorStore {
    path: PathBuf,
    users: StateSubdirectory,
    states: StateSubdirectory,
    /// The place in which changes are made first, on a host of a fleet.
    fleet: Option<Arc<dyn SharedFactors>>,
}

impl FactorStore {
    /// Opens a state directory that was marked, with the id that stands beside the policy.
    ///
    /// # Errors
    /// [`StoreError`] when it or one of its parts is missing, not root's, accessible to others, or not marked as this one.
    pub fn open(path: &Path, policy: &Path) -> Result<Self, StoreError> {
        let (store, top) = Self::unmarked(path)?;
        store.users.directory()?;
        store.states.directory()?;
        directory_mark::check(&top, path, policy)?;
        Ok(store)
    }

    /// [`FactorStore::open`] for one login, with fewer system calls. `users` and `state` are checked when a file in them is
    /// wanted. They are opened if it is not found, or is to be changed otherwise than in place.
    ///
    /// # Errors
    /// [`StoreError`] as for [`FactorStore::open`]; what is wrong with `users` and `state` is an error of the first use.
    pub fn open_for_login(path: &Path, policy: &Path) -> Result<Self, StoreError> {
        let (store, top) = Self::unmarked(path)?;
        directory_mark::check(&top, path, policy)?;
        Ok(store)
    }

    /// The directory, whatever mark it has.
    fn unmarked(path: &Path) -> Result<(Self, Arc<OwnedFd>), StoreError> {
        let top = file::open_directory(CWD, path, FileAccess::Private);
        let top = Arc::new(top.map_err(StoreError::file(path))?);
        let store = Self {
            path: path.to_owned(),
            users: StateSubdirectory::new(&top, path, "users"),
            states: StateSubdirectory::new(&top, path, "state"),
            fleet: None,
        };
        Ok((store, top))
    }

    /// Opens the state directory, makes what is missing of it (mode 0700), and marks it. Only the command that sets up a
    /// machine calls this.
    ///
    /// # Errors
    /// [`StoreError`] as for [`FactorStore::open`] and [`directory_mark::initialize`], or when it cannot be made.
    pub fn initialize(
        path: &Path,
        policy: &Path,
        disagreement: MarkDisagreement,
    ) -> Result<(Self, MarkResult), StoreError> {
        if disagreement == MarkDisagreement::Refuse && directory_mark::is_noted(path, policy)? {
            // It was in use: where it is missing now, a new one would be the wrong one.
            return Self::open(path, policy).map(|store| (store, MarkResult::Already));
        }
        let top = file::ensure_directory(CWD, path).map_err(StoreError::file(path))?;
        let top = Arc::new(top);
        let part = |name| StateSubdirectory::ensure(&top, path, name);
        let store = Self {
            path: path.to_owned(),
            users: part("users")?,
            states: part("state")?,
            fleet: None,
        };
        // The first enrollment must not be lost with the directory that it is in.
        for directory in [Some(path), path.parent()].into_iter().flatten() {
            file::flush_names(directory).map_err(StoreError::file(directory))?;
        }
        let done = directory_mark::initialize(&top, path, policy, disagreement)?;
        Ok((store, done))
    }

    /// The state directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all users with a record, sorted.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be read.
    pub fn users(&self) -> Result<Vec<String>, StoreError> {
        let mut users: Vec<String> = self
            .file_names()?
            .iter()
            .filter_map(|name| file_names::user_of(name))
            .collect();
        users.sort_unstable();
        Ok(users)
    }

    /// Locks the state of an enrolled account. Waits at most 5 s.
    ///
    /// # Errors
    /// [`StoreError`] when the state is missing, unsafe, damaged, of another uid, or another process holds the lock.
    pub fn lock(&self, account: &Account) -> Result<LockedFactor<'_>, StoreError> {
        LockedFactor::existing(self, account)
    }

    /// Locks the state of an account for a change of its record; makes the state when there is neither.
    ///
    /// # Errors
    /// [`StoreError`] as for [`FactorStore::lock`]; a missing or damaged state beside a record is an error, never made anew.
    pub fn lock_for_change(&self, account: &Account) -> Result<LockedFactor<'_>, StoreError> {
        LockedFactor::existing_or_new(self, account)
    }

    /// Makes a new state for an account whose state is missing, damaged, or does not know its devices.
    ///
    /// No code works in it that may have been used before `now` (seconds since 1970-01-01 UTC). TOTP codes are accepted again
    /// after `2 * window + 3` steps, HOTP codes after `twofactor resync`, recovery and bypass codes not at all. If the clock that shows
    /// `now` is behind, a used TOTP code can be one of a later time, and works once more.
    ///
    /// # Errors
    /// [`StoreError`] when there is no valid record, or the state cannot be written.
    pub fn rebuild(
        &self,
        account: &Account,
        window: u8,
        now: u64,
    ) -> Result<LockedFactor<'_>, StoreError> {
        LockedFactor::rebuilt(self, account, window, now)
    }

    /// The state of an account, read without a lock: for prompts and displays, never for a verdict. `None` when there is
    /// none.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read, or is of another uid.
    pub fn peek(&self, account: &Account) -> Result<Option<UserState>, StoreError> {
        let Some(state) = self.peek_following(&account.name, account.uid)? else {
            return Ok(None);
        };
        if state.uid == account.uid {
            return Ok(Some(state));
        }
        Err(StoreError {
            path: self.state_path(&account.name),
            cause: FileFault::OtherUid {
                recorded: state.uid,
                current: account.uid,
            },
        })
    }

    /// The state under a name, read without a lock, of whatever uid it is.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn peek_named(&self, name: &str) -> Result<Option<UserState>, StoreError> {
        if file_names::state_file(name).is_none() {
            return Ok(None);
        }
        let stored = StateFiles::of(self, name)?.peek()?;
        Ok(stored.map(|stored| stored.state))
    }

    /// The error of a record that has no state beside it.
    #[must_use]
    pub fn missing_state(&self, account: &Account) -> StoreError {
        StoreError {
            path: self.state_path(&account.name),
            cause: FileFault::MissingState,
        }
    }

    /// Locks the state of an enrolled account if that can be done at once. `None` when it cannot, or there is none.
    ///
    /// # Errors
    /// [`StoreError`] as for [`FactorStore::lock`].
    pub fn try_lock(&self, account: &Account) -> Result<Option<LockedFactor<'_>>, StoreError> {
        LockedFactor::at_once(self, account)
    }

    /// The index of uids as it is on the disk: each entry's uid with its name.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn index(&self) -> Result<Vec<(u32, String)>, StoreError> {
        let directory = self.users.directory()?;
        let mut uids: Vec<u32> = Vec::new();
        for file_name in self.file_names()? {
            uids.extend(uid_index::uid_of(&file_name));
        }
        uids.sort_unstable();
        uids.dedup();
        let mut entries = Vec::new();
        for uid in uids {
            match uid_index::names_of(directory, uid) {
                Ok(names) => entries.extend(names.into_iter().map(|name| (uid, name))),
                // An entry that names no user refuses the accounts of its uid, and no others.
                Err(FileError::WrongType) => {}
                Err(error) => return Err(StoreError::file(self.users.path())(error)),
            }
        }
        Ok(entries)
    }

    /// Adds what is missing in the index for the records that can be read; tells how many there were.
    ///
    /// # Errors
    /// [`StoreError`] when the index cannot be written.
    pub fn complete_index(&self) -> Result<usize, StoreError> {
        let present: HashSet<(u32, String)> = self.index()?.into_iter().collect();
        let directory = self.users.directory()?;
        let users = self.users.path();
        let mut added = 0;
        for name in self.users()? {
            // A record that cannot be read keeps its user from logging in already.
            let Ok(Some(record)) = self.record_named(&name) else {
                continue;
            };
            if !present.contains(&(record.uid, name.clone())) {
                uid_index::add(directory, record.uid, &name, LinkDurability::Now)
                    .map_err(StoreError::file(users))?;
                added += 1;
                // Removed meanwhile: an entry without record and state would be a contradiction.
                if matches!(self.record_named(&name), Ok(None)) {
                    uid_index::remove(directory, record.uid, &name)
                        .map_err(StoreError::file(users))?;
                    added -= 1;
                }
            }
        }
        file::flush_directory(directory).map_err(StoreError::file(users))?;
        Ok(added)
    }

    /// Locks the whole directory, for changes that are not one user's, such as of the policy. `None` when another process
    /// has held it for `patience`, as one does that is stopped.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be opened.
    pub fn lock_whole(&self, patience: Duration) -> Result<Option<OwnedFd>, StoreError> {
        self.lock_whole_unless(patience, || false)
    }

    /// As [`FactorStore::lock_whole`], and `None` as soon as the wait is given up.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be opened.
    pub fn lock_whole_unless(
        &self,
        patience: Duration,
        is_given_up: impl Fn() -> bool,
    ) -> Result<Option<OwnedFd>, StoreError> {
        let fd = file::open_directory(CWD, &self.path, FileAccess::Private)
            .map_err(StoreError::file(&self.path))?;
        let had = lock::exclusive_unless(&fd, patience, is_given_up)
            .map_err(StoreError::lock(&self.path))?;
        Ok(had.then_some(fd))
    }

    /// The process that holds the lock of the whole directory, if it can be seen.
    #[must_use]
    pub fn whole_holder(&self) -> Option<u32> {
        let fd = file::open_directory(CWD, &self.path, FileAccess::Private).ok()?;
        lock::holder(&file::stat(&fd).ok()?)
    }

    /// Path of a user's record.
    #[must_use]
    pub fn record_path(&self, name: &str) -> PathBuf {
        let file = file_names::record_file(name).unwrap_or_default();
        self.path.join("users").join(file)
    }

    fn state_path(&self, name: &str) -> PathBuf {
        let file = file_names::state_file(name).unwrap_or_default();
        self.path.join("state").join(file)
    }

    fn file_names(&self) -> Result<Vec<String>, StoreError> {
        list(self.users.directory()?, self.users.path())
    }
}

/// The names in a directory that are UTF-8.
fn list(directory: &OwnedFd, path: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |errno| StoreError::file(path)(FileError::System("readdir", errno));
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        names.extend(entry.file_name().to_str().ok().map(str::to_owned));
    }
    Ok(names)
}
