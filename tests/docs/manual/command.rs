//! twofactor(8) and `--help`.

use std::collections::{BTreeMap, BTreeSet};

use twofactor_core::log::event::CommandEvent;

use super::page::{Section, of_file, section};
use super::{text, twofactor};

/// Arguments that a subcommand takes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// `--device NAME`, `-y`, `USER`.
    pub names: BTreeSet<String>,
    /// Values that are possible, and those that are meant without.
    pub values: BTreeSet<String>,
}

/// Every subcommand with its whole path and its own options, and the global ones under `twofactor`: from `--help`.
pub fn helped() -> BTreeMap<String, Taken> {
    let mut found = BTreeMap::new();
    visit("twofactor", &mut found);
    found
}

fn visit(path: &str, found: &mut BTreeMap<String, Taken>) {
    let words: Vec<&str> = path.split(' ').skip(1).chain(["--help"]).collect();
    let help = twofactor(&words);
    let examples = help.split_once("\nEXAMPLES");
    assert_eq!(examples.is_none(), path == "twofactor", "{path}");
    let help = examples.map_or(help.as_str(), |(help, _)| help);
    // The general help has no heading for them.
    let at = help.rfind("\n      --policy <FILE>").unwrap();
    let (own, global) = help.split_at(at);
    let taken = if path == "twofactor" { global } else { own };
    found.insert(path.to_owned(), read(taken));
    if path == "twofactor" {
        let names = groups(help).into_iter().flat_map(|(_, names)| names);
        for name in names.filter(|name| name != "help") {
            visit(&format!("{path} {name}"), found);
        }
    } else if let Some((_, list)) = own.split_once("\nCommands:\n") {
        let list = list.split("\n\n").next().unwrap();
        let names = list.lines().filter_map(|line| {
            let rest = line.strip_prefix("  ")?;
            rest.starts_with(|c: char| c.is_ascii_lowercase())
                .then(|| rest.split(' ').next().unwrap())
        });
        for name in names.filter(|name| *name != "help") {
            visit(&format!("{path} {name}"), found);
        }
    }
}

/// The groups of the general help, each with its commands.
fn groups(help: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let lines = help.lines().skip_while(|line| !line.is_empty()).skip(1);
    for line in lines.take_while(|line| !line.is_empty()) {
        let mut cells = line.split("  ").map(str::trim);
        let heading = cells.next().unwrap();
        if !heading.is_empty() {
            found.push((heading.to_owned(), Vec::new()));
        }
        // Names and texts take turns.
        let names = cells.filter(|cell| !cell.is_empty()).step_by(2);
        let (_, group) = found.last_mut().expect("a heading");
        group.extend(names.map(str::to_owned));
    }
    found
}

/// Reads the options and arguments of a help text.
fn read(help: &str) -> Taken {
    let mut taken = Taken::default();
    for line in help.lines().filter(|line| line.starts_with("  ")) {
        let line = line.trim_start();
        let words = line.split("  ").next().unwrap();
        let is_entry = ["-", "<", "["].iter().any(|start| words.starts_with(start))
            && !["- ", "[default", "[possible"]
                .iter()
                .any(|start| words.starts_with(start));
        if is_entry {
            taken.names.extend(entry(words));
        }
        if let Some((name, _)) = line
            .strip_prefix("- ")
            .and_then(|rest| rest.split_once(':'))
        {
            taken.values.insert(name.to_owned());
        }
    }
    let joined: Vec<&str> = help.split_whitespace().collect();
    let joined = joined.join(" ");
    for (start, several) in [("[default: ", false), ("[possible values: ", true)] {
        for rest in joined.split(start).skip(1) {
            let inside = rest.split(']').next().unwrap();
            if several {
                taken.values.extend(inside.split(", ").map(str::to_owned));
            } else {
                taken.values.insert(inside.to_owned());
            }
        }
    }
    taken
}

/// `-y, --yes`, `--device <NAME>`, `<USER>`, `[FILE]`.
fn entry(words: &str) -> Vec<String> {
    // A value that may be left out stands in both kinds of brackets.
    let words = &words.replace("[<", "<").replace(">]", ">");
    let value = words.split(['<', '[']).nth(1);
    let value = value.map(|rest| rest.trim_end_matches(['>', ']', '.']));
    let flags = words.split(['<', '[']).next().unwrap().trim();
    let named = |flag: &str| match value {
        Some(value) => format!("{flag} {value}"),
        None => flag.to_owned(),
    };
    let flags: Vec<String> = flags
        .split(", ")
        .filter(|flag| !flag.is_empty())
        .map(named)
        .collect();
    match (flags.is_empty(), value) {
        (true, Some(value)) => vec![value.to_owned()],
        _ => flags
            .into_iter()
            .filter(|flag| !["-h", "--help", "-V", "--version"].contains(&flag.as_str()))
            .collect(),
    }
}

