//! The destinations of output: into pipes without escape sequences, to terminals without colours, and to no reader.

use harness::Machine;
use harness::desk::{desk, desk_on, give, give_phone};

/// Every kind of command, each with what it writes to people; the user is alice, who has a device.
fn commands(machine: &Machine) -> Vec<Vec<String>> {
    let file = |name: &str| machine.scratch().join(name).display().to_string();
    let (png, sheet) = (file("code.png"), file("codes"));
    let commands: Vec<Vec<&str>> = vec![
        vec!["--help"],
        vec!["enroll", "--help"],
        vec!["status"],
        vec!["status", "alice"],
        vec!["show", "alice"],
        vec!["show", "alice", "--secret"],
        vec!["show", "alice", "--uri"],
        vec!["show", "alice", "--qr=utf8"],
        vec!["show", "alice", "--qr=ascii"],
        vec!["show", "alice", "--png", &png],
        vec!["enroll", "alice", "--device=b", "--no-confirm"],
        vec!["renew", "alice", "--device=b", "--no-confirm", "--qr=ascii"],
        vec!["recovery-codes", "alice", "--yes"],
        vec![
            "recovery-codes",
            "alice",
            "--yes",
            "--recovery-file",
            &sheet,
        ],
        vec!["bypass", "alice"],
        vec!["unlock", "alice"],
        vec!["policy", "show"],
        vec!["policy", "check"],
        vec!["policy", "set", "window", "2", "--yes"],
        vec!["disable", "--yes"],
        vec!["enable", "--yes"],
        vec!["unset", "alice", "--device=b", "--yes"],
    ];
    let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
    commands.into_iter().map(owned).collect()
}

/// Commands that end with an error for people.
const ERRORS: [&[&str]; 5] = [
    &["nonsense"],
    &["unlock"],
    &["show", "bob"],
    &["status", "no-such-user"],
    &["policy", "set", "window", "99"],
];

fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}

#[test]
fn nothing_in_a_pipe_has_escape_sequences() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    for command in commands(&machine) {
        let run = machine.command(&words(&command)).ok();
        assert!(!run.stdout.is_empty(), "{command:?}");
        assert!(!(run.stdout + &run.stderr).contains('\x1b'), "{command:?}");
    }
    for command in ERRORS {
        let run = machine.command(command);
        assert!(run.code != Some(0) && !run.stderr.is_empty());
        assert!(!(run.stdout + &run.stderr).contains('\x1b'), "{command:?}");
    }
}

#[test]
fn a_terminal_without_colours_gets_none() {
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let machine = desk_on();
        give_phone(&machine, "alice");
        let errors = ERRORS
            .iter()
            .map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        for command in commands(&machine).into_iter().chain(errors) {
            let program = machine.twofactor(&words(&command));
            let ended = program.env(name, value).pty().end();
            assert!(!ended.shown.is_empty(), "{command:?}");
            assert!(!ended.shown.contains('\x1b'), "{name} {command:?}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    give(&machine, "alice", &["--device=b"]);
    for mut command in commands(&machine) {
        match command[0].as_str() {
            "enroll" if command.len() > 2 => command[2] = "--device=c".to_owned(),
            "show" if command.len() > 2 => command.push("--device=b".to_owned()),
            _ => {}
        }
        // The reader is gone before the command starts.
        let quoted: Vec<String> = command.iter().map(|word| format!("'{word}'")).collect();
        let line = format!(
            "{{ sleep 0.2; twofactor {} 2>/tmp/err; echo $? >/tmp/code; }} | true; while [ ! -s /tmp/code ]; do sleep 0.02; done; \
             cat /tmp/err; cat /tmp/code; rm /tmp/code",
            quoted.join(" ")
        );
        let run = machine.run("sh", &["-c", &line]).ok();
        // Who has read enough of a help has got what was asked for.
        let expected = if command.iter().any(|word| word == "--help") {
            "0\n"
        } else {
            "141\n"
        };
        assert_eq!(run.stdout, expected, "{command:?}");
    }
    // A key that was not seen is not stored.
    let devices = machine.command(&["show", "alice"]).ok().stdout;
    assert!(!devices.contains("\nc "), "{devices}");
}

#[test]
fn columns_line_up_for_names_in_any_script() {
    let machine = desk_on();
    for (number, name) in ["李明", "jürgen", "b"].into_iter().enumerate() {
        let id = 3000 + number;
        let line = format!("{name}:x:{id}:{id}::/home:/bin/sh\n");
        let passwd = machine.read("/etc/passwd") + &line;
        machine.write_file("/etc/passwd", passwd, 0o644);
        give(&machine, name, &[]);
    }
    let status = machine.command(&["status"]).ok().stdout;
    for line in [
        "USER    DEVICES  RECOVERY CODES",
        "b       phone    10 ",
        "jürgen  phone    10 ",
        // Each of these takes two columns.
        "李明    phone    10 ",
    ] {
        assert!(status.contains(line), "{status}");
    }
}

#[test]
fn output_into_a_pipe_has_no_escape_sequences() {
    let machine = desk();
    for arguments in [
        &["enroll", "alice", "--no-confirm"][..],
        &[
            "enroll",
            "alice",
            "--no-confirm",
            "--qr=ascii",
            "--device=tablet",
        ],
        &["show", "alice", "--device=phone", "--qr=utf8"],
        &["status"],
        &["enable", "--yes"],
        &["--help"],
    ] {
        let run = machine.command(arguments).ok();
        assert!(!run.stdout.is_empty());
        assert!(
            !(run.stdout + &run.stderr).contains('\x1b'),
            "{arguments:?}"
        );
    }
    for wrong in [&["enroll"][..], &["enroll", "alice"], &["nonsense"]] {
        let run = machine.command(wrong);
        assert!(!(run.stdout + &run.stderr).contains('\x1b'), "{wrong:?}");
    }
}
