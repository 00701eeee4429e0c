//! Documents that promise something name the test that shows it, and what they name exists.
//!
//! There, a name in small letters with two colons between backticks is a test, the file below one of [`ROOTS`] and the function; what begins
//! with a directory of the repository is a file.

use std::collections::BTreeSet;
use std::fs;

use super::mutants::alternatives;
use super::requirements::BY_NUMBER;
use super::test_names::tests;

/// The documents, and how a row says that it names no test, where that is allowed.
const DOCUMENTS: [(&str, Option<&str>); 4] = [
    ("docs/internals/requirements.md", Some(BY_NUMBER)),
    ("docs/internals/cve-lessons.md", None),
    ("docs/internals/threat-model.md", Some("no test")),
    ("docs/internals/standards.md", Some("no test")),
];

/// Further documents that name tests and files; their tables hold figures.
const FIGURES: [&str; 5] = [
    "CONTRIBUTING.md",
    "docs/fleet.md",
    "docs/internals/faults.md",
    "docs/internals/performance.md",
    "docs/internals/testing.md",
];

/// Beginning of a test's path, and the directory of the rest.
const ROOTS: [(&str, &str); 6] = [
    ("", "tests"),
    ("", "src"),
    ("", "cli/src"),
    ("core/", "crates/core/src"),
    ("store/", "crates/store/src"),
    ("etcd/", "crates/fleet/tests/etcd"),
];

/// The directories of the repository that documents name files of.
const DIRECTORIES: [&str; 11] = [
    "src/",
    "crates/",
    "cli/",
    "daemon/",
    "tests/",
    "docs/",
    "pam.d/",
    "benches/",
    "packaging/",
    "scripts/",
    "fuzz/",
];

#[test]
fn every_test_and_file_that_is_named_exists() {
    let mut missing = Vec::new();
    let promises = DOCUMENTS.iter().map(|(document, _)| *document);
    for document in promises.chain(FIGURES) {
        for span in spans(&text(document)) {
            if !exists(&span) {
                missing.push(format!("{document}: {span}"));
            }
        }
    }
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_file_of_the_architecture_exists() {
    let spans = spans(&text("docs/internals/architecture.md"));
    let files: Vec<&String> = spans.iter().filter(|span| is_path(span)).collect();
    assert!(files.len() > 100, "{}", files.len());
    let missing = files.into_iter().filter(|file| !exists(file));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
}

/// Documents stand in the package as in the repository, so that a link works where its file is installed beside them.
#[test]
fn files_linked_by_installed_documents_are_installed() {
    let installed = text("packaging/files");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(harness::workspace().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "md") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let targets = text.split("](").skip(1);
        let targets = targets.filter_map(|rest| rest.split(')').next());
        found.extend(
            targets.filter_map(|target| match target.strip_prefix("../packaging/") {
                Some(file) => Some(format!("packaging/{file}")),
                None if target.starts_with("automation/") => Some(format!("docs/{target}")),
                None => None,
            }),
        );
    }
    let is_installed = |file: &str| {
        let directory = file.rsplit_once('/').unwrap().0;
        let end = format!(" 0644 DOCDIR/{directory}/");
        let mut lines = installed.lines();
        lines.any(|line| line.starts_with(&format!("{file} ")) && line.ends_with(&end))
    };
    let missing: Vec<_> = found.iter().filter(|file| !is_installed(file)).collect();
    assert!(
        found.len() >= 2 && missing.is_empty(),
        "{found:?} {missing:?}"
    );
}

#[test]
fn every_row_names_a_test_or_says_that_there_is_none() {
    for (document, excuse) in DOCUMENTS {
        let text = text(document);
        let rows = rows(&text);
        let excused = |row: &str| excuse.is_some_and(|words| row.contains(words));
        let bare = |row: &&&str| !excused(row) && !spans(row).iter().any(|span| is_test(span));
        let bare: Vec<_> = rows.iter().filter(bare).collect();
        assert!(rows.len() > 10, "{document}");
        assert_eq!(bare, [&""; 0], "{document}");
    }
}

