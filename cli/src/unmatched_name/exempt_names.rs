//! Names in `[[exempt]]` by which an entry covers no login: of groups and users that are not there, and of aliases.

use twofactor_core::log::unusable_name;
use twofactor_core::policy::Policy;
use twofactor_store::account_rules::{self, GroupFault, UnusableGroup};
use twofactor_store::sys::accounts;

use super::{NameKind, NamingTable, UnmatchedName};
use crate::formatting::plain;

/// All of a policy, each once. Every name is looked up, which may take its time.
pub fn find(policy: &Policy) -> Vec<UnmatchedName> {
    let mut found: Vec<UnmatchedName> = account_rules::unusable_groups(policy)
        .iter()
        .map(of_group)
        .collect();
    let users = policy.exempt.iter().flat_map(|entry| entry.users());
    found.extend(users.filter_map(|user| of_user(user)));
    let mut told = Vec::new();
    found.retain(|unmatched| {
        let new = !told.contains(unmatched);
        told.push(unmatched.clone());
        new
    });
    found
}

fn of_group(group: &UnusableGroup) -> UnmatchedName {
    let name = &group.name;
    let shown = plain(name);
    let (cause, fix) = match group.fault {
        GroupFault::Unknown => (
            format!(
                "[[exempt]] names the group {shown}, which does not exist: its entry exempts no user, and codes are asked for"
            ),
            "Correct the name in the policy, or make the group".to_owned(),
        ),
        GroupFault::Lookup(error) => (
            format!(
                "[[exempt]] names the group {shown}, which cannot be looked up ({error}): until that works, its entry exempts \
                 no user, and codes are asked for"
            ),
            "See what /etc/nsswitch.conf names for group, and whether it answers".to_owned(),
        ),
    };
    UnmatchedName {
        table: NamingTable::Exempt,
        kind: NameKind::Group,
        name: name.clone(),
        account: None,
        error: group.fault.to_string(),
        cause,
        fix,
    }
}

fn of_user(user: &str) -> Option<UnmatchedName> {
    let shown = plain(user);
    let (account, error, cause, fix) = match accounts::by_name(user) {
        Ok(Some(account)) if account.name == user => return None,
        Ok(Some(account)) => {
            let canonical = plain(&account.name);
            let cause = format!(
                "[[exempt]] names the user {shown}, whose login name is {canonical}: only that one is compared, and codes \
                 are asked for"
            );
            let fix = format!("Write {canonical} in the policy");
            (
                Some(account.name),
                unusable_name::OTHER_SPELLING.to_owned(),
                cause,
                fix,
            )
        }
        Ok(None) => (
            None,
            unusable_name::NO_ACCOUNT.to_owned(),
            format!("[[exempt]] names the user {shown}, and no account has that name"),
            "Correct the name in the policy, or remove it".to_owned(),
        ),
        Err(error) => (
            None,
            error.to_string(),
            format!("[[exempt]] names the user {shown}, who cannot be looked up ({error})"),
            "See what /etc/nsswitch.conf names for passwd, and whether it answers".to_owned(),
        ),
    };
    Some(UnmatchedName {
        table: NamingTable::Exempt,
        kind: NameKind::User,
        name: user.to_owned(),
        account,
        error,
        cause,
        fix,
    })
}
