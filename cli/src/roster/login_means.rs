//! Means by which a local account can log in at all, whatever the policy says.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use super::local_mounts::LocalMounts;
use twofactor_store::sys::local_accounts::{self, PASSWD};

/// The passwords of the local accounts.
const SHADOW: &str = "/etc/shadow";
/// Files of keys in a home directory, as sshd names them where it is not told otherwise.
const KEYS: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];
/// Beginnings of the types of keys.
const TYPES: [&str; 4] = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
/// Largest part of such a file that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// The local accounts whose passwords are locked.
pub struct PasswordLocks {
    names: BTreeSet<String>,
    mounts: LocalMounts,
}

impl PasswordLocks {
    /// Reads passwd(5) and shadow(5). Of a file that cannot be read nothing is known, so that it locks no account.
    pub fn read() -> Self {
        let [passwd, shadow] =
            [PASSWD, SHADOW].map(|path| local_accounts::text(path).unwrap_or_default());
        let names = locked(&passwd).chain(locked(&shadow));
        Self {
            names: names.map(str::to_owned).collect(),
            mounts: LocalMounts::read(),
        }
    }

    /// False if neither a password nor a key in that home directory lets the account of that name in.
    pub fn can_log_in(&self, name: &str, home: &Path) -> bool {
        !self.names.contains(name) || has_key(&self.mounts, home)
    }
}

/// The names of the lines whose second field no password matches: it begins with `!` or `*` (shadow(5)).
fn locked(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(':')?;
        rest.starts_with(['!', '*']).then_some(name)
    })
}

/// True if there is a file of keys with one that lets its owner in. One that cannot be looked at counts as none. That alone makes no
/// change safe: the risks of a policy are also counted as if it were one.
fn has_key(mounts: &LocalMounts, home: &Path) -> bool {
    let mut files = KEYS.iter().map(|name| keys(mounts, &home.join(name)));
    files.any(|text| text.is_some_and(|text| text.lines().any(lets_in)))
}

/// The text of a file of keys.
fn keys(mounts: &LocalMounts, path: &Path) -> Option<String> {
    let mut text = Vec::new();
    let file = mounts.open(path)?;
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// True if a line of sshd(8) is that of a key whose owner gets a shell. Images of clouds have lines for root whose forced command only
/// names another user.
fn lets_in(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return false;
    }
    let (options, rest) = options_of(line);
    let is_key = |text: &str| TYPES.iter().any(|kind| text.starts_with(kind));
    let has_data = |text: &str| text.split_whitespace().nth(1).is_some();
    // Without options the line begins with the key.
    if is_key(line) {
        return has_data(line);
    }
    is_key(rest) && has_data(rest) && !options.iter().any(|option| is_forced_command(option))
}

fn is_forced_command(option: &str) -> bool {
    let name = option.split('=').next().unwrap_or_default();
    name.eq_ignore_ascii_case("command")
}

/// The options at the begin of a line, and what follows them. Quoted, they may contain commas and blanks.
fn options_of(line: &str) -> (Vec<&str>, &str) {
    let (mut options, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, sign) in line.char_indices() {
        let is_end = !is_quoted && (sign == ',' || sign.is_ascii_whitespace());
        if is_end {
            options.extend(line.get(start..place));
            start = place.saturating_add(1);
        }
        if is_end && sign != ',' {
            return (options, line.get(start..).unwrap_or_default().trim_start());
        }
        is_quoted ^= sign == '"' && !is_escaped;
        is_escaped = sign == '\\' && !is_escaped;
    }
    (options, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_local() -> LocalMounts {
        LocalMounts::parse(b"27 1 254:0 / / rw - ext4 /dev/vda rw\n")
    }

    #[test]
    fn locked_passwords_are_told_from_others() {
        let shadow = "root:*:1::::::\nalice:$6$s$h:1::::::\nbob:!:1::::::\ncarol:!$6$s$h:1::::::\n\
                      open::1::::::\nbroken\n";
        let names: Vec<&str> = locked(shadow).collect();
        assert_eq!(names, ["root", "bob", "carol"]);
        assert_eq!(locked("root:x:0:0::/root:/bin/sh\n").count(), 0);
    }

    #[test]
    fn keys_with_a_forced_command_let_no_one_in() {
        let please = "command=\"echo 'Please login as the user \\\"ubuntu\\\", not root.';echo;sleep 10;exit 142\"";
        for line in [
            "",
            "  # ssh-ed25519 AAAA root",
            "ssh-ed25519",
            "garbage AAAA",
            "no-pty,no-X11-forwarding ",
            &format!("no-port-forwarding,no-X11-forwarding,{please} ssh-rsa AAAA root"),
            &format!("{please} ssh-ed25519 AAAA root"),
            "Command=\"true\",no-pty sk-ssh-ed25519@openssh.com AAAA",
            "no-pty,command=\"a \\\" ssh-rsa AAAA\" ssh-rsa AAAA",
        ] {
            assert!(!lets_in(line), "{line}");
        }
        for line in [
            "ssh-ed25519 AAAA root",
            "  ecdsa-sha2-nistp256 AAAA command=\"none of the options\"",
            "from=\"10.0.0.0/8, command=\",no-pty ssh-rsa AAAA",
            "environment=\"A=a \\\" b\"\tsk-ecdsa-sha2-nistp256@openssh.com AAAA",
        ] {
            assert!(lets_in(line), "{line}");
        }
    }

    #[test]
    fn a_fifo_of_keys_is_not_waited_for() {
        let home = std::env::temp_dir().canonicalize().unwrap();
        let home = home.join(format!("twofactor-keys-{}", std::process::id()));
        let directory = home.join(".ssh");
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("authorized_keys");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &file,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(!has_key(&all_local(), &home));
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "# none\n").unwrap();
        assert!(!has_key(&all_local(), &home));
        std::fs::write(&file, "# one\nssh-rsa AAAA").unwrap();
        assert!(has_key(&all_local(), &home));
        std::fs::remove_dir_all(home).unwrap();
    }

    /// Relative to the directory of the caller, it would be any user's.
    #[test]
    fn a_home_that_is_empty_or_relative_has_no_key() {
        let home = std::env::temp_dir().canonicalize().unwrap();
        let home = home.join(format!("twofactor-relative-{}", std::process::id()));
        std::fs::create_dir_all(home.join(".ssh")).unwrap();
        std::fs::write(home.join(".ssh/authorized_keys"), "ssh-rsa AAAA").unwrap();
        assert!(has_key(&all_local(), &home));
        let here = std::env::current_dir().unwrap();
        let up = "../".repeat(here.components().count());
        let relative = Path::new(&up).join(home.strip_prefix("/").unwrap());
        assert!(relative.join(".ssh/authorized_keys").exists());
        assert!(!has_key(&all_local(), &relative));
        assert!(!has_key(&all_local(), Path::new("")));
        std::fs::remove_dir_all(home).unwrap();
    }
}
