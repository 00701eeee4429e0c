//! Tests of how `[[require]]` must be written.

use super::super::super::{StartDay, parse};
use super::{top, within};

#[test]
fn a_requirement_has_users_groups_and_a_day() {
    let text = "enabled = true\n[[require]]\nusers = [\"a\", \"b\"]\ngroups = [\"c\"]\nfrom = 2027-03-01\n\
                [[require]]\nusers = [\"d\"]\n";
    let policy = parse(text).unwrap();
    let shown: Vec<_> = policy
        .require
        .iter()
        .map(|entry| (entry.users().len(), entry.groups().len(), entry.from()))
        .collect();
    let day = StartDay::new(2027, 3, 1);
    assert_eq!(shown, [(2, 1, day), (1, 0, None)]);
}

#[test]
fn a_requirement_names_users() {
    let error = "line 3, column 1: [[require]] names no user; give at least one of users, groups";
    let none = within("\n[[require]]", "from = 2027-03-01").unwrap_err();
    assert_eq!(none, error);
    assert_eq!(
        within("[[require]]", "groups = []").unwrap_err(),
        "line 3, column 10: require.groups is empty; remove it or name at least one"
    );
    assert_eq!(
        top("require = [\"staff\"]").unwrap_err(),
        "line 2, column 12: require must be written as [[require]], not a string"
    );
}

#[test]
fn a_requirement_begins_on_a_date() {
    let from = |value: &str| within("[[require]]", &format!("users = [\"a\"]\nfrom = {value}"));
    assert!(from("2027-03-01").is_ok());
    let must = "line 4, column 8: require.from must be a date such as 2027-03-01, without quotes";
    for (value, given) in [
        ("\"2027-03-01\"", "a string"),
        ("2027", "a whole number"),
        ("2027-03-01T00:00:00Z", "a time"),
        ("2027-03-01 10:00:00", "a time"),
        ("07:30:00", "a time"),
    ] {
        assert_eq!(from(value).unwrap_err(), format!("{must}, not {given}"));
    }
    assert_eq!(
        from("1969-12-31").unwrap_err(),
        "line 4, column 8: require.from is 1969-12-31; allowed: 1970-01-01 to 9999-12-31"
    );
    for date in ["2027-02-29", "2027-13-01", "2027-00-10", "2027-04-31"] {
        assert!(from(date).is_err(), "{date}");
    }
    assert!(from("2028-02-29").is_ok());
}

#[test]
fn a_requirement_knows_its_keys() {
    assert_eq!(
        within("[[require]]", "group = [\"a\"]").unwrap_err(),
        "line 3, column 1: unknown key \"group\" (did you mean groups?); valid keys here: users, groups, from"
    );
    let control = within("[[require]]", "users = [\"a\\u0007\"]").unwrap_err();
    assert!(control.contains("require.users: "), "{control}");
}
