//! Means by which a local account can log in at all, whatever the policy says.

use std::collections::BTreeSet;
use std::path::Path;

use twofactor_store::sys::local_accounts::{self, PASSWD};

/// The passwords of the local accounts.
const SHADOW: &str = "/etc/shadow";
/// Files of keys in a home directory, as sshd names them where it is not told otherwise.
const KEYS: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// The local accounts whose passwords are locked.
pub struct PasswordLocks {
    names: BTreeSet<String>,
}

impl PasswordLocks {
    /// Reads passwd(5) and shadow(5). Of a file that cannot be read nothing is known, so that it locks no account.
    pub fn read() -> Self {
        let [passwd, shadow] =
            [PASSWD, SHADOW].map(|path| local_accounts::text(path).unwrap_or_default());
        let names = locked(&passwd).chain(locked(&shadow));
        Self {
            names: names.map(str::to_owned).collect(),
        }
    }

    /// False if neither a password nor a key in that home directory lets the account of that name in.
    pub fn can_log_in(&self, name: &str, home: &Path) -> bool {
        !self.names.contains(name) || has_key(home)
    }
}

/// The names of the lines whose second field no password matches: it begins with `!` or `*` (shadow(5)).
fn locked(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(':')?;
        rest.starts_with(['!', '*']).then_some(name)
    })
}

/// True if there is a file of keys with something in it. One that cannot be looked at counts as none: a lock-out is assumed
/// rather than missed.
fn has_key(home: &Path) -> bool {
    KEYS.iter()
        .any(|name| std::fs::metadata(home.join(name)).is_ok_and(|file| file.len() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_passwords_are_told_from_others() {
        let shadow = "root:*:1::::::\nalice:$6$s$h:1::::::\nbob:!:1::::::\ncarol:!$6$s$h:1::::::\n\
                      open::1::::::\nbroken\n";
        let names: Vec<&str> = locked(shadow).collect();
        assert_eq!(names, ["root", "bob", "carol"]);
        assert_eq!(locked("root:x:0:0::/root:/bin/sh\n").count(), 0);
    }
}
