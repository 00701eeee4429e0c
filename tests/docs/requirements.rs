//! Every requirement has a row in docs/internals/requirements.md, and a test that shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::documents::{rows, text};
use super::names::sources;
use super::test_names::{requirements, tests};

const DOCUMENT: &str = "docs/internals/requirements.md";
/// The last column of a requirement whose tests bear its number: `fn r25_…`, `fn r14_r15_…`. Others name theirs.
pub(super) const BY_NUMBER: &str = "by number";

#[test]
fn requirements_are_numbered_from_1_to_50() {
    let text = text(DOCUMENT);
    let numbers: Vec<u32> = cells(&text).map(|(number, _, _)| number).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    let statements: BTreeSet<&str> = cells(&text).map(|(_, says, _)| says).collect();
    assert_eq!(statements.len(), 50, "two rows say the same");
    let is_whole = |says: &&str| says.ends_with('.') && says.len() > 30;
    assert!(statements.iter().all(is_whole), "{statements:?}");
}

#[test]
fn each_number_of_a_test_is_in_the_table() {
    let text = text(DOCUMENT);
    let by_number = cells(&text).filter(|(_, _, tests)| *tests == BY_NUMBER);
    let by_number: BTreeSet<u32> = by_number.map(|(number, _, _)| number).collect();
    let borne = borne();
    let found: BTreeSet<u32> = borne.keys().copied().collect();
    assert_eq!(found, by_number, "{borne:#?}");
}

/// The numbers that tests bear, each with a test.
fn borne() -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for name in tests(&text) {
            found.extend(requirements(name).map(|number| (number, name.to_owned())));
        }
    }
    found
}

/// Number, statement and tests of each row.
fn cells(text: &str) -> impl Iterator<Item = (u32, &str, &str)> {
    rows(text).into_iter().map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, number, says, tests, _] = cells[..] else {
            panic!("{row}");
        };
        let number = number.strip_prefix('R').unwrap().parse().unwrap();
        (number, says, tests)
    })
}
