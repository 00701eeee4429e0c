//! The English of texts, documents and comments: words of manual pages, one spelling of "enroll", and comments in plain sentences.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Words that manual pages do without: "no user", "a user", "all users", "the user who", "fix".
const FORBIDDEN: [&str; 11] = [
    "nobody",
    "somebody",
    "whoever",
    "everybody",
    "everyone",
    "anybody",
    "whom",
    "mend",
    "mends",
    "mended",
    "mending",
];
/// Files and texts of their lines in which such a word is a name, or a licence.
const ALLOWED: [(&str, &str); 10] = [
    ("cli/src/doctor/stack_checks.rs", "\"nobody-passes\""),
    ("cli/src/roster/local_users.rs", "nobody:x:65534"),
    ("daemon/src/dispatch.rs", "nobody 65534"),
    ("daemon/src/dispatch.rs", "\"nobody\""),
    ("docs/doctor.md", "`nobody-passes`"),
    ("packaging/debian/copyright", "to whom the Software is"),
    ("tests/command/completions.rs", "the account `nobody`"),
    ("tests/docs/words.rs", ""),
    ("tests/harness/tests/selftest/drive.rs", "nobody"),
    ("tests/login/authselect.rs", "\"nobody-\""),
];

/// British spellings in files that other programs read: log words, values of JSON, an alias of the command.
const KEPT: [&str; 9] = [
    "may-enrol",
    "must-enrol",
    "enrolment-skipped",
    "enrolment-required",
    "enrolment-failed",
    "enrolment-withdrawn",
    "\"enrol\"",
    "\"enrol ",
    "`enrol`",
];

/// Openings of a doc comment that make its reader look for the noun.
const BAD_OPENINGS: [&str; 11] = [
    "How ",
    "That of ",
    "The same ",
    "The same, ",
    "Those ",
    "What ",
    "Whatever ",
    "Whether ",
    "Which ",
    "Who ",
    "Whose ",
];
/// Words of the longest sentence in a comment of product code.
const LONGEST_SENTENCE: usize = 35;

#[test]
fn words_of_other_registers_are_not_used() {
    let mut found = Vec::new();
    for (path, number, line) in lines() {
        let allowed =
            |(file, text): &(&str, &str)| path == *file && (text.is_empty() || line.contains(text));
        if !ALLOWED.iter().any(allowed) {
            let bad = forbidden(&line).map(|word| format!("{path}:{number}: {word}"));
            found.extend(bad);
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn each_allowed_place_is_there() {
    let lines = lines();
    for (file, text) in ALLOWED {
        let used = lines.iter().any(|(path, _, line)| {
            path == file && line.contains(text) && forbidden(line).next().is_some()
        });
        assert!(used, "{file}: {text}");
    }
}

#[test]
fn enroll_is_the_one_spelling() {
    let british = |line: &str| {
        let line = KEPT
            .iter()
            .fold(line.to_lowercase(), |line, kept| line.replace(kept, ""));
        words(&line).any(|word| matches!(word, "enrol" | "enrols" | "enrolment" | "enrolments"))
    };
    let found: Vec<String> = lines()
        .into_iter()
        .filter(|(path, _, line)| path != "tests/docs/words.rs" && british(line))
        .map(|(path, number, line)| format!("{path}:{number}: {line}"))
        .collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn doc_comments_open_with_a_noun_or_a_verb() {
    let found: Vec<String> = paragraphs(&["///", "//!"], |_| true)
        .into_iter()
        .filter(|(_, text)| BAD_OPENINGS.iter().any(|bad| text.starts_with(bad)))
        .map(|(place, text)| format!("{place}: {text}"))
        .collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn sentences_of_comments_are_short() {
    let mut found = Vec::new();
    for (place, text) in paragraphs(&["///", "//!", "//"], is_product) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let sentences = words.split_inclusive(|word| word.ends_with(['.', '!', '?']));
        let long = sentences.filter(|sentence| sentence.len() > LONGEST_SENTENCE);
        found.extend(long.map(|sentence| format!("{place}: {}", sentence.join(" "))));
    }
    assert_eq!(found, [""; 0]);
}

fn is_product(path: &str) -> bool {
    let tops = ["src/", "cli/src/", "daemon/src/", "crates/"];
    tops.iter().any(|top| path.starts_with(top))
        && !path.contains("/tests")
        && !path.contains("/benches/")
}

/// Place and text of each paragraph and item of the comments with these marks, in Rust files that `is_read` is true for.
fn paragraphs(marks: &[&str], is_read: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut files = BTreeMap::<String, Vec<String>>::new();
    for (path, _, line) in lines() {
        if path.ends_with(".rs") && is_read(&path) {
            files.entry(path).or_default().push(line);
        }
    }
    let mut found: Vec<(String, String)> = Vec::new();
    for (path, lines) in files {
        let mut before = None;
        for (at, line) in lines.iter().enumerate() {
            let comment = line.trim_start().split_once(' ');
            let comment = comment.filter(|(mark, _)| marks.contains(mark));
            let goes_on = comment.is_some_and(|(mark, text)| {
                before == Some(mark) && !text.starts_with("* ") && !text.starts_with("# ")
            });
            match (comment, found.last_mut()) {
                (Some((_, more)), Some((_, text))) if goes_on => text.push_str(&format!(" {more}")),
                (Some((_, text)), _) => found.push((format!("{path}:{}", at + 1), text.to_owned())),
                (None, _) => {}
            }
            before = comment.map(|(mark, _)| mark);
        }
    }
    assert!(found.len() > 2_000, "{} paragraphs", found.len());
    found
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !letter.is_alphanumeric())
}

fn forbidden(line: &str) -> impl Iterator<Item = String> {
    words(line)
        .map(str::to_lowercase)
        .filter(|word| FORBIDDEN.contains(&word.as_str()))
}

/// Path, number and text of each line that people wrote.
fn lines() -> Vec<(String, usize, String)> {
    let top = harness::workspace();
    let mut found = Vec::new();
    read(top, top, &mut found);
    assert!(found.len() > 10_000, "{} lines", found.len());
    found
}

fn read(top: &Path, directory: &Path, found: &mut Vec<(String, usize, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        // What cargo and git write, inputs of the fuzzer, files that other programs made.
        let skipped = [".git", "target", "corpus", "Cargo.lock", "data"].contains(&name.as_str());
        if skipped || name.starts_with("LICENSE") {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            read(top, &path, found);
        } else if let (true, Ok(text)) = (kind.is_file(), fs::read_to_string(&path)) {
            let shown = path.strip_prefix(top).unwrap().display().to_string();
            let numbered = text.lines().enumerate();
            found.extend(numbered.map(|(at, line)| (shown.clone(), at + 1, line.to_owned())));
        }
    }
}
