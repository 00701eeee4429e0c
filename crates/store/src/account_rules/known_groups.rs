//! Membership in the groups of `[[exempt]]`, and what was looked up for `[[require]]` beside it. A group is looked up when it is asked for, and not before: its database
//! may be slow, or away, and that concerns only users that the group could exempt.

use std::fmt;
use std::sync::Arc;

use super::account_listing::{AccountListing, UnansweredName};
use super::known_requirements::KnownRequirements;
use super::machine_listing::MachineListing;
use crate::sys::accounts::{self, LookupFailed};
use crate::sys::group_listing::GroupListing;
use twofactor_core::account::Account;
use twofactor_core::log::unusable_name;
use twofactor_core::policy::{DeviceRequirement, Policy, PolicyTime};

/// Groups as far as they were looked up, each once.
#[derive(Debug, Default)]
pub struct KnownGroups {
    ids: Vec<(String, Result<u32, GroupFault>)>,
    requirements: KnownRequirements,
    /// For very many accounts.
    listing: Option<Arc<dyn AccountListing>>,
}

/// The groups of one account.
#[derive(Debug)]
pub struct GroupMemberships<'a> {
    groups: &'a mut KnownGroups,
    account: Option<&'a Account>,
    own: Option<Vec<u32>>,
}

/// A group that has no members, since nothing is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableGroup {
    /// Its name in the policy.
    pub name: String,
    /// Reason why nothing is known of it.
    pub fault: GroupFault,
}

/// Reason why nothing is known of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupFault {
    /// The group database does not have it.
    Unknown,
    /// The group database does not answer.
    Lookup(LookupFailed),
}

impl fmt::Display for GroupFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str(unusable_name::NO_GROUP),
            Self::Lookup(error) => error.fmt(f),
        }
    }
}

impl KnownGroups {
    /// For very many accounts: files are read once and not for each account. What it says is as old as this value: for
    /// reports, not for logins.
    #[must_use]
    pub fn for_many() -> Self {
        let listing: Arc<dyn AccountListing> = Arc::new(MachineListing::new(GroupListing::read()));
        Self {
            requirements: KnownRequirements::for_many(Arc::clone(&listing)),
            listing: Some(listing),
            ids: Vec::new(),
        }
    }

    /// The groups of an account, or of a name without one, which is in no group.
    pub const fn of<'a>(&'a mut self, account: Option<&'a Account>) -> GroupMemberships<'a> {
        GroupMemberships {
            groups: self,
            account,
            own: None,
        }
    }

    /// The groups that were asked for and are unusable.
    #[must_use]
    pub fn unusable(&self) -> Vec<UnusableGroup> {
        let unusable = |(name, id): &(String, Result<u32, GroupFault>)| {
            let (name, fault) = (name.clone(), id.err()?);
            Some(UnusableGroup { name, fault })
        };
        self.ids.iter().filter_map(unusable).collect()
    }

    /// The requirement of `[[require]]` on an account without a device, or on a name without an account.
    pub fn requirement(
        &mut self,
        policy: &Policy,
        time: PolicyTime,
        account: Option<&Account>,
    ) -> DeviceRequirement {
        self.requirements.requirement(policy, time, account)
    }

    /// The names of `[[require]]` that were asked for and could not be looked up.
    #[must_use]
    pub fn unanswered(&self) -> &[UnansweredName] {
        self.requirements.unanswered()
    }

    fn id(&mut self, group: &str) -> Result<u32, GroupFault> {
        if let Some((_, id)) = self.ids.iter().find(|(name, _)| name == group) {
            return *id;
        }
        let found = accounts::group_id(group).map_err(GroupFault::Lookup);
        let id = found.and_then(|gid| gid.ok_or(GroupFault::Unknown));
        self.ids.push((group.to_owned(), id));
        id
    }
}

impl GroupMemberships<'_> {
    /// True if the account is in the group of that name.
    ///
    /// A group that is not found, or cannot be looked up right now, has no members. An exemption that cannot be shown to hold
    /// does not hold, so a code is asked for; nothing worse may come of it.
    pub fn include(&mut self, group: &str) -> bool {
        // A name without an account waits as long as one with.
        let (Ok(gid), Some(account)) = (self.groups.id(group), self.account) else {
            return false;
        };
        if let Some(listing) = &self.groups.listing {
            return listing.includes((group, gid), account);
        }
        // Fails with more groups than Linux allows only.
        let own = || accounts::group_ids(account).unwrap_or_default();
        self.own.get_or_insert_with(own).contains(&gid)
    }

    /// The requirement of `[[require]]` on the account, if it has no device.
    pub fn requirement(&mut self, policy: &Policy, time: PolicyTime) -> DeviceRequirement {
        self.groups.requirement(policy, time, self.account)
    }
}

/// Every group of `[[exempt]]` that has no members now. Looks up all of them.
#[must_use]
pub fn unusable_groups(policy: &Policy) -> Vec<UnusableGroup> {
    let mut groups = KnownGroups::default();
    for group in policy.exempt_groups() {
        groups.of(None).include(group);
    }
    groups.unusable()
}
