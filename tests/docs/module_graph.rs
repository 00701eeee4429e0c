//! Graph of the modules of a crate and their imports, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module from the root of its crate: `["files", "generations"]`.
pub(super) type ModulePath = Vec<String>;

/// Modules, and what each imports.
pub(super) type ModuleGraph = BTreeMap<ModulePath, BTreeSet<ModulePath>>;

/// Longest chain of names that stand for others.
const LONGEST_CHAIN: usize = 8;

/// The imports of a crate, without tests. Names that a module passes on count as imports of where they are defined, and
/// what lies in one another's directory does not count: a module and its parts belong together.
pub(super) fn of_crate(root: &Path) -> ModuleGraph {
    graph(&modules(root))
}

/// The packages of the product and the directories of their sources.
pub(super) fn crates() -> Vec<(String, PathBuf)> {
    let top = harness::workspace();
    let mut found: Vec<(String, PathBuf)> = fs::read_dir(top.join("crates"))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, entry.path().join("src"))
        })
        .collect();
    assert!(found.len() > 1, "{found:?}");
    found.push(("module".to_owned(), top.join("src")));
    found.push(("command".to_owned(), top.join("cli/src")));
    found.push(("daemon".to_owned(), top.join("daemon/src")));
    found
}

/// All sources below a directory.
pub(super) fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The imports between the parts of each module, with all that is below them.
pub(super) fn levels(
    graph: &ModuleGraph,
) -> BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> {
    let mut found: BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (from, imported) in graph {
        if let Some((name, parent)) = from.split_last() {
            let parts = found.entry(parent.to_vec()).or_default();
            parts.entry(name.clone()).or_default();
        }
        for to in imported {
            let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            let parts = found.entry(from[..common].to_vec()).or_default();
            let used = parts.entry(from[common].clone()).or_default();
            used.insert(to[common].clone());
        }
    }
    found
}

/// The modules of a crate with their code.
fn modules(root: &Path) -> BTreeMap<ModulePath, String> {
    let mut found = BTreeMap::new();
    for (path, text) in sources(root) {
        let path = path.strip_prefix(root).unwrap().with_extension("");
        let mut parts: ModulePath = path
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        let is_apart = ["lib", "main", "tests", "testing", "fuzzing"].contains(&&*parts[0]);
        let is_test = |part: &String| part == "tests" || part.ends_with("_tests");
        if is_apart || parts.iter().any(is_test) {
            continue;
        }
        parts.pop_if(|last| last == "mod");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().map(|line| line.split("//").next().unwrap());
        found.insert(parts, lines.collect::<Vec<_>>().join("\n"));
    }
    found
}

fn graph(modules: &BTreeMap<ModulePath, String>) -> ModuleGraph {
    let passed_on: BTreeMap<&ModulePath, BTreeMap<String, ModulePath>> = modules
        .iter()
        .map(|(module, code)| (module, imported_names(module, code, modules)))
        .collect();
    let mut found = ModuleGraph::new();
    for (module, code) in modules {
        let used = found.entry(module.clone()).or_default();
        for path in paths(module, code) {
            let defined = followed(path, modules, &passed_on);
            let longest = (1..=defined.len()).rev().map(|end| &defined[..end]);
            let Some(other) = longest.into_iter().find(|it| modules.contains_key(*it)) else {
                continue;
            };
            if !other.starts_with(module) && !module.starts_with(other) {
                used.insert(other.to_vec());
            }
        }
    }
    found
}

/// The path of what a path stands for, where a module on it only passes the name on.
fn followed(
    mut path: ModulePath,
    modules: &BTreeMap<ModulePath, String>,
    passed_on: &BTreeMap<&ModulePath, BTreeMap<String, ModulePath>>,
) -> ModulePath {
    for _ in 0..LONGEST_CHAIN {
        let Some(end) = (1..path.len())
            .rev()
            .find(|end| modules.contains_key(&path[..*end]))
        else {
            return path;
        };
        let names = &passed_on[&path[..end].to_vec()];
        match names.get(&path[end]).filter(|other| **other != path) {
            Some(other) => path = [other.as_slice(), &path[end + 1..]].concat(),
            None => return path,
        }
    }
    path
}