/// The page of the messages quotes the module, and says what to do wherever the module sends users to their administrator.
#[test]
fn the_page_for_users_has_what_the_module_says() {
    let page = text("docs/messages.md");
    let tables = page.split("| the machine says |").skip(1);
    let rows = tables.flat_map(|table| {
        table
            .lines()
            .take_while(|line| line.starts_with(['|', ' ']))
    });
    let quoted = rows.filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    // That one is sshd's.
    let quoted = quoted.filter(|cell| !cell.starts_with("Permission denied"));
    let quoted: Vec<&str> = quoted.flat_map(sentences).collect();
    let source = [
        "login_text.rs",
        "account_phase/enrollment_text.rs",
        "account_phase/new_device_text.rs",
    ]
    .map(|file| text(&format!("src/{file}")))
    .concat();
    let as_written = |one: &str| {
        one.replace(" 6 ", " {digits} ")
            .replace(" N ", " {seconds} ")
    };
    let unsaid: Vec<_> = quoted
        .iter()
        .filter(|one| !source.contains(&as_written(one)))
        .collect();
    assert!(quoted.len() > 25 && unsaid.is_empty(), "{unsaid:?}");
    let sends_on =
        |literal: &&str| literal.contains("sk your admin") || literal.contains("ell your admin");
    let literals: Vec<_> = source.split('"').skip(1).step_by(2).collect();
    let literals: Vec<_> = literals.into_iter().filter(sends_on).collect();
    let is_quoted = |literal: &&&str| quoted.iter().any(|one| literal.contains(&as_written(one)));
    let missing: Vec<_> = literals.iter().filter(|one| !is_quoted(one)).collect();
    assert!(literals.len() > 15 && missing.is_empty(), "{missing:?}");
}

/// The sentences of a text, without the marks at their ends.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let all = text.split_inclusive(['.']).map(str::trim);
    let bare = all.map(|one| one.trim_end_matches(['.', '|', ' ']));
    bare.filter(|one| !one.is_empty())
}

#[test]
fn the_reader_tells_what_exists() {
    let row = "| a | `docs/documents::the_reader_tells_what_exists`, `crates/store/src/attempt.rs` and `0` of `N` |";
    let found = spans(row);
    assert_eq!(
        found,
        [
            "docs/documents::the_reader_tells_what_exists",
            "crates/store/src/attempt.rs",
            "0",
            "N"
        ]
    );
    assert!(found.iter().all(|span| exists(span)));
    for gone in [
        "docs/documents::spans",
        "docs/documents::no_such_test",
        "no_such_file::the_reader_tells_what_exists",
        "src/no_such_file.rs",
        "verify::charge",
    ] {
        assert!(!exists(gone), "{gone}");
    }
    let table = format!("text\n| head | head |\n|---|---|\n{row}\ntext");
    assert_eq!(rows(&table), [row]);
}

pub(super) fn text(document: &str) -> String {
    fs::read_to_string(harness::workspace().join(document)).unwrap()
}

/// Texts between backticks.
fn spans(text: &str) -> Vec<String> {
    let inside = |line: &str| -> Vec<String> {
        let parts = line.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    };
    text.lines().flat_map(inside).collect()
}

/// The lines of tables, without the heads and the rules below them.
pub(super) fn rows(text: &str) -> Vec<&str> {
    let is_rule = |line: &str| line.starts_with("|-");
    let lines: Vec<&str> = text.lines().collect();
    let follows = lines.iter().skip(1).copied().chain([""]);
    let pairs = lines.iter().copied().zip(follows);
    pairs
        .filter(|(line, next)| line.starts_with('|') && !is_rule(line) && !is_rule(next))
        .map(|(line, _)| line)
        .collect()
}

/// A path of Rust's has capitals, and a call of a program blanks.
fn is_test(span: &str) -> bool {
    let is_of_test = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let mut letters = span.chars();
    span.contains("::") && letters.all(|letter| is_of_test(letter) || "_/:".contains(letter))
}

fn exists(span: &str) -> bool {
    let root = harness::workspace();
    if let Some((path, function)) = span.split_once("::").filter(|_| is_test(span)) {
        return ROOTS.iter().any(|(start, directory)| {
            path.strip_prefix(start).is_some_and(|rest| {
                let file = root.join(directory).join(format!("{rest}.rs"));
                fs::read_to_string(file).is_ok_and(|text| tests(&text).contains(function))
            })
        });
    }
    !is_path(span) || alternatives(span).all(|path| root.join(path).exists())
}

fn is_path(span: &str) -> bool {
    !is_test(span) && DIRECTORIES.iter().any(|start| span.starts_with(start))
}
