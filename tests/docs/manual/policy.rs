//! twofactor.toml(5), and what the program reads.

use std::collections::BTreeSet;

use twofactor_core::policy::{self, Policy};

use super::page::{Item, of_file};

/// The tables of the policy, which have keys of their own.
const TABLES: [&str; 7] = [
    "new_devices",
    "services",
    "throttle",
    "self_service",
    "fleet",
    "exempt",
    "require",
];

/// The entries of the page, with dots for tables.
fn described() -> Vec<(String, Item)> {
    let page = of_file("twofactor.toml.5");
    let mut found = Vec::new();
    for section in page {
        let table = section.heading.trim_matches(['[', ']']).to_owned();
        if table == "KEYS" || TABLES.contains(&table.as_str()) {
            let named = section.items.into_iter().map(|item| {
                let key = item.tag.strip_prefix("Cm ").unwrap();
                (key.replace(" Ns Ar ", ""), item)
            });
            found.extend(named);
        }
    }
    found
}

/// The keys that the program says are valid in a table; at the top without one.
fn valid(table: &str) -> Vec<String> {
    let header = match table {
        "" => String::new(),
        "exempt" | "require" => format!("[[{table}]]\n"),
        table => format!("[{table}]\n"),
    };
    let error = policy::parse(&format!("{header}no_such_key = 1\n")).unwrap_err();
    let (_, keys) = error.message.split_once("valid keys here: ").unwrap();
    keys.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_setting_is_described_and_no_other() {
    let mut keys: BTreeSet<String> = valid("")
        .into_iter()
        .filter(|key| !TABLES.contains(&key.as_str()))
        .collect();
    for table in [
        "new_devices",
        "throttle",
        "self_service",
        "fleet",
        "exempt",
        "require",
    ] {
        keys.extend(valid(table).iter().map(|key| format!("{table}.{key}")));
    }
    keys.extend(["services.default", "services.sshd", "services.NAME"].map(str::to_owned));
    let described: Vec<String> = described().into_iter().map(|(key, _)| key).collect();
    assert_eq!(described.len(), keys.len(), "{described:?}");
    assert_eq!(described.into_iter().collect::<BTreeSet<_>>(), keys);
}

#[test]
fn ranges_are_what_the_program_accepts() {
    for (key, item) in described() {
        let body = &item.body;
        let allowed = body
            .split("Allowed: ")
            .nth(1)
            .unwrap_or_else(|| panic!("{key}: {body}"));
        let allowed = allowed.split(". ").next().unwrap();
        let accepts = |value: &str| with(&key, value).is_ok();
        if let Some((low, high)) = range(allowed) {
            assert!(
                accepts(&low.to_string()) && accepts(&high.to_string()),
                "{key}"
            );
            assert!(!accepts(&(low - 1).to_string()), "{key}: less than {low}");
            assert!(!accepts(&(high + 1).to_string()), "{key}: more than {high}");
        } else if allowed == "true, false" {
            assert!(
                accepts("true") && accepts("false") && !accepts("1"),
                "{key}"
            );
        } else if allowed == "a list of strings" {
            let value = if key == "exempt.networks" { "::1" } else { "a" };
            assert!(accepts(&format!("[\"{value}\"]")), "{key}");
            // An empty list of users, say, would exempt all or none: which one is meant?
            let may_be_empty = ["self_service.verifiers", "fleet.local_services"];
            assert_eq!(accepts("[]"), may_be_empty.contains(&key.as_str()), "{key}");
            assert!(!accepts(&format!("\"{value}\"")), "{key}");
        } else if let Some(date) = allowed.strip_prefix("a date such as ") {
            let date = date.split(',').next().unwrap();
            assert!(accepts(date) && !accepts(&format!("\"{date}\"")), "{key}");
        } else {
            // Words and texts: the program says itself what it accepts.
            let error = with(&key, "\"\\u0001\"").unwrap_err();
            let suffix = format!("allowed: {allowed}");
            assert!(error.message.ends_with(&suffix), "{key}: {}", error.message);
            for word in allowed.split(", ").filter(|word| word.starts_with('"')) {
                assert!(accepts(word), "{key} = {word}");
            }
        }
    }
}

#[test]
fn defaults_are_what_the_program_takes() {
    let nothing = policy::parse("enabled = true\n").unwrap();
    for (key, item) in described() {
        let Some((_, default)) = item.body.split_once("Default: ") else {
            assert_eq!(key, "enabled", "without a default");
            assert!(policy::parse("").is_err());
            assert!(
                item.body
                    .contains("Required; the file that is installed says false")
            );
            assert!(!policy::parse(policy::DEFAULT_POLICY).unwrap().enabled);
            continue;
        };
        let default = default.trim_end().trim_end_matches('.').trim_end();
        match key.as_str() {
            "issuer" => assert_eq!((default, &nothing.issuer), ("the host name", &None)),
            "notify" => assert_eq!((default, &nothing.notify), ("none", &None)),
            "services.NAME" => assert_eq!(default, "as services.default"),
            _ if key.starts_with("exempt.") => assert!(default.starts_with("any ")),
            "self_service.verifiers" => assert_eq!(default, "no account"),
            "fleet.local_services" => assert_eq!(default, "login"),
            "require.from" => assert_eq!(default, "at once"),
            _ if key.starts_with("require.") => assert!(default.starts_with("no ")),
            _ => assert_eq!(with(&key, default).as_ref(), Ok(&nothing), "{key}"),
        }
    }
}

/// The lowest and highest number of `0 to 10`.
fn range(allowed: &str) -> Option<(i64, i64)> {
    let (low, high) = allowed.split_once(" to ")?;
    Some((low.parse().ok()?, high.parse().ok()?))
}

/// A policy with this setting, and with those that have to fit it.
fn with(key: &str, value: &str) -> Result<Policy, policy::PolicyError> {
    let (table, name) = key.split_once('.').unwrap_or(("", key));
    let is_default = |policy: &Policy| policy::parse("enabled = true\n").as_ref() == Ok(policy);
    let fitting = match key {
        "throttle.attempts" => "max_failures = 0\n",
        "throttle.lockout" => "max_lockout = 604800\n",
        "throttle.max_lockout" => "lockout = 1\n",
        "throttle.max_failures" => "attempts = 1\n",
        _ => "",
    };
    let text = |fitting: &str| match table {
        "" if name == "enabled" => format!("enabled = {value}\n"),
        "" => format!("enabled = true\n{name} = {value}\n"),
        "exempt" => format!("enabled = true\n[[exempt]]\n{name} = {value}\n"),
        "require" if name == "from" => {
            format!("enabled = true\n[[require]]\nusers = [\"a\"]\n{name} = {value}\n")
        }
        "require" => format!("enabled = true\n[[require]]\n{name} = {value}\n"),
        table => format!("enabled = true\n[{table}]\n{name} = {value}\n{fitting}"),
    };
    match policy::parse(&text("")) {
        Ok(policy) if is_default(&policy) => Ok(policy),
        _ => policy::parse(&text(fitting)),
    }
}
