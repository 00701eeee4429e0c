//! The record that counts for an account: by name, and by uid where the name has none.
//!
//! The absence of a device has to be proven: no record of the name, no entry of the uid in the index, and no state that says that
//! there was a record.

use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;

use crate::sys::file::ContentVersion;

use super::known_devices::knows_all;
use super::record_file::LoadedRecord;
use super::{FactorStore, FileFault, StoreError, uid_index};

/// The record that counts for an account.
#[derive(Debug, Clone)]
pub struct RecordHolder {
    /// The account with the name under which record and state are kept.
    pub account: Account,
    /// The record, `None` only where it is proven that there is none.
    pub record: Option<UserRecord>,
    /// The way in which it was found.
    pub found_by: FoundBy,
    /// Version of its file.
    version: Option<ContentVersion>,
}

impl RecordHolder {
    fn of(account: Account, loaded: LoadedRecord, found_by: FoundBy) -> Self {
        Self {
            account,
            record: Some(loaded.record),
            found_by,
            version: loaded.version,
        }
    }

    /// The account under which both files are kept, and the record for [`super::LockedFactor::record_again`].
    #[must_use]
    pub fn into_loaded(self) -> (Account, Option<LoadedRecord>) {
        let version = self.version;
        let loaded = self.record.map(|record| LoadedRecord { record, version });
        (self.account, loaded)
    }
}

/// The way in which a record was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// Under the name of the account, or there is none.
    Name,
    /// Under another name with the same uid: the user was renamed, or the name is an alias.
    Uid,
}

/// The records of an account, before anything is concluded from what is not there.
#[derive(Debug, Default)]
pub(super) struct FoundRecords {
    /// The record with the account that has it.
    holder: Option<RecordHolder>,
    /// Other names that the index has for the uid, and that have no record.
    without: Vec<String>,
}

impl From<RecordHolder> for FoundRecords {
    fn from(holder: RecordHolder) -> Self {
        Self {
            holder: Some(holder),
            without: Vec::new(),
        }
    }
}

/// Record and state of a user at one moment, read without a lock: for displays, never for a verdict.
#[derive(Debug, Clone)]
pub struct FactorSnapshot {
    /// The account with the name under which both are kept.
    pub account: Account,
    /// The record.
    pub record: UserRecord,
    /// The state; it knows all devices of the record.
    pub state: UserState,
}

/// Number of times that a snapshot is tried at most, when a change comes between its two files.
const SNAPSHOT_TRIES: u32 = 5;

impl FactorStore {
    /// Record and state that count for an account, `None` where it is proven that there is no record.
    ///
    /// # Errors
    /// [`StoreError`] as for [`FactorStore::holder`], and when the state is missing, unusable, or does not know a device.
    pub fn snapshot(&self, account: &Account) -> Result<Option<FactorSnapshot>, StoreError> {
        tried_anew(|| self.try_snapshot(account))
    }

    fn try_snapshot(&self, account: &Account) -> Result<Option<FactorSnapshot>, StoreError> {
        let RecordHolder {
            account, record, ..
        } = self.holder(account)?;
        let Some(record) = record else {
            return Ok(None);
        };
        let state = match self.peek(&account)? {
            Some(state) => state,
            None => return Err(self.missing_state(&account)),
        };
        knows_all(&state, &record).map_err(|cause| StoreError {
            path: self.state_path(&account.name),
            cause,
        })?;
        Ok(Some(FactorSnapshot {
            account,
            record,
            state,
        }))
    }

    /// Looks up the record of an account by name and by uid, at a cost that does not depend on the number of users.
    ///
    /// # Errors
    /// [`StoreError`] for everything that is neither one valid record nor proven absence: also [`FileFault::LostRecord`] where
    /// index or state tell of a record that is not there, and [`FileFault::SeveralRecords`].
    pub fn holder(&self, account: &Account) -> Result<RecordHolder, StoreError> {
        let found = self.look_up(account)?;
        self.holder_of(account, found)
    }

    /// The records of an account, by name and by uid. What the states say of them is not looked at.
    pub(super) fn look_up(&self, account: &Account) -> Result<FoundRecords, StoreError> {
        let mut found = FoundRecords::default();
        if let Some(own) = self.own_record(account)? {
            if !own.record.as_ref().is_some_and(UserRecord::is_enrolled) {
                found.without = self.prove_alone(account)?;
            }
            found.holder = Some(own);
            return Ok(found);
        }
        let names = uid_index::names_of(self.users.directory()?, account.uid)
            .map_err(StoreError::file(self.users.path()))?;
        for name in &names {
            let account = Account {
                name: name.clone(),
                ..account.clone()
            };
            match (self.record_again(&account, None)?, &found.holder) {
                (None, _) => found.without.push(name.clone()),
                (Some(loaded), None) => {
                    found.holder = Some(RecordHolder::of(account, loaded, FoundBy::Uid));
                }
                (Some(_), Some(_)) => {
                    return Err(StoreError {
                        path: self.record_path(&account.name),
                        cause: FileFault::SeveralRecords(names),
                    });
                }
            }
        }
        Ok(found)
    }

    /// The record that is kept under the name of an account.
    pub(super) fn own_record(&self, account: &Account) -> Result<Option<RecordHolder>, StoreError> {
        let own = self.record_again(account, None)?;
        Ok(own.map(|loaded| RecordHolder::of(account.clone(), loaded, FoundBy::Name)))
    }

