//! The configuration of the name service, nsswitch.conf(5): which sources there are.

use std::fs;
use std::io::ErrorKind;

use super::accounts::LookupFailed;

/// The configuration.
const NSSWITCH: &str = "/etc/nsswitch.conf";
/// The source that the C library has in itself, by newer versions.
pub const FILES: &str = "files";

/// The sources of these databases, each once.
///
/// # Errors
/// [`LookupFailed`] when the configuration cannot be read.
pub fn sources(databases: &[&str]) -> Result<Vec<String>, LookupFailed> {
    match fs::read(NSSWITCH) {
        Ok(text) => Ok(listed(&String::from_utf8_lossy(&text), databases)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(vec![FILES.to_owned()]),
        Err(error) => Err(error.into()),
    }
}

/// True if the files are asked first for accounts and their answer counts: then no other source is asked about an account that
/// they have. False where that cannot be told.
#[must_use]
pub fn files_answer_first() -> bool {
    fs::read(NSSWITCH).is_ok_and(|text| are_first(&String::from_utf8_lossy(&text)))
}

fn are_first(text: &str) -> bool {
    let lines = values_of(text, "passwd");
    let [line] = lines.as_slice() else {
        return false;
    };
    let mut words = line.split_whitespace();
    words.next() == Some(FILES) && !words.next().is_some_and(|word| word.starts_with('['))
}

/// True if getgrouplist(3) adds up the groups of all sources: there is one line for groups, no line of its own for the
/// groups of users, and no action but merging. False where that cannot be told.
#[must_use]
pub fn groups_add_up() -> bool {
    fs::read(NSSWITCH).is_ok_and(|text| add_up(&String::from_utf8_lossy(&text)))
}

fn add_up(text: &str) -> bool {
    let lines = values_of(text, "group");
    let [line] = lines.as_slice() else {
        return false;
    };
    let actions = line.replace("[SUCCESS=merge]", "");
    !actions.contains('[') && values_of(text, "initgroups").is_empty()
}

/// The lines of the configuration: a database and its value.
fn entries(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let (database, value) = line.split_once(':')?;
        Some((database.trim(), value))
    })
}

/// The values of the lines of a database.
fn values_of<'t>(text: &'t str, database: &str) -> Vec<&'t str> {
    let lines = entries(text).filter(|(name, _)| *name == database);
    lines.map(|(_, value)| value).collect()
}

/// The sources in the text of the configuration; the files where it has no line of a database. What is to be done after an
/// answer, in brackets, makes no difference: a source that may be asked has to answer.
fn listed(text: &str, databases: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, value) in entries(text).filter(|(name, _)| databases.contains(name)) {
        let outside = value.split('[').enumerate();
        let outside = outside.map(|(number, part)| match number {
            0 => part,
            _ => part.split_once(']').map_or("", |(_, after)| after),
        });
        for source in outside.flat_map(str::split_whitespace) {
            if !found.iter().any(|known| known == source) {
                found.push(source.to_owned());
            }
        }
    }
    if found.is_empty() {
        found.push(FILES.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_without_their_actions() {
        let text = "# passwd: no\npasswd: files [SUCCESS=merge NOTFOUND=continue] sss systemd # ldap\n\
                    group:\tfiles\t[!UNAVAIL=return] winbind\ninitgroups: sss files\nhosts: dns\n";
        let of = |databases: &[&str]| listed(text, databases).join(" ");
        assert_eq!(of(&["passwd"]), "files sss systemd");
        assert_eq!(of(&["group", "initgroups"]), "files winbind sss");
        assert_eq!(of(&["shadow"]), "files");
        let spaced = " passwd : files # winbind\npasswd_compat: nis\npasswd:\tcompat\n";
        assert_eq!(listed(spaced, &["passwd"]).join(" "), "files compat");
    }

    #[test]
    fn files_answer_first_where_they_are_asked_first() {
        for (text, first) in [
            ("passwd: files systemd\n", true),
            ("group: x\npasswd:files\n", true),
            ("passwd: files [SUCCESS=continue] sss\n", false),
            ("passwd: sss files\n", false),
            ("passwd: files\npasswd: sss\n", false),
            ("passwd:\n", false),
            ("# passwd: files\n", false),
        ] {
            assert_eq!(are_first(text), first, "{text}");
        }
    }

    #[test]
    fn groups_add_up_unless_an_action_ends_the_look_up() {
        for (text, sum) in [
            ("group: files systemd\n", true),
            ("group: files [SUCCESS=merge] sss\n", true),
            ("group: files [NOTFOUND=return] sss\n", false),
            ("group: files\ninitgroups: sss\n", false),
            ("group: files\ngroup: sss\n", false),
            ("passwd: files\n", false),
        ] {
            assert_eq!(add_up(text), sum, "{text}");
        }
    }
}
