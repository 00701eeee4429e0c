//! The users who can repair things.

use twofactor_core::account::Account;
use twofactor_store::sys::accounts;

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

/// The numeric ids of the groups whose members may become root.
pub struct AdministratorGroups(Vec<u32>);

impl AdministratorGroups {
    /// Looks them up. A group that cannot be looked up has no members: then a lock-out is assumed rather than missed.
    pub fn look_up() -> Self {
        let found = |group| accounts::group_id(group).ok().flatten();
        Self(NAMES.into_iter().filter_map(found).collect())
    }

    /// The role of an account. One whose groups cannot be looked up is in none.
    pub fn role(&self, account: &Account) -> AccountRole {
        let groups = accounts::group_ids(account).unwrap_or_default();
        if account.uid == 0 || groups.iter().any(|gid| self.0.contains(gid)) {
            AccountRole::Administrator
        } else {
            AccountRole::User
        }
    }
}
