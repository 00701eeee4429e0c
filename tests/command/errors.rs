//! Exit codes, and errors that say what happened and what to do next.

use harness::desk::{desk, desk_on, give, json_error};
use harness::enrolled::{record_path, state_path};
use harness::snapshot::Snapshot;

use crate::subcommands;

#[test]
fn wrong_usage_is_exit_code_2_and_changes_nothing() {
    let machine = desk();
    let before = Snapshot::take();
    for wrong in [
        &[][..],
        &["nonsense"],
        &["bypass"],
        &["invite"],
        &["unlock"],
        &["rename"],
        &["adopt"],
        &["policy"],
        &["policy", "set"],
        &["policy", "set", "window"],
        &["enroll", "alice", "bob"],
        &["enroll", "alice", "--nonsense"],
        &["enroll", "alice", "--hotp", "--interval=60"],
        &["show", "alice", "--secret", "--uri"],
        &["status", "alice", "bob"],
    ] {
        let run = machine.command(wrong).exits(2);
        assert_eq!(run.stdout, "", "{wrong:?}");
        assert!(
            run.stderr.contains("Usage: twofactor"),
            "{wrong:?} {}",
            run.stderr
        );
    }
    assert_eq!(before.changed(), [""; 0]);
}

#[test]
fn callers_other_than_root_get_one_sentence() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let before = Snapshot::take();
    // Some commands are for users, too, through the daemon.
    let own = [
        "status",
        "verify",
        "enroll",
        "renew",
        "unset",
        "recovery-codes",
    ];
    let of_root = |command: &Vec<&str>| !own.contains(&command[0]);
    for command in subcommands("alice").into_iter().filter(of_root) {
        let run = machine
            .twofactor(&command)
            .arg("--yes")
            .user("alice")
            .run()
            .exits(1);
        let told = "twofactor: this command needs root; run it with sudo\n";
        assert_eq!(
            (run.stdout.as_str(), run.stderr.as_str()),
            ("", told),
            "{command:?}"
        );
    }
    assert_eq!(before.changed(), [""; 0]);
    let run = machine.twofactor(&["show", "--json"]).user("alice").run();
    let error = json_error(run, 1);
    assert_eq!(
        error["message"],
        "this command needs root; run it with sudo"
    );
    machine.twofactor(&["--help"]).user("alice").run().ok();
}

#[test]
fn unknown_users_and_users_without_a_device_are_named() {
    let machine = desk_on();
    for command in subcommands("nosuch")
        .into_iter()
        .filter(|command| command.contains(&"nosuch"))
    {
        let run = machine.twofactor(&command).arg("--yes").run().exits(1);
        let told = "twofactor: there is no user nosuch\nTo list the users: getent passwd\n";
        assert_eq!(
            (run.stdout.as_str(), run.stderr.as_str()),
            ("", told),
            "{command:?}"
        );
    }
    for command in subcommands("bob")
        .into_iter()
        .filter(|command| command.contains(&"bob"))
    {
        if ["enroll", "status"].contains(&command[0]) {
            continue;
        }
        let run = machine.twofactor(&command).arg("--yes").run().exits(1);
        let told = "twofactor: bob has no device\nTo enroll one: twofactor enroll bob\n";
        assert_eq!(
            (run.stdout.as_str(), run.stderr.as_str()),
            ("", told),
            "{command:?}"
        );
    }
    for name in ["", "../alice", "a\nb", "-", "*"] {
        let run = machine
            .command(&["enroll", "--no-confirm", "--", name])
            .exits(1);
        assert!(
            run.stderr.starts_with("twofactor: there is no user "),
            "{name:?} {}",
            run.stderr
        );
        assert_eq!(run.stderr.lines().count(), 2, "{name:?}");
    }
}

