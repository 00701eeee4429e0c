//! Wherever a document shows a call of the command, the call is possible.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::command::{Taken, helped};
use super::page::plain;
use super::{spans, text};

#[test]
fn every_documented_call_is_possible() {
    let commands = helped();
    let (mut seen, mut wrong) = (0, Vec::new());
    for document in documents() {
        for call in calls(&text(&document)) {
            seen += 1;
            if let Err(why) = check(&commands, &call) {
                wrong.push(format!("{document}: {call}: {why}"));
            }
        }
    }
    assert!(seen > 100, "{seen}");
    assert_eq!(wrong, [""; 0]);
}

/// Markdown, manual pages, stacks and the policy.
fn documents() -> Vec<String> {
    let root = harness::workspace();
    let mut found = vec!["crates/core/src/policy/default.toml".to_owned()];
    for directory in [
        "",
        "docs",
        "docs/internals",
        "docs/man",
        "pam.d",
        "packaging",
    ] {
        let entries = std::fs::read_dir(root.join(directory)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let wanted = |path: &PathBuf| {
            let is_text = path.extension().is_some_and(|end| end == "md");
            path.is_file() && (is_text || ["docs/man", "pam.d"].contains(&directory))
        };
        let names = paths.filter(wanted).map(|path| relative(root, &path));
        found.extend(names);
    }
    found
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().display().to_string()
}

/// Calls that a text shows: between backticks, as a line of an example, or as `.Ic` of a manual page.
fn calls(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(plain) {
        let line = line.as_str();
        let shown = line.trim_start_matches(['#', '$', ' ']);
        let is_code = line.starts_with("    ") || line.starts_with("# ") || line.starts_with("$ ");
        let mut candidates = spans(line);
        if let Some(words) = line.strip_prefix(".Ic ") {
            candidates.push(words.replace(" Ar ", " ").replace(" Fl -", " --"));
        }
        if is_code || line.starts_with("twofactor ") {
            candidates.push(shown.to_owned());
        }
        for candidate in candidates {
            let candidate = candidate.trim_start_matches("sudo ");
            if let Some(rest) = candidate.strip_prefix("twofactor ") {
                found.push(rest.to_owned());
            }
        }
    }
    found
}

fn check(commands: &BTreeMap<String, Taken>, call: &str) -> Result<(), String> {
    let mut path = "twofactor".to_owned();
    for (number, word) in call.split_whitespace().enumerate() {
        let word = word.trim_matches(['"', '\'', ',', ';', ')', '(']);
        let deeper = format!("{path} {word}");
        let has_deeper = commands
            .keys()
            .any(|name| name.starts_with(&format!("{path} ")));
        if ["|", "#", ">", "\\", "…", "..."].contains(&word) {
            return Ok(());
        } else if let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) {
            let flag = flag.split(['=', '`', '.']).next().unwrap();
            let known = |name: &str| {
                let names = commands
                    .get(name)
                    .into_iter()
                    .flat_map(|taken| &taken.names);
                names
                    .into_iter()
                    .any(|known| known.split(' ').next().unwrap().strip_prefix("--") == Some(flag))
            };
            if !["help", "version"].contains(&flag) && !known(&path) && !known("twofactor") {
                return Err(format!("{path} has no --{flag}"));
            }
        } else if commands.contains_key(&deeper) {
            path = deeper;
        } else if has_deeper && number < 2 && word.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(format!("there is no {deeper}"));
        }
    }
    Ok(())
}

#[test]
fn calls_are_found_and_judged() {
    let text = "see `twofactor enroll alice`\n    sudo twofactor frob x\n# twofactor doctor --frob\n.Ic twofactor unlock \\-\\-yes .\ntwofactor is prose";
    let found = calls(text);
    assert_eq!(
        found[..4],
        ["enroll alice", "frob x", "doctor --frob", "unlock --yes ."]
    );
    let commands = helped();
    let good: Vec<bool> = found
        .iter()
        .map(|call| check(&commands, call).is_ok())
        .collect();
    assert_eq!(good[..4], [true, false, false, true]);
}
