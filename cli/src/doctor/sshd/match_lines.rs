//! The users that sshd may treat differently: those that `Match` lines of its configuration name. All others have the same
//! settings, so that sshd is asked once for all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

/// Configuration of an sshd that a distribution installed.
const CONFIG: &str = "/etc/ssh/sshd_config";
/// Directory of includes without one.
const DIRECTORY: &str = "/etc/ssh";
/// Most files that are read.
const MOST_FILES: usize = 256;

/// Names on which sshd's settings may depend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchedNames {
    /// Login names.
    pub users: BTreeSet<String>,
    /// Groups.
    pub groups: BTreeSet<String>,
}

impl MatchedNames {
    /// The names in the configuration; `None` if they are not known, such as for patterns.
    pub fn read() -> Option<Self> {
        let mut names = Self::default();
        let mut open = vec![PathBuf::from(CONFIG)];
        let mut read = 0;
        while let Some(path) = open.pop() {
            read += 1;
            if read > MOST_FILES {
                return None;
            }
            let text = fs::read(&path).ok()?;
            for pattern in names.add(&String::from_utf8_lossy(&text))? {
                open.extend(included(&pattern)?);
            }
        }
        Some(names)
    }

    /// Adds those of a text; returns what it includes. `None` where that cannot be told.
    fn add(&mut self, text: &str) -> Option<Vec<String>> {
        let mut includes = Vec::new();
        for line in text.lines() {
            // Between keyword and value stand blanks, or blanks and one `=`.
            let line = line.trim();
            let end = line.find([' ', '\t', '=', '\x0c']);
            let (keyword, value) = line.split_at(end.unwrap_or(line.len()));
            let value = value.trim_start();
            let value = value.strip_prefix('=').unwrap_or(value).trim();
            if keyword.eq_ignore_ascii_case("match") {
                self.add_criteria(value)?;
            } else if keyword.eq_ignore_ascii_case("include") {
                let plain = |c: char| c.is_ascii_alphanumeric() || "/._-*".contains(c);
                for pattern in value.split_ascii_whitespace() {
                    includes.push(pattern.chars().all(plain).then(|| pattern.to_owned())?);
                }
            } else if keyword.contains('"') {
                return None;
            }
        }
        Some(includes)
    }

    fn add_criteria(&mut self, value: &str) -> Option<()> {
        // Quotes, comments and the forms of newer versions.
        if value.contains(['"', '\'', '#', '=', '\\']) {
            return None;
        }
        let mut words = value.split_ascii_whitespace();
        while let Some(criterion) = words.next() {
            let names = match criterion.to_ascii_lowercase().as_str() {
                "all" => continue,
                "user" => &mut self.users,
                "group" => &mut self.groups,
                "host" | "address" | "localaddress" | "localport" | "rdomain" => {
                    words.next()?;
                    continue;
                }
                _ => return None,
            };
            for pattern in words.next()?.split(',') {
                let name = pattern.strip_prefix('!').unwrap_or(pattern);
                if name.contains(['*', '?']) {
                    return None;
                }
                names.insert(name.to_owned());
            }
        }
        Some(())
    }
}

/// The files of an include; `None` where that cannot be told.
fn included(pattern: &str) -> Option<Vec<PathBuf>> {
    let path = Path::new(DIRECTORY).join(pattern);
    let name = path.file_name()?.to_str()?.to_owned();
    let directory = path.parent()?;
    if directory.to_str()?.contains('*') {
        return None;
    }
    let Some((start, end)) = name.split_once('*') else {
        return Some(if path.exists() {
            vec![path]
        } else {
            Vec::new()
        });
    };
    if end.contains('*') {
        return None;
    }
    // std::fs::read_dir would panic where close(2) reports an error.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let entries = match rustix::fs::open(directory, flags, Mode::empty()).and_then(Dir::new) {
        Ok(entries) => entries,
        Err(Errno::NOENT) => return Some(Vec::new()),
        Err(_) => return None,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.ok()?;
        let file = entry.file_name().to_str().ok()?;
        let long_enough = file.len() >= start.len() + end.len();
        let hidden = start.is_empty() && file.starts_with('.');
        if long_enough && !hidden && file.starts_with(start) && file.ends_with(end) {
            found.push(directory.join(file));
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<(String, String, String)> {
        let mut names = MatchedNames::default();
        let includes = names.add(text)?;
        let joined = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
        Some((
            joined(&names.users),
            joined(&names.groups),
            includes.join(" "),
        ))
    }

    #[test]
    fn names_in_match_lines_are_found() {
        let text = "# Match User no\nPort 22\nmatch user bob,!carol address 10.0.0.0/8\n  MATCH\tGroup staff\n\
                    Match all\nInclude /etc/ssh/sshd_config.d/*.conf extra\nMatch=Host a.example\n";
        let expected = ("bob carol", "staff", "/etc/ssh/sshd_config.d/*.conf extra");
        let owned = |(users, groups, includes): (&str, &str, &str)| {
            (users.to_owned(), groups.to_owned(), includes.to_owned())
        };
        assert_eq!(of(text), Some(owned(expected)));
        assert_eq!(of("PermitRootLogin no\n"), Some(owned(("", "", ""))));
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        for line in [
            "Match User b*",
            "Match Group ?",
            "Match User \"a b\"",
            "Match User=bob",
            "Match User",
            "Match invalid-user",
            "Match User bob # comment",
            "Include \"a b\"",
            "Include /etc/~x",
            "\"Match\" User bob",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
        assert_eq!(included("/etc/*/x"), None);
        assert_eq!(included("/nonexistent/*.conf"), Some(Vec::new()));
        assert_eq!(included("/nonexistent/file"), Some(Vec::new()));
    }
}
