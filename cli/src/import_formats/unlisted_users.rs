//! Users that a walk through the user database does not see: many directories answer for a name, and list no users.

use std::collections::BTreeSet;

use twofactor_store::sys::accounts::LookupFailed;
use twofactor_store::sys::passwd_listing::PasswdEntry;
use twofactor_store::sys::{local_accounts, name_sources, nsswitch};

/// Sources of the Name Service Switch that list all their users.
const LISTING: [&str; 7] = [
    "files",
    "compat",
    "db",
    "systemd",
    "altfiles",
    "extrausers",
    "nis",
];

/// Users beyond /etc/passwd that a directory is asked for, at each end of the list. A directory that lists its users lists them
/// one after the other. A directory that lists none may be slow to deny each of them.
const ASKED_FOR: usize = 32;

/// The directories of nsswitch.conf(5) that are not proven to list their users: none of the listed ones is of them.
///
/// # Errors
/// [`LookupFailed`] when it is not known which directories or local accounts there are.
pub fn silent(listed: &[PasswdEntry]) -> Result<Vec<String>, LookupFailed> {
    let passwd = local_accounts::passwd()?;
    let local: BTreeSet<&str> = local_accounts::names(&passwd).collect();
    let listed = listed.iter().map(|one| one.account.name.as_str());
    let beyond: Vec<&str> = listed.filter(|name| !local.contains(name)).collect();
    let sources = directories(nsswitch::sources(&["passwd"])?);
    // One that does not answer proves nothing.
    Ok(unproven(sources, &beyond, |source, name| {
        name_sources::has_account(source, name).unwrap_or(false)
    }))
}

/// The sources to which none of these users belongs.
fn unproven(
    mut sources: Vec<String>,
    users: &[&str],
    has: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let first = users.iter().take(ASKED_FOR);
    let last = users.iter().skip(ASKED_FOR).rev().take(ASKED_FOR);
    let asked: Vec<&str> = first.chain(last).copied().collect();
    sources.retain(|source| !asked.iter().any(|user| has(source, user)));
    sources
}

/// The sources that may list none of their users.
fn directories(mut sources: Vec<String>) -> Vec<String> {
    sources.retain(|source| !LISTING.contains(&source.as_str()));
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_sources_that_may_list_none() {
        let sources = ["files", "sss", "systemd", "compat", "ldap"].map(str::to_owned);
        assert_eq!(directories(sources.to_vec()), ["sss", "ldap"]);
        assert_eq!(directories(vec!["files".to_owned()]), [""; 0]);
    }

    #[test]
    fn a_user_proves_the_own_source_only() {
        let of = |source: &str, user: &str| user.starts_with(source);
        let sources = || vec!["sss".to_owned(), "ldap".to_owned()];
        assert_eq!(unproven(sources(), &[], of), sources());
        // Of systemd, or of another source that lists.
        assert_eq!(unproven(sources(), &["homed-alice"], of), sources());
        assert_eq!(unproven(sources(), &["sss-bob"], of), ["ldap"]);
        // Long lists: the users of the last source are at the end.
        let mut many = vec!["sss-x"; 500];
        assert_eq!(unproven(sources(), &many, of), ["ldap"]);
        many.push("ldap-y");
        assert_eq!(unproven(sources(), &many, of), [""; 0]);
    }
}
