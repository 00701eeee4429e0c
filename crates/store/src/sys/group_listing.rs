//! Groups of very many accounts. getgrouplist(3) reads all of /etc/group for each account, which takes time by the square
//! of their number. Here it is read once, and the other sources of the name service are asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::accounts::{self, LookupFailed};
use super::local_accounts;
use super::local_groups::LocalGroups;
use super::membership::MembershipFacts;
use super::name_sources::{self, SYSTEMD};
use super::nsswitch::{self, FILES};
use twofactor_core::account::Account;

/// A group as one source has it: its number and its members.
type SourceGroup = Result<Option<(u32, Vec<String>)>, LookupFailed>;

/// The groups, as far as they can be listed. They are as old as this value: for reports, not for logins.
#[derive(Debug)]
pub struct GroupListing {
    local: Result<LocalGroups, LookupFailed>,
    sources: Result<Vec<String>, LookupFailed>,
    /// True if getgrouplist(3) adds up what all sources say.
    is_sum: bool,
    /// Groups of systemd, each looked up once: a question for each user takes a connection to a service, and its lists of
    /// members say the same.
    of_systemd: Mutex<BTreeMap<String, Arc<SourceGroup>>>,
}

impl GroupListing {
    /// Reads nsswitch.conf(5) and group(5).
    #[must_use]
    pub fn read() -> Self {
        Self {
            local: local_accounts::text(local_accounts::GROUP)
                .map(|text| LocalGroups::parse(&text)),
            sources: nsswitch::sources(&["group", "initgroups"]),
            is_sum: nsswitch::groups_add_up(),
            of_systemd: Mutex::default(),
        }
    }

    /// Groups of this text alone.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Self {
        Self {
            local: Ok(LocalGroups::parse(text)),
            sources: Ok(vec![FILES.to_owned()]),
            is_sum: true,
            of_systemd: Mutex::default(),
        }
    }

    /// True if an account is in the group of that name and number, as [`accounts::group_ids`] says. A source that fails has
    /// no groups, as there.
    #[must_use]
    pub fn includes(&self, (group, id): (&str, u32), account: &Account) -> bool {
        let one_by_one = || accounts::group_ids(account).is_ok_and(|ids| ids.contains(&id));
        let (true, Ok(local), Ok(sources)) = (self.is_sum, &self.local, &self.sources) else {
            return one_by_one();
        };
        if account.gid == id {
            return true;
        }
        sources.iter().any(|source| match source.as_str() {
            FILES => local.of_user(&account.name).contains(&id),
            SYSTEMD => match &*self.of_systemd(group) {
                Ok(Some((number, members))) => *number == id && members.contains(&account.name),
                Ok(None) | Err(_) => false,
            },
            other => match name_sources::groups_of(other, &account.name) {
                Ok(Some(groups)) => groups.contains(&id),
                // Without such a function the C library goes through all groups of the source.
                Ok(None) => one_by_one(),
                Err(_) => false,
            },
        })
    }

    /// Adds what all sources say of a group and of the accounts of one user, as [`name_sources::add_membership`], and
    /// the primary groups of the accounts.
    ///
    /// # Errors
    /// The first [`LookupFailed`] when one does not answer. What others said is added all the same.
    pub fn add_membership(
        &self,
        group: &str,
        users: &[Account],
        facts: &mut MembershipFacts,
    ) -> Result<(), LookupFailed> {
        facts.user_groups.extend(users.iter().map(|user| user.gid));
        let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        let sources = self.sources.as_ref().map_err(|error| *error)?;
        let mut result = Ok(());
        for source in sources {
            let added = match source.as_str() {
                FILES => self.add_local(group, &names, facts),
                SYSTEMD => self.add_of_systemd(group, &names, facts),
                other => name_sources::add_of_source(other, group, &names, facts),
            };
            result = result.and(added);
        }
        result
    }

    fn add_local(
        &self,
        group: &str,
        names: &[&str],
        facts: &mut MembershipFacts,
    ) -> Result<(), LookupFailed> {
        let local = self.local.as_ref().map_err(|error| *error)?;
        local.add_membership(group, names, facts);
        Ok(())
    }

    fn add_of_systemd(
        &self,
        group: &str,
        names: &[&str],
        facts: &mut MembershipFacts,
    ) -> Result<(), LookupFailed> {
        let found = self.of_systemd(group);
        let found = (*found).as_ref().map_err(|error| *error)?;
        if let Some((id, members)) = found {
            facts.group_ids.push(*id);
            facts.is_listed |= members
                .iter()
                .any(|member| names.contains(&member.as_str()));
        }
        Ok(())
    }

    fn of_systemd(&self, group: &str) -> Arc<SourceGroup> {
        let known = self.of_systemd.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let look_up = || Arc::new(name_sources::members_of(SYSTEMD, group));
        Arc::clone(known.entry(group.to_owned()).or_insert_with(look_up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_groups_are_those_of_single_look_ups() {
        let listing = GroupListing::read();
        let group = |name: &str| (name.to_owned(), accounts::group_id(name).unwrap().unwrap());
        let groups = ["root", "daemon", "bin", "games", "shadow", "sudo"].map(group);
        for name in ["root", "daemon", "bin", "games"] {
            let account = accounts::by_name(name).unwrap().unwrap();
            let single = accounts::group_ids(&account).unwrap();
            for (group, id) in &groups {
                let listed = listing.includes((group, *id), &account);
                assert_eq!(listed, single.contains(id), "{name} in {group}");
            }
        }
    }

    #[test]
    fn the_primary_group_is_a_membership() {
        let root = accounts::by_name("root").unwrap().unwrap();
        let listing = GroupListing::read();
        let is_in = |group: &str| {
            let mut facts = MembershipFacts::default();
            facts.group_ids.extend(accounts::group_id(group).unwrap());
            listing
                .add_membership(group, std::slice::from_ref(&root), &mut facts)
                .unwrap();
            facts.prove()
        };
        assert!(is_in("root"));
        assert!(!is_in("nogroup"));
    }
}
