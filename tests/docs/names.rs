//! Names stand for one thing: no type name is defined twice in the workspace, one word is enough for terms of the field alone, constants
//! of two words have one value, and files of one name hold the same thing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Directories of sources, `fuzz` included.
const DIRECTORIES: [&str; 7] = ["benches", "cli", "crates", "daemon", "fuzz", "src", "tests"];

/// File names that several files of the product have, and what each of them is about.
const SHARED_FILES: [(&str, &str); 9] = [
    ("backup.rs", "records and states of many users in one text"),
    ("enroll.rs", "a new device"),
    ("fuzzing.rs", "what fuzz targets see of a crate"),
    ("import.rs", "devices from elsewhere"),
    ("lib.rs", "the root of a crate"),
    ("main.rs", "the root of a program"),
    ("mod.rs", "the root of a module"),
    ("resync.rs", "resynchronization of a device"),
    ("verify.rs", "a code that is judged as at a login"),
];

/// Names that a command shares with the operation that it is about.
const COMMANDS: [&str; 2] = ["relocation.rs", "unlock.rs"];

/// Constants of two words that several files have, each about what the file is about.
const SHARED_CONSTANTS: [&str; 2] = ["ENCODED_LEN", "MAX_LEN"];

/// Types of one word: what RFC 4226, RFC 6238, passwd(5) or the policy's manual page call so, or a word that has one meaning here.
const TERMS: [&str; 13] = [
    "Account",
    "Algorithm",
    "Backup",
    "Code",
    "Credential",
    "Device",
    "Digits",
    "Enforcement",
    "Interval",
    "Policy",
    "Secret",
    "Terminal",
    "Verdict",
];

#[test]
fn types_of_one_word_are_terms_of_the_field() {
    let mut found = Vec::new();
    for path in sources().into_iter().filter(|path| is_of_product(path)) {
        let text = fs::read_to_string(&path).unwrap();
        let is_outside = |line: &&str| !line.starts_with(' ');
        let outside: Vec<&str> = text.lines().filter(is_outside).collect();
        found.extend(types(&outside.join("\n")));
    }
    found.retain(|name| {
        name.matches(|letter: char| letter.is_ascii_uppercase())
            .count()
            == 1
    });
    found.sort_unstable();
    assert_eq!(found, TERMS);
}

#[test]
fn no_type_name_is_defined_twice() {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        for name in types(&text) {
            found.entry(name).or_default().push(path.clone());
        }
    }
    assert!(found.len() > 500, "{}", found.len());
    found.retain(|_, places| places.len() > 1);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn files_of_one_name_are_about_one_thing() {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in sources().into_iter().filter(|path| is_of_product(path)) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        found.entry(name).or_default().push(path);
    }
    found.retain(|_, places| places.len() > 1);
    let shared = SHARED_FILES.iter().map(|(name, _)| *name);
    let mut shared: Vec<&str> = shared.chain(COMMANDS).collect();
    shared.sort_unstable();
    assert_eq!(found.keys().collect::<Vec<_>>(), shared, "{found:#?}");
}

/// One word, such as `PATIENCE`, is known with its file alone.
#[test]
fn constants_of_two_words_have_one_value() {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources().into_iter().filter(|path| is_of_product(path)) {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (name, value) in constants(code) {
            found.entry(name).or_default().insert(value);
        }
    }
    assert!(found.len() > 300, "{}", found.len());
    found.retain(|name, values| name.contains('_') && values.len() > 1);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        SHARED_CONSTANTS,
        "{found:#?}"
    );
}

#[test]
fn the_reader_of_constants_finds_their_values() {
    let text = "const A_B: u8 = 1;\npub const C: &str =\n    \"x\";\npub(super) const fn f() {}\nconst _: () = assert!(true);\n\
                fn g() {\n    const D: u8 = 2;\n}\n";
    let found = [("A_B", "1"), ("C", "\"x\"")];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    assert_eq!(constants(text), found.map(owned));
}

#[test]
fn the_reader_of_types_finds_definitions_alone() {
    let text = "pub(super) struct A<'a> {\n    type Error = E;\n}\nenum B {}\n//! type C\ntype D = A;\nunsafe trait F {}\n\
                fn f() {\n    struct G;\n}\nimpl A {}\n\"enum H\"\n";
    assert_eq!(types(text), ["A", "B", "D", "F", "G"]);
}

/// The types, traits and aliases that a source defines; none that belongs to a trait.
fn types(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let is_inside = line.starts_with(' ');
        let mut words = line.split_whitespace().peekable();
        words.next_if(|word| word.starts_with("pub"));
        words.next_if(|word| *word == "unsafe");
        let keyword = words.next()?;
        let is_type = match keyword {
            "struct" | "enum" | "union" | "trait" => true,
            "type" => !is_inside,
            _ => false,
        };
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let name = words.next()?.split(|letter| !is_part(letter)).next()?;
        let is_name = name.starts_with(|first: char| first.is_ascii_uppercase());
        (is_type && is_name).then(|| name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

/// The constants that a source defines outside of functions and types, with their values.
fn constants(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let rest = &text[start..];
        start += line.len();
        let is_outside = |(before, name): &(&str, &str)| {
            let is_public = before.starts_with("pub") && before.trim_end().find(' ').is_none();
            let is_named = name.starts_with(|first: char| first.is_ascii_uppercase());
            is_named && (before.is_empty() || is_public)
        };
        let Some((_, name)) = line.split_once("const ").filter(is_outside) else {
            continue;
        };
        let name = name.split(':').next().unwrap().to_owned();
        let (_, value) = rest.split_once(" =").unwrap();
        let value = value.split(";\n").next().unwrap();
        let value: Vec<&str> = value.split_whitespace().collect();
        found.push((name, value.join(" ")));
    }
    found
}

fn is_of_product(path: &Path) -> bool {
    let relative = path.strip_prefix(harness::workspace()).unwrap();
    let is_apart = |part: &std::ffi::OsStr| {
        let apart = [
            "benches", "examples", "fuzz", "harness", "tests", "tests.rs",
        ];
        apart.iter().any(|name| part == *name)
    };
    !relative.iter().any(is_apart)
}

pub(super) fn sources() -> Vec<PathBuf> {
    let mut waiting = DIRECTORIES
        .map(|name| harness::workspace().join(name))
        .to_vec();
    let mut found = Vec::new();
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                waiting.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found
}
