//! What is known of very many accounts: files are read once, and not for each account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::OnceLock;

use crate::sys::accounts::LookupFailed;
use crate::sys::group_listing::GroupListing;
use crate::sys::membership::MembershipFacts;
use crate::sys::{local_accounts, nsswitch};
use twofactor_core::account::Account;

/// Accounts and groups that were listed. It is as old as the value: for reports, not for logins.
///
/// A trait, so that a program that lists none links none of it: the PAM module asks about one account.
pub trait AccountListing: fmt::Debug + Send + Sync {
    /// [`GroupListing::includes`].
    fn includes(&self, group: (&str, u32), account: &Account) -> bool;

    /// [`GroupListing::add_membership`].
    ///
    /// # Errors
    /// The first [`LookupFailed`] when a source does not answer.
    fn add_membership(
        &self,
        group: &str,
        users: &[Account],
        facts: &mut MembershipFacts,
    ) -> Result<(), LookupFailed>;

    /// The accounts of the machine itself with this uid.
    ///
    /// # Errors
    /// [`LookupFailed`] when they cannot be read.
    fn local(&self, uid: u32) -> Result<LocalNames<'_>, LookupFailed>;
}

/// The accounts of one uid in passwd(5).
#[derive(Debug, PartialEq, Eq)]
pub struct LocalNames<'a> {
    /// All of them.
    pub accounts: &'a [Account],
    /// True if the name service asks no other source about them.
    pub is_answer: bool,
}

/// The accounts and groups of this machine, as far as they can be listed.
#[derive(Debug)]
pub struct MachineListing {
    groups: GroupListing,
    /// Read when it is asked for.
    accounts: OnceLock<Result<LocalAccounts, LookupFailed>>,
    /// True where the name service asks no other source about accounts of the files.
    files_answer_first: bool,
}

impl MachineListing {
    /// With these groups.
    #[must_use]
    pub fn new(groups: GroupListing) -> Self {
        Self {
            groups,
            accounts: OnceLock::new(),
            files_answer_first: nsswitch::files_answer_first(),
        }
    }
}

impl AccountListing for MachineListing {
    fn includes(&self, group: (&str, u32), account: &Account) -> bool {
        self.groups.includes(group, account)
    }

    fn add_membership(
        &self,
        group: &str,
        users: &[Account],
        facts: &mut MembershipFacts,
    ) -> Result<(), LookupFailed> {
        self.groups.add_membership(group, users, facts)
    }

    fn local(&self, uid: u32) -> Result<LocalNames<'_>, LookupFailed> {
        let read = || local_accounts::passwd().map(|text| LocalAccounts::parse(&text));
        let found = self.accounts.get_or_init(read);
        let found = found.as_ref().map_err(|error| *error)?;
        Ok(LocalNames {
            accounts: found.by_uid.get(&uid).map_or(&[], Vec::as_slice),
            is_answer: self.files_answer_first && found.whole.contains(&uid),
        })
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
                groups: GroupListing::of_text(""),
                accounts: OnceLock::from(Ok(accounts)),
                files_answer_first,
            };
            assert_eq!(listing.local(0).unwrap().is_answer, is_answer);
        }
    }
}