#[test]
fn every_error_is_json_too() {
    let machine = desk_on();
    for (arguments, code, next) in [
        (
            &["verify", "bob"][..],
            1,
            "To enroll one: twofactor enroll bob",
        ),
        (&["policy", "set", "window", "99"], 2, ""),
        (&["enable", "--service=sshd"], 1, "--force"),
        (&["policy", "check", "/nosuch"], 1, ""),
    ] {
        let run = machine
            .twofactor(arguments)
            .args(&["--json", "--yes"])
            .run();
        let stderr = run.stderr.clone();
        let error = json_error(run, code);
        let message = error["message"].as_str().unwrap();
        assert!(
            stderr.contains(&format!("twofactor: {message}\n")),
            "{stderr}"
        );
        assert!(
            error["next"].as_str().unwrap_or("").contains(next),
            "{error}"
        );
    }
}

#[test]
fn invalid_files_exit_with_3_and_name_the_remedy() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let (record, state) = (
        machine.read(record_path("alice")),
        std::fs::read(state_path("alice")).unwrap(),
    );
    let verify = || machine.command(&["verify", "alice"]).exits(3).stderr;
    machine.write_file(record_path("alice"), &record, 0o644);
    assert_eq!(
        verify(),
        "twofactor: /var/lib/twofactor/users/alice.toml: is accessible to others (mode 0644)\n\
         See who changed it; then: chmod go-rwx /var/lib/twofactor/users/alice.toml\n"
    );
    machine.write_file(
        record_path("alice"),
        record.replace("format = 1", "format = 9"),
        0o600,
    );
    assert!(verify().starts_with("twofactor: /var/lib/twofactor/users/alice.toml: "));
    machine.write_file(record_path("alice"), &record, 0o600);
    machine.write_file(state_path("alice"), &state[..100], 0o600);
    assert!(verify().ends_with("\nTo make a new one: twofactor unlock alice\n"));
    machine.write_file(state_path("alice"), &state, 0o600);
    machine.remove_user("alice");
    machine.add_user("alice");
    assert!(verify().ends_with("If not, to remove the old record: twofactor unset alice\n"));
    let status = machine.command(&["status"]).exits(3);
    assert!(
        status.stdout.contains("\nalice  ?        ?"),
        "{}",
        status.stdout
    );
    machine.command(&["unset", "alice", "--yes"]).ok();
    machine.command(&["status"]).ok();
    machine.run("chmod", &["755", "/var/lib/twofactor"]).ok();
    assert_eq!(
        machine.command(&["status"]).exits(3).stderr,
        "twofactor: /var/lib/twofactor: is accessible to others (mode 0755)\n\
         See who changed it; then: chmod go-rwx /var/lib/twofactor\n"
    );
}

#[test]
fn help_that_cannot_be_written_is_exit_code_4() {
    let machine = desk();
    for words in [
        "--help",
        "--version",
        "policy --help",
        "help status",
        "--version --json",
    ] {
        let line = format!("twofactor {words} >/dev/full");
        let full = machine.run("sh", &["-c", &line]).exits(4);
        assert!(
            full.stderr
                .starts_with("twofactor: input or output failed: "),
            "{words}: {}",
            full.stderr
        );
    }
}

#[test]
fn what_the_system_refuses_is_exit_code_4() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let full = machine
        .run("sh", &["-c", "twofactor status >/dev/full"])
        .exits(4);
    assert!(
        full.stderr
            .starts_with("twofactor: input or output failed: "),
        "{}",
        full.stderr
    );
    let before = Snapshot::take();
    for line in [
        "ulimit -f 0; twofactor enroll bob --no-confirm",
        "ulimit -f 0; twofactor policy set window 2 --yes",
    ] {
        // On a terminal: what the harness reads from programs without one are files, too.
        let run = machine.pty("sh", &["-c", line]).end();
        assert_eq!(run.code, Some(4), "{}", run.shown);
        assert!(
            run.shown.contains("\ntwofactor: /") && !run.shown.contains("Recovery codes"),
            "{}",
            run.shown
        );
    }
    assert_eq!(contents(&before.changed()), [""; 0], "nothing is half done");
}

/// The files among changed names; a directory changes when a temporary file was in it.
fn contents(changed: &[String]) -> Vec<String> {
    let files = changed
        .iter()
        .filter(|path| std::path::Path::new(path).is_file());
    files.cloned().collect()
}
