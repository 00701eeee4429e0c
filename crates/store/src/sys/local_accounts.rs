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
/// Fields of a line of passwd(5).
const PASSWD_FIELDS: usize = 7;

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

/// The accounts in the text of passwd(5), each with true if its line has all fields, so that the C library understands it.
pub fn accounts(text: &str) -> impl Iterator<Item = (Account, bool)> {
    let is_whole = |line: &str| line.split(':').count() == PASSWD_FIELDS;
    text.lines()
        .filter_map(move |line| Some((account(line)?, is_whole(line))))
}

/// The first account with this uid in the text of passwd(5), of those that the C library understands.
pub fn first_of_uid(text: &str, uid: u32) -> Option<Account> {
    let mut accounts = accounts(text);
    let found = accounts.find(|(account, is_whole)| *is_whole && account.uid == uid);
    found.map(|(account, _)| account)
}

/// passwd(5): `name:password:uid:gid:...`.
fn account(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let mut number = |skipped| fields.nth(skipped)?.parse().ok();
    Some(Account {
        uid: number(1)?,
        gid: number(0)?,
        name: name.to_owned(),
    })
}

/// The names of the accounts in the text of passwd(5).
pub fn names(text: &str) -> impl Iterator<Item = &str> {
    let names = text.lines().filter_map(|line| line.split_once(':'));
    names.map(|(name, _)| name).filter(|name| !name.is_empty())
}

/// The uids of the accounts of that name in the text of passwd(5).
pub fn uids_of<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = u32> + 't {
    text.lines().filter_map(move |line| {
        let mut fields = line.split(':');
        fields.next().filter(|found| *found == name)?;
        fields.nth(1)?.parse().ok()
    })
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
    for line in text.lines() {
        let mut fields = line.split(':');
        let is_named = fields.next() == Some(group);
        let id = fields.nth(1).and_then(|id| id.parse().ok());
        let (true, Some(id)) = (is_named, id) else {
            continue;
        };
        list.ids.push(id);
        let members = fields.next().unwrap_or_default().split(',');
        let members = members.map(str::trim).filter(|member| !member.is_empty());
        list.members.extend(members.map(str::to_owned));
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
