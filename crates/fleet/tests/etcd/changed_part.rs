//! A value of JSON with one part of it changed.

use serde_json::{Value, json};

/// A change of one part.
#[derive(Debug, Clone)]
pub struct ChangedPart {
    /// Where it is, as a pointer of RFC 6901.
    at: String,
    change: PartChange,
}

#[derive(Debug, Clone)]
enum PartChange {
    /// This is in its place.
    Other(Value),
    /// It is not there.
    Lost,
    /// It is there two times.
    Twice,
}

/// The distance of the changes that are tried.
pub fn every() -> usize {
    std::env::var("FLEET_EVERY").map_or(1, |every| every.parse().unwrap())
}

impl ChangedPart {
    /// One for each part of a value and each change.
    pub fn all(value: &Value) -> Vec<Self> {
        let mut found = Vec::new();
        for at in places(value, String::new()) {
            let part = value.pointer(&at).unwrap();
            let in_array = at.rsplit('/').next().unwrap().parse::<usize>().is_ok();
            let mut add = |change| {
                let at = at.clone();
                found.push(Self { at, change });
            };
            let others = [
                json!(null),
                json!(true),
                json!(-1e300),
                json!("x"),
                json!([{}]),
            ];
            let others = others.into_iter().filter(|other| other != part);
            others.for_each(|other| add(PartChange::Other(other)));
            if !at.is_empty() {
                add(PartChange::Lost);
            }
            if in_array {
                add(PartChange::Twice);
            }
        }
        found
    }

    /// The changes that are tried: all of them in `make fleet`, and each one of a distance in the short form (`FLEET_EVERY`). The
    /// distance has no factor in common with the number of changes of a place, so that each kind of change is tried.
    pub fn tried(value: &Value) -> Vec<Self> {
        Self::all(value).into_iter().step_by(every()).collect()
    }

    /// True if the value has this part.
    pub fn is_in(&self, value: &Value) -> bool {
        value.pointer(&self.at).is_some()
    }

    /// The value with this change.
    pub fn made_in(&self, mut value: Value) -> Value {
        let (before, last) = self.at.rsplit_once('/').unwrap_or_default();
        match &self.change {
            PartChange::Other(other) => *value.pointer_mut(&self.at).unwrap() = other.clone(),
            PartChange::Lost => match value.pointer_mut(before).unwrap() {
                Value::Array(entries) => drop(entries.remove(last.parse().unwrap())),
                fields => drop(fields.as_object_mut().unwrap().remove(last).unwrap()),
            },
            PartChange::Twice => {
                let entries = value.pointer_mut(before).unwrap();
                let (entries, at) = (entries.as_array_mut().unwrap(), last.parse::<usize>());
                let at = at.unwrap();
                let again = entries[at].clone();
                entries.insert(at, again);
            }
        }
        value
    }
}

/// Where all parts of a value are.
fn places(value: &Value, at: String) -> Vec<String> {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, part)| (name.clone(), part))
            .collect(),
        Value::Array(entries) => {
            let numbered = entries.iter().enumerate();
            numbered
                .map(|(number, part)| (number.to_string(), part))
                .collect()
        }
        _ => Vec::new(),
    };
    let below = parts
        .into_iter()
        .flat_map(|(name, part)| places(part, format!("{at}/{name}")));
    let below: Vec<String> = below.collect();
    [vec![at.clone()], below].concat()
}

/// The value with fields in each object that no version knows yet.
pub fn with_later_fields(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let known = fields.into_iter();
            let known = known.map(|(name, part)| (name, with_later_fields(part)));
            let later = [
                ("later".to_owned(), json!({"kvs": [{"value": "AA=="}]})),
                ("succeeded_later".to_owned(), json!("7")),
            ];
            known.chain(later).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(entries) => entries
            .into_iter()
            .map(with_later_fields)
            .collect::<Vec<_>>()
            .into(),
        other => other,
    }
}
