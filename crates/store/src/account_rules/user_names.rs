//! Names and uids of one user: an alias is another name of the same uid.

use crate::sys::accounts::{self, LookupFailed};
use crate::sys::name_sources;
use twofactor_core::account::Account;

/// The uids that a login name stands for; none where no source of the name service has it.
///
/// # Errors
/// [`LookupFailed`] when one does not answer.
pub fn uids_of(user: &str) -> Result<Vec<u32>, LookupFailed> {
    match accounts::by_name(user)? {
        Some(found) => Ok(vec![found.uid]),
        None => name_sources::uids_of(user),
    }
}

/// Adds the accounts that are not among these yet.
pub fn add_names(names: &mut Vec<Account>, others: impl IntoIterator<Item = Account>) {
    for other in others {
        if !names.contains(&other) {
            names.push(other);
        }
    }
}
