//! Links between documents lead somewhere, the README stays short, and each list has one home.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines of the README.
const README_LINES: usize = 150;

/// Beginnings of lines that one document alone has, and that document.
const HOMES: [(&str, &str); 4] = [
    ("| `result=` |", "docs/logs.md"),
    ("| `action=` |", "docs/logs.md"),
    ("| check | level |", "docs/doctor.md"),
    ("| locker |", "docs/setup.md"),
];

#[test]
fn every_relative_link_leads_somewhere() {
    let (mut seen, mut dead) = (0, Vec::new());
    for document in documents() {
        for target in targets(&read(&document)) {
            seen += 1;
            if !leads_somewhere(&document, &target) {
                dead.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(seen > 100, "{seen}");
    assert_eq!(dead, [""; 0]);
}

#[test]
fn every_document_is_in_the_index() {
    let docs = harness::workspace().join("docs");
    let index = targets(&read(&docs.join("README.md")));
    let listed: BTreeSet<&str> = index.iter().map(String::as_str).collect();
    let is_missing = |name: &String| name != "README.md" && !listed.contains(name.as_str());
    let missing: Vec<String> = names(&docs).into_iter().filter(is_missing).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn the_readme_is_short() {
    let lines = read(&harness::workspace().join("README.md"))
        .lines()
        .count();
    assert!(lines <= README_LINES, "{lines} lines");
}

#[test]
fn each_list_has_one_home() {
    let root = harness::workspace();
    for (head, home) in HOMES {
        let has_it = |path: &PathBuf| read(path).lines().any(|line| line.starts_with(head));
        let found: Vec<PathBuf> = documents().into_iter().filter(has_it).collect();
        assert_eq!(found, [root.join(home)], "{head}");
    }
}

#[test]
fn links_and_headings_are_read() {
    let text = "[a](b.md#c-d) `[x](y)`\n![p](q.svg) [w](https://e.org)\n```\n[n](m)\n```\n";
    assert_eq!(targets(text), ["b.md#c-d", "q.svg"]);
    let anchors = anchors("# `[[require]]`, and *so* on_2\n```\n# none\n```\n## B-c\n");
    assert_eq!(anchors, ["require-and-so-on_2", "b-c"]);
}

/// The Markdown files that a reader of the repository comes to.
fn documents() -> Vec<PathBuf> {
    let root = harness::workspace();
    let directories = ["", "docs", "docs/internals"].map(|name| root.join(name));
    let in_one = |directory: &PathBuf| -> Vec<PathBuf> {
        let names = names(directory).into_iter();
        names.map(|name| directory.join(name)).collect()
    };
    directories.iter().flat_map(in_one).collect()
}

/// Names of the Markdown files in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".md")).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines outside of fenced examples.
fn prose(text: &str) -> Vec<&str> {
    let mut is_inside = false;
    let outside = |line: &&str| {
        let is_fence = line.starts_with("```");
        is_inside ^= is_fence;
        !is_inside && !is_fence
    };
    text.lines().filter(outside).collect()
}

/// Targets of the links that stay in the repository.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let rests = plain.split("](").skip(1);
        let links = rests.filter_map(|rest| rest.split_once(')'));
        let own = links.filter(|(target, _)| !target.contains("://"));
        found.extend(own.map(|(target, _)| target.to_owned()));
    }
    found
}

/// The anchors of a document's headings, as forges make them.
fn anchors(text: &str) -> Vec<String> {
    let lines = prose(text).into_iter();
    let headings = lines.filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let is_kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    let anchor = |heading: &str| -> String {
        let kept = heading.to_lowercase();
        let kept: String = kept.chars().filter(is_kept).collect();
        kept.replace(' ', "-")
    };
    headings.map(anchor).collect()
}

fn leads_somewhere(document: &Path, target: &str) -> bool {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() {
        document.to_owned()
    } else {
        document.parent().unwrap().join(file)
    };
    path.exists() && (anchor.is_empty() || anchors(&read(&path)).iter().any(|it| it == anchor))
}
