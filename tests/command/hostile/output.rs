//! The output that a terminal gets, and that programs get.

use harness::desk::{json, json_error, parse};
use harness::suggested::hostile;

use super::{NAMES, line, machine};

/// Output that only a terminal gets: QR codes with colours, help with bold letters, and lines that are for other
/// programs.
#[test]
fn a_terminal_gets_colours_and_no_other_sequence() {
    let machine = machine();
    for name in NAMES {
        let give = ["enroll", "--no-confirm", "--", name];
        machine.command(&give).ok();
        let mut seen = String::new();
        for words in [
            "enroll --device=b -- @",
            "show --qr=ascii -- @",
            "export uri --yes --user=@",
            "export users-oath --yes --user=@",
            "doctor",
            "status",
            "unset @ @",
            "--help",
        ] {
            let words = line(words, name);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut pty = machine.twofactor(&words).pty();
            // The end of the input answers every question.
            pty.send(b"\x04");
            seen += &pty.end().shown;
        }
        for colours in [
            "\x1b[30;47m",
            "\x1b[40m",
            "\x1b[47m",
            "\x1b[0m",
            "\x1b[1m",
            "\x1b[4m",
        ] {
            assert!(seen.contains(colours), "{colours:?}");
            seen = seen.replace(colours, "");
        }
        assert_eq!(hostile(&seen), None);
    }
}

/// Programs get what is: JSON holds the very names, and so do the lines of an export in a pipe.
#[test]
fn programs_read_the_very_names() {
    let machine = machine();
    for name in NAMES {
        let report = json(machine.command(&["enroll", "--json", "--no-confirm", "--", name]));
        assert_eq!(report["user"], name);
        let quoted = serde_json::to_string(name).unwrap();
        for words in [
            "status --json",
            "show --json -- @",
            "export uri --json --yes --user=@",
        ] {
            let words = line(words, name);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let run = machine.command(&words).ok();
            assert_eq!(hostile(&run.stdout), None, "{words:?}");
            assert!(
                parse(&run.stdout).to_string().contains(&quoted),
                "{words:?}"
            );
        }
        let failure = json_error(
            machine.command(&["show", "--json", "--device", name, "--", name]),
            1,
        );
        assert!(
            failure["message"].as_str().unwrap().starts_with(name),
            "{failure}"
        );
        let lines = machine
            .command(&["export", "users-oath", "--all", "--yes"])
            .stdout;
        let takes = !name.contains(char::is_whitespace);
        assert_eq!(lines.contains(&format!("\t{name}\t")), takes, "{lines}");
    }
}
