//! Accounts by name, of few users or of very many.
#![forbid(unsafe_code)]

use std::collections::HashMap;

use pam_twofactor::sys::accounts::{Account, LookupFailed, by_name};
use pam_twofactor::sys::homes;

/// From so many names on, the accounts are listed once instead of looked up one by one: a lookup may read all of
/// /etc/passwd.
const MANY: usize = 32;

/// Finds accounts by their names.
pub struct Accounts(HashMap<String, Account>);

impl Accounts {
    /// Makes ready for so many names. A database that cannot be listed is asked for each.
    pub fn for_names(count: usize) -> Self {
        let mut listed = HashMap::new();
        if count >= MANY {
            let all = homes::all().unwrap_or_default().into_iter();
            // As in a lookup, the first of a name counts.
            all.map(|one| one.account).for_each(|account| {
                listed.entry(account.name.clone()).or_insert(account);
            });
        }
        Self(listed)
    }

    /// The account with that login name. A directory may know more than it lists.
    pub fn find(&self, name: &str) -> Result<Option<Account>, LookupFailed> {
        match self.0.get(name) {
            Some(account) => Ok(Some(account.clone())),
            None => by_name(name),
        }
    }
}
