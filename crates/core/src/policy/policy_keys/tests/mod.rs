//! Tests of the keys; here is what they share.

mod exempt;
mod places;
mod require;
mod robust;
mod throttle;
mod values;

use super::super::{Policy, parse};

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// A policy with `line` at the top, on line 2.
fn top(line: &str) -> Result<Policy, String> {
    parse(&format!("enabled = true\n{line}\n")).map_err(|error| error.to_string())
}

/// A policy with `line` in `table`, on line 3.
fn within(table: &str, line: &str) -> Result<Policy, String> {
    parse(&format!("enabled = true\n{table}\n{line}\n")).map_err(|error| error.to_string())
}
