//! The users that sshd may treat differently: those that `Match` lines of its configuration name, also by patterns. Users that
//! the same names and patterns apply to have the same settings, so that sshd is asked once for all of them.

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
    /// Login names, and patterns of them.
    pub users: BTreeSet<String>,
    /// Groups.
    pub groups: BTreeSet<String>,
    /// Patterns of groups.
    pub group_patterns: BTreeSet<String>,
}

impl MatchedNames {
    /// The names in the configuration; `None` if they are not known, such as for quotes.
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
            let (names, mut patterns) = match criterion.to_ascii_lowercase().as_str() {
                "all" => continue,
                "user" => (&mut self.users, None),
                "group" => (&mut self.groups, Some(&mut self.group_patterns)),
                "host" | "address" | "localaddress" | "localport" | "rdomain" => {
                    words.next()?;
                    continue;
                }
                _ => return None,
            };
            for pattern in words.next()?.split(',') {
                let name = pattern.strip_prefix('!').unwrap_or(pattern);
                match &mut patterns {
                    Some(patterns) if is_pattern(name) => patterns.insert(name.to_owned()),
                    _ => names.insert(name.to_owned()),
                };
            }
        }
        Some(())
    }
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// True if a name matches a pattern of ssh_config(5): `*` stands for any characters or none, `?` for one.
pub fn matches(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.as_bytes(), pattern.as_bytes());
    let (mut at, mut next) = (0, 0);
    // The place after the last `*`, and the place in the name up to which that one goes.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(at) {
        match (pattern.get(next), star) {
            (Some(b'*'), _) => {
                next += 1;
                star = Some((next, at));
            }
            (Some(b'?'), _) => (at, next) = (at + 1, next + 1),
            (Some(wanted), _) if wanted == byte => (at, next) = (at + 1, next + 1),
            (_, Some((after, upto))) => {
                star = Some((after, upto + 1));
                (at, next) = (upto + 1, after);
            }
            (_, None) => return false,
        }
    }
    pattern.iter().skip(next).all(|byte| *byte == b'*')
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
    fn patterns_of_groups_are_kept_apart() {
        let mut names = MatchedNames::default();
        names
            .add("Match User b*,!c?\nMatch Group st*,wheel\n")
            .unwrap();
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let expected = MatchedNames {
            users: set(&["b*", "c?"]),
            groups: set(&["wheel"]),
            group_patterns: set(&["st*"]),
        };
        assert_eq!(names, expected);
    }

    #[test]
    fn patterns_match_as_those_of_sshd() {
        for (pattern, name, expected) in [
            ("bob", "bob", true),
            ("bob", "bobby", false),
            ("b*", "b", true),
            ("*", "", true),
            ("b?b", "bob", true),
            ("b?", "b", false),
            ("*a*b", "aab", true),
            ("*a*b", "aabc", false),
            ("u*1*", "user21x", true),
            ("u*1?", "user1", false),
            ("**x", "x", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(name, pattern), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_not_guessed() {
        for line in [
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
