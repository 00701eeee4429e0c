//! The accounts of this machine against entries that name them, and against entries that name none.

use super::*;

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
fn passwd_lines_are_read_by_their_fields() {
    let alice = Account {
        name: "alice".to_owned(),
        uid: 1000,
        gid: 100,
    };
    assert_eq!(entry("alice:x:1000:100::/home/alice:/bin/sh"), Some(alice));
    for broken in ["", "alice", ":x:1:1::/:/", "a:x:-1:1::/:/", "a:x:1:x::/:/"] {
        assert_eq!(entry(broken), None, "{broken}");
    }
}

/// The C library skips a line that lacks a field.
#[test]
fn a_line_without_all_fields_does_not_answer_first() {
    let found = listed_in("alice:x:1000:100::/home/alice:/bin/sh\nbob:x:1001:100::/\nbroken\n");
    assert_eq!(found.whole, BTreeSet::from([1000]));
    let names = |uid| found.by_uid.get(&uid).map(|all| all.len());
    assert_eq!((names(1000), names(1001)), (Some(1), Some(1)));
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

/// As for one account: by the members that are listed, and by the number that the name service has.
#[test]
fn groups_of_many_accounts_are_those_of_the_listing() {
    let required = |group: &str, listing: &str| {
        let policy = format!("enabled = true\n[[require]]\ngroups = [\"{group}\"]\n");
        let listing = Arc::new(GroupListing::of_text(listing));
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
