//! Names in `[[require]]` that no account or group has, or that cannot be looked up; and days that do not count.

use twofactor_core::log::unusable_name;
use twofactor_core::policy::{Policy, PolicyTime};
use twofactor_store::sys::accounts::{self, LookupFailed};
use twofactor_store::sys::membership::MembershipFacts;
use twofactor_store::sys::name_sources;

use super::{NameKind, NamingTable, UnmatchedName};
use crate::formatting::plain;

/// All of a policy, each once. Every name is looked up, which may take its time.
pub fn find(policy: &Policy) -> Vec<UnmatchedName> {
    let mut found: Vec<UnmatchedName> = Vec::new();
    let entries = policy.require.iter();
    let names = entries.flat_map(|entry| {
        let users = entry.users().iter().map(|name| (NameKind::User, name));
        users.chain(entry.groups().iter().map(|name| (NameKind::Group, name)))
    });
    for (kind, name) in names {
        let answer = match kind {
            NameKind::User => user(name),
            NameKind::Group => group(name),
        };
        let new = unmatched(kind, name, answer);
        found.extend(new.filter(|new| !found.contains(new)));
    }
    found
}

/// A warning where a requirement of a later day is in force already: the policy file was changed in the clock's future.
pub fn early(policy: &Policy, time: PolicyTime) -> Option<(String, String)> {
    let mut entries = policy.require.iter();
    let waits = entries.any(|entry| {
        let day = entry.from();
        day.is_some_and(|day| time.now.is_some_and(|now| now < day.seconds()))
    });
    (waits && time.is_before_change()).then(|| {
        let cause = "the policy file was changed later than the clock shows, so the clock cannot be believed: each \
                     [[require]] is in force already, whatever its from says";
        let fix = "Set the clock right; if it is, give the file its time by touch(1)";
        (cause.to_owned(), fix.to_owned())
    })
}

/// True if there is such a user; an error where that cannot be told.
fn user(name: &str) -> Result<bool, LookupFailed> {
    let is_known = accounts::by_name(name)?.is_some();
    Ok(is_known || !name_sources::uids_of(name)?.is_empty())
}

fn group(name: &str) -> Result<bool, LookupFailed> {
    let mut facts = MembershipFacts::default();
    facts.group_ids.extend(accounts::group_id(name)?);
    // Members may be known to a source that does not answer, where another one knows the group.
    name_sources::add_membership(name, &[], &mut facts)?;
    Ok(!facts.group_ids.is_empty())
}

fn unmatched(
    kind: NameKind,
    name: &str,
    answer: Result<bool, LookupFailed>,
) -> Option<UnmatchedName> {
    let shown = plain(name);
    let (word, database, absent) = match kind {
        NameKind::User => ("user", "passwd", unusable_name::NO_ACCOUNT),
        NameKind::Group => ("group", "group", unusable_name::NO_GROUP),
    };
    let (error, cause, fix) = match answer {
        Ok(true) => return None,
        Ok(false) => (
            absent.to_owned(),
            format!(
                "[[require]] names the {word} {shown}, which does not exist: no user needs a device by it"
            ),
            "Correct the name in the policy, or remove it".to_owned(),
        ),
        Err(error) => (
            error.to_string(),
            format!(
                "[[require]] names the {word} {shown}, which cannot be looked up ({error}): until that works, all users \
                 without a device are taken for those that it names"
            ),
            format!("See what /etc/nsswitch.conf names for {database}, and whether it answers"),
        ),
    };
    Some(UnmatchedName {
        table: NamingTable::Require,
        kind,
        name: name.to_owned(),
        account: None,
        error,
        cause,
        fix,
    })
}
