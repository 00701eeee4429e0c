//! The rules of the layers that the compiler does not check: `unsafe` only in files that are named here, and imports in
//! one direction.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The files that may hold `unsafe`, besides those of tests: libpam's functions, and the C library's.
const UNSAFE_FILES: [&str; 11] = [
    "crates/store/src/sys/accounts.rs",
    "crates/store/src/sys/clock.rs",
    "crates/store/src/sys/passwd_listing.rs",
    "crates/store/src/sys/size_limit.rs",
    "crates/store/src/sys/local_time.rs",
    "crates/store/src/sys/name_sources.rs",
    "crates/store/src/sys/peer_process.rs",
    "crates/store/src/sys/process.rs",
    "crates/store/src/sys/socket.rs",
    "crates/store/src/sys/wipe.rs",
    "src/libpam.rs",
];
/// The files with `unsafe` in tests: libpam and the C library in Rust, for Miri.
const UNSAFE_TESTS: [&str; 3] = [
    "crates/store/src/sys/miri.rs",
    "src/libpam/tests.rs",
    "src/libpam/tests/fake.rs",
];

pub(super) type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn unsafe_code_is_allowed_in_named_files_only() {
    let mut found = BTreeSet::new();
    for (name, root) in crates() {
        for top in ["lib.rs", "main.rs"].map(|file| root.join(file)) {
            let refuses = |text: String| {
                text.contains("#![forbid(unsafe_code)]") || text.contains("#![deny(unsafe_code)]")
            };
            let silent = fs::read_to_string(top).is_ok_and(|text| !refuses(text));
            assert!(!silent, "{name} says nothing of unsafe code");
        }
        for (path, text) in sources(&root) {
            if text.contains("allow(unsafe_code)") {
                let path = path.strip_prefix(harness::workspace()).unwrap();
                found.insert(path.display().to_string());
            }
        }
    }
    let named = UNSAFE_FILES.into_iter().chain(UNSAFE_TESTS);
    assert_eq!(found, named.map(str::to_owned).collect());
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    for (name, root) in crates() {
        let imports = imports(&root);
        assert!(imports.len() > 1, "{name}");
        assert_eq!(circle(&imports), None, "{name}");
    }
}

#[test]
fn the_reader_of_imports_finds_circles() {
    let text = "use crate::b::{self, X};\nfn f() { crate::c::g(); }\nuse crate::{\n    d,\n    e::{Y, Z},\n};\n";
    assert_eq!(names(text), ["b", "c", "d", "e"].map(str::to_owned).into());
    let of = |pairs: &[(&str, &str)]| {
        let mut imports = Imports::new();
        for (from, to) in pairs {
            let to = (*to).to_owned();
            imports.entry((*from).to_owned()).or_default().insert(to);
        }
        circle(&imports)
    };
    assert_eq!(of(&[("a", "b"), ("b", "c"), ("a", "c")]), None);
    let found = of(&[("a", "b"), ("b", "c"), ("c", "b")]).unwrap();
    assert_eq!(found, BTreeSet::from(["b".to_owned(), "c".to_owned()]));
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

fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
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

/// Imports of each module at the root of a crate from its siblings, apart from tests.
pub(super) fn imports(root: &Path) -> Imports {
    let mut found = Imports::new();
    for (path, text) in sources(root) {
        let path = path.strip_prefix(root).unwrap().with_extension("");
        let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
        let module = parts[0];
        let is_apart = ["lib", "main", "tests", "testing", "fuzzing"].contains(&module);
        if is_apart || parts.contains(&"tests") {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let used = found.entry(module.to_owned()).or_default();
        used.extend(names(code));
        // A file at the root names its siblings like this, too.
        if parts.len() == 1 {
            let siblings = code.split("super::").skip(1);
            used.extend(siblings.map(|rest| identifier(rest).to_owned()));
        }
    }
    let modules: BTreeSet<String> = found.keys().cloned().collect();
    for (module, used) in &mut found {
        used.retain(|name| modules.contains(name) && name != module);
    }
    found
}

/// The names that follow `crate::`, alone or in braces.
fn names(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(identifier(rest).to_owned());
            continue;
        };
        let (mut depth, mut starts) = (1, true);
        for (at, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' => starts |= depth == 1,
                _ if starts && depth == 1 && !letter.is_whitespace() => {
                    found.insert(identifier(&group[at..]).to_owned());
                    starts = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

fn identifier(text: &str) -> &str {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|letter| !is_part(letter)).next().unwrap()
}

/// The modules that are left when those are taken away, again and again, that import none of the rest or that none of the
/// rest imports.
fn circle(imports: &Imports) -> Option<BTreeSet<String>> {
    let mut left: BTreeSet<String> = imports.keys().cloned().collect();
    left.extend(imports.values().flatten().cloned());
    loop {
        let imported = |name: &String| {
            let by =
                |(from, to): (&String, &BTreeSet<String>)| left.contains(from) && to.contains(name);
            imports.iter().any(by)
        };
        let imports_any = |name: &String| {
            let to = imports.get(name);
            to.is_some_and(|to| to.iter().any(|name| left.contains(name)))
        };
        let next: BTreeSet<String> = left
            .iter()
            .filter(|name| imported(name) && imports_any(name))
            .cloned()
            .collect();
        if next.len() == left.len() {
            return (!left.is_empty()).then_some(left);
        }
        left = next;
    }
}
