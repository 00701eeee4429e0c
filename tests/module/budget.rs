//! The cost of the module in figures that no busy machine moves, held against tests/data/budget.toml.
//!
//! The files are as in use: the policy as it is delivered, switched on, and a record with ten recovery codes.

use std::fs;

use harness::pam::{Drive, code};
use harness::{Machine, Program, Totp};

use harness::enrolled::{add_recovery_codes, enroll_phone, login, machine, run, settle_records};

/// The figures, below the workspace.
const BUDGET: &str = "tests/data/budget.toml";

/// Set by `make budget`: what is measured becomes the figure.
const WRITE: Option<&str> = option_env!("BUDGET_WRITE");

/// Distance that a figure may be off, since compilers and libraries move a little.
const NEAR: f64 = 0.05;

#[test]
fn the_file_is_as_large_as_it_was() {
    let size = fs::metadata(harness::module()).unwrap().len();
    hold("bytes", size, NEAR);
}

#[test]
fn the_loader_has_as_much_to_fill_in_as_it_had() {
    let readelf = Program::new("readelf").args(&["--relocs", "--wide"]);
    let relocations = readelf.arg(harness::module()).run().ok().stdout;
    let count = relocations
        .lines()
        .filter(|line| line.contains(" R_X86_64_"));
    hold("relocations", count.count() as u64, NEAR);
}

#[test]
fn a_right_code_makes_as_many_calls_as_it_did() {
    let (machine, phone) = alice();
    let drive = login("alice").answer(phone.code());
    hold_calls("right_calls", &machine, drive, code::SUCCESS);
}

#[test]
fn a_wrong_code_makes_as_many_calls_as_it_did() {
    let (machine, phone) = alice();
    let drive = login("alice").answer(phone.wrong_code());
    hold_calls("wrong_calls", &machine, drive, code::MAXTRIES);
}

/// Without instructions for SHA-1 and SHA-256 a processor needs several times as many for each code and recovery code:
/// there, the figure says nothing.
#[test]
fn a_right_code_takes_as_many_instructions_as_it_did() {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap();
    if !processor.split_whitespace().any(|flag| flag == "sha_ni") {
        eprintln!("instructions are not compared: this processor has none for SHA");
        return;
    }
    let (_machine, phone) = alice();
    // Step by step a login may last longer than a code is right; that of the next interval is for another one.
    let stepped = login("alice").answer(phone.code_after(1)).stepped();
    let report: serde_json::Value = serde_json::from_str(&stepped.run.ok().stdout).unwrap();
    assert_eq!(report["auth"], code::SUCCESS, "{report}");
    let windows = stepped.windows.iter();
    let own = windows.filter_map(|window| window.get("pam_twofactor.so"));
    hold("right_instructions", own.sum(), NEAR);
}

#[test]
fn a_figure_holds_only_near_the_committed_one() {
    for (committed, measured, near, holds) in [
        (1000, 1050, NEAR, true),
        (1000, 950, NEAR, true),
        (1000, 1051, NEAR, false),
        (1000, 949, NEAR, false),
        (40, 40, 0.0, true),
        (40, 41, 0.0, false),
        (40, 39, 0.0, false),
    ] {
        assert_eq!(is_near(committed, measured, near), holds, "{measured}");
    }
    let text = "# a = 1\na = 2\nab = 3\n";
    assert_eq!(figure(text, "a"), Some(2));
    assert_eq!(with_figure(text, "a", 5), "# a = 1\na = 5\nab = 3\n");
}

/// A user with a phone and ten recovery codes, and the delivered policy; a wrong code ends a login.
fn alice() -> (Machine, Totp) {
    let delivered = include_str!("../../crates/core/src/policy/default.toml");
    let (off, on) = ("\nenabled = false\n", "\nenabled = true\n");
    let (many, one) = ("\ntries = 3\n", "\ntries = 1\n");
    assert!(delivered.contains(off) && delivered.contains(many));
    let machine = machine(&delivered.replace(off, on).replace(many, one));
    let phone = enroll_phone(&machine, "alice");
    assert_eq!(add_recovery_codes("alice").len(), 10);
    settle_records();
    (machine, phone)
}

/// System calls about files of the product, and about the largest file that may be written. Those of libpam and the C
/// library are as many as their versions make.
fn hold_calls(name: &str, machine: &Machine, drive: Drive, result: i32) {
    let strace = ["strace", "-f", "-y", "-s", "0", "-o", "/run/trace"];
    assert_eq!(run(drive.through(&strace)).auth, result);
    let marks = ["/twofactor", "RLIMIT_FSIZE"];
    let is_own = |line: &&str| marks.iter().any(|mark| line.contains(mark));
    let trace = machine.read("/run/trace");
    hold(name, trace.lines().filter(is_own).count() as u64, 0.0);
}

/// Compares a figure with the committed one, or commits it.
fn hold(name: &str, measured: u64, near: f64) {
    let path = harness::workspace().join(BUDGET);
    let text = fs::read_to_string(&path).unwrap();
    if WRITE.is_some() {
        fs::write(path, with_figure(&text, name, measured)).unwrap();
        return;
    }
    let committed = figure(&text, name).unwrap_or_else(|| panic!("{BUDGET} has no {name}"));
    assert!(
        is_near(committed, measured, near),
        "{name}: {measured}, and {BUDGET} has {committed}. Where that is meant: make budget, and say why in the commit"
    );
}

fn is_near(committed: u64, measured: u64, near: f64) -> bool {
    committed.abs_diff(measured) as f64 <= committed as f64 * near
}

fn figure(text: &str, name: &str) -> Option<u64> {
    let start = format!("{name} = ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line?.parse().ok()
}

fn with_figure(text: &str, name: &str, value: u64) -> String {
    let start = format!("{name} = ");
    let line = |line: &str| {
        if line.starts_with(&start) {
            format!("{start}{value}\n")
        } else {
            format!("{line}\n")
        }
    };
    text.lines().map(line).collect()
}
