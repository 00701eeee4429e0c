//! The record as a file: read, and read again.

use std::fmt;
use std::path::Path;

use crate::sys::file::{self, FileOpening};
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;

use super::state_subdirectory::StateSubdirectory;
use super::{FactorStore, FileFault, StoreError, file_names};

/// A record that was read, with its text: where the file has the same text later, it need not be parsed again. It is kept
/// for one login, and wiped by the allocator.
#[derive(Debug, Clone)]
pub struct LoadedRecord {
    /// The record.
    pub record: UserRecord,
    /// Bytes that say so.
    pub(super) text: RecordText,
}

/// The bytes of a record, which hold keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct RecordText(Vec<u8>);

impl fmt::Debug for RecordText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl FactorStore {
    /// The record of an account, `None` when there is none. Read without a lock: records are replaced whole.
    ///
    /// # Errors
    /// [`StoreError`] for everything but "no such file": unreadable, unsafe, invalid, or of another user.
    pub fn record(&self, account: &Account) -> Result<Option<UserRecord>, StoreError> {
        let loaded = self.record_again(account, None)?;
        Ok(loaded.map(|loaded| loaded.record))
    }

    /// [`FactorStore::record`] where it was read before: the file is read and checked again, and parsed again where a byte of it
    /// is another one.
    pub(super) fn record_again(
        &self,
        account: &Account,
        before: Option<LoadedRecord>,
    ) -> Result<Option<LoadedRecord>, StoreError> {
        let Some(loaded) = self.load_record(&account.name, before)? else {
            return Ok(None);
        };
        let record = &loaded.record;
        let cause = match () {
            () if record.uid != account.uid => FileFault::OtherUid {
                recorded: record.uid,
                current: account.uid,
            },
            () if record.user != account.name && !self.is_moving(record)? => {
                FileFault::OtherUser(record.user.clone())
            }
            () => return Ok(Some(loaded)),
        };
        let path = self.record_path(&account.name);
        Err(StoreError { path, cause })
    }

    /// The record under a name, no matter which user has that name now.
    ///
    /// # Errors
    /// [`StoreError`] for everything but "no such file".
    pub fn record_named(&self, name: &str) -> Result<Option<UserRecord>, StoreError> {
        let loaded = self.load_record(name, None)?;
        Ok(loaded.map(|loaded| loaded.record))
    }

    fn load_record(
        &self,
        name: &str,
        before: Option<LoadedRecord>,
    ) -> Result<Option<LoadedRecord>, StoreError> {
        let Some(file_name) = file_names::record_file(name) else {
            return Ok(None);
        };
        let path = self.record_path(name);
        let Some(text) = read_if_there(&self.users, &file_name, &path)? else {
            return Ok(None);
        };
        let text = RecordText(text);
        if let Some(before) = before.filter(|before| before.text == text) {
            return Ok(Some(before));
        }
        let parsed = match std::str::from_utf8(&text.0) {
            Ok(text) => UserRecord::parse(text).map_err(FileFault::Record),
            Err(_) => Err(FileFault::NotUtf8),
        };
        match parsed {
            Ok(record) => Ok(Some(LoadedRecord { record, text })),
            Err(cause) => Err(StoreError { path, cause }),
        }
    }
}

/// `None` if two system calls have said that there is no such file. A user without a record is not asked for a code, so a single
/// call that fails for another reason must not be believed.
fn read_if_there(
    users: &StateSubdirectory,
    name: &str,
    path: &Path,
) -> Result<Option<Vec<u8>>, StoreError> {
    let read = || {
        Ok(users
            .open_file(name, FileOpening::Read)?
            .and_then(|(fd, stat)| file::read_all(fd, &stat)))
    };
    let found = match read()? {
        Err(error) if error.is_missing() => {
            if file::is_absent(users.directory()?, name).map_err(StoreError::file(path))? {
                return Ok(None);
            }
            // Made in between, or it was there all the time.
            read()?
        }
        other => other,
    };
    found.map(Some).map_err(StoreError::file(path))
}
