//! Terminals of 80 and of 40 columns: one screen of help, lines that end between words, and commands in one piece.

use harness::Machine;
use harness::desk::{desk, desk_on, give_phone};
use harness::screen::{COLUMNS, assert_fits};

/// A command's output on a terminal of so many columns, without styles.
fn shown(machine: &Machine, arguments: &[&str], columns: u16) -> String {
    let program = machine.twofactor(arguments).env("NO_COLOR", "1");
    let ended = program.pty_of(columns, 24).end();
    ended.shown.replace("\r\n", "\n")
}

/// The text without line ends and the spaces around them.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn the_help_is_one_screen() {
    let machine = desk_on();
    let help = shown(&machine, &["--help"], 80);
    assert_fits(&help, 80, &[]);
    // The prompt of the shell stands on the last line.
    assert_eq!(help.lines().count(), 23, "{help}");
    for heading in ["Devices", "Users", "Policy", "Diagnosis", "Migration"] {
        assert!(help.contains(&format!("\n{heading} ")), "{help}");
    }
    let narrow = shown(&machine, &["--help"], 40);
    assert_fits(&narrow, 40, &[]);
    assert!(narrow.contains("\nDevices\n  enroll "), "{narrow}");
}

#[test]
fn help_of_subcommands_breaks_no_command() {
    let machine = desk_on();
    for command in [
        "enroll", "init", "setup", "resync", "policy", "import", "verify",
    ] {
        let wide = machine.command(&[command, "--help"]).ok().stdout;
        let (_, examples) = wide.split_once("EXAMPLES\n").unwrap();
        let calls = examples.lines().filter_map(|line| line.strip_prefix("  "));
        let calls: Vec<&str> = calls.map(|call| call.split("  ").next().unwrap()).collect();
        assert!(!calls.is_empty(), "{wide}");
        for columns in COLUMNS {
            let help = shown(&machine, &[command, "--help"], columns);
            assert_fits(&help, columns, &["twofactor ", "oathtool ", "Usage: "]);
            for call in &calls {
                let line = format!("\n  {call}");
                assert!(help.contains(&line), "{columns}: {call} in\n{help}");
            }
            // Nothing is lost, and nothing is added.
            assert_eq!(words(&help).len(), words(&wide).len(), "{help}");
        }
    }
}

#[test]
fn reports_and_errors_break_between_words() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    for arguments in [
        &["status"][..],
        &["status", "alice"],
        &["doctor"],
        &["show", "bob"],
        &["policy", "set", "window", "99"],
        &["policy", "check"],
        &["status", "no-such-user"],
        &["unlock"],
        &["frobnicate"],
    ] {
        for columns in COLUMNS {
            let text = shown(&machine, arguments, columns);
            assert!(!text.is_empty(), "{arguments:?}");
            let whole = [
                "twofactor ",
                "(twofactor ",
                "auth [",
                "account [",
                "chmod ",
                "systemctl ",
            ];
            assert_fits(&text, columns, &whole);
        }
    }
    let error = shown(&machine, &["show", "bob"], 20);
    let piped = machine.command(&["show", "bob"]).exits(1).stderr;
    assert!(error.lines().count() > piped.lines().count(), "{error}");
    assert_eq!(words(&error), words(&piped));
    // The suggested command is in one piece.
    assert!(error.contains("\ntwofactor enroll bob\n"), "{error}");
}

#[test]
fn settings_are_shown_as_they_are() {
    let machine = desk();
    machine.policy("enabled = true\nprompt = \"The code that the app on the telephone shows: \"\n");
    let piped = machine.command(&["policy", "show"]).ok().stdout;
    assert!(piped.lines().any(|line| line.len() > 40), "{piped}");
    assert_eq!(shown(&machine, &["policy", "show"], 40), piped);
}
