//! `make mutants` changes the files that `.cargo/mutants.toml` names, in the packages that the Makefile passes.

use std::fs;
use std::path::Path;

/// Pattern for all files below a directory.
const ALL_BELOW: &str = "**/*.rs";

#[test]
fn mutated_files_lie_in_packages_that_are_passed() {
    let passed = passed_packages();
    for glob in globs() {
        let glob = glob.as_str();
        let path = harness::workspace().join(glob.trim_end_matches(ALL_BELOW));
        // `*.rs` alone would leave out what moves into a directory.
        let is_known = !glob.trim_end_matches(ALL_BELOW).contains('*');
        assert!(is_known, "{glob} names neither a file nor all below");
        let is_there = match glob.ends_with(ALL_BELOW) {
            true => path.is_dir(),
            false => path.is_file(),
        };
        assert!(is_there, "{glob} names nothing");
        let package = package_of(&path);
        assert!(
            passed.contains(&package),
            "{glob} is of {package}, not of {passed:?}"
        );
    }
}

#[test]
fn files_that_were_tried_are_mutated_still() {
    let document = fs::read_to_string(harness::workspace().join("docs/internals/testing.md"));
    let document = document.unwrap();
    let (_, samples) = document
        .split_once("| files | mutants | do not compile |")
        .unwrap();
    let rows = samples.lines().take_while(|line| !line.is_empty());
    let named: Vec<String> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2).flat_map(alternatives))
        .filter(|name| name.starts_with(['c', 'd', 's']) && name.contains("src"))
        .collect();
    assert!(named.len() > 10, "{named:?}");
    let globs = globs();
    for name in named {
        let is_changed = globs.iter().any(|glob| {
            let top = glob.trim_end_matches(ALL_BELOW);
            name == *glob || format!("{name}/").starts_with(top) && top.ends_with('/')
        });
        assert!(is_changed, "{name} is in testing.md and named by no glob");
    }
}

#[test]
fn alternatives_in_braces_are_each_a_path() {
    let found: Vec<String> = alternatives("a/{b,c/d}.rs").collect();
    assert_eq!(found, ["a/b.rs", "a/c/d.rs"]);
    assert_eq!(alternatives("a.rs").collect::<Vec<_>>(), ["a.rs"]);
}

/// Patterns of the files that are mutated, relative to the workspace.
fn globs() -> Vec<String> {
    let text = fs::read_to_string(harness::workspace().join(".cargo/mutants.toml")).unwrap();
    let (_, rest) = text.split_once("\nexamine_globs = [\n").unwrap();
    let (list, _) = rest.split_once("\n]\n").unwrap();
    let globs = list.split('"').skip(1).step_by(2);
    let globs: Vec<String> = globs.map(str::to_owned).collect();
    assert!(globs.len() > 10, "{globs:?}");
    globs
}

/// The packages of the line of `cargo mutants`, and of the variable in it.
fn passed_packages() -> Vec<String> {
    let text = fs::read_to_string(harness::workspace().join("Makefile")).unwrap();
    let line = |start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line {start}"))
    };
    let command = line("\tcargo mutants ").replace("$(library)", line("library "));
    let words: Vec<&str> = command.split_whitespace().collect();
    words
        .windows(2)
        .filter(|pair| pair[0] == "-p")
        .map(|pair| pair[1].to_owned())
        .collect()
}

/// The name of the package in which a file lies.
fn package_of(path: &Path) -> String {
    let manifest = path
        .ancestors()
        .map(|directory| directory.join("Cargo.toml"))
        .find(|manifest| manifest.is_file());
    let text = fs::read_to_string(manifest.unwrap()).unwrap();
    let (_, section) = text.split_once("[package]\nname = \"").unwrap();
    section.split('"').next().unwrap().to_owned()
}

/// The paths that one with `{a,b}` in it stands for.
pub(super) fn alternatives(path: &str) -> impl Iterator<Item = String> {
    let parts = path
        .split_once('{')
        .and_then(|(front, rest)| Some((front, rest.split_once('}')?)));
    let (front, (list, back)) = parts.unwrap_or((path, ("", "")));
    list.split(',')
        .map(move |name| format!("{front}{name}{back}"))
}
