//! The accounts and groups of a machine with very many accounts: files are read once, and not for each account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::account_listing::{AccountListing, UnansweredName};
use super::requirement_index::{NameLookups, RequirementIndex};
use super::user_names::{add_names, uids_of};
use crate::sys::accounts::{self, LookupFailed};
use crate::sys::group_listing::GroupListing;
use crate::sys::membership::MembershipFacts;
use crate::sys::{local_accounts, nsswitch};
use twofactor_core::account::Account;
use twofactor_core::policy::{DeviceRequirement, Policy, PolicyTime};

/// The accounts of one uid in passwd(5).
#[derive(Debug, PartialEq, Eq)]
struct LocalNames<'a> {
    /// All of them.
    accounts: &'a [Account],
    /// True if the name service asks no other source about them.
    is_answer: bool,
}

/// The accounts and groups of this machine, as far as they can be listed.
#[derive(Debug)]
pub struct MachineListing {
    groups: GroupListing,
    /// Read when it is asked for.
    accounts: OnceLock<Result<LocalAccounts, LookupFailed>>,
    /// True where the name service asks no other source about accounts of the files.
    files_answer_first: bool,
    lookups: NameLookups,
    /// The entries of the policy that was asked about last.
    index: Mutex<Option<RequirementIndex>>,
}

/// The name service itself.
const NAME_SERVICE: NameLookups = NameLookups {
    uids_of,
    group_id: accounts::group_id,
    by_uid: accounts::by_uid,
};

impl MachineListing {
    /// With these groups.
    #[must_use]
    pub fn new(groups: GroupListing) -> Self {
        Self {
            groups,
            accounts: OnceLock::new(),
            files_answer_first: nsswitch::files_answer_first(),
            lookups: NAME_SERVICE,
            index: Mutex::default(),
        }
    }

    /// The accounts of the machine itself with this uid.
    fn local(&self, uid: u32) -> Result<LocalNames<'_>, LookupFailed> {
        let read = || local_accounts::passwd().map(|text| LocalAccounts::parse(&text));
        let found = self.accounts.get_or_init(read);
        let found = found.as_ref().map_err(|error| *error)?;
        Ok(LocalNames {
            accounts: found.by_uid.get(&uid).map_or(&[], Vec::as_slice),
            is_answer: self.files_answer_first && found.whole.contains(&uid),
        })
    }

    /// The accounts with the uid of this one, itself first.
    fn names(&self, account: &Account) -> Result<Vec<Account>, LookupFailed> {
        let local = self.local(account.uid)?;
        let mut names = vec![account.clone()];
        add_names(&mut names, local.accounts.iter().cloned());
        // The first of the same uid is among them. A look-up would read the file up to there, for each account.
        if !local.is_answer {
            add_names(&mut names, (self.lookups.by_uid)(account.uid)?);
        }
        Ok(names)
    }

    /// True if one of these accounts of one user is in the group of that name and number.
    fn is_member(
        &self,
        (group, id): (&str, Option<u32>),
        names: &[Account],
    ) -> Result<bool, LookupFailed> {
        let mut facts = MembershipFacts {
            group_ids: id.into_iter().collect(),
            ..MembershipFacts::default()
        };
        let asked = self.groups.add_membership(group, names, &mut facts);
        // One source's proof stands while another one fails.
        if facts.prove() {
            return Ok(true);
        }
        asked.map(|()| false)
    }
}

impl AccountListing for MachineListing {
    fn includes(&self, group: (&str, u32), account: &Account) -> bool {
        self.groups.includes(group, account)
    }

    fn requirement(
        &self,
        policy: &Policy,
        time: PolicyTime,
        account: &Account,
        unanswered: &mut Vec<UnansweredName>,
    ) -> DeviceRequirement {
        let known = self.index.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let index = known.take().filter(|index| index.is_of(policy, time));
        let make = || RequirementIndex::of(policy, time, self.lookups);
        let index = known.insert(index.unwrap_or_else(make));
        let mut names = None;
        let mut is_member = |group: &str, id| {
            let names = names.get_or_insert_with(|| self.names(account));
            self.is_member((group, id), names.as_deref().map_err(|error| *error)?)
        };
        index.requirement(account, self.lookups, &mut is_member, unanswered)
    }
}

/// The accounts of passwd(5).
#[derive(Debug, Default)]
struct LocalAccounts {
    by_uid: BTreeMap<u32, Vec<Account>>,
    /// The uids of lines with all fields, which the C library understands.
    whole: BTreeSet<u32>,
}

impl LocalAccounts {
    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for (account, is_whole) in local_accounts::accounts(text) {
            if is_whole {
                found.whole.insert(account.uid);
            }
            found.by_uid.entry(account.uid).or_default().push(account);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The C library skips a line that lacks a field.
    #[test]
    fn a_line_without_all_fields_does_not_answer_first() {
        let text = "alice:x:1000:100::/home/alice:/bin/sh\nbob:x:1001:100::/\nbroken\n";
        let found = LocalAccounts::parse(text);
        assert_eq!(found.whole, BTreeSet::from([1000]));
        let names = |uid| found.by_uid.get(&uid).map(|all| all.len());
        assert_eq!((names(1000), names(1001)), (Some(1), Some(1)));
    }

    /// Only whole lines of the machine's own file make other sources needless, and only where that file answers first.
    #[test]
    fn whole_lines_answer_where_the_file_is_asked_first() {
        for (files_answer_first, is_whole, is_answer) in [
            (true, false, false),
            (false, true, false),
            (true, true, true),
        ] {
            let accounts = LocalAccounts {
                whole: is_whole.then_some(0).into_iter().collect(),
                ..LocalAccounts::default()
            };
            let listing = MachineListing {
                accounts: OnceLock::from(Ok(accounts)),
                files_answer_first,
                ..MachineListing::new(GroupListing::of_text(""))
            };
            assert_eq!(listing.local(0).unwrap().is_answer, is_answer);
            let alias = Account {
                name: "toor".to_owned(),
                uid: 0,
                gid: 0,
            };
            let names = listing.names(&alias).unwrap();
            assert_eq!(names.iter().any(|it| it.name == "root"), !is_answer);
        }
    }
}
