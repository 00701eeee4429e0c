//! Users and groups of `[[require]]`, looked up for users without a device.
//!
//! It is the opposite of an exemption on purpose: what cannot be looked up counts as a match, since a directory that is away must
//! not let in users without a code. A user, group or member is missing only if every source of the name service says so. Each
//! source is asked alone, since it may have failed when the C library asked. All names of a uid count: an alias is no way around.

use std::sync::Arc;

use super::account_listing::{AccountListing, UnansweredName, note};
use super::user_names::{add_names, uids_of};
use crate::sys::accounts::{self, LookupFailed};
use crate::sys::membership::MembershipFacts;
use crate::sys::{local_accounts, name_sources};
use twofactor_core::account::Account;
use twofactor_core::policy::decision::is_strictest;
use twofactor_core::policy::{DeviceRequirement, Policy, PolicyTime, RequireEntry};

/// Users and groups as far as they were looked up, each once.
#[derive(Debug, Default)]
pub struct KnownRequirements {
    /// passwd(5), whose accounts a directory has by the same uid.
    passwd: Option<Result<String, LookupFailed>>,
    users: Vec<(String, Result<Vec<u32>, LookupFailed>)>,
    groups: Vec<(String, Result<Option<u32>, LookupFailed>)>,
    unanswered: Vec<UnansweredName>,
    /// For very many accounts: it keeps what it looked up.
    listing: Option<Arc<dyn AccountListing>>,
}

impl KnownRequirements {
    /// For very many accounts, as far as they are listed.
    pub fn for_many(listing: Arc<dyn AccountListing>) -> Self {
        Self {
            listing: Some(listing),
            ..Self::default()
        }
    }

    /// The requirement on an account without a device. A name without an account is treated as one that an entry in force
    /// names, so that it looks no different from a user who has to have a device.
    ///
    /// Looks nothing up where `enforcement` or `enroll_at_login` are as strict already.
    pub fn requirement(
        &mut self,
        policy: &Policy,
        time: PolicyTime,
        account: Option<&Account>,
    ) -> DeviceRequirement {
        if policy.require.is_empty() || is_strictest(policy) {
            return DeviceRequirement::None;
        }
        let Some(account) = account else {
            return if policy.requires(time) {
                DeviceRequirement::InForce
            } else {
                DeviceRequirement::None
            };
        };
        if let Some(listing) = &self.listing {
            return listing.requirement(policy, time, account, &mut self.unanswered);
        }
        policy.requirement(time, &mut |entry| self.applies(entry, account))
    }

    /// The names that could not be looked up.
    #[must_use]
    pub fn unanswered(&self) -> &[UnansweredName] {
        &self.unanswered
    }

    fn applies(&mut self, entry: &RequireEntry, account: &Account) -> bool {
        entry.users().contains(&account.name)
            || entry.users().iter().any(|user| self.is_user(user, account))
            || entry.groups().iter().any(|group| self.has(group, account))
    }

    /// True if `user` is a name of the account, or may be one.
    fn is_user(&mut self, user: &str, account: &Account) -> bool {
        let uids = look_up(&mut self.users, user, || uids_of(user));
        let is_same = uids.map(|uids| uids.contains(&account.uid));
        self.counted("user", user, is_same)
    }

    /// True if the account is in the group under any of its names, or may be.
    fn has(&mut self, group: &str, account: &Account) -> bool {
        let gid = look_up(&mut self.groups, group, || accounts::group_id(group));
        let member = gid.and_then(|gid| is_member(group, gid, &self.names(account)?));
        self.counted("group", group, member)
    }

    /// The accounts with the uid of this one, itself first.
    fn names(&mut self, account: &Account) -> Result<Vec<Account>, LookupFailed> {
        let mut names = vec![account.clone()];
        add_names(&mut names, self.in_passwd(account.uid)?);
        add_names(&mut names, name_sources::first_of_uid(account.uid)?);
        Ok(names)
    }

    /// The accounts of passwd(5) with this uid.
    fn in_passwd(&mut self, uid: u32) -> Result<Vec<Account>, LookupFailed> {
        let text = self.passwd.get_or_insert_with(local_accounts::passwd);
        let text = text.as_ref().map_err(|error| *error)?;
        let accounts = local_accounts::accounts(text).map(|(account, _)| account);
        Ok(accounts.filter(|account| account.uid == uid).collect())
    }

    /// The result of a look-up, true where it failed, which is noted.
    fn counted(
        &mut self,
        kind: &'static str,
        name: &str,
        found: Result<bool, LookupFailed>,
    ) -> bool {
        found.unwrap_or_else(|error| {
            let name = name.to_owned();
            note(&mut self.unanswered, UnansweredName { kind, name, error });
            true
        })
    }
}

/// True if one of these accounts of one user is in the group.
fn is_member(group: &str, gid: Option<u32>, names: &[Account]) -> Result<bool, LookupFailed> {
    let mut facts = MembershipFacts {
        group_ids: gid.into_iter().collect(),
        ..MembershipFacts::default()
    };
    for name in names {
        facts.user_groups.extend(accounts::group_ids(name)?);
    }
    if facts.prove() {
        return Ok(true);
    }
    let names: Vec<&str> = names.iter().map(|name| name.name.as_str()).collect();
    let asked = name_sources::add_membership(group, &names, &mut facts);
    // One source's proof stands while another one fails.
    if facts.prove() {
        return Ok(true);
    }
    asked.map(|()| false)
}

/// The known value of a name, looked up at the first call.
fn look_up<T: Clone>(known: &mut Vec<(String, T)>, name: &str, find: impl FnOnce() -> T) -> T {
    if let Some((_, found)) = known.iter().find(|(known, _)| known == name) {
        return found.clone();
    }
    let found = find();
    known.push((name.to_owned(), found.clone()));
    found
}

#[cfg(test)]
mod tests;
