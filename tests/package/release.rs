//! The parts of a release fit together: version, licences, changelog, and the oldest Rust that is promised.

use std::fs;
use std::process::Command;

use serde_json::Value;

fn text(path: &str) -> String {
    fs::read_to_string(harness::workspace().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The value of a key in Cargo.toml's `[workspace.package]`.
fn package(key: &str) -> String {
    let manifest = text("Cargo.toml");
    let table = manifest.split("[workspace.package]\n").nth(1).unwrap();
    let line = table
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{key} = \"")));
    line.expect(key).trim_end_matches('"').to_owned()
}

/// Major and minor number.
fn rust(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap_or(0))
}

#[test]
fn no_dependency_needs_a_newer_rust_than_is_promised() {
    let promised = rust(&package("rust-version"));
    let cargo = env!("CARGO");
    // Packages that other systems need have not been fetched.
    let platform = format!(
        "--filter-platform={}-unknown-linux-gnu",
        std::env::consts::ARCH
    );
    let run = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version=1"])
        .arg(platform)
        // sudo has a PATH of its own; rustc lies beside cargo.
        .env("RUSTC", std::path::Path::new(cargo).with_file_name("rustc"))
        .current_dir(harness::workspace())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let metadata: Value = serde_json::from_slice(&run.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let (mut stated, mut newer) = (0, Vec::new());
    for package in packages {
        let Some(needed) = package["rust_version"].as_str() else {
            continue;
        };
        stated += 1;
        if rust(needed) > promised {
            newer.push(format!("{} {needed}", package["name"]));
        }
    }
    assert_eq!(newer, [""; 0]);
    // The rest say nothing; clippy (incompatible_msrv) looks at this repository's own code.
    assert!(
        stated * 10 > packages.len() * 7,
        "{stated} of {}",
        packages.len()
    );
}

#[test]
fn the_same_rust_is_named_everywhere() {
    let promised = package("rust-version");
    let manifest = text("Cargo.toml");
    assert!(manifest.contains("\nincompatible_msrv = \"deny\"\n"));
    assert!(
        !text("clippy.toml").contains("msrv"),
        "clippy takes it from Cargo.toml"
    );
    assert!(text("README.md").contains(&format!("Rust {promised} or newer")));
    let spec = text("packaging/rpm/pam_twofactor.spec");
    for program in ["cargo", "rust"] {
        assert!(spec.contains(&format!("{program} >= {promised}\n")));
    }
}

#[test]
fn the_version_is_the_same_everywhere() {
    let version = package("version");
    let changelog = text("CHANGELOG.md");
    let mut headings = changelog.lines().filter(|line| line.starts_with("## "));
    let latest = headings.next().unwrap();
    let when = latest.strip_prefix(&format!("## [{version}] "));
    let when = when.expect(latest);
    let date = when.strip_prefix("- ").unwrap_or_default();
    let digits = date.split('-').map(str::len).collect::<Vec<_>>();
    assert!(when == "(unreleased)" || digits == [4, 2, 2], "{latest}");
    let spec = text("packaging/rpm/pam_twofactor.spec");
    let stated = spec.lines().find_map(|line| line.strip_prefix("Version:"));
    assert_eq!(stated.map(str::trim), Some(version.as_str()));
    let change = spec
        .split("%changelog\n")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    assert!(change.ends_with(&format!(" {version}-1")), "{change}");
    let debian = text("packaging/debian/changelog");
    let change = debian.lines().next().unwrap();
    let start = format!("libpam-twofactor ({version}) ");
    assert!(change.starts_with(&start), "{change}");
}

#[test]
fn the_packages_scripts_look_in_the_same_files() {
    let [first, rest @ ..] = ["prerm", "postinst", "postrm"].map(|name| {
        let script = text(&format!("packaging/debian/libpam-twofactor.{name}"));
        let function = script.split("\nnaming_module() {\n").nth(1).expect(name);
        function.split("\n}\n").next().unwrap().to_owned()
    });
    assert!(first.contains("grep -R"), "{first}");
    assert!(rest.iter().all(|other| *other == first));
}

#[test]
fn the_licences_are_there() {
    assert_eq!(package("license"), "MIT OR Apache-2.0");
    assert!(text("LICENSE-MIT").contains("Permission is hereby granted, free of charge"));
    assert!(text("LICENSE-APACHE").contains("Version 2.0, January 2004"));
    let spec = text("packaging/rpm/pam_twofactor.spec");
    assert!(spec.contains("\nLicense:        MIT OR Apache-2.0\n"));
    let readme = text("README.md");
    for file in [
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "CHANGELOG.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
    ] {
        assert!(
            readme.contains(&format!("({file})")),
            "README.md does not link to {file}"
        );
    }
}

#[test]
fn contributing_names_targets_that_exist() {
    let makefile = text("Makefile");
    let contributing = text("CONTRIBUTING.md");
    let calls = contributing.split("`make ").skip(1);
    let calls: Vec<&str> = calls.map(|rest| rest.split('`').next().unwrap()).collect();
    assert!(calls.len() > 5);
    // One line may have the rule of several.
    let rules = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.']));
    let made: Vec<&str> = rules
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(targets, _)| targets.split_whitespace())
        .collect();
    let words = calls.iter().flat_map(|call| call.split(' '));
    // The rest set variables: EVERY=7.
    for target in words.filter(|word| !word.contains('=')) {
        assert!(made.contains(&target), "make {target}");
    }
    let listed = makefile.split("\n.PHONY: ").nth(1).unwrap();
    let listed = listed.split("\n.").next().unwrap();
    for target in listed.split_whitespace() {
        let alone = ["bench", "fuzz", "mutants", "faults", "races", "demo"];
        let is_proof = target.starts_with("test") || alone.contains(&target);
        assert!(
            !is_proof
                || calls
                    .iter()
                    .any(|call| call.split(' ').any(|one| one == target)),
            "CONTRIBUTING.md does not name make {target}"
        );
    }
}

/// The names of the list `--test` or `--bench` in the Makefile's `test_programs`.
fn programs_of_make_test(option: &str) -> Vec<String> {
    let makefile = text("Makefile");
    let list = makefile.split(&format!("$(addprefix --{option} ,")).nth(1);
    let names = list.unwrap().split(')').next().unwrap();
    names.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn make_test_runs_every_program_that_needs_no_feature() {
    let run = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--no-deps"])
        .arg("--format-version=1")
        .current_dir(harness::workspace())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&run.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let targets = packages
        .iter()
        .flat_map(|package| package["targets"].as_array().unwrap());
    let tested: Vec<&Value> = targets
        .filter(|target| target["test"] == true && target["required-features"].is_null())
        .collect();
    for option in ["test", "bench"] {
        let of_kind = tested.iter().filter(|target| target["kind"][0] == option);
        let mut wanted: Vec<&str> = of_kind
            .map(|target| target["name"].as_str().unwrap())
            .collect();
        wanted.sort_unstable();
        assert_eq!(programs_of_make_test(option), wanted);
    }
}

#[test]
fn help_lists_the_targets_on_one_screen() {
    let makefile = text("Makefile");
    let help: Vec<&str> = makefile
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    // Of 24 lines, the prompt takes one, and the call another.
    assert!(help.len() <= 22 && help.iter().all(|line| line.len() <= 80));
    for target in ["docs", "test", "fuzz", "demo", "dist", "deb", "install"] {
        let is_named = |line: &str| {
            line.split("  ")
                .next()
                .unwrap_or("")
                .split([' ', ','])
                .any(|name| name == target)
        };
        assert!(help.iter().any(|line| is_named(line)), "{target}");
    }
}
