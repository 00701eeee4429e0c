//! The configuration of the name service, nsswitch.conf(5): which sources there are.
#![forbid(unsafe_code)]

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

/// The sources in the text of the configuration; the files where it has no line of a database. What is to be done after an
/// answer, in brackets, makes no difference: a source that may be asked has to answer.
fn listed(text: &str, databases: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some((database, rest)) = line.split_once(':') else {
            continue;
        };
        if !databases.contains(&database.trim()) {
            continue;
        }
        let outside = rest.split('[').enumerate();
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
    }
}
