//! Programs of tests do without lists of lints: clippy.toml allows in tests what ends them at once.

use std::fs;

use super::names::sources;

/// Lints that clippy.toml allows in tests, without their prefix.
const LINTS: [&str; 4] = ["unwrap_used", "expect_used", "panic", "indexing_slicing"];

#[test]
fn programs_of_tests_list_no_lints_of_tests() {
    let mut count = 0;
    let mut bad = Vec::new();
    for path in sources() {
        let is_test = path.iter().any(|part| part == "tests");
        let is_program = path.ends_with("main.rs") && !path.iter().any(|part| part == "harness");
        if !is_test {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let allows = |lint: &&str| text.contains(&format!("clippy::{lint}"));
        let is_silent = is_program && !text.contains("\n#![cfg(test)]\n");
        count += usize::from(is_program);
        if is_silent || LINTS.iter().any(allows) {
            bad.push(path);
        }
    }
    assert!(count > 14, "{count}");
    assert!(bad.is_empty(), "{bad:?}");
}
