//! Completion in the shells: bash for real, zsh and fish by what their scripts name.

use std::process::Command;

fn script(shell: &str) -> String {
    let run = Command::new(harness::command())
        .args(["completions", shell])
        .output()
        .unwrap();
    assert!(run.status.success());
    String::from_utf8(run.stdout).unwrap()
}

/// Words that bash offers after these; Readline has split them at `=`.
fn offered(script: &str, words: &[&str]) -> Vec<String> {
    let run = Command::new("bash")
        .args(["--norc", "--noprofile", "-c"])
        .arg(format!(
            "{script}\nCOMP_WORDS=(twofactor \"$@\"); COMP_CWORD=$#; _twofactor; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        ))
        .arg("bash")
        .args(words)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(run.stderr).unwrap(), "");
    let found = String::from_utf8(run.stdout).unwrap();
    let found = found.lines().filter(|line| !line.is_empty());
    found.map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let script = script("bash");
    let cases: [(&[&str], &[&str]); 13] = [
        (&["en"], &["enroll", "enable"]),
        (&["policy", ""], &["show", "set", "edit", "check", "help"]),
        (&["import", "google-authenticator", "--re"], &["--replace"]),
        (&["enroll", "roo"], &["root"]),
        (&["enroll", "root", "--qr", "a"], &["auto", "ascii"]),
        (&["enroll", "root", "--qr", "=", "a"], &["auto", "ascii"]),
        (
            &["enroll", "root", "--qr", "="],
            &["auto", "utf8", "ascii", "none"],
        ),
        (&["--policy", "enroll", "sta"], &["status"]),
        (&["-y", "--json", "unlo"], &["unlock"]),
        (&["doctor", "--user", "roo"], &["root"]),
        (&["policy", "check", "/etc/passw"], &["/etc/passwd"]),
        (&["completions", ""], &["bash", "zsh", "fish"]),
        (&["help", "unl"], &["unlock"]),
    ];
    for (words, expected) in cases {
        let mut found = offered(&script, words);
        found.retain(|word| word != "/etc/passwd-");
        assert_eq!(found, expected, "{words:?}");
    }
    // The value of an option is text: nothing is offered, least of all files.
    assert_eq!(
        offered(&script, &["enroll", "root", "--device", ""]),
        [""; 0]
    );
    assert_eq!(offered(&script, &["resync", "root", ""]), [""; 0]);
    let services = offered(&script, &["enable", "--service", "su"]);
    assert!(services.contains(&"su".to_owned()), "{services:?}");
}

#[test]
fn every_shell_knows_every_subcommand_and_option() {
    let commands = crate::listed_commands();
    assert!(commands.len() > 15);
    for shell in ["bash", "zsh", "fish"] {
        let script = script(shell);
        let words: Vec<&str> = script
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .collect();
        for command in &commands {
            assert!(words.contains(&command.as_str()), "{shell}: {command}");
        }
        for option in [
            "recovery-file",
            "no-confirm",
            "dry-run",
            "output",
            "for",
            "policy",
        ] {
            let known = words
                .iter()
                .any(|word| word.trim_start_matches('-') == option);
            assert!(known, "{shell}: {option}");
        }
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
    assert_eq!(run(&["manual", "--json"]), (Some(0), false));
    assert_eq!(run(&["status"]), (Some(1), true));
}