/// Arguments from a section of the page.
fn described(section: &Section) -> Taken {
    let mut taken = Taken::default();
    for item in &section.items {
        if let Some(value) = item.tag.strip_prefix("Cm ") {
            taken.values.insert(value.to_owned());
        } else if let Some(argument) = item.tag.strip_prefix("Ar ") {
            taken.names.insert(argument.to_owned());
        } else {
            let (flags, value) = item.tag.split_once(" Ar ").unwrap_or((&item.tag, ""));
            for flag in flags.split(" , ") {
                let flag = format!("-{} {value}", flag.strip_prefix("Fl ").unwrap());
                taken.names.insert(flag.trim_end().to_owned());
            }
        }
        if let Some((_, rest)) = item.body.split_once("Default: ") {
            let value = rest.trim_end().trim_end_matches('.').trim_end();
            taken.values.insert(value.to_owned());
        }
    }
    taken
}

#[test]
fn every_subcommand_and_option_is_described() {
    let page = of_file("twofactor.8");
    let commands = page
        .iter()
        .filter(|section| section.heading.starts_with("twofactor "));
    let mut pages: BTreeMap<String, Taken> = commands
        .map(|section| (section.heading.clone(), described(section)))
        .collect();
    pages.insert(
        "twofactor".to_owned(),
        described(section(&page, "GLOBAL OPTIONS")),
    );
    let helped = helped();
    assert!(helped.len() > 20, "{:?}", helped.keys());
    let enroll = &helped["twofactor enroll"];
    assert!(enroll.names.contains("--device NAME") && enroll.names.contains("USER"));
    assert!(
        enroll
            .values
            .is_superset(&["phone", "ascii", "SHA512"].map(str::to_owned).into())
    );
    assert!(helped["twofactor"].names.contains("-y"));
    assert_eq!(
        pages.keys().collect::<Vec<_>>(),
        helped.keys().collect::<Vec<_>>()
    );
    for (command, taken) in &helped {
        assert_eq!(&pages[command], taken, "{command}");
    }
}

#[test]
fn the_manual_has_the_groups_of_the_help() {
    let page = of_file("twofactor.8");
    let listed = section(&page, "COMMANDS").items.iter().map(|item| {
        let names = item.body.split(',').map(|name| name.trim().to_owned());
        (item.tag.clone(), names.collect::<Vec<_>>())
    });
    let grouped = groups(&twofactor(&["--help"]));
    assert_eq!(grouped.len(), 6);
    assert_eq!(listed.collect::<Vec<_>>(), grouped);
    // Their sections stand in the same order.
    let names = page.iter().filter_map(|section| {
        let name = section.heading.strip_prefix("twofactor ")?;
        (!name.contains(' ')).then(|| name.to_owned())
    });
    let ordered = grouped.into_iter().flat_map(|(_, names)| names);
    let ordered = ordered.filter(|name| name != "help");
    assert_eq!(names.collect::<Vec<_>>(), ordered.collect::<Vec<_>>());
}

#[test]
fn every_exit_code_is_described_and_no_other() {
    let source = text("cli/src/command_failure.rs");
    let body = source.split("pub enum ExitStatus {").nth(1).unwrap();
    let body = body.split("\n}").next().unwrap();
    let number = |line: &str| Some(line.trim_end_matches(',').split_once(" = ")?.1.to_owned());
    let mut codes: Vec<String> = body.lines().filter_map(number).collect();
    codes.insert(0, "0".to_owned());
    assert_eq!(codes.len(), 6);
    let page = of_file("twofactor.8");
    assert_eq!(section(&page, "EXIT STATUS").tags(""), codes);
    let document = text("docs/automation.md");
    let sentence = document.split("Exit codes: ").nth(1).unwrap();
    let sentence = sentence.split(". ").next().unwrap();
    let words = sentence.split(|c: char| !c.is_ascii_alphanumeric());
    let numbers: Vec<&str> = words.filter(|word| word.parse::<u32>().is_ok()).collect();
    assert_eq!(numbers, codes);
}

#[test]
fn every_verb_of_the_log_is_described() {
    let page = text("docs/man/twofactor.8");
    let log = page.split("\n.Sh LOG\n").nth(1).unwrap();
    for event in CommandEvent::ALL {
        let verb = event.verb();
        assert!(log.contains(&format!("\n{verb} ")), "{verb}");
    }
}
