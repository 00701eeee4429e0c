//! Users that a walk through the user database does not see: many directories answer for a name, and list no users.

use std::collections::BTreeSet;

use twofactor_store::sys::name_sources;
use twofactor_store::sys::passwd_listing::PasswdEntry;

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
pub fn silent(listed: &[PasswdEntry]) -> Vec<String> {
    let read = |path| std::fs::read(path).unwrap_or_default();
    let (switch, passwd) = (read("/etc/nsswitch.conf"), read("/etc/passwd"));
    let passwd = String::from_utf8_lossy(&passwd);
    let local: BTreeSet<&str> = passwd
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    let listed = listed.iter().map(|one| one.account.name.as_str());
    let beyond: Vec<&str> = listed.filter(|name| !local.contains(name)).collect();
    let sources = directories(&String::from_utf8_lossy(&switch));
    // One that does not answer proves nothing.
    unproven(sources, &beyond, |source, name| {
        name_sources::has_account(source, name).unwrap_or(false)
    })
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

/// The sources of users in nsswitch.conf(5) that may list none.
fn directories(switch: &str) -> Vec<String> {
    let line = switch.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        line.strip_prefix("passwd")?.trim_start().strip_prefix(':')
    });
    // Between brackets stands what to do after an answer, also with spaces.
    let mut sources = String::new();
    for part in line.unwrap_or_default().split('[') {
        sources.push_str(part.split_once(']').map_or(part, |(_, after)| after));
        sources.push(' ');
    }
    let words = sources.split_ascii_whitespace();
    let words = words.filter(|word| !LISTING.contains(word));
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_found_in_nsswitch() {
        for (text, found) in [
            ("passwd: files systemd sss\n", &["sss"][..]),
            ("group: files ldap\npasswd:\tcompat\n", &[]),
            ("# passwd: ldap\n passwd : files # winbind\n", &[]),
            (
                "passwd: files [NOTFOUND=continue SUCCESS=return] ldap [!UNAVAIL=return] winbind\n",
                &["ldap", "winbind"],
            ),
            ("", &[]),
        ] {
            assert_eq!(directories(text), found, "{text}");
        }
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
