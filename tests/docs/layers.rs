//! The rules of the layers that the compiler does not check: `unsafe` only in files that are named here, and imports in
//! one direction.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::module_graph::{crates, levels, of_crate, sources};

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
/// The files with `unsafe` in tests: libpam and the C library in Rust, for Miri, and of the harness the system calls and libpam.
const UNSAFE_TESTS: [&str; 8] = [
    "crates/store/src/sys/miri.rs",
    "src/libpam/tests.rs",
    "src/libpam/tests/fake.rs",
    "tests/harness/src/pam_application.rs",
    "tests/harness/src/bin/pamdrive/system.rs",
    "tests/harness/src/bin/pamscan.rs",
    "tests/harness/src/ptrace.rs",
    "tests/harness/src/sys.rs",
];
/// Directories of sources.
const DIRECTORIES: [&str; 7] = [
    "benches", "cli", "crates", "daemon", "fuzz/src", "src", "tests",
];

pub(super) type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn unsafe_code_is_allowed_in_named_files_only() {
    let harness = (
        "harness".to_owned(),
        harness::workspace().join("tests/harness/src"),
    );
    for (name, root) in crates().into_iter().chain([harness]) {
        for top in ["lib.rs", "main.rs"].map(|file| root.join(file)) {
            let silent = fs::read_to_string(top).is_ok_and(|text| !refuses_unsafe(&text));
            assert!(!silent, "{name} says nothing of unsafe code");
        }
    }
    let mut found = BTreeSet::new();
    let mut below = Vec::new();
    for directory in DIRECTORIES {
        for (path, text) in sources(&harness::workspace().join(directory)) {
            let path = path.strip_prefix(harness::workspace()).unwrap();
            if text.contains("allow(unsafe_code)") && !path.ends_with(file!()) {
                found.insert(path.display().to_string());
            }
            if refuses_unsafe(&text) && !is_root(path) && !path.ends_with(file!()) {
                below.push(path.display().to_string());
            }
        }
    }
    let named = UNSAFE_FILES.into_iter().chain(UNSAFE_TESTS);
    assert_eq!(found, named.map(str::to_owned).collect());
    assert_eq!(
        below, [""; 0],
        "the first file of the crate says it for them"
    );
}

fn refuses_unsafe(text: &str) -> bool {
    text.contains("#![forbid(unsafe_code)]") || text.contains("#![deny(unsafe_code)]")
}

/// True for the first file of a library or a program.
fn is_root(path: &Path) -> bool {
    let is_program =
        |directory: &Path| directory.ends_with("bin") || directory.ends_with("examples");
    path.ends_with("lib.rs") || path.ends_with("main.rs") || path.parent().is_some_and(is_program)
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for (name, root) in crates() {
        let levels = levels(&of_crate(&root));
        let modules: usize = levels.values().map(BTreeMap::len).sum();
        assert!(modules > 5, "{name}");
        let of_level = |(parent, imports)| {
            let circle = circle(imports)?;
            Some(format!("{name} {parent:?}: {circle:?}"))
        };
        circles.extend(levels.iter().filter_map(of_level));
    }
    assert_eq!(circles, [""; 0]);
}

#[test]
fn circles_are_found() {
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

/// Imports of each module at the root of a crate from its siblings, apart from tests.
pub(super) fn imports(root: &Path) -> Imports {
    let mut levels = levels(&of_crate(root));
    levels.remove(&[][..]).unwrap()
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