    /// The record that counts for a change: that of the account's own name, whatever other names of the uid have. So of a pair of records
    /// that refuses logins one can be removed, and its invitation be withdrawn.
    ///
    /// # Errors
    /// [`StoreError`] as for [`FactorStore::holder`] where the name has no record.
    pub fn holder_for_change(&self, account: &Account) -> Result<RecordHolder, StoreError> {
        match self.own_record(account)? {
            Some(own) => self.own_holder(account, own),
            None => self.holder(account),
        }
    }

    /// Holds the record of the account's own name against its state, with a second look as in [`FactorStore::holder_of`].
    pub(super) fn own_holder(
        &self,
        account: &Account,
        own: RecordHolder,
    ) -> Result<RecordHolder, StoreError> {
        match self.proven(account, own.into()) {
            Err(error) if matches!(error.cause, FileFault::LostRecord) => {
                match self.own_record(account)? {
                    Some(own) => self.proven(account, own.into()),
                    None => self.holder(account),
                }
            }
            other => other,
        }
    }

    /// Checks that a record without a device is all that there is of its user: no other name of the uid has one with a device. Returns
    /// those that have none, which may be lost.
    fn prove_alone(&self, account: &Account) -> Result<Vec<String>, StoreError> {
        let names = uid_index::names_of(self.users.directory()?, account.uid)
            .map_err(StoreError::file(self.users.path()))?;
        let mut without = Vec::new();
        for name in names.iter().filter(|name| **name != account.name) {
            let other = Account {
                name: name.clone(),
                ..account.clone()
            };
            match self.record(&other)? {
                Some(record) if record.is_enrolled() => {
                    return Err(StoreError {
                        path: self.record_path(&account.name),
                        cause: FileFault::SeveralRecords(names),
                    });
                }
                Some(_) => {}
                None => without.push(name.clone()),
            }
        }
        Ok(without)
    }

    /// Holds what was found against the states. A first enrollment that was completed in between looks like a lost record, and
    /// so does a removal: what a second look says counts, whatever it is. One that finds no record proves that anew.
    pub(super) fn holder_of(
        &self,
        account: &Account,
        found: FoundRecords,
    ) -> Result<RecordHolder, StoreError> {
        match self.proven(account, found) {
            Err(error) if matches!(error.cause, FileFault::LostRecord) => {
                let found = self.look_up(account)?;
                self.proven(account, found)
            }
            other => other,
        }
    }

    /// The record that was found, where no state contradicts it.
    pub(super) fn proven(
        &self,
        account: &Account,
        found: FoundRecords,
    ) -> Result<RecordHolder, StoreError> {
        let FoundRecords { holder, without } = found;
        if let Some(RecordHolder {
            account,
            record: Some(record),
            ..
        }) = &holder
        {
            self.prove_unchanged(account, record)?;
        }
        // The name that a record is on its way to has traces before it has the record.
        let awaits = |name: &str| {
            let record = holder.as_ref().and_then(|holder| holder.record.as_ref());
            record.is_some_and(|record| record.user == name)
        };
        for name in without.iter().filter(|name| !awaits(name)) {
            self.prove_unfinished(name)?;
        }
        let is_own = |holder: &RecordHolder| holder.found_by == FoundBy::Name;
        if !holder.as_ref().is_some_and(is_own) && !awaits(&account.name) {
            self.prove_removed(&account.name)?;
        }
        Ok(holder.unwrap_or_else(|| RecordHolder {
            account: account.clone(),
            record: None,
            found_by: FoundBy::Name,
            version: None,
        }))
    }

    /// Proves that a name has neither a record nor a trace of one: for names that no account has.
    ///
    /// # Errors
    /// [`StoreError`] with [`FileFault::LostRecord`] where its state says that there was one.
    pub fn prove_removed(&self, name: &str) -> Result<(), StoreError> {
        match self.peek_named(name)? {
            Some(state) if state.has_committed() => Err(self.lost(name)),
            _ => Ok(()),
        }
    }

    /// A record without a device, which is an invitation, has not replaced one with a device.
    fn prove_unchanged(&self, account: &Account, record: &UserRecord) -> Result<(), StoreError> {
        if record.is_enrolled() {
            return Ok(());
        }
        match self.peek_following(&account.name, record.uid)? {
            Some(state) if state.has_committed() => Err(self.lost(&account.name)),
            _ => Ok(()),
        }
    }

    /// An index entry without a record is left where making or removing the record was stopped: then there is a state that
    /// says so.
    fn prove_unfinished(&self, name: &str) -> Result<(), StoreError> {
        match self.peek_named(name)? {
            Some(state) if !state.has_committed() => Ok(()),
            _ => Err(self.lost(name)),
        }
    }

    fn lost(&self, name: &str) -> StoreError {
        StoreError {
            path: self.record_path(name),
            cause: FileFault::LostRecord,
        }
    }
}

/// Result of looking at two files one after the other. A change may have come between them: what would need `unlock` is looked at
/// anew, some times.
pub(super) fn tried_anew<T>(
    mut look: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    for _ in 1..SNAPSHOT_TRIES {
        match look() {
            Err(error) if error.fixed_by_unlock() => {}
            other => return other,
        }
    }
    look()
}
