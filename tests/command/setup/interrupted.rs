//! Setups and undos that fail, are interrupted or killed, and files that were edited meanwhile.

use std::path::Path;

use harness::{Machine, Program, Run};

use super::{ARGUMENTS, JOURNAL, NONE, POLICY, changed, files, installed, setup, ssh, sshd, undo};

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
        for path in files().into_keys() {
            let name = path.file_name().unwrap().to_str().unwrap();
            // What looks for the lines of the module passes over copies, also over what a killed writer left.
            assert!(!name.starts_with('.') || name.ends_with('~'), "{name}");
        }
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
fn an_undo_that_gets_a_signal_ends_first() {
    let (machine, _) = installed();
    let before = files();
    for number in 1..=3 {
        machine.command(&ARGUMENTS).ok();
        let arguments = ["setup", "--undo", "--yes"];
        disturbed(&machine, "signal=TERM", number, &arguments).ok();
        assert_eq!(changed(&before), NONE, "a signal at {number}");
        assert!(!Path::new(JOURNAL).exists());
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

#[test]
fn a_second_setup_that_fails_is_put_back() {
    let (machine, _) = installed();
    let before = files();
    for inject in ["error=ENOSPC", "signal=TERM", "signal=KILL"] {
        setup(&machine, &["sshd", "--yes"]).ok();
        // What is changed between two setups is no reason to refuse, neither in the policy nor in the files of the first.
        machine
            .command(&["policy", "set", "services.login", "true", "--yes"])
            .ok();
        let sshd = machine.read("/etc/pam.d/sshd");
        let edited = format!("{sshd}# mine\n");
        machine.write_file("/etc/pam.d/sshd", &edited, 0o644);
        let first = files();
        let second = ["setup", "--user", "alice", "sudo", "--yes"];
        let run = disturbed(&machine, inject, 3, &second);
        if inject == "signal=KILL" {
            assert_ne!(changed(&first), NONE);
            let shown = machine.command(&["setup", "--undo", "--dry-run"]).ok();
            assert!(
                shown.stdout.contains("An earlier setup was interrupted"),
                "{}",
                shown.stdout
            );
            // Only that one is put back, before the first is found to be edited.
            undo(&machine).exits(1);
        } else {
            assert!(
                run.stderr.ends_with("Everything is as it was before.\n"),
                "{inject}: {run:?}"
            );
        }
        assert_eq!(changed(&first), NONE, "{inject}");
        machine.write_file("/etc/pam.d/sshd", sshd, 0o644);
        undo(&machine).ok();
        let left = changed(&before);
        assert_eq!(
            left,
            [Path::new("/etc/security/twofactor.toml")],
            "{inject}"
        );
        machine.policy(POLICY);
        assert_eq!(changed(&before), NONE, "{inject}");
    }
}

#[test]
fn a_stopped_setup_is_put_back_after_a_question() {
    let (machine, _) = installed();
    let before = files();
    disturbed(&machine, "signal=KILL", 4, &ARGUMENTS);
    let stopped = files();
    assert_ne!(changed(&before), NONE);
    for arguments in [
        &["setup", "--undo"][..],
        &["setup", "sudo", "--user", "alice"],
    ] {
        let refused = machine.command(arguments).exits(2);
        assert!(
            refused.stdout.contains("--- /etc/pam.d/sshd"),
            "{}",
            refused.stdout
        );
        assert_eq!(changed(&stopped), NONE, "{arguments:?}");
    }
    undo(&machine).ok();
    assert_eq!(changed(&before), NONE);
}

#[test]
fn an_undo_that_was_stopped_still_reloads_sshd() {
    let (machine, _) = installed();
    machine.command(&ARGUMENTS).ok();
    let server = sshd(&machine);
    // The drop-in is removed, and the first PAM file is not written any more.
    let undo_arguments = ["setup", "--undo", "--yes"];
    disturbed(&machine, "signal=KILL", 2, &undo_arguments);
    assert!(!Path::new(super::DROP_IN).exists());
    undo(&machine).ok();
    let mut client = ssh(&machine, "echo this is $(id -un)", 80);
    client.answer("password: ", harness::PASSWORD);
    client.expect("this is alice");
    drop(server);
}

#[test]
fn an_undo_with_an_invalid_policy_names_the_next_step() {
    let (machine, _) = installed();
    let before = files();
    machine.command(&ARGUMENTS).ok();
    machine.policy("enabled =");
    let refused = undo(&machine).exits(3);
    assert!(
        refused
            .stderr
            .contains("twofactor disable\nThen again: twofactor setup --undo"),
        "{}",
        refused.stderr
    );
    machine.command(&["disable", "--yes"]).ok();
    undo(&machine).ok();
    let left = changed(&before);
    assert!(
        left.iter().all(|path| path.starts_with("/etc/security")),
        "{left:?}"
    );
}

#[test]
fn two_setups_do_not_run_at_once() {
    let (machine, _) = installed();
    let mut first = machine
        .twofactor(&["setup", "sudo", "--user", "alice"])
        .pty_of(80, 24);
    first.expect("Make these changes? ");
    let before = files();
    for arguments in [&ARGUMENTS[..], &["setup", "--undo", "--yes"]] {
        let refused = machine.command(arguments).exits(1);
        assert!(
            refused.stderr.contains("another twofactor setup runs"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(changed(&before), NONE);
    drop(first);
}
