//! Names that have no account, and accounts with several names.

use super::*;

#[test]
fn names_without_an_account_are_listed_as_vanished() {
    let roster = UserRoster::new(None, ["root", "no such user"].map(str::to_owned));
    let found = roster.look_up(|entry| match entry {
        RosterEntry::Listed(user) => (user.name, Some(user.account.uid)),
        RosterEntry::Vanished(name) | RosterEntry::Unanswered(name, _) => (name, None),
    });
    assert_eq!(
        found,
        [
            ("no such user".to_owned(), None),
            ("root".to_owned(), Some(0))
        ]
    );
}

#[test]
fn further_names_of_an_account_are_dropped() {
    let account = |name: &str| Account {
        name: name.to_owned(),
        uid: 1000,
        gid: 1000,
    };
    let listed = vec![
        (1, Some(account("alice"))),
        (2, None),
        (3, Some(account("alice"))),
        (4, None),
    ];
    let kept = once_each(listed, |(_, account)| account.as_ref());
    let numbers: Vec<u32> = kept.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 2, 4]);
}