/// The names that a module imports, and the paths that they stand for.
fn imported_names(
    module: &ModulePath,
    code: &str,
    modules: &BTreeMap<ModulePath, String>,
) -> BTreeMap<String, ModulePath> {
    let statements = code.split("use ").skip(1);
    let mut found = BTreeMap::new();
    for tree in statements.filter_map(|rest| rest.split(';').next()) {
        let child = [module.as_slice(), &[identifier(tree).to_owned()]].concat();
        let mut read = Vec::new();
        match prefix(module, tree) {
            Some((start, rest)) => read_tree(&start, rest, &mut read),
            None if modules.contains_key(&child) => read_tree(module, tree, &mut read),
            None => continue,
        };
        for path in read {
            if let Some(name) = path.last() {
                found.insert(name.clone(), path.clone());
            }
        }
    }
    found
}

/// The paths in a module's code that begin at the root of the crate, at the module or above it.
fn paths(module: &ModulePath, code: &str) -> Vec<ModulePath> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("::") {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let front = code[..at].trim_end_matches(is_part);
        // `super::super::x` was read from its first word on.
        if front.ends_with("::") {
            continue;
        }
        if let Some((start, rest)) = prefix(module, &code[front.len()..]) {
            read_tree(&start, rest, &mut found);
        }
    }
    found
}

/// The module at which a path begins, and the rest of the text after it.
fn prefix<'a>(module: &ModulePath, text: &'a str) -> Option<(ModulePath, &'a str)> {
    if let Some(rest) = text.strip_prefix("crate::") {
        return Some((Vec::new(), rest));
    }
    if let Some(rest) = text.strip_prefix("self::") {
        return Some((module.clone(), rest));
    }
    let mut start = module.clone();
    let mut rest = text;
    while let Some(after) = rest.strip_prefix("super::") {
        start.pop();
        rest = after;
    }
    (rest.len() < text.len()).then_some((start, rest))
}

/// Reads `a::{b, c::d}` from a text and returns what is after it.
fn read_tree<'a>(start: &[String], text: &'a str, found: &mut Vec<ModulePath>) -> &'a str {
    let mut path = start.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(mut group) = rest.strip_prefix('{') {
            loop {
                group = group
                    .trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
                match group.strip_prefix('}') {
                    Some(after) => return after,
                    None if group.is_empty() => return group,
                    None => group = read_tree(&path, group, found),
                }
            }
        }
        let name = identifier(rest);
        rest = &rest[name.len()..];
        if name.is_empty() {
            found.push(path);
            let after = rest.chars().next().map_or(0, char::len_utf8);
            return &rest[after..];
        }
        if name != "self" {
            path.push(name.to_owned());
        }
        match rest.strip_prefix("::") {
            Some(after) => rest = after,
            None => {
                found.push(path);
                let renamed = rest.strip_prefix(" as ");
                return renamed.map_or(rest, |after| &after[identifier(after).len()..]);
            }
        }
    }
}

fn identifier(text: &str) -> &str {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|letter| !is_part(letter)).next().unwrap()
}

#[test]
fn imports_are_found_whatever_they_look_like() {
    let of = |modules: &[(&str, &str)]| {
        let path = |name: &str| name.split("::").map(str::to_owned).collect::<ModulePath>();
        let modules = modules
            .iter()
            .map(|(name, code)| (path(name), (*code).to_owned()));
        let mut found = Vec::new();
        for (from, imported) in graph(&modules.collect()) {
            found.extend(
                imported
                    .iter()
                    .map(|to| format!("{} {}", from.join("::"), to.join("::"))),
            );
        }
        found
    };
    let found = of(&[
        (
            "a",
            "use crate::b::{self, X};\nfn f() { crate::c::d::g(); }\n",
        ),
        (
            "a::x",
            "use super::y::Z;\nuse super::super::b;\nuse super::Own;\n",
        ),
        ("a::y", "use crate::{\n    c,\n    e::{F, G as H},\n};\n"),
        ("b", ""),
        ("c", "mod d;\npub use d::Passed;\n"),
        ("c::d", ""),
        ("e", "use crate::c::Passed;\n"),
    ]);
    let expected = [
        "a b",
        "a c::d",
        "a::x a::y",
        "a::x b",
        "a::y c",
        "a::y e",
        "e c::d",
    ];
    assert_eq!(found, expected);
}
