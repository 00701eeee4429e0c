//! The accounts and groups of the machine itself: the source `files` of the name service, which newer versions of the C
//! library have in themselves, so that it cannot be asked alone. passwd(5), group(5).

use std::fs;
use std::io::{self, ErrorKind};

use super::accounts::LookupFailed;
use super::membership::{GroupList, MembershipFacts};
use twofactor_core::account::Account;

/// The accounts.
pub const PASSWD: &str = "/etc/passwd";
/// The groups.
pub const GROUP: &str = "/etc/group";
/// Fields of a line of passwd(5) after the name.
const FIELDS_AFTER_NAME: usize = 6;

/// The text of a file.
///
/// # Errors
/// [`LookupFailed`] when it cannot be read, or is not there.
pub fn text(path: &str) -> Result<String, LookupFailed> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

/// The text of [`PASSWD`]; where there is no such file, there are no accounts in it.
///
/// # Errors
/// [`LookupFailed`] when it cannot be read.
pub fn passwd() -> Result<String, LookupFailed> {
    passwd_text(fs::read(PASSWD))
}

fn passwd_text(read: io::Result<Vec<u8>>) -> Result<String, LookupFailed> {
    match read {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}

/// A line of passwd(5): `name:password:uid:gid:gecos:home:shell`. Each of its readers says what it needs of it: the C library
/// skips a line that lacks a field, and yet a user of that uid is meant.
#[derive(Debug)]
pub struct PasswdLine<'t> {
    /// The name of the account, which may be empty.
    pub name: &'t str,
    /// The fields after the name.
    fields: &'t str,
}

impl<'t> PasswdLine<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let (name, fields) = line.split_once(':')?;
        Some(Self { name, fields })
    }

    fn field(&self, number: usize) -> Option<&'t str> {
        self.fields.split(':').nth(number)
    }

    /// The user id.
    #[must_use]
    pub fn uid(&self) -> Option<u32> {
        self.field(1)?.parse().ok()
    }

    /// The program that a login starts.
    #[must_use]
    pub fn shell(&self) -> Option<&'t str> {
        self.field(5)
    }

    /// The account, of a line with a name and both numbers.
    fn account(&self) -> Option<Account> {
        Some(Account {
            uid: self.uid()?,
            gid: self.field(2)?.parse().ok()?,
            name: Some(self.name).filter(|name| !name.is_empty())?.to_owned(),
        })
    }

    /// True if the C library understands it.
    fn is_whole(&self) -> bool {
        self.fields.split(':').count() == FIELDS_AFTER_NAME
    }
}

/// The lines of the text of passwd(5).
pub fn passwd_lines(text: &str) -> impl Iterator<Item = PasswdLine<'_>> {
    text.lines().filter_map(PasswdLine::parse)
}

/// The accounts in the text of passwd(5), each with true if its line has all fields, so that the C library understands it.
pub fn accounts(text: &str) -> impl Iterator<Item = (Account, bool)> {
    passwd_lines(text).filter_map(|line| Some((line.account()?, line.is_whole())))
}

/// The first account with this uid in the text of passwd(5), of those that the C library understands.
pub fn first_of_uid(text: &str, uid: u32) -> Option<Account> {
    let mut accounts = accounts(text);
    let found = accounts.find(|(account, is_whole)| *is_whole && account.uid == uid);
    found.map(|(account, _)| account)
}

/// The names of the accounts in the text of passwd(5).
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    let names = passwd_lines(text).map(|line| line.name);
    names.filter(|name| !name.is_empty())
}

/// The uids of the accounts of that name in the text of passwd(5).
pub fn uids_of<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = u32> + 't {
    let lines = passwd_lines(text).filter(move |line| line.name == name);
    lines.filter_map(|line| line.uid())
}

/// A line of group(5) that the C library understands.
pub struct GroupLine<'t> {
    /// The name of the group.
    pub name: &'t str,
    /// Its number.
    pub id: u32,
    members: &'t str,
}

impl<'t> GroupLine<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?.parse().ok()?);
        let members = fields.next().unwrap_or_default();
        Some(Self { name, id, members })
    }

    /// The users that it lists.
    pub fn members(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        let members = self.members.split(',').map(str::trim);
        members.filter(|member| !member.is_empty())
    }
}

/// The groups of a text.
pub fn group_lines(text: &str) -> impl Iterator<Item = GroupLine<'_>> {
    text.lines().filter_map(GroupLine::parse)
}

/// Adds what the text of group(5) says of a group and of the names of one user.
pub fn add_membership(text: &str, group: &str, users: &[&str], facts: &mut MembershipFacts) {
    for line in group_lines(text) {
        let is_listed = line.members().any(|member| users.contains(&member));
        if line.name == group {
            facts.group_ids.push(line.id);
            facts.is_listed |= is_listed;
        }
        if is_listed {
            facts.user_groups.push(line.id);
        }
    }
}

