//! Every requirement that is provable here has a test that bears its number: `fn r25_…`, `fn r14_r15_…`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The requirements that a test of this repository proves.
fn required() -> BTreeSet<u32> {
    let mut numbers: BTreeSet<u32> = (1..=27).chain(30..=34).collect();
    numbers.extend([37, 39, 40]);
    numbers
}

#[test]
fn every_requirement_has_a_test_that_bears_its_number() {
    let mut proven = BTreeSet::new();
    for directory in ["src", "crates", "cli/src", "tests"] {
        collect(&harness::workspace().join(directory), &mut proven);
    }
    let missing: Vec<String> = required()
        .difference(&proven)
        .map(|number| format!("R{number}"))
        .collect();
    assert_eq!(missing, [""; 0], "requirements without a test");
}

#[test]
fn numbers_are_read_from_names_of_tests_only() {
    let text = "#[test]\nfn r1_r23_both() {}\n\nfn r2_helper() {}\n#[test]\n#[should_panic]\npub fn r07_x() {}\n\
                #[test]\nfn root_1() {}\n#[test]\nfn r4() {}\n#[test]\nfn x_r5_y() {}\n// #[test]\n// fn r6_z() {}\n";
    assert_eq!(numbers(text), [1, 7, 23].into());
}

fn collect(directory: &Path, proven: &mut BTreeSet<u32>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, proven);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            proven.extend(numbers(&fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The numbers in front of the names of the tests in a source text.
fn numbers(text: &str) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        is_test |= line == "#[test]";
        let Some(name) = line.trim_start_matches("pub ").strip_prefix("fn ") else {
            continue;
        };
        if is_test {
            // The last part is what the test says, whatever it looks like.
            let (front, _) = name
                .split_once('(')
                .unwrap_or((name, ""))
                .0
                .rsplit_once('_')
                .unwrap_or_default();
            let parts = front
                .split('_')
                .map_while(|part| part.strip_prefix('r')?.parse::<u32>().ok());
            found.extend(parts);
        }
        is_test = false;
    }
    found
}
