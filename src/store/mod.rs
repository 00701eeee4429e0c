//! Where records, states and the policy are kept: plain files that only root can touch.
//!
//! Nothing here knows of terminals or of PAM.
#![forbid(unsafe_code)]

mod bulk;
mod error;
mod locked;
pub(crate) mod names;
mod policy_file;

#[cfg(test)]
pub(crate) mod tests;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir};
use zeroize::Zeroizing;

use crate::record::Record;
use crate::sys::accounts::Account;
use crate::sys::file::{self, Access, FileError, Open};

pub use bulk::{BATCH, Enrolled, Newcomer};
pub use error::{Cause, Error};
pub use locked::Locked;
pub use policy_file::{LoadedPolicy, PolicyFile};

/// The state directory (`/var/lib/twofactor` unless told otherwise).
pub struct Store {
    path: PathBuf,
    users: OwnedFd,
    states: OwnedFd,
}

impl Store {
    /// Opens an existing state directory.
    ///
    /// # Errors
    /// [`Error`] when it or one of its parts is missing, not root's, or accessible to others.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::with(path, |at, name| {
            file::open_directory(at, name, Access::Private)
        })
    }

    /// Opens the state directory and makes what is missing of it (mode 0700).
    ///
    /// # Errors
    /// [`Error`] as for [`Store::open`], or when it cannot be made.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let store = Self::with(path, |at, name| file::ensure_directory(at, name))?;
        // The first enrolment must not be lost with the directory that it made.
        for directory in [Some(path), path.parent()].into_iter().flatten() {
            file::flush_names(directory).map_err(Error::file(directory))?;
        }
        Ok(store)
    }

    /// The record of an account, `None` when there is none. Read without a lock: records are replaced whole.
    ///
    /// # Errors
    /// [`Error`] for everything but "no such file": unreadable, unsafe, invalid, or of somebody else.
    pub fn record(&self, account: &Account) -> Result<Option<Record>, Error> {
        let Some(record) = self.record_named(&account.name)? else {
            return Ok(None);
        };
        let cause = match () {
            () if record.uid != account.uid => Cause::OtherUid {
                recorded: record.uid,
                current: account.uid,
            },
            () if record.user != account.name => Cause::OtherUser(record.user),
            () => return Ok(Some(record)),
        };
        let path = self.record_path(&account.name);
        Err(Error { path, cause })
    }

    /// The record under a name, whoever has that name now.
    ///
    /// # Errors
    /// [`Error`] for everything but "no such file".
    pub fn record_named(&self, name: &str) -> Result<Option<Record>, Error> {
        let Some(file_name) = names::record_file(name) else {
            return Ok(None);
        };
        let path = self.record_path(name);
        let Some(text) = read_if_there(&self.users, &file_name).map_err(Error::file(&path))? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&text).map_err(|_| Error {
            path: path.clone(),
            cause: Cause::NotUtf8,
        })?;
        Record::parse(text).map(Some).map_err(|error| Error {
            path,
            cause: Cause::Record(error),
        })
    }

    /// The names of all users with a record, sorted.
    ///
    /// # Errors
    /// [`Error`] when the directory cannot be read.
    pub fn users(&self) -> Result<Vec<String>, Error> {
        let failed = |errno| Error {
            path: self.path.join("users"),
            cause: Cause::File(FileError::System("readdir", errno)),
        };
        let mut users = Vec::new();
        for entry in Dir::read_from(&self.users).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            users.extend(entry.file_name().to_str().ok().and_then(names::user_of));
        }
        users.sort_unstable();
        Ok(users)
    }

    /// Locks the state of an enrolled account. Waits at most 5 s.
    ///
    /// # Errors
    /// [`Error`] when the state is missing, unsafe, damaged, of another uid, or somebody else holds the lock.
    pub fn lock(&self, account: &Account) -> Result<Locked<'_>, Error> {
        Locked::existing(self, account)
    }

    /// Locks the state of an account for a change of its record; makes the state when there is neither.
    ///
    /// # Errors
    /// [`Error`] as for [`Store::lock`]; a missing or damaged state beside a record is an error, never made anew.
    pub fn lock_for_change(&self, account: &Account) -> Result<Locked<'_>, Error> {
        Locked::existing_or_new(self, account)
    }

    /// Makes a new state for an account whose state is missing, damaged, or does not know its devices.
    ///
    /// Nothing that may have been used before works in it: TOTP codes are accepted again after `2 * window + 3` steps,
    /// HOTP codes after `twofactor resync`, recovery and bypass codes not at all.
    ///
    /// # Errors
    /// [`Error`] when there is no valid record, or the state cannot be written.
    pub fn rebuild(&self, account: &Account, window: u8, now: u64) -> Result<Locked<'_>, Error> {
        Locked::rebuilt(self, account, window, now)
    }

    /// Removes record and state of a name, whoever it belongs to and whatever state they are in.
    ///
    /// # Errors
    /// [`Error`] when they cannot be removed.
    pub fn discard(&self, name: &str) -> Result<(), Error> {
        let (Some(record), Some(state)) = (names::record_file(name), names::state_file(name))
        else {
            return Ok(());
        };
        let _lock = self.lock_states()?;
        for (directory, file, path) in [
            (&self.users, record, self.record_path(name)),
            (&self.states, state, self.state_path(name)),
        ] {
            file::remove_leftover(directory, &file)
                .and_then(|()| file::remove(directory, &file))
                .and_then(|()| file::flush_directory(directory))
                .map_err(Error::file(&path))?;
        }
        Ok(())
    }

    /// Locks the whole directory, for changes that are not one user's, such as of the policy.
    ///
    /// # Errors
    /// [`Error`] when somebody else held it for 5 s.
    pub fn lock_whole(&self) -> Result<OwnedFd, Error> {
        let fd = file::open_directory(CWD, &self.path, Access::Private)
            .map_err(Error::file(&self.path))?;
        crate::sys::lock::exclusive(&fd).map_err(Error::lock(&self.path))?;
        Ok(fd)
    }

    /// Where the record of a user is.
    #[must_use]
    pub fn record_path(&self, name: &str) -> PathBuf {
        let file = names::record_file(name).unwrap_or_default();
        self.path.join("users").join(file)
    }

    fn state_path(&self, name: &str) -> PathBuf {
        let file = names::state_file(name).unwrap_or_default();
        self.path.join("state").join(file)
    }

    /// Keeps others from creating, rebuilding and discarding states.
    fn lock_states(&self) -> Result<OwnedFd, Error> {
        let path = self.path.join("state");
        let fd = file::open_directory(&self.states, Path::new("."), Access::Private)
            .map_err(Error::file(&path))?;
        crate::sys::lock::exclusive(&fd).map_err(Error::lock(&path))?;
        Ok(fd)
    }

    fn with(
        path: &Path,
        open: impl Fn(BorrowedFd<'_>, &Path) -> Result<OwnedFd, FileError>,
    ) -> Result<Self, Error> {
        let top = open(CWD, path).map_err(Error::file(path))?;
        let part =
            |name: &str| open(top.as_fd(), Path::new(name)).map_err(Error::file(&path.join(name)));
        Ok(Self {
            path: path.to_owned(),
            users: part("users")?,
            states: part("state")?,
        })
    }
}

/// `None` when two system calls have said that there is no such file: nobody is asked for a code who has no record, so a
/// single call that fails for another reason must not be believed.
fn read_if_there(directory: &OwnedFd, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    match read(directory, name) {
        Err(error) if error.is_missing() && file::is_absent(directory, name)? => Ok(None),
        // Made in between, or it was there all the time.
        Err(error) if error.is_missing() => read(directory, name).map(Some),
        other => other.map(Some),
    }
}

fn read(directory: &OwnedFd, name: &str) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let (fd, stat) = file::open_file(directory, Path::new(name), Open::Read, Access::Private)?;
    file::read_all(fd, &stat)
}
