//! The record as a file: read, and read again.

use std::path::Path;

use rustix::fs::Stat;

use crate::sys::clock;
use crate::sys::file::{self, ContentVersion, FileOpening};
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;

use super::state_subdirectory::StateSubdirectory;
use super::{FactorStore, FileFault, StoreError, file_names};

/// A record that was read, and the version of the file: where it is the same later, nothing has to be read again. It is kept
/// for one login.
#[derive(Debug, Clone)]
pub struct LoadedRecord {
    /// The record.
    pub record: UserRecord,
    /// `None` where a change could not be told.
    pub(super) version: Option<ContentVersion>,
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

    /// [`FactorStore::record`] where it was read before: the file is opened and checked again, and read again unless it is the
    /// same one, which nothing has changed.
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
        // The clock before the file: what is changed after that has a time that is earlier by a tick of the kernel's clock at
        // most, which the age of a settled version is longer than.
        let now = clock::now().unwrap_or_default();
        let known = before.as_ref().and_then(|before| before.version.as_ref());
        let (text, version) = match read_if_there(&self.users, &file_name, &path, known)? {
            None => return Ok(None),
            Some(FoundText::Known) => return Ok(before),
            Some(FoundText::Read(text, stat)) => (text, ContentVersion::settled(&stat, now)),
        };
        let parsed = match std::str::from_utf8(&text) {
            Ok(text) => UserRecord::parse(text).map_err(FileFault::Record),
            Err(_) => Err(FileFault::NotUtf8),
        };
        match parsed {
            Ok(record) => Ok(Some(LoadedRecord { record, version })),
            Err(cause) => Err(StoreError { path, cause }),
        }
    }
}

/// The text of a record's file.
enum FoundText {
    /// The text of the version which is known.
    Known,
    /// A text that was read, from a file with these attributes.
    Read(Vec<u8>, Stat),
}

/// `None` if two system calls have said that there is no such file. A user without a record is not asked for a code, so a single
/// call that fails for another reason must not be believed.
fn read_if_there(
    users: &StateSubdirectory,
    name: &str,
    path: &Path,
    known: Option<&ContentVersion>,
) -> Result<Option<FoundText>, StoreError> {
    let read = || {
        let opened = users.open_file(name, FileOpening::Read)?;
        Ok(opened.and_then(|(fd, stat)| match known {
            Some(known) if known.is_of(&stat) => Ok(FoundText::Known),
            _ => file::read_all(fd, &stat).map(|text| FoundText::Read(text, stat)),
        }))
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
