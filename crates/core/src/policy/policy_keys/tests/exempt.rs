//! Tests of how `[[exempt]]` must be written.

use super::super::table_keys::EXEMPT_KEYS;
use super::{top, within};

#[test]
fn exempt_is_a_list_of_tables() {
    assert_eq!(
        within("[exempt]", "users = [\"u\"]").unwrap_err(),
        "line 2, column 1: exempt must be written as [[exempt]], not a table"
    );
    assert_eq!(
        top("exempt = true").unwrap_err(),
        "line 2, column 10: exempt must be written as [[exempt]], not true or false"
    );
    assert_eq!(
        top("exempt = [{ users = [\"u\"] }, 5]").unwrap_err(),
        "line 2, column 30: exempt must be written as [[exempt]], not a whole number"
    );
    assert_eq!(
        top("exempt = [{ users = [\"u\"] }]"),
        within("[[exempt]]", "users = [\"u\"]")
    );
    assert_eq!(top("exempt = []"), top(""));
}

#[test]
fn an_exemption_needs_a_condition() {
    assert_eq!(
        within("[[exempt]]", "users = [\"u\"]\n\n[[exempt]]\n").unwrap_err(),
        "line 5, column 1: [[exempt]] has no condition; give at least one of users, groups, \
         services, networks"
    );
}

#[test]
fn exemption_lists_hold_something() {
    for key in EXEMPT_KEYS {
        assert_eq!(
            within("[[exempt]]", &format!("{key} = []")).unwrap_err(),
            format!(
                "line 3, column {}: exempt.{key} is empty; remove it or name at least one",
                key.len() + 4
            )
        );
        assert_eq!(
            within("[[exempt]]", &format!("{key} = \"10.0.0.1\"")).unwrap_err(),
            format!(
                "line 3, column {}: exempt.{key} must be a list of strings, not a string",
                key.len() + 4
            )
        );
        assert_eq!(
            within("[[exempt]]", &format!("{key} = [\"::1\",\n  7]")).unwrap_err(),
            format!("line 4, column 3: exempt.{key} must hold strings only, not a whole number")
        );
        let empty = within("[[exempt]]", &format!("{key} = [\"::1\",\n\"\"]")).unwrap_err();
        assert!(
            empty.starts_with(&format!("line 4, column 1: exempt.{key}: \"\" is not")),
            "{empty}"
        );
    }
}

#[test]
fn exemption_names_are_plain() {
    for key in ["users", "groups"] {
        assert_eq!(
            within("[[exempt]]", &format!("{key} = [\"a\\nb\"]")).unwrap_err(),
            format!(
                "line 3, column {}: exempt.{key}: \"a\\nb\" is not possible; allowed: at least one \
                 character, no control characters",
                key.len() + 5
            )
        );
    }
    assert_eq!(
        within("[[exempt]]", "services = [\"a/b\"]").unwrap_err(),
        "line 3, column 13: exempt.services: \"a/b\" is not possible; allowed: 1 to 64 bytes without \
         \"/\" and control characters"
    );
    assert_eq!(
        within("[[exempt]]", "services = [\"default\"]").unwrap_err(),
        "line 3, column 13: exempt.services: \"default\" is not the name of a service; name each one"
    );
}

#[test]
fn exemption_networks_have_a_place() {
    assert_eq!(
        within("[[exempt]]", "networks = [\"::1\", \"10.1.2.3/8\"]").unwrap_err(),
        "line 3, column 20: exempt.networks: host bits are set in 10.1.2.3/8: write 10.0.0.0/8"
    );
    assert_eq!(
        within("[[exempt]]", "networks = [\n  \"localhost\",\n]").unwrap_err(),
        "line 4, column 3: exempt.networks: \"localhost\" is not a network; only addresses are \
         allowed, such as \"192.0.2.7\", \"10.0.0.0/8\" or \"2001:db8::/32\""
    );
}
