//! The local accounts that users log in with, from /etc/passwd.

use std::ops::Range;
use std::path::Path;

use twofactor_store::sys::local_accounts::{PASSWD, PasswdLine, passwd_lines};

use crate::command_failure::CommandFailure;

/// Uids of regular users: from the first, before the last (Debian policy 9.2.2, systemd's UIDS-GIDS).
pub const REGULAR_UIDS: Range<u32> = 1000..65_534;

/// Name and uid of the local accounts that users log in with, root included. Accounts of a directory are not listed: there may be very
/// many.
///
/// # Errors
/// A file that cannot be read is an error: it must not pass for one without users.
pub fn accounts() -> Result<Vec<(String, u32)>, CommandFailure> {
    read(Path::new(PASSWD))
}

fn read(path: &Path) -> Result<Vec<(String, u32)>, CommandFailure> {
    let text = std::fs::read(path).map_err(|error| {
        CommandFailure::system(format!("{} cannot be read: {error}", path.display()))
    })?;
    Ok(parse(&String::from_utf8_lossy(&text)))
}

/// The users in the text of passwd(5).
fn parse(passwd: &str) -> Vec<(String, u32)> {
    let entry = |line: PasswdLine<'_>| {
        let (name, uid, shell) = (line.name, line.uid()?, line.shell()?);
        let may_log_in = !["nologin", "false"].iter().any(|end| shell.ends_with(end));
        let is_user = uid == 0 || REGULAR_UIDS.contains(&uid);
        (may_log_in && is_user && !name.is_empty()).then(|| (name.to_owned(), uid))
    };
    passwd_lines(passwd).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_told_from_services() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\
                      daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
                      backup:x:34:34:backup:/var/backups:/bin/sh\n\
                      alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\n\
                      locked:x:1001:1001::/home/locked:/bin/false\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n\
                      broken:line\n";
        assert_eq!(
            parse(passwd),
            [("root".to_owned(), 0), ("alice".to_owned(), 1000)]
        );
    }

    /// A login needs no group of the file, and an empty shell is /bin/sh. A line that ends before the shell is none.
    #[test]
    fn a_user_has_a_name_a_uid_and_a_shell() {
        let passwd = "one:x:1000:broken::/:/bin/sh:more\n\
                      two:x:1001:1:::\n\
                      few:x:1002:1::/\n\
                      big:x:4294967296:1::/:/bin/sh\n\
                      :x:1003:1::/:/bin/sh\n";
        let names: Vec<String> = parse(passwd).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["one", "two"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        assert!(read(Path::new("/proc/self/mem")).is_err());
        assert!(read(Path::new("/nonexistent/passwd")).is_err());
    }
}
