//! The architecture's document places every package and module, and says which import which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::layers::imports;
use super::module_graph::crates;

/// The packages of the product, and those of the workspace that each depends on, as the table of allowed imports has it.
const ALLOWED: [(&str, &[&str]); 7] = [
    ("crates/core", &[]),
    ("crates/protocol", &[]),
    ("crates/store", &["core", "protocol"]),
    ("crates/fleet", &["core", "store"]),
    ("", &["core", "protocol", "store"]),
    ("cli", &["core", "fleet", "protocol", "store"]),
    ("daemon", &["core", "fleet", "protocol", "store"]),
];

fn document() -> String {
    let path = harness::workspace().join("docs/internals/architecture.md");
    fs::read_to_string(path).unwrap()
}

#[test]
fn packages_depend_on_allowed_ones_alone() {
    for (directory, allowed) in ALLOWED {
        let path = harness::workspace().join(directory).join("Cargo.toml");
        let text = fs::read_to_string(&path).unwrap();
        let (_, rest) = text.split_once("\n[dependencies]\n").unwrap();
        let section = rest.split("\n[").next().unwrap();
        let of_workspace = |line: &str| {
            let (name, _) = line.split_once(" = ")?;
            name.strip_prefix("twofactor-").map(str::to_owned)
        };
        let found: BTreeSet<String> = section.lines().filter_map(of_workspace).collect();
        let allowed = allowed.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, allowed, "{}", path.display());
    }
}

#[test]
fn every_package_is_in_the_tree() {
    let document = document();
    let named = |directory: &str| document.contains(&format!("\n| `{directory}/` | "));
    let members = fs::read_to_string(harness::workspace().join("Cargo.toml")).unwrap();
    let line = members.lines().find(|line| line.starts_with("members = "));
    let members: Vec<&str> = line.unwrap().split('"').skip(1).step_by(2).collect();
    assert!(members.len() > 5, "{members:?}");
    let missing: Vec<_> = members.iter().filter(|member| !named(member)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(crates().len(), ALLOWED.len(), "a package has no row above");
}

#[test]
fn modules_import_those_before_them_alone() {
    let document = document();
    for (name, root) in crates() {
        let order = order(&document, &name);
        let imports = imports(&root);
        let modules: BTreeSet<&String> = imports.keys().collect();
        assert_eq!(
            order.keys().collect::<BTreeSet<_>>(),
            modules,
            "the order of {name} in docs/internals/architecture.md names its modules"
        );
        let wrong = imports.iter().flat_map(|(module, used)| {
            let later = used.iter().filter(|other| order[*other] >= order[module]);
            later.map(move |other| format!("{module} imports {other}"))
        });
        assert_eq!(wrong.collect::<Vec<_>>(), [""; 0], "{name}");
    }
}

#[test]
fn the_reader_of_an_order_counts_levels() {
    let text = "The order inside\n| `core` | `a`, `b`; `c` |\n| the daemon | `d` |\n";
    let found: Vec<(String, usize)> = order(text, "core").into_iter().collect();
    let expected = [("a", 0), ("b", 0), ("c", 1)];
    assert_eq!(found, expected.map(|(name, at)| (name.to_owned(), at)));
    assert_eq!(order(text, "daemon").len(), 1);
}

/// The level of each module in the row of a crate. Semicolons separate the levels.
fn order(document: &str, name: &str) -> BTreeMap<String, usize> {
    let (_, table) = document.split_once("The order inside").unwrap();
    let starts = [format!("| `{name}` | "), format!("| the {name} | ")];
    let row = table
        .lines()
        .find_map(|line| starts.iter().find_map(|start| line.strip_prefix(start)));
    let levels = row.unwrap_or_else(|| panic!("no row of {name}")).split(';');
    let mut found = BTreeMap::new();
    for (level, names) in levels.enumerate() {
        for module in names.split('`').skip(1).step_by(2) {
            let before = found.insert(module.to_owned(), level);
            assert_eq!(before, None, "{module} of {name} has two places");
        }
    }
    found
}
