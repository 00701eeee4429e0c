//! The entries of `[[require]]` for very many accounts: each name is looked up once, and an account finds the entries that name it by its
//! uid. What has no answer counts as a match, as for one account.

use std::collections::BTreeMap;

use super::account_listing::{UnansweredName, note};
use crate::sys::accounts::LookupFailed;
use twofactor_core::account::Account;
use twofactor_core::policy::{DeviceRequirement, Policy, PolicyTime, RequireEntry};

/// The look-ups of the name service that an index needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameLookups {
    /// The uids that a user of an entry stands for.
    pub uids_of: fn(&str) -> Result<Vec<u32>, LookupFailed>,
    /// The number of a group, `None` where there is no such group.
    pub group_id: fn(&str) -> Result<Option<u32>, LookupFailed>,
    /// The first account with a uid.
    pub by_uid: fn(u32) -> Result<Option<Account>, LookupFailed>,
}

/// The entries of one policy at one time, in the order in which they are asked: those in force, then by their days.
#[derive(Debug)]
pub(super) struct RequirementIndex {
    /// The entries of the policy and the time that the index was made of.
    made_of: (Vec<RequireEntry>, PolicyTime),
    entries: Vec<IndexedEntry>,
    /// Position of the first entry that has a login name.
    by_name: BTreeMap<String, usize>,
    /// Position of the first entry with a name that stands for a uid.
    by_uid: BTreeMap<u32, usize>,
}

#[derive(Debug)]
struct IndexedEntry {
    requirement: DeviceRequirement,
    /// The first of its users that cannot be looked up: it applies to all users.
    unanswered: Option<UnansweredName>,
    groups: Vec<IndexedGroup>,
}

#[derive(Debug)]
struct IndexedGroup {
    name: String,
    /// Looked up when it is asked for.
    id: Option<Result<Option<u32>, LookupFailed>>,
}

/// Says if an account is in the group of this name and number.
type MemberCheck<'a> = dyn FnMut(&str, Option<u32>) -> Result<bool, LookupFailed> + 'a;

/// The uids of users, each looked up once.
type KnownUids = BTreeMap<String, Result<Vec<u32>, LookupFailed>>;

impl RequirementIndex {
    /// Looks up the users of all entries.
    pub fn of(policy: &Policy, time: PolicyTime, lookups: NameLookups) -> Self {
        let mut asked: Vec<&RequireEntry> = policy.require.iter().collect();
        asked.sort_by_key(|entry| match entry.at(time) {
            DeviceRequirement::Later(day) => Some(day),
            DeviceRequirement::InForce | DeviceRequirement::None => None,
        });
        let mut index = Self {
            made_of: (policy.require.clone(), time),
            entries: Vec::new(),
            by_name: BTreeMap::new(),
            by_uid: BTreeMap::new(),
        };
        let mut known = KnownUids::new();
        for entry in asked {
            let unanswered = index.add_users(entry.users(), &mut known, lookups);
            let groups = entry.groups().iter().cloned();
            index.entries.push(IndexedEntry {
                requirement: entry.at(time),
                unanswered,
                groups: groups.map(|name| IndexedGroup { name, id: None }).collect(),
            });
        }
        index
    }

    /// True if it is of these entries at this time.
    pub fn is_of(&self, policy: &Policy, time: PolicyTime) -> bool {
        self.made_of.1 == time && self.made_of.0 == policy.require
    }

    /// Adds the users of the entry that comes next, up to the first that cannot be looked up, which is returned.
    fn add_users(
        &mut self,
        users: &[String],
        known: &mut KnownUids,
        lookups: NameLookups,
    ) -> Option<UnansweredName> {
        let position = self.entries.len();
        for user in users {
            self.by_name.entry(user.clone()).or_insert(position);
        }
        for user in users {
            let look_up = || (lookups.uids_of)(user);
            match known.entry(user.clone()).or_insert_with(look_up) {
                Ok(uids) => {
                    for uid in uids {
                        self.by_uid.entry(*uid).or_insert(position);
                    }
                }
                Err(error) => {
                    return Some(UnansweredName {
                        kind: "user",
                        name: user.clone(),
                        error: *error,
                    });
                }
            }
        }
        None
    }

    /// The requirement of the first entry that applies to an account. `is_member` says if it is in the group of this name and
    /// number. A name without an answer on which the result depends is noted.
    pub fn requirement(
        &mut self,
        account: &Account,
        lookups: NameLookups,
        is_member: &mut MemberCheck<'_>,
        unanswered: &mut Vec<UnansweredName>,
    ) -> DeviceRequirement {
        let by_name = self.by_name.get(&account.name).copied();
        let by_uid = self.by_uid.get(&account.uid).copied();
        let named = by_name.into_iter().chain(by_uid).min();
        for (position, entry) in self.entries.iter_mut().enumerate() {
            let applies = named == Some(position)
                || entry.applies_unanswered(unanswered)
                || entry.has_member(lookups, is_member, unanswered);
            if applies {
                return entry.requirement;
            }
        }
        DeviceRequirement::None
    }
}

impl IndexedEntry {
    /// True where one of its users cannot be looked up.
    fn applies_unanswered(&self, unanswered: &mut Vec<UnansweredName>) -> bool {
        if let Some(name) = &self.unanswered {
            note(unanswered, name.clone());
        }
        self.unanswered.is_some()
    }

    /// True if one of its groups has the user, or may have.
    fn has_member(
        &mut self,
        lookups: NameLookups,
        is_member: &mut MemberCheck<'_>,
        unanswered: &mut Vec<UnansweredName>,
    ) -> bool {
        self.groups.iter_mut().any(|IndexedGroup { name, id }| {
            let id = id.get_or_insert_with(|| (lookups.group_id)(name));
            let found = id.and_then(|id| is_member(name, id));
            found.unwrap_or_else(|error| {
                let (kind, name) = ("group", name.clone());
                note(unanswered, UnansweredName { kind, name, error });
                true
            })
        })
    }
}

#[cfg(test)]
mod tests;
