//! The members of a group: those that it lists, and those whose primary group it is.

use std::collections::BTreeSet;

use twofactor_core::account::Account;
use twofactor_store::sys::accounts::{LookupFailed, by_name};
use twofactor_store::sys::local_accounts;
use twofactor_store::sys::membership::MembershipFacts;
use twofactor_store::sys::name_sources;
use twofactor_store::sys::passwd_listing::PasswdEntry;

/// The names of the members of a group, sorted, each once; `None` where there is no such group. `listed` are the accounts that
/// the passwd database lists. A name that the group lists need not have an account.
///
/// # Errors
/// [`LookupFailed`] when a source of groups or accounts does not answer: then members could be missing.
pub fn names(group: &str, listed: &[PasswdEntry]) -> Result<Option<Vec<String>>, LookupFailed> {
    let list = name_sources::group_list(group)?;
    if list.ids.is_empty() {
        return Ok(None);
    }
    // A walk through the database passes over a source that fails; asked for a name, it says so.
    name_sources::uids_of("root")?;
    let mut names: BTreeSet<String> = list.members.into_iter().collect();
    for account in accounts(listed)? {
        let is_known = names.contains(&account.name);
        let is_member = |account| is_named_elsewhere(group, account);
        if !is_known && (list.ids.contains(&account.gid) || is_member(&account)?) {
            names.insert(account.name);
        }
    }
    Ok(Some(names.into_iter().collect()))
}

/// The accounts that are listed, and those of the machine itself: a source before the files that lists none of its users can
/// end the list.
fn accounts(listed: &[PasswdEntry]) -> Result<Vec<Account>, LookupFailed> {
    let mut accounts: Vec<Account> = listed.iter().map(|one| one.account.clone()).collect();
    let known: BTreeSet<&str> = listed.iter().map(|one| one.account.name.as_str()).collect();
    for name in local_accounts::names(&local_accounts::text(local_accounts::PASSWD)?) {
        if !known.contains(name) {
            accounts.extend(by_name(name)?);
        }
    }
    Ok(accounts)
}

/// True if a source says so when it is asked for the groups of the user: some list no members.
fn is_named_elsewhere(group: &str, account: &Account) -> Result<bool, LookupFailed> {
    let mut facts = MembershipFacts::default();
    name_sources::add_membership(group, &[&account.name], &mut facts)?;
    Ok(facts.prove())
}