/// Adds the number and the members of a group in the text of group(5).
pub fn add_members(text: &str, group: &str, list: &mut GroupList) {
    for line in group_lines(text).filter(|line| line.name == group) {
        list.ids.push(line.id);
        list.members.extend(line.members().map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_lines_are_read_by_their_fields() {
        let alice = Account {
            name: "alice".to_owned(),
            uid: 1000,
            gid: 100,
        };
        let whole = "alice:x:1000:100::/home/alice:/bin/sh";
        let account = |line| accounts(line).next().map(|(account, _)| account);
        assert_eq!(account(whole), Some(alice.clone()));
        for broken in ["", "alice", ":x:1:1::/:/", "a:x:-1:1::/:/", "a:x:1:x::/:/"] {
            assert_eq!(account(broken), None, "{broken}");
        }
        let text = format!("{whole}\nbroken\nalice:x:1000:100::/\n");
        let of_uid = |uid| first_of_uid(&format!("a:x:1000:1::/\n{text}"), uid);
        assert_eq!((of_uid(1000), of_uid(100)), (Some(alice.clone()), None));
        let found: Vec<_> = accounts(&text).collect();
        assert_eq!(found, [(alice.clone(), true), (alice, false)]);
    }

    /// Without the file there are no such accounts; one that cannot be read is no absence.
    #[test]
    fn only_a_missing_passwd_has_no_accounts() {
        let uids = |read| passwd_text(read).map(|text| accounts(&text).count());
        let failed = |errno| Err(io::Error::from_raw_os_error(errno));
        assert_eq!(uids(Ok(b"a:x:1:1::/:/bin/sh\n".to_vec())), Ok(1));
        assert_eq!(uids(failed(libc::ENOENT)), Ok(0));
        assert!(uids(failed(libc::EACCES)).is_err());
        assert!(accounts(&passwd().unwrap()).any(|(account, _)| account.uid == 0));
    }

    #[test]
    fn uids_are_those_of_the_name() {
        let text = "root:x:0:0::/:/bin/sh\nalice:x:7:1::/:\nalice:x:broken:1\nbob\nalice:x:8:1";
        assert_eq!(uids_of(text, "alice").collect::<Vec<_>>(), [7, 8]);
        assert_eq!(uids_of(text, "alic").count(), 0);
        assert_eq!(
            names(text).collect::<Vec<_>>(),
            ["root", "alice", "alice", "alice"]
        );
    }

    /// Each reader takes what it needs: a broken number of the group hides no uid, and too many fields no shell.
    #[test]
    fn fields_of_a_line_are_read_by_themselves() {
        let text = "a:x:7:broken:::/bin/sh:more\nb:x:8:1:::\nc:x:-1:1:::/bin/c\n:x:9:1:::/bin/d\ne:x:10\nf";
        let lines = passwd_lines(text).map(|line| (line.name, line.uid(), line.shell()));
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                ("a", Some(7), Some("/bin/sh")),
                ("b", Some(8), Some("")),
                ("c", None, Some("/bin/c")),
                ("", Some(9), Some("/bin/d")),
                ("e", Some(10), None),
            ]
        );
        assert_eq!(names(text).collect::<Vec<_>>(), ["a", "b", "c", "e"]);
        assert_eq!(uids_of(text, "").collect::<Vec<_>>(), [9]);
        let whole = accounts(text).map(|(account, is_whole)| (account.name, is_whole));
        assert_eq!(whole.collect::<Vec<_>>(), [("b".to_owned(), true)]);
    }

    /// A name that is not UTF-8 is that of no user, and hides no other line.
    #[test]
    fn bytes_that_are_not_utf_8_stay_in_their_line() {
        let bytes = b"a\xff:x:5:1::/:/bin/sh\nbob:x:6:1:\xfe:/:/bin/sh\n".to_vec();
        let text = passwd_text(Ok(bytes)).unwrap();
        assert_eq!(names(&text).collect::<Vec<_>>(), ["a\u{fffd}", "bob"]);
        assert_eq!(uids_of(&text, "bob").collect::<Vec<_>>(), [6]);
        assert_eq!(uids_of(&text, "a").count(), 0);
    }

    #[test]
    fn members_and_numbers_of_groups_are_read() {
        let text = "root:x:0:\nstaff:x:50:bob,alice\nsame:x:60:alias\nbroken:x:y:alice\nshort:x:70";
        let of = |group: &str, users: &[&str]| {
            let mut facts = MembershipFacts::default();
            add_membership(text, group, users, &mut facts);
            (facts.is_listed, facts.group_ids, facts.user_groups)
        };
        assert_eq!(of("staff", &["alice"]), (true, vec![50], vec![50]));
        assert_eq!(of("staff", &["alias"]), (false, vec![50], vec![60]));
        assert_eq!(
            of("same", &["alice", "alias"]),
            (true, vec![60], vec![50, 60])
        );
        assert_eq!(of("short", &["ali", ""]), (false, vec![70], vec![]));
        assert_eq!(of("none", &["carol"]), (false, vec![], vec![]));
    }

    #[test]
    fn a_group_has_the_members_of_all_its_lines() {
        let text =
            "staff:x:50:bob,alice\nother:x:60:carol\nstaff:x:51: dave ,\nstaff:x:broken:eve\n";
        let mut list = GroupList::default();
        add_members(text, "staff", &mut list);
        let members = ["bob", "alice", "dave"].map(str::to_owned).to_vec();
        let ids = vec![50, 51];
        assert_eq!(list, GroupList { ids, members });
    }
}
