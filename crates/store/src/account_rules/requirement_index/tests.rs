//! Entries with many names against many accounts: what they require, and how often the name service is asked.

use std::cell::Cell;
use std::fmt::Write;

use super::*;

const TIME: PolicyTime = PolicyTime {
    now: Some(1_800_000_000),
    changed: 0,
};

thread_local! {
    /// Look-ups of users, of groups and of uids.
    static ASKED: Cell<[usize; 2]> = const { Cell::new([0; 2]) };
}

/// `user7` has the uid 7; `away` has no answer; `none` is no user.
const LOOKUPS: NameLookups = NameLookups {
    uids_of: |user| {
        let [users, groups] = ASKED.get();
        ASKED.set([users + 1, groups]);
        match (user, user.strip_prefix("user")) {
            ("away", _) => Err(no_answer()),
            (_, Some(number)) => Ok(vec![number.parse().unwrap()]),
            _ => Ok(Vec::new()),
        }
    },
    group_id: |group| {
        let [users, groups] = ASKED.get();
        ASKED.set([users, groups + 1]);
        match group {
            "away" => Err(no_answer()),
            "none" => Ok(None),
            other => Ok(Some(other.len().try_into().unwrap())),
        }
    },
    by_uid: |_| Ok(None),
};

fn no_answer() -> LookupFailed {
    std::io::Error::from_raw_os_error(5).into()
}

fn policy(entries: &str) -> Policy {
    format!("enabled = true\n{entries}").parse().unwrap()
}

fn account(uid: u32) -> Account {
    Account {
        name: format!("user{uid}"),
        uid,
        gid: uid,
    }
}

/// The requirement on an account that is a member of the group `staff`, and the names that are noted.
fn asked(index: &mut RequirementIndex, account: &Account) -> (DeviceRequirement, Vec<String>) {
    let mut unanswered = Vec::new();
    let mut is_member = |group: &str, _| Ok(group == "staff");
    let found = index.requirement(account, LOOKUPS, &mut is_member, &mut unanswered);
    (found, unanswered.into_iter().map(|it| it.name).collect())
}

#[test]
fn names_of_entries_are_looked_up_once_for_all_users() {
    let mut text = String::new();
    for number in 0..300 {
        // Each name twice: in an entry of its own, and in one that has all.
        writeln!(
            text,
            "[[require]]\nusers = [\"user{number}\"]\nfrom = 2099-01-01"
        )
        .unwrap();
    }
    let all: Vec<String> = (0..300).map(|it| format!("\"user{it}\"")).collect();
    writeln!(text, "[[require]]\nusers = [{}]", all.join(",")).unwrap();
    writeln!(text, "groups = [\"one\", \"other\", \"none\"]").unwrap();
    let policy = policy(&text);
    ASKED.set([0; 2]);
    let mut index = RequirementIndex::of(&policy, TIME, LOOKUPS);
    for uid in 0..2_000 {
        // An alias: the name is in no entry.
        let alias = Account {
            name: "alias".to_owned(),
            ..account(uid)
        };
        let expected = match uid {
            0..300 => DeviceRequirement::InForce,
            _ => DeviceRequirement::None,
        };
        assert_eq!(asked(&mut index, &alias), (expected, vec![]), "{uid}");
    }
    assert_eq!(ASKED.get(), [300, 3]);
}

#[test]
fn a_name_counts_where_its_uid_is_not_known() {
    let policy = policy("[[require]]\nusers = [\"none\"]\n");
    let mut index = RequirementIndex::of(&policy, TIME, LOOKUPS);
    let none = Account {
        name: "none".to_owned(),
        ..account(5)
    };
    assert_eq!(asked(&mut index, &none).0, DeviceRequirement::InForce);
    assert_eq!(asked(&mut index, &account(5)).0, DeviceRequirement::None);
}

/// The names before it still decide without it.
#[test]
fn a_user_without_an_answer_is_any_user_and_is_noted() {
    let policy = policy("[[require]]\nusers = [\"user1\", \"away\", \"user2\"]\n");
    let mut index = RequirementIndex::of(&policy, TIME, LOOKUPS);
    let alias = |uid| Account {
        name: "alias".to_owned(),
        ..account(uid)
    };
    let required = DeviceRequirement::InForce;
    assert_eq!(asked(&mut index, &alias(1)), (required, vec![]));
    let away = vec!["away".to_owned()];
    for uid in [2, 3] {
        assert_eq!(asked(&mut index, &alias(uid)), (required, away.clone()));
    }
    // Its own name is in the list, which needs no look-up.
    assert_eq!(asked(&mut index, &account(2)), (required, vec![]));
}

#[test]
fn a_group_without_an_answer_has_any_user_as_member() {
    let policy = policy("[[require]]\ngroups = [\"none\", \"away\"]\n");
    let mut index = RequirementIndex::of(&policy, TIME, LOOKUPS);
    let away = vec!["away".to_owned()];
    let found = asked(&mut index, &account(1));
    assert_eq!(found, (DeviceRequirement::InForce, away));
}

/// Entries in force come first, then the earlier day, whatever their order in the policy.
#[test]
fn the_strictest_entry_is_the_requirement() {
    let text = "[[require]]\nusers = [\"user1\", \"user2\"]\nfrom = 2099-02-01\n\
                [[require]]\nusers = [\"user1\"]\nfrom = 2099-01-01\n\
                [[require]]\nusers = [\"user3\"]\n\
                [[require]]\ngroups = [\"staff\"]\nfrom = 2099-03-01\n";
    let policy = policy(text);
    let mut index = RequirementIndex::of(&policy, TIME, LOOKUPS);
    let mut day = |uid| match asked(&mut index, &account(uid)).0 {
        DeviceRequirement::Later(day) => day.to_string(),
        DeviceRequirement::InForce => "now".to_owned(),
        DeviceRequirement::None => "none".to_owned(),
    };
    let found = [1, 2, 3, 4].map(&mut day);
    assert_eq!(found, ["2099-01-01", "2099-02-01", "now", "2099-03-01"]);
}

#[test]
fn an_index_is_of_its_entries_at_its_time() {
    let text = "[[require]]\nusers = [\"user1\"]\n";
    let index = RequirementIndex::of(&policy(text), TIME, LOOKUPS);
    assert!(index.is_of(&policy(text), TIME));
    let later = PolicyTime {
        now: TIME.now.map(|now| now + 1),
        ..TIME
    };
    assert!(!index.is_of(&policy(text), later));
    assert!(!index.is_of(&policy(&text.replace("user1", "user2")), TIME));
}
