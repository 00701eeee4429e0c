//! The accounts of this machine against entries that name them, and against entries that name none.

use super::*;
use crate::account_rules::machine_listing::MachineListing;
use crate::sys::group_listing::GroupListing;

const TIME: PolicyTime = PolicyTime {
    now: Some(1_800_000_000),
    changed: 0,
};

fn requirement(policy: &str, account: Option<&Account>) -> (DeviceRequirement, usize) {
    let policy = format!("enabled = true\n{policy}").parse().unwrap();
    let mut known = KnownRequirements::default();
    let found = known.requirement(&policy, TIME, account);
    (found, known.unanswered().len())
}

fn root() -> Account {
    accounts::by_name("root").unwrap().unwrap()
}

#[test]
fn entries_apply_to_their_users() {
    let named = "[[require]]\nusers = [\"daemon\", \"root\"]\n";
    assert_eq!(
        requirement(named, Some(&root())).0,
        DeviceRequirement::InForce
    );
    let daemon = "[[require]]\nusers = [\"daemon\"]\n";
    assert_eq!(
        requirement(daemon, Some(&root())),
        (DeviceRequirement::None, 0)
    );
}

/// A second name of a uid is another name of the same user.
#[test]
fn entries_apply_to_all_names_of_a_uid() {
    let alias = Account {
        name: "toor".to_owned(),
        ..root()
    };
    let named = "[[require]]\nusers = [\"root\"]\n";
    assert_eq!(
        requirement(named, Some(&alias)).0,
        DeviceRequirement::InForce
    );
}

#[test]
fn a_name_without_an_account_is_treated_as_required() {
    let later = "[[require]]\nusers = [\"root\"]\nfrom = 2099-01-01\n";
    assert_eq!(requirement(later, None).0, DeviceRequirement::None);
    let now = "[[require]]\nusers = [\"root\"]\n";
    assert_eq!(requirement(now, None).0, DeviceRequirement::InForce);
    assert_eq!(requirement("", None).0, DeviceRequirement::None);
}

/// A group lists one of the names.
#[test]
fn an_alias_is_in_the_groups_of_its_uid() {
    let policy = "enabled = true\n[[require]]\ngroups = [\"no-such-robots\"]\n";
    let alias = Account {
        name: "toor".to_owned(),
        ..root()
    };
    for (member, expected) in [
        ("root", DeviceRequirement::InForce),
        ("toor", DeviceRequirement::InForce),
        ("daemon", DeviceRequirement::None),
    ] {
        let listing = format!("no-such-robots:x:4000000:{member}\n");
        let listing = Arc::new(MachineListing::new(GroupListing::of_text(&listing)));
        let mut known = KnownRequirements::for_many(listing);
        let found = known.requirement(&policy.parse().unwrap(), TIME, Some(&alias));
        assert_eq!(found, expected, "{member}");
    }
}

#[test]
fn what_has_no_answer_is_a_match_and_noted_once() {
    let error = LookupFailed::from(std::io::Error::from_raw_os_error(5));
    let mut known = KnownRequirements::default();
    for user in ["bob", "bob", "carol"] {
        assert!(known.counted("user", user, Err(error)));
        assert!(!known.counted("user", user, Ok(false)));
    }
    let names: Vec<&str> = known
        .unanswered()
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["bob", "carol"]);
}

/// As for one account: by the members that are listed, and by the number that the name service has.
#[test]
fn groups_of_many_accounts_are_those_of_the_listing() {
    let required = |group: &str, listing: &str| {
        let policy = format!("enabled = true\n[[require]]\ngroups = [\"{group}\"]\n");
        let listing = Arc::new(MachineListing::new(GroupListing::of_text(listing)));
        let mut known = KnownRequirements::for_many(listing);
        known.requirement(&policy.parse().unwrap(), TIME, Some(&root()))
    };
    let robots = "no-such-robots:x:4000000:root\n";
    assert_eq!(
        required("no-such-robots", robots),
        DeviceRequirement::InForce
    );
    assert_eq!(required("no-such-robots", ""), DeviceRequirement::None);
    assert_eq!(required("root", ""), DeviceRequirement::InForce);
    assert_eq!(required("daemon", robots), DeviceRequirement::None);
}

#[test]
fn nothing_is_looked_up_where_all_need_a_device() {
    let strict = "enforcement = \"mandatory\"\n[[require]]\nusers = [\"root\"]\n";
    assert_eq!(
        requirement(strict, Some(&root())).0,
        DeviceRequirement::None
    );
}

/// Reports and logins agree, for all names in the entries.
#[test]
fn many_accounts_have_the_requirements_of_each_alone() {
    let listing = || Arc::new(MachineListing::new(GroupListing::read()));
    for entries in [
        "[[require]]\nusers = [\"root\", \"no-such-user\"]\n",
        "[[require]]\nusers = [\"daemon\"]\nfrom = 2099-01-01\n[[require]]\ngroups = [\"root\", \"bin\"]\n",
        "[[require]]\ngroups = [\"no-such-group\", \"daemon\"]\nfrom = 2099-02-01\n",
    ] {
        let policy = format!("enabled = true\n{entries}").parse().unwrap();
        let mut many = KnownRequirements::for_many(listing());
        for name in ["root", "daemon", "bin", "games"] {
            let account = accounts::by_name(name).unwrap();
            let alone = KnownRequirements::default().requirement(&policy, TIME, account.as_ref());
            let listed = many.requirement(&policy, TIME, account.as_ref());
            assert_eq!(listed, alone, "{name}: {entries}");
        }
    }
}
