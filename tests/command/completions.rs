//! `completions`, and what is offered of the command line itself.

use std::process::Command;

/// The words that are offered after these, without their explanations.
fn offered(words: &[&str]) -> Vec<String> {
    let run = Command::new(harness::command())
        .args(["complete", "fish", "--"])
        .args(words)
        .output()
        .unwrap();
    assert!(run.status.success() && run.stderr.is_empty());
    let text = String::from_utf8(run.stdout).unwrap();
    let words = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next());
    words.map(str::to_owned).collect()
}

#[test]
fn every_subcommand_and_option_is_offered() {
    let commands = crate::listed_commands();
    assert!(commands.len() > 15);
    let offered = offered(&[""]);
    for command in &commands {
        assert!(offered.contains(command), "{command}: {offered:?}");
    }
    // The general help does not list what its own option does.
    let unlisted = offered.iter().filter(|it| !commands.contains(it));
    assert_eq!(unlisted.collect::<Vec<_>>(), ["help"]);
    for (subcommand, option) in [
        ("enroll", "--recovery-file"),
        ("renew", "--no-confirm"),
        ("setup", "--dry-run"),
        ("bypass", "--for"),
        ("status", "--policy"),
    ] {
        let offered = self::offered(&[subcommand, "--"]);
        assert!(offered.iter().any(|it| it == option), "{offered:?}");
    }
}

#[test]
fn scripts_are_printed_for_all_users() {
    // As the account `nobody`; a command that needs root refuses.
    let run = |arguments: &[&str]| {
        use std::os::unix::process::CommandExt as _;
        let copy = std::env::temp_dir().join(format!("twofactor-{}", std::process::id()));
        // Written by another process: a test beside this one that starts a program would keep it open for writing.
        let copied = Command::new("cp")
            .arg(harness::command())
            .arg(&copy)
            .status();
        assert!(copied.unwrap().success());
        let run = Command::new(&copy)
            .args(arguments)
            .uid(65534)
            .gid(65534)
            .output()
            .unwrap();
        std::fs::remove_file(&copy).unwrap();
        (run.status.code(), run.stdout.is_empty())
    };
    assert_eq!(run(&["completions", "bash"]), (Some(0), false));
    assert_eq!(run(&["completions", "fish", "--json"]), (Some(0), false));
    assert_eq!(run(&["doctor"]), (Some(1), true));
}
