//! The users who can repair things.

use twofactor_core::account::Account;
use twofactor_store::sys::accounts;
use twofactor_store::sys::group_listing::GroupListing;

/// Groups whose members may become root.
const NAMES: [&str; 2] = ["sudo", "wheel"];

/// A user's part in repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountRole {
    /// root, or a member of `sudo` or `wheel`.
    Administrator,
    /// Any other user.
    User,
}

/// The numeric ids of the groups whose members may become root, and the groups of all accounts.
pub struct AdministratorGroups {
    groups: Vec<(&'static str, u32)>,
    listing: GroupListing,
}

impl AdministratorGroups {
    /// Looks them up. A group that cannot be looked up has no members: then a lock-out is assumed rather than missed.
    pub fn look_up() -> Self {
        let found = |group| Some((group, accounts::group_id(group).ok().flatten()?));
        Self {
            groups: NAMES.into_iter().filter_map(found).collect(),
            listing: GroupListing::read(),
        }
    }

    /// The role of an account. One whose groups cannot be looked up is in none.
    pub fn role(&self, account: &Account) -> AccountRole {
        let mut groups = self.groups.iter();
        if account.uid == 0 || groups.any(|group| self.listing.includes(*group, account)) {
            AccountRole::Administrator
        } else {
            AccountRole::User
        }
    }
}
