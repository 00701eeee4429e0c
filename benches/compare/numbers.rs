//! Medians and their spread.

use serde_json::{Value, json};

/// Microseconds out of nanoseconds: median, quartiles, how many.
pub fn summary(mut nanoseconds: Vec<u64>) -> Value {
    assert!(!nanoseconds.is_empty());
    nanoseconds.sort_unstable();
    let at = |share: f64| {
        let position = (nanoseconds.len() - 1) as f64 * share;
        nanoseconds[position.round() as usize] as f64 / 1000.0
    };
    json!({ "median": at(0.5), "quartiles": [at(0.25), at(0.75)], "count": nanoseconds.len() })
}

/// The number at a path of names.
pub fn number(value: &Value, path: &[&str]) -> f64 {
    let found = path.iter().fold(value, |value, name| &value[*name]);
    found
        .as_f64()
        .unwrap_or_else(|| panic!("no number at {path:?} in {value}"))
}

/// `a` as a multiple of `b`.
pub fn ratio(value: &Value, a: &[&str], b: &[&str]) -> f64 {
    number(value, a) / number(value, b)
}
