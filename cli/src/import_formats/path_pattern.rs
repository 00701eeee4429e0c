//! The path of a user's state file: the `secret=` of pam_google_authenticator.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A path with `~`, `${HOME}`, `${USER}`, `%h` and `%u` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern(Vec<PatternPart>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternPart {
    Text(String),
    Home,
    User,
}

/// Spellings, and what they stand for. The longest first.
const SHORTHANDS: [(&str, PatternPart); 4] = [
    ("${HOME}", PatternPart::Home),
    ("${USER}", PatternPart::User),
    ("%h", PatternPart::Home),
    ("%u", PatternPart::User),
];

impl FromStr for PathPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        if let Some(after) = rest.strip_prefix('~') {
            parts.push(PatternPart::Home);
            rest = after;
        }
        let mut plain = String::new();
        while let Some(letter) = rest.chars().next() {
            let found = SHORTHANDS
                .iter()
                .find_map(|(spelling, part)| Some((rest.strip_prefix(spelling)?, part)));
            if let Some((after, part)) = found {
                parts.push(PatternPart::Text(std::mem::take(&mut plain)));
                parts.push(part.clone());
                rest = after;
                continue;
            }
            if letter == '%' || letter == '$' {
                return Err(
                    "only ~, ${HOME}, ${USER}, %h and %u stand for something here".to_owned(),
                );
            }
            plain.push(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
        parts.push(PatternPart::Text(plain));
        parts.retain(|part| *part != PatternPart::Text(String::new()));
        let absolute = match parts.first() {
            Some(PatternPart::Text(text)) => text.starts_with('/'),
            Some(PatternPart::Home) => true,
            Some(PatternPart::User) | None => false,
        };
        if absolute
            && parts
                .iter()
                .any(|part| !matches!(part, PatternPart::Text(_)))
        {
            Ok(Self(parts))
        } else {
            Err(
                "a path that begins with / or ~ and names the user or the home directory is needed"
                    .to_owned(),
            )
        }
    }
}

impl PathPattern {
    /// The file of one user. `None` where name or home directory would lead elsewhere.
    pub fn path(&self, user: &str, home: &Path) -> Option<PathBuf> {
        let safe = !user.contains('/') && ![".", "..", ""].contains(&user) && home.is_absolute();
        if !safe {
            return None;
        }
        let mut path = OsString::new();
        for part in &self.0 {
            match part {
                PatternPart::Text(text) => path.push(text),
                PatternPart::User => path.push(user),
                PatternPart::Home => {
                    let bytes = home.as_os_str().as_bytes();
                    let bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
                    path.push(std::ffi::OsStr::from_bytes(bytes));
                }
            }
        }
        Some(path.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shorthand_is_filled_in() {
        for (pattern, path) in [
            (
                "~/.google_authenticator",
                "/home/alice/.google_authenticator",
            ),
            (
                "${HOME}/.google_authenticator",
                "/home/alice/.google_authenticator",
            ),
            ("%h/.ga", "/home/alice/.ga"),
            ("/var/unencrypted/${USER}/ga", "/var/unencrypted/alice/ga"),
            ("/var/%u.%u", "/var/alice.alice"),
            ("/srv${HOME}/${USER}", "/srv/home/alice/alice"),
            ("/a~b/%u", "/a~b/alice"),
        ] {
            let pattern: PathPattern = pattern.parse().unwrap();
            let found = pattern.path("alice", Path::new("/home/alice")).unwrap();
            assert_eq!(found, Path::new(path));
        }
        let pattern: PathPattern = "~/x".parse().unwrap();
        assert_eq!(
            pattern.path("root", Path::new("/")).unwrap(),
            Path::new("/x")
        );
    }

    #[test]
    fn patterns_without_a_place_per_user_are_refused() {
        for bad in [
            "",
            "/etc/shadow",
            "relative/%u",
            "${USER}/x",
            "/x/$USER",
            "/x/%i",
            "/x/%",
            "/%%u",
            "${home}/x",
        ] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        let pattern: PathPattern = "/var/${USER}/ga".parse().unwrap();
        for user in ["", ".", "..", "a/b", "../root"] {
            assert_eq!(pattern.path(user, Path::new("/home/x")), None, "{user}");
        }
        assert_eq!(pattern.path("alice", Path::new("relative")), None);
        assert_eq!(pattern.path("alice", Path::new("")), None);
    }
}
