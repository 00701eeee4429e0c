//! Setups and undos that fail, are interrupted or killed, and files that were edited meanwhile.

use std::path::Path;

use harness::{Machine, Program, Run};

use super::{ARGUMENTS, JOURNAL, NONE, changed, files, installed, undo};

/// The command, to which something happens at the n-th file that gets its name.
fn disturbed(machine: &Machine, inject: &str, number: usize, arguments: &[&str]) -> Run {
    let strace: Program = machine.program("strace");
    let strace = strace.args(&["-f", "-qq", "-o", "/dev/null"]);
    let strace = strace.arg(format!("--inject=renameat:{inject}:when={number}"));
    strace.arg("/usr/local/bin/twofactor").args(arguments).run()
}

#[test]
fn a_setup_that_is_killed_is_put_right() {
    let (machine, _) = installed();
    let before = files();
    let mut killed = 0;
    for number in 1..20 {
        let run = disturbed(&machine, "signal=KILL", number, &ARGUMENTS);
        if run.code == Some(0) {
            break;
        }
        killed += 1;
        if number % 2 == 0 {
            // A second try begins by putting back.
            machine.command(&ARGUMENTS).ok();
            undo(&machine).ok();
        } else if Path::new(JOURNAL).exists() {
            undo(&machine).ok();
        }
        assert_eq!(changed(&before), NONE, "killed at {number}");
    }
    // The note, three PAM files, sshd's settings, the policy, and the note once more.
    assert_eq!(killed, 7);
}

#[test]
fn a_setup_that_fails_or_is_interrupted_puts_back() {
    let (machine, _) = installed();
    let before = files();
    for inject in ["error=ENOSPC", "signal=TERM"] {
        for number in 1..=7 {
            let run = disturbed(&machine, inject, number, &ARGUMENTS);
            if run.code == Some(0) {
                // The signal came after the last thing that could be taken back.
                assert_eq!((inject, number), ("signal=TERM", 7));
                undo(&machine).ok();
            } else {
                assert!(
                    matches!(run.code, Some(1 | 4)),
                    "{inject} {number}: {run:?}"
                );
            }
            assert_eq!(changed(&before), NONE, "{inject} {number}");
            assert!(!Path::new(JOURNAL).exists(), "{inject} {number}");
        }
    }
}

#[test]
fn an_undo_that_is_killed_is_completed() {
    let (machine, _) = installed();
    let before = files();
    for number in 1..=4 {
        machine.command(&ARGUMENTS).ok();
        disturbed(
            &machine,
            "signal=KILL",
            number,
            &["setup", "--undo", "--yes"],
        );
        undo(&machine).ok();
        assert_eq!(changed(&before), NONE, "killed at {number}");
    }
}

#[test]
fn a_file_that_was_edited_stays_as_it_is() {
    let (machine, _) = installed();
    machine.command(&ARGUMENTS).ok();
    let edited = machine.read("/etc/pam.d/sudo") + "# mine\n";
    machine.write_file("/etc/pam.d/sudo", &edited, 0o644);
    let set_up = files();
    let refused = undo(&machine).exits(1);
    assert!(refused.stdout.contains("+# mine\n"), "{}", refused.stdout);
    assert!(
        refused
            .stderr
            .contains("changed since setup wrote it: /etc/pam.d/sudo. Nothing was touched"),
        "{}",
        refused.stderr
    );
    assert_eq!(changed(&set_up), NONE);
    machine.write_file("/etc/pam.d/sudo", edited.replace("# mine\n", ""), 0o644);
    undo(&machine).ok();
}
