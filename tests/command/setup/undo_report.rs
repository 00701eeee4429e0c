//! `setup --undo --json`: each file with its difference, and what became of sshd.

use std::path::Path;

use harness::desk::json;
use serde_json::{Value, json as value};

use super::{ARGUMENTS, DROP_IN, JOURNAL, NONE, changed, files, installed};

fn paths(report: &Value) -> Vec<&str> {
    let files = report["files"].as_array().unwrap().iter();
    files.map(|file| file["path"].as_str().unwrap()).collect()
}

#[test]
fn an_undo_reports_what_it_restores() {
    let (machine, _) = installed();
    let before = files();
    machine.command(&ARGUMENTS).ok();
    let undo = ["setup", "--undo", "--json"];
    let planned = json(machine.command(&[&undo[..], &["--dry-run"]].concat()));
    assert_eq!(
        (&planned["done"], &planned["sshd"]),
        (&value!(false), &Value::Null)
    );
    assert!(paths(&planned).contains(&DROP_IN), "{planned}");
    let diffs = planned["files"].as_array().unwrap().iter();
    for diff in diffs.map(|file| file["diff"].as_str().unwrap()) {
        assert!(diff.starts_with("--- ") && diff.contains("\n-"), "{diff}");
    }
    let policy = planned["policy"].as_str().unwrap();
    assert!(policy.contains("\n-enabled = true"), "{policy}");
    let made = json(machine.command(&[&undo[..], &["--yes"]].concat()));
    assert_eq!(
        (&made["done"], &made["forgotten"]),
        (&value!(true), &value!(false))
    );
    assert_eq!(paths(&made), paths(&planned));
    let sshd = made["sshd"].as_str().unwrap();
    assert!(["reloaded", "not_running"].contains(&sshd), "{sshd}");
    assert_eq!(changed(&before), NONE);
}

/// Its package was removed, or an administrator deleted it.
#[test]
fn a_file_that_is_gone_is_told_with_its_text() {
    let (machine, _) = installed();
    let original = machine.read("/etc/pam.d/sudo");
    let before = files();
    machine.command(&ARGUMENTS).ok();
    std::fs::remove_file("/etc/pam.d/sudo").unwrap();
    let planned = json(machine.command(&["setup", "--undo", "--dry-run", "--json"]));
    let missing = planned["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{planned}");
    assert_eq!(missing[0]["path"], "/etc/pam.d/sudo");
    let diff = missing[0]["diff"].as_str().unwrap();
    let kept: Vec<&str> = diff
        .lines()
        .filter_map(|line| line.strip_prefix('+'))
        .collect();
    assert_eq!(kept[1..].join("\n") + "\n", original);
    assert!(!paths(&planned).contains(&"/etc/pam.d/sudo"));
    let run = machine.command(&["setup", "--undo", "--yes"]).ok();
    let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("Note: /etc/pam.d/sudo is gone, and stays so. Before setup it was:"),
        "{text}"
    );
    assert!(
        text.ends_with("Gone, and left so: /etc/pam.d/sudo"),
        "{text}"
    );
    assert_eq!(changed(&before), [Path::new("/etc/pam.d/sudo")]);
}

#[test]
fn what_is_forgotten_is_reported_as_such() {
    let (machine, _) = installed();
    machine.command(&ARGUMENTS).ok();
    let set_up = files();
    let forgotten = json(machine.command(&["setup", "--undo", "--forget", "--yes", "--json"]));
    assert_eq!(
        forgotten,
        value!({"done": true, "forgotten": true, "files": [], "missing": [], "policy": "", "sshd": null})
    );
    assert_eq!(changed(&set_up), NONE);
    assert!(!Path::new(JOURNAL).exists());
}
