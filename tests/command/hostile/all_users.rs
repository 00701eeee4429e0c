//! Commands about all users at once, on a machine where each user has such a name.

use std::collections::BTreeSet;

use harness::suggested::{hostile, suggestions};

use super::{NAMES, line, machine, printed};

/// Commands that list users or look through all of them. Each begins with the policy off.
const OF_ALL: [&str; 16] = [
    "enable --force",
    "enable --force --json",
    "disable",
    "policy set enforcement mandatory --force",
    "policy set enforcement optional",
    "policy set enroll_at_login require --force",
    "setup --dry-run",
    "setup su --dry-run",
    "setup --undo",
    "status",
    "doctor",
    "doctor --users",
    "backup -",
    "init",
    "fleet status",
    "import google-authenticator --all --dry-run",
];

/// A command that names no user, and prints nothing of what a machine holds.
const OF_NO_USER: [&str; 1] = ["completions"];

#[test]
fn no_list_of_users_steers_a_terminal_or_a_shell() {
    let machine = machine();
    let passwd = machine.read("/etc/passwd");
    let users = passwd.lines().filter_map(|line| line.split(':').next());
    let services = std::fs::read_dir("/etc/pam.d").unwrap();
    let services = services.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let services: Vec<String> = services.collect();
    let names: Vec<&str> = users.chain(services.iter().map(String::as_str)).collect();
    let mut listed = BTreeSet::new();
    for enrolled in [false, true] {
        for name in NAMES.iter().filter(|_| enrolled) {
            machine
                .command(&["enroll", "--no-confirm", "--", name])
                .ok();
        }
        for words in OF_ALL {
            machine.policy("enabled = false\n");
            if words != "enable --force" {
                machine.command(&["enable", "--force", "--yes"]).ok();
            }
            let (text, _) = printed(&machine, &line(&format!("--yes {words}"), ""), "");
            assert_ne!(text.trim(), "", "{words}");
            if !words.ends_with("--json") {
                suggestions(&machine, &text, &names);
            }
            // The harmless end of the longest name.
            if text.contains("b&c>x") {
                listed.insert(words);
            }
        }
    }
    machine.policy("enabled = false\n");
    let edit = machine.twofactor(&["policy", "edit", "--yes"]);
    let edited = edit.env("EDITOR", "sed -i s/false/true/").run();
    let text = edited.stdout + &edited.stderr;
    assert!(text.contains("b&c>x") && hostile(&text).is_none(), "{text}");
    for words in ["enable --force", "disable", "status", "doctor --users"] {
        assert!(listed.contains(words), "{words}: {listed:?}");
    }
    assert!(!std::path::Path::new("/tmp/x").exists());
}

/// So that no command is left out which is added later.
#[test]
fn every_command_is_run_with_such_names() {
    let run: Vec<&str> = [
        &OF_ALL[..],
        &OF_NO_USER,
        &super::others::OTHERS,
        &super::users::LIFE.map(|(words, _)| words),
        &super::users::CONTRADICTED,
    ]
    .concat();
    let first = |words: &str| words.split(' ').next().map(str::to_owned);
    let run: BTreeSet<String> = run.into_iter().filter_map(first).collect();
    for command in crate::listed_commands() {
        assert!(run.contains(&command), "{command}");
    }
}
