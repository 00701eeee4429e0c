//! The manual pages and the README say what the program does: every subcommand, option, setting, argument, exit code and log
//! word is there, and none that does not exist.

mod command;
mod mentions;
mod module;
mod page;
mod policy;
mod rendering;

use std::fs;
use std::process::Command;

/// A file of the repository.
pub fn text(path: &str) -> String {
    fs::read_to_string(harness::workspace().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Output of the command, which needs no root for what is asked here.
pub fn twofactor(arguments: &[&str]) -> String {
    let output = Command::new(harness::command())
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of the table in a Markdown text whose head begins like this; each is the code spans of its first cell.
pub fn first_cells(text: &str, head: &str) -> Vec<String> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(head));
    lines.next().unwrap_or_else(|| panic!("no table {head}"));
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| spans(row.split('|').nth(1).unwrap()))
        .collect()
}

/// Texts between backticks.
pub fn spans(text: &str) -> Vec<String> {
    let parts = text.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// A source text without its tests.
pub fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

#[test]
fn cells_of_a_table_are_read() {
    let text = "x `no`\n| a | b |\n|---|---|\n| `one`, `two` | `no` |\n| `three` | |\n\n| `no` | |";
    assert_eq!(first_cells(text, "| a |"), ["one", "two", "three"]);
}
