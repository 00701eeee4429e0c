//! The users of this machine, as far as they can be listed, with record and state of each.
//!
//! Listed are the names of all records and, where asked for, the local accounts. What cannot be read is an error or an entry
//! of its own: it never passes for "no users" or "no device".

mod account_lookup;
mod account_role;
mod group_members;
mod local_mounts;
mod local_users;
mod login_means;
mod roster_names;

use std::collections::BTreeSet;
use std::path::PathBuf;

use twofactor_core::account::Account;
use twofactor_store::sys::accounts::LookupFailed;
use twofactor_store::{self as store, FactorSnapshot, FactorStore};

use crate::parallel;
pub use account_lookup::{AccountLookup, RecordOwner};
pub use account_role::{AccountRole, AdministratorGroups};
pub use group_members::names as group_members;
pub use local_users::REGULAR_UIDS;
pub use login_means::PasswordLocks;
pub use roster_names::{RosterFault, RosterNames};

/// A name of the roster, looked up.
pub enum RosterEntry {
    /// A user with an account.
    Listed(Box<ListedUser>),
    /// A record, and no account that it belongs to.
    Vanished(String),
    /// A name for which the user database does not answer.
    Unanswered(String, LookupFailed),
}

/// A user of the roster.
pub struct ListedUser {
    /// The name in the roster: that of the record, or the login name.
    pub name: String,
    /// The account. Its name differs from `name` where the user was renamed.
    pub account: Account,
    /// The full name; `None` where the account has none.
    pub full_name: Option<String>,
    /// Home directory.
    pub home: PathBuf,
    /// Record and state; `None` where it is proven that there is no record.
    pub factor: Result<Option<FactorSnapshot>, store::StoreError>,
}

/// The names that are listed, each once.
pub struct UserRoster<'s> {
    store: Option<&'s FactorStore>,
    names: BTreeSet<String>,
}

impl<'s> UserRoster<'s> {
    /// A roster of these names. Without a store no user has a record.
    pub fn new(store: Option<&'s FactorStore>, names: impl IntoIterator<Item = String>) -> Self {
        Self {
            store,
            names: names.into_iter().collect(),
        }
    }

    /// Looks up each name and passes it to `look`; the results are in the order of the names.
    pub fn look_up<T: Send>(self, look: impl Fn(RosterEntry) -> T + Sync) -> Vec<T> {
        let names: Vec<String> = self.names.into_iter().collect();
        let accounts = AccountLookup::for_names(names.len());
        parallel::look_at(&names, |name| look(entry(self.store, &accounts, name)))
    }
}

fn entry(store: Option<&FactorStore>, accounts: &AccountLookup, name: &str) -> RosterEntry {
    let owner = match store {
        Some(store) => RecordOwner::of(accounts, store, name).map(RecordOwner::entry),
        None => accounts.entry(name),
    };
    let name = name.to_owned();
    match owner {
        Ok(Some(entry)) => RosterEntry::Listed(Box::new(ListedUser {
            factor: store.map_or(Ok(None), |store| store.snapshot(&entry.account)),
            name,
            account: entry.account,
            full_name: entry.full_name,
            home: entry.home,
        })),
        Ok(None) => RosterEntry::Vanished(name),
        Err(error) => RosterEntry::Unanswered(name, error),
    }
}

/// Drops further entries of an account: a user who was renamed is listed under both names.
pub fn once_each<T>(users: Vec<T>, account: impl Fn(&T) -> Option<&Account>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let mut users = users;
    users.retain(|user| account(user).is_none_or(|account| seen.insert(account.name.clone())));
    users
}

#[cfg(test)]
mod tests;
