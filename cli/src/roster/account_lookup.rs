//! Accounts by name, of few users or of very many.

use std::collections::BTreeMap;

use twofactor_core::account::Account;
use twofactor_store::FactorStore;
use twofactor_store::sys::accounts::{LookupFailed, PasswdEntry, entry_by_name, entry_by_uid};
use twofactor_store::sys::passwd_listing;

/// From so many names on, the accounts are listed once instead of looked up one by one: a lookup may read all of
/// /etc/passwd.
const MANY: usize = 32;

/// Finds accounts by their names, and by their user ids.
pub struct AccountLookup {
    by_name: BTreeMap<String, PasswdEntry>,
    by_uid: BTreeMap<u32, Account>,
}

impl AccountLookup {
    /// Makes ready for so many names. A database that cannot be listed is asked for each.
    pub fn for_names(count: usize) -> Self {
        let (mut by_name, mut by_uid) = (BTreeMap::new(), BTreeMap::new());
        if count >= MANY {
            let all = passwd_listing::all().unwrap_or_default().into_iter();
            // As in a lookup, the first of a name or a user id counts.
            for one in all {
                let account = &one.account;
                by_uid.entry(account.uid).or_insert_with(|| account.clone());
                by_name.entry(account.name.clone()).or_insert(one);
            }
        }
        Self { by_name, by_uid }
    }

    /// The account with that login name. A directory may know more than it lists.
    ///
    /// # Errors
    /// [`LookupFailed`]: the user database does not answer.
    pub fn find(&self, name: &str) -> Result<Option<Account>, LookupFailed> {
        Ok(self.entry(name)?.map(|entry| entry.account))
    }

    /// The entry of that login name, with all fields of the database.
    ///
    /// # Errors
    /// [`LookupFailed`]: the user database does not answer.
    pub fn entry(&self, name: &str) -> Result<Option<PasswdEntry>, LookupFailed> {
        match self.by_name.get(name) {
            Some(entry) => Ok(Some(entry.clone())),
            None => entry_by_name(name),
        }
    }

    /// The account with that user id: the first of several.
    ///
    /// # Errors
    /// [`LookupFailed`]: the user database does not answer.
    pub fn find_uid(&self, uid: u32) -> Result<Option<Account>, LookupFailed> {
        match self.by_uid.get(&uid) {
            Some(account) => Ok(Some(account.clone())),
            None => Ok(entry_by_uid(uid)?.map(|entry| entry.account)),
        }
    }
}

/// Owner of the record kept under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordOwner {
    /// The account of that name.
    Named(PasswdEntry),
    /// An account with another name and the uid of the record: the user was renamed.
    Renamed(PasswdEntry),
    /// No account.
    Gone,
}

impl RecordOwner {
    /// Looks at the passwd database, by name and, where it does not know the name, by the uid of the record.
    ///
    /// # Errors
    /// [`LookupFailed`]: the user database does not answer.
    pub fn of(
        accounts: &AccountLookup,
        store: &FactorStore,
        name: &str,
    ) -> Result<Self, LookupFailed> {
        if let Some(entry) = accounts.entry(name)? {
            return Ok(Self::Named(entry));
        }
        // One that cannot be read, or names another user, belongs to no account that can be told.
        let record = store.record_named(name).ok().flatten();
        let record = record.filter(|record| record.user == name);
        let entry = record
            .map(|record| entry_by_uid(record.uid))
            .transpose()?
            .flatten();
        Ok(match entry {
            // A record of its own counts for that account, and this one for none.
            Some(entry) if matches!(store.holder(&entry.account), Ok(holder) if holder.account.name != name) => {
                Self::Gone
            }
            Some(entry) => Self::Renamed(entry),
            None => Self::Gone,
        })
    }

    /// The entry of the account, if there is one.
    pub fn entry(self) -> Option<PasswdEntry> {
        match self {
            Self::Named(entry) | Self::Renamed(entry) => Some(entry),
            Self::Gone => None,
        }
    }

    /// The account, if there is one.
    pub fn account(self) -> Option<Account> {
        self.entry().map(|entry| entry.account)
    }
}
