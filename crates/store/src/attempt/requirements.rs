//! Users and groups of `[[require]]`, looked up for users without a device.
//!
//! It is the opposite of an exemption on purpose: what cannot be looked up counts as a match, since a directory that is
//! away must not let in users without a code. Only where every source of the name service says that there is no such
//! user, group or member, there is none; what a source says when it is asked alone counts, since it may have failed when
//! the C library asked. All names of a uid count: an alias is no way around.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use crate::sys::accounts::{self, LookupFailed};
use crate::sys::group_listing::GroupListing;
use crate::sys::membership::MembershipFacts;
use crate::sys::{name_sources, nsswitch};
use twofactor_core::account::Account;
use twofactor_core::policy::decision::is_strictest;
use twofactor_core::policy::{DeviceRequirement, Policy, PolicyTime, RequireEntry};

/// The accounts of the machine itself. What a directory has of the same uid is found by that uid.
const PASSWD: &str = "/etc/passwd";
/// Fields of a line of it.
const FIELDS: usize = 7;

/// Users and groups as far as they were looked up, each once.
#[derive(Debug, Default)]
pub struct KnownRequirements {
    /// Accounts of [`PASSWD`] by uid.
    local: Option<Result<LocalAccounts, LookupFailed>>,
    users: BTreeMap<String, Result<Vec<u32>, LookupFailed>>,
    groups: BTreeMap<String, Result<Option<u32>, LookupFailed>>,
    unanswered: Vec<UnansweredName>,
    /// The groups, for very many accounts.
    listing: Option<Arc<GroupListing>>,
    /// True for very many accounts where the name service asks no other source about those of [`PASSWD`].
    files_answer_first: bool,
}

/// The accounts of [`PASSWD`].
#[derive(Debug, Default)]
struct LocalAccounts {
    by_uid: BTreeMap<u32, Vec<Account>>,
    /// The uids of lines with all fields, which the C library understands.
    whole: BTreeSet<u32>,
}

/// A user or group of `[[require]]` that could not be looked up, so that an entry was taken to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnansweredName {
    /// `user` or `group`.
    pub kind: &'static str,
    /// Its name in the policy.
    pub name: String,
    /// The fault.
    pub error: LookupFailed,
}

impl KnownRequirements {
    /// For very many accounts, whose groups are those of the listing.
    pub fn for_many(listing: Arc<GroupListing>) -> Self {
        Self {
            listing: Some(listing),
            files_answer_first: nsswitch::files_answer_first(),
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
        match account {
            Some(account) => policy.requirement(time, &mut |entry| self.applies(entry, account)),
            None if policy.requires(time) => DeviceRequirement::InForce,
            None => DeviceRequirement::None,
        }
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
        let uids = self.users.entry(user.to_owned());
        let uids = uids.or_insert_with(|| match accounts::by_name(user)? {
            Some(found) => Ok(vec![found.uid]),
            None => name_sources::uids_of(user),
        });
        let is_same = uids.as_ref().map(|uids| uids.contains(&account.uid));
        let is_same = is_same.map_err(|error| *error);
        self.counted("user", user, is_same)
    }

    /// True if the account is in the group under any of its names, or may be.
    fn has(&mut self, group: &str, account: &Account) -> bool {
        let gid = *self
            .groups
            .entry(group.to_owned())
            .or_insert_with(|| accounts::group_id(group));
        let member = gid.and_then(|gid| self.is_member(group, gid, account));
        self.counted("group", group, member)
    }

    fn is_member(
        &mut self,
        group: &str,
        gid: Option<u32>,
        account: &Account,
    ) -> Result<bool, LookupFailed> {
        let names = self.names(account)?;
        let mut facts = MembershipFacts {
            group_ids: gid.into_iter().collect(),
            ..MembershipFacts::default()
        };
        if let Some(listing) = &self.listing {
            let asked = listing.add_membership(group, &names, &mut facts);
            return if facts.prove() {
                Ok(true)
            } else {
                asked.map(|()| false)
            };
        }
        for name in &names {
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

    /// The accounts with the uid of this one, itself first.
    fn names(&mut self, account: &Account) -> Result<Vec<Account>, LookupFailed> {
        let local = self.local.get_or_insert_with(local);
        let local = local.as_ref().map_err(|error| *error)?;
        let same = local.by_uid.get(&account.uid);
        let canonical = if self.files_answer_first && local.whole.contains(&account.uid) {
            // It is the first of the same uid. A look-up would read the file up to there, for each account.
            None
        } else {
            accounts::by_uid(account.uid)?
        };
        let mut names = vec![account.clone()];
        for other in same.into_iter().flatten().chain(&canonical) {
            if !names.contains(other) {
                names.push(other.clone());
            }
        }
        Ok(names)
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
            let new = UnansweredName { kind, name, error };
            if !self.unanswered.contains(&new) {
                self.unanswered.push(new);
            }
            true
        })
    }
}

/// The accounts of the machine itself.
fn local() -> Result<LocalAccounts, LookupFailed> {
    accounts_of(fs::read(PASSWD))
}

/// The accounts of passwd(5) as it was read.
fn accounts_of(read: io::Result<Vec<u8>>) -> Result<LocalAccounts, LookupFailed> {
    match read {
        Ok(text) => Ok(listed_in(&String::from_utf8_lossy(&text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(LocalAccounts::default()),
        Err(error) => Err(error.into()),
    }
}

/// The accounts in the text of passwd(5).
fn listed_in(text: &str) -> LocalAccounts {
    let mut found = LocalAccounts::default();
    for line in text.lines() {
        let Some(account) = entry(line) else {
            continue;
        };
        if line.split(':').count() == FIELDS {
            found.whole.insert(account.uid);
        }
        found.by_uid.entry(account.uid).or_default().push(account);
    }
    found
}

/// passwd(5): `name:password:uid:gid:...`.
fn entry(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let mut number = |skipped| fields.nth(skipped)?.parse().ok();
    Some(Account {
        uid: number(1)?,
        gid: number(0)?,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests;
