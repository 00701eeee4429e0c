//! Names of tests are statements that a reader takes in at once.

use std::collections::BTreeSet;
use std::fs;

use super::names::sources;

/// Most characters of a name, the numbers of requirements at its front included.
const LONGEST: usize = 50;
/// Fewest words of a statement, those numbers apart.
const FEWEST: usize = 3;

#[test]
fn names_of_tests_are_short_statements() {
    let mut count = 0;
    let mut bad = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let names = tests(&text);
        count += names.len();
        let is_bad = |name: &&str| name.len() > LONGEST || statement(name).count() < FEWEST;
        let found = names.into_iter().filter(is_bad);
        bad.extend(found.map(|name| format!("{}: {name}", path.display())));
    }
    assert!(count > 2_000, "{count}");
    assert_eq!(bad, [""; 0]);
}

#[test]
fn names_are_read_of_tests_only() {
    let text = "#[test]\nfn r1_r23_both_say_it() {}\n\nfn helper() {}\n#[test]\n#[should_panic]\npub fn r07_x() {}\n\
                // #[test]\n// fn y() {}\n    #[test]\n    fn inside() {}\n";
    assert_eq!(
        tests(text),
        ["inside", "r07_x", "r1_r23_both_say_it"].into()
    );
    let words: Vec<&str> = statement("r1_r23_both_say_it").collect();
    assert_eq!(words, ["both", "say", "it"]);
    assert_eq!(
        requirements("r1_r23_both_say_it").collect::<Vec<_>>(),
        [1, 23]
    );
    assert_eq!(requirements("root_1_r5_x").count(), 0);
}

/// The names of the tests in a source text.
pub(super) fn tests(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        is_test |= line == "#[test]";
        let line = line.trim_start_matches("pub ");
        if let Some(rest) = line.strip_prefix("fn ") {
            let name = rest.split('(').next().filter(|_| is_test);
            found.extend(name);
            is_test = false;
        }
    }
    found
}

/// The requirements whose numbers stand at the front of a test's name: `r25_…`, `r14_r15_…`.
pub(super) fn requirements(name: &str) -> impl Iterator<Item = u32> {
    name.split('_').map_while(requirement)
}

fn requirement(word: &str) -> Option<u32> {
    word.strip_prefix('r')?.parse().ok()
}

fn statement(name: &str) -> impl Iterator<Item = &str> {
    name.split('_')
        .skip_while(|word| requirement(word).is_some())
}
