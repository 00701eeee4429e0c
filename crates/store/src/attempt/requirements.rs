//! Users and groups of `[[require]]`, looked up for users without a device.
//!
//! It is the opposite of an exemption on purpose: what cannot be looked up counts as a match, since a directory that is
//! away must not let in users without a code. Only where every source of the name service says that there is no such
//! user, group or member, there is none; what a source says when it is asked alone counts, since it may have failed when
//! the C library asked. All names of a uid count: an alias is no way around.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;

use crate::sys::accounts::{self, LookupFailed};
use crate::sys::membership::MembershipFacts;
use crate::sys::name_sources;
use twofactor_core::account::Account;
use twofactor_core::policy::decision::is_strictest;
use twofactor_core::policy::{Policy, PolicyTime, Require, Requirement};

/// The accounts of the machine itself. What a directory has of the same uid is found by that uid.
const PASSWD: &str = "/etc/passwd";

/// Users and groups as far as they were looked up, each once.
#[derive(Debug, Default)]
pub struct KnownRequirements {
    /// Accounts of [`PASSWD`] by uid.
    local: Option<Result<HashMap<u32, Vec<Account>>, LookupFailed>>,
    users: HashMap<String, Result<Vec<u32>, LookupFailed>>,
    groups: HashMap<String, Result<Option<u32>, LookupFailed>>,
    unanswered: Vec<UnansweredName>,
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
    /// The requirement on an account without a device. A name without an account is treated as one that an entry in force
    /// names, so that it looks no different from a user who has to have a device.
    ///
    /// Looks nothing up where `enforcement` or `enroll_at_login` are as strict already.
    pub fn requirement(
        &mut self,
        policy: &Policy,
        time: PolicyTime,
        account: Option<&Account>,
    ) -> Requirement {
        if policy.require.is_empty() || is_strictest(policy) {
            return Requirement::None;
        }
        match account {
            Some(account) => policy.requirement(time, &mut |entry| self.applies(entry, account)),
            None if policy.requires(time) => Requirement::InForce,
            None => Requirement::None,
        }
    }

    /// The names that could not be looked up.
    #[must_use]
    pub fn unanswered(&self) -> &[UnansweredName] {
        &self.unanswered
    }

    fn applies(&mut self, entry: &Require, account: &Account) -> bool {
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
        let local = self.local.get_or_insert_with(local).as_ref();
        let same = local.map_err(|error| *error)?.get(&account.uid);
        let canonical = accounts::by_uid(account.uid)?;
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

/// The accounts of the machine itself, by uid.
fn local() -> Result<HashMap<u32, Vec<Account>>, LookupFailed> {
    let mut found: HashMap<u32, Vec<Account>> = HashMap::new();
    let text = match fs::read(PASSWD) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error.into()),
    };
    for account in String::from_utf8_lossy(&text).lines().filter_map(entry) {
        found.entry(account.uid).or_default().push(account);
    }
    Ok(found)
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
