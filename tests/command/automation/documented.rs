//! The objects as docs/automation.md has them, and the comparison with a value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A key of an object.
struct DocumentedKey {
    types: Vec<String>,
    is_optional: bool,
}

/// The objects by their headings: a call, `event NAME` or `object NAME`.
pub struct DocumentedObjects {
    objects: BTreeMap<String, BTreeMap<String, DocumentedKey>>,
    /// Object and key that values had.
    seen: BTreeSet<(String, String)>,
}

impl DocumentedObjects {
    /// Reads the document.
    pub fn read() -> Self {
        let path = harness::workspace().join("docs/automation.md");
        let text = std::fs::read_to_string(path).unwrap();
        let mut objects: BTreeMap<String, BTreeMap<String, DocumentedKey>> = BTreeMap::new();
        let mut names: Vec<String> = Vec::new();
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix('#') {
                names = headed(heading.trim_start_matches('#').trim());
            } else if let Some(row) = line.strip_prefix("| `") {
                let (key, rest) = row.split_once('`').unwrap();
                let cells: Vec<&str> = rest.split(" | ").collect();
                for name in &names {
                    let keys = objects.entry(name.clone()).or_default();
                    let documented = DocumentedKey {
                        types: types(cells[1]),
                        is_optional: cells[0].contains("(optional)"),
                    };
                    assert!(keys.insert(key.to_owned(), documented).is_none(), "{line}");
                }
            }
        }
        Self {
            objects,
            seen: BTreeSet::new(),
        }
    }

    /// The calls that have an object.
    pub fn calls(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    /// Compares a value with the object of that heading.
    pub fn check(&mut self, name: &str, value: &Value) {
        let object = value
            .as_object()
            .unwrap_or_else(|| panic!("{name}: {value}"));
        let mut inner = Vec::new();
        {
            let keys = self
                .objects
                .get(name)
                .unwrap_or_else(|| panic!("{name} is not documented"));
            for (key, documented) in keys {
                let is_there = object.contains_key(key) || documented.is_optional;
                assert!(is_there, "{name} has no {key}: {value}");
            }
            // The rule about names of one record holds for every object.
            let own = object.iter().filter(|(key, _)| *key != "alias");
            for (key, value) in own {
                let documented = keys
                    .get(key)
                    .unwrap_or_else(|| panic!("{key} of {name} is not documented"));
                let types = &documented.types;
                let fitting = types.iter().find_map(|it| objects_in(it, value));
                let fitting =
                    fitting.unwrap_or_else(|| panic!("{key} of {name}: {value} is no {types:?}"));
                inner.extend(
                    fitting
                        .into_iter()
                        .map(|(name, value)| (name, value.clone())),
                );
                self.seen.insert((name.to_owned(), key.clone()));
            }
        }
        for (name, value) in inner {
            self.check(&name, &value);
        }
    }

    /// The keys that no value had.
    pub fn unseen(&self) -> Vec<String> {
        let all = self
            .objects
            .iter()
            .flat_map(|(name, keys)| keys.keys().map(move |key| (name.clone(), key.clone())));
        let unseen = all.filter(|it| !self.seen.contains(it));
        unseen.map(|(name, key)| format!("{name}: {key}")).collect()
    }
}

/// The names that a heading stands for.
fn headed(heading: &str) -> Vec<String> {
    if let Some(name) = heading.strip_prefix("Object ") {
        return vec![format!("object {name}")];
    }
    if let Some(name) = heading.strip_prefix("Event `") {
        return vec![format!("event {}", name.trim_end_matches('`'))];
    }
    match heading {
        "Errors" => vec!["errors".to_owned()],
        _ if heading.starts_with('`') => {
            let parts = heading.split('`').skip(1).step_by(2);
            parts.map(str::to_owned).collect()
        }
        // Tables of words.
        _ => Vec::new(),
    }
}

fn types(cell: &str) -> Vec<String> {
    let words = cell.replace(" or ", ", ");
    words
        .split(", ")
        .map(|word| word.trim().to_owned())
        .collect()
}

/// The objects in a value of that type, with their names; `None` where it is of another one.
fn objects_in<'v>(wanted: &str, value: &'v Value) -> Option<Vec<(String, &'v Value)>> {
    let named = |name: &str, items: Vec<&'v Value>| match name {
        "string" | "number" | "bool" => {
            let fits = items.iter().all(|item| objects_in(name, item).is_some());
            fits.then(Vec::new)
        }
        name => Some(
            items
                .into_iter()
                .map(|item| (format!("object {name}"), item))
                .collect(),
        ),
    };
    if let Some(name) = wanted.strip_prefix("list of ") {
        return named(name, value.as_array()?.iter().collect());
    }
    if let Some(name) = wanted.strip_prefix("map of ") {
        return named(name, value.as_object()?.values().collect());
    }
    if let Some(name) = wanted.strip_prefix("object ") {
        return value
            .is_object()
            .then(|| vec![(format!("object {name}"), value)]);
    }
    let fits = match wanted {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "bool" => value.is_boolean(),
        "null" => value.is_null(),
        "list" => value.is_array(),
        "map" => value.is_object(),
        other => panic!("{other} is no type"),
    };
    fits.then(Vec::new)
}

#[test]
fn a_value_of_another_shape_is_noticed() {
    let mut documented = DocumentedObjects::read();
    let version = |value| {
        let mut documented = DocumentedObjects::read();
        std::panic::catch_unwind(move || documented.check("--version", &value)).is_ok()
    };
    assert!(version(serde_json::json!({"version": "1", "interface": 1})));
    for wrong in [
        serde_json::json!({"version": "1"}),
        serde_json::json!({"version": "1", "interface": "1"}),
        serde_json::json!({"version": "1", "interface": 1, "more": 1}),
    ] {
        assert!(!version(wrong));
    }
    documented.check(
        "--version",
        &serde_json::json!({"version": "1", "interface": 1}),
    );
    let unseen = documented.unseen();
    assert!(unseen.contains(&"errors: error".to_owned()));
    assert!(!unseen.iter().any(|key| key.starts_with("--version")));
}
