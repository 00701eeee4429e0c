//! The settings in which two policies differ.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use twofactor_core::policy::Policy;

use super::policy_report::PolicyReport;

/// A setting with another value than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingDifference {
    /// The key, with dots.
    pub key: String,
    /// The new value, with the type that it has in the file; `null` where it is no longer set.
    pub value: Value,
    /// The value before; `null` where it was not set, or the policy was not valid.
    pub before: Value,
}

impl SettingDifference {
    /// The line of an announcement: `window = 2`, or `issuer is removed`.
    pub fn line(&self) -> String {
        if self.value.is_null() {
            format!("{} is removed", self.key)
        } else {
            format!("{} = {}", self.key, self.value)
        }
    }
}

/// The settings in which a policy differs from the one before; from the default one where that was none.
pub fn differences(before: Option<&Policy>, after: &Policy) -> Vec<SettingDifference> {
    let compared = flat(before.unwrap_or(&Policy::default()));
    let new = flat(after);
    let was = |key: &str| match before {
        Some(_) => compared.get(key).cloned().unwrap_or_default(),
        None => Value::Null,
    };
    let gone = compared.keys().filter(|key| !new.contains_key(*key));
    let gone = gone.map(|key| SettingDifference {
        key: key.clone(),
        value: Value::Null,
        before: was(key),
    });
    let differing = new
        .iter()
        .filter(|(key, value)| compared.get(*key) != Some(value));
    let differing = differing.map(|(key, value)| SettingDifference {
        key: key.clone(),
        value: value.clone(),
        before: was(key),
    });
    differing.chain(gone).collect()
}

/// All settings by their keys with dots.
fn flat(policy: &Policy) -> BTreeMap<String, Value> {
    let view = serde_json::to_value(PolicyReport::new(policy)).unwrap_or_default();
    let mut settings = BTreeMap::new();
    for (key, value) in view.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(table) => {
                let inner = table.iter();
                settings
                    .extend(inner.map(|(name, value)| (format!("{key}.{name}"), value.clone())));
            }
            None => _ = settings.insert(key.clone(), value.clone()),
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: Option<&str>, after: &str) -> Vec<(String, String, String)> {
        let before: Option<Policy> = before.map(|text| text.parse().unwrap());
        let found = differences(before.as_ref(), &after.parse().unwrap()).into_iter();
        let texts = |it: SettingDifference| (it.key, it.value.to_string(), it.before.to_string());
        found.map(texts).collect()
    }

    fn row(key: &str, value: &str, before: &str) -> (String, String, String) {
        (key.to_owned(), value.to_owned(), before.to_owned())
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let before = "enabled = true\nwindow = 1\nissuer = \"a\"\n";
        let after = "enabled = true\nwindow = 2\n[services]\nsudo = false\n";
        let expected = [
            row("services.sudo", "false", "null"),
            row("services.sudo-i", "false", "null"),
            row("window", "2", "1"),
            row("issuer", "null", "\"a\""),
        ];
        let found = told(Some(before), after);
        assert_eq!(found.first(), expected.first());
        for expected in expected.iter().filter(|row| row.0 != "services.sudo-i") {
            assert!(found.contains(expected), "{found:?}");
        }
        assert_eq!(told(Some(before), before), []);
    }

    #[test]
    fn a_key_that_is_gone_is_removed() {
        let [before, after] = ["issuer = \"a\"\n", "window = 2\n"]
            .map(|line| format!("enabled = true\n{line}").parse::<Policy>().unwrap());
        let lines: Vec<_> = differences(Some(&before), &after)
            .iter()
            .map(SettingDifference::line)
            .collect();
        assert_eq!(lines, ["window = 2", "issuer is removed"]);
    }

    #[test]
    fn nothing_is_known_of_an_invalid_policy() {
        assert_eq!(
            told(None, "enabled = true\n"),
            [row("enabled", "true", "null")]
        );
    }
}
