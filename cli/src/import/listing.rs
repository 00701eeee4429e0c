//! Which users a walk through the user database does not see: many directories answer for a name, and list none.

use std::collections::BTreeSet;

use twofactor_store::sys::homes::PasswdEntry;

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

/// The directories of nsswitch.conf(5) that list none of their users, as far as that can be told. With no user beyond
/// those of /etc/passwd, none of them does.
pub fn silent(listed: &[PasswdEntry]) -> Vec<String> {
    let read = |path| std::fs::read(path).unwrap_or_default();
    let (switch, passwd) = (read("/etc/nsswitch.conf"), read("/etc/passwd"));
    let passwd = String::from_utf8_lossy(&passwd);
    let local: BTreeSet<&str> = passwd
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    let all_local = listed
        .iter()
        .all(|one| local.contains(one.account.name.as_str()));
    if all_local {
        directories(&String::from_utf8_lossy(&switch))
    } else {
        Vec::new()
    }
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
        sources.push_str(part.split_once(']').map_or(part, |(_, behind)| behind));
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
}
