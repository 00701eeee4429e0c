//! The examples of docs/automation.md: the playbook by Ansible, and the figures by promtool, as `make test-system` unpacks both.

use std::path::PathBuf;
use std::time::Duration;

use harness::{Machine, Run};

use super::clean::*;

const INVITATIONS: &str = "/root/invitations";

/// The files that `scripts/unpack` has unpacked.
fn unpacked(name: &str) -> PathBuf {
    let system = harness::artefacts::target().join("system");
    let directory = system.join(name).join("root");
    assert!(directory.exists(), "run `make test-system`, which makes it");
    directory
}

/// A clean root with Python and Ansible, of which dpkg knows nothing.
fn controller() -> Machine {
    let machine = clean_root();
    let from = unpacked("ansible").join(".").display().to_string();
    machine.run("cp", &["-a", &from, "/"]).ok();
    machine.add_user("bob");
    machine.write_file(
        "/root/inventory",
        "[twofactor]\nlocalhost ansible_connection=local\n",
        0o644,
    );
    machine
}

fn playbook(machine: &Machine, arguments: &[&str]) -> Run {
    let file = harness::workspace().join("docs/automation/ansible/twofactor.yml");
    let package = format!("twofactor_package={}", package().display());
    let invitations = format!("twofactor_invitations={INVITATIONS}");
    machine
        .program("ansible-playbook")
        .args(&["-i", "/root/inventory", "-e", &package, "-e", &invitations])
        .args(&[
            "-e",
            "{\"twofactor_invited\": [\"alice\"], \"twofactor_accepted_problems\": [\"clock\"]}",
        ])
        .args(arguments)
        .arg(file.display().to_string())
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .limit(Duration::from_secs(300))
        .run()
}

/// The number after a word in the last line of Ansible's report.
fn recap(run: &Run, word: &str) -> u32 {
    let line = run.stdout.lines().rfind(|line| line.contains("changed="));
    let line = line.unwrap_or_else(|| panic!("{run:?}"));
    let cells = line.split_whitespace();
    let found = cells
        .filter_map(|cell| cell.split_once('='))
        .find(|(key, _)| *key == word);
    found.unwrap().1.parse().unwrap()
}

#[test]
fn the_playbook_changes_nothing_the_second_time() {
    let machine = controller();
    let first = playbook(&machine, &[]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(recap(&first, "changed") >= 4, "{}", first.stdout);
    assert!(module_file().exists());
    assert_eq!(naming(), ["sshd", "sudo", "sudo-i"]);
    let policy = machine.read(POLICY);
    for setting in [
        "enabled = true",
        "enroll_at_login = \"offer\"",
        "enroll_needs_invite = true",
    ] {
        assert!(policy.contains(setting), "{setting} in {policy}");
    }
    let code = machine.read(format!("{INVITATIONS}/localhost-alice"));
    assert!(code.trim().len() >= 8, "{code:?}");
    let told = [
        &*first.stdout,
        &first.stderr,
        &machine.log_with("").join("\n"),
    ]
    .concat();
    assert!(!told.contains(code.trim()), "{told}");
    let record = machine.read(RECORD);
    let second = playbook(&machine, &[]);
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_eq!(
        (recap(&second, "changed"), recap(&second, "failed")),
        (0, 0),
        "{}",
        second.stdout
    );
    assert_eq!(machine.read(RECORD), record);
    assert_eq!(machine.read(POLICY), policy);
    // A change by hand is noticed, and taken back.
    machine
        .command(&["policy", "set", "enroll_needs_invite", "false", "--yes"])
        .ok();
    assert_eq!(recap(&playbook(&machine, &[]), "changed"), 1);
    assert_eq!(machine.read(POLICY), policy);
}

#[test]
fn promtool_accepts_the_figures() {
    let machine = clean_root();
    install(&machine, &package());
    machine
        .command(&["policy", "set", "enabled", "true", "--yes"])
        .ok();
    PackageToken::of(&machine, "alice");
    let promtool = unpacked("promtool").join("usr/bin/promtool");
    let check = |figures: String| {
        let check = machine.program(&promtool).args(&["check", "metrics"]);
        check.input(figures).run()
    };
    let figures = machine.command(&["status", "--prometheus"]).ok().stdout;
    let checked = check(figures.clone());
    assert_eq!(
        (checked.code, checked.stdout + &checked.stderr),
        (Some(0), String::new())
    );
    // It finds what it should.
    assert_ne!(check(figures.replace(" gauge", " gouge")).code, Some(0));
}
