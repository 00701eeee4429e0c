//! Things that wait for no lock: a command that is stopped, and users' locks, hold up neither the policy nor displays
//! nor `disable`.

use std::path::Path;

use harness::desk::{desk_on, give, give_phone, is_asked};
use harness::enrolled::record_path;

use super::init::STATE;

#[test]
fn r43_a_stopped_command_does_not_block_the_policy() {
    let machine = desk_on();
    give_phone(&machine, "root");
    let mut stopped = machine
        .program("flock")
        .args(&["--exclusive", STATE, "sleep", "600"])
        .start();
    while machine.run("flock", &["--nonblock", STATE, "true"]).code == Some(0) {}
    for arguments in [
        &["disable", "--yes"][..],
        &["policy", "set", "window", "2", "--force", "--yes"],
        &["doctor"],
    ] {
        let run = machine.command(arguments);
        assert_ne!(run.code, Some(4), "{run:?}");
    }
    assert!(
        machine
            .read("/etc/security/twofactor.toml")
            .contains("window = 2")
    );
    assert!(!is_asked("root"));
    // Dangers cannot be judged while another may remove devices.
    let set = ["policy", "set", "window", "3", "--json", "--yes"];
    machine.command(&["enable", "--force", "--yes"]).ok();
    let refused = machine.command(&set);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stdout.contains("\"busy\""), "{refused:?}");
    assert!(stopped.try_wait().is_none());
    stopped.kill();
}

/// On a host of a fleet each of them may wait for the store.
#[test]
fn unset_waits_for_other_removals() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    let mut other = machine
        .program("flock")
        .args(&["--exclusive", STATE, "sleep", "2.5"])
        .start();
    while machine.run("flock", &["--nonblock", STATE, "true"]).code == Some(0) {}
    machine.command(&["unset", "alice", "--yes"]).ok();
    assert!(!record_path("alice").exists());
    while other.try_wait().is_none() {}
}

/// Locks of all users, held by a process that does not move.
#[test]
fn r43_displays_and_disable_wait_for_no_users_lock() {
    let machine = desk_on();
    for user in ["alice", "bob", "root"] {
        give(&machine, user, &[]);
    }
    let states = ["alice", "bob", "root"].map(|name| format!("{STATE}/state/{name}"));
    let line =
        "exec 7<$1 8<$2 9<$3; flock 7; flock 8; flock 9; echo held >/run/held; exec sleep 600";
    let arguments = [
        &["-c", line, "sh"][..],
        &states.each_ref().map(String::as_str),
    ]
    .concat();
    let stopped = machine.program("sh").args(&arguments).start();
    while !Path::new("/run/held").exists() {}
    for arguments in [
        &["status"][..],
        &["show", "alice"],
        &["export", "uri", "--all", "--yes"],
        &["doctor"],
        &["disable", "--yes"],
    ] {
        let strace = [
            "-f",
            "-qq",
            "-o",
            "/run/calls",
            "-e",
            "trace=flock,pwrite64,linkat",
        ];
        let strace = machine.program("strace").args(&strace);
        let run = strace.arg("/usr/local/bin/twofactor").args(arguments).run();
        assert_ne!(run.code, Some(4), "{run:?}");
        let calls = machine.read("/run/calls");
        let locks = calls.matches("flock(").count();
        // The one of the policy.
        assert_eq!(
            locks,
            usize::from(arguments[0] == "disable"),
            "{arguments:?}: {calls}"
        );
        assert!(!calls.contains("linkat("), "{calls}");
    }
    assert!(!is_asked("alice"));
    stopped.kill();
}

#[test]
fn disable_opens_no_file_of_a_user() {
    let machine = desk_on();
    give(&machine, "alice", &[]);
    let exempt = "\n[[exempt]]\ngroups = [\"staff\", \"none\"]\n[[exempt]]\nusers = [\"bob\"]\n";
    let policy = machine.read("/etc/security/twofactor.toml") + exempt;
    let strace = ["-f", "-qq", "-o", "/run/calls", "-e", "trace=openat,open"];
    for services in [&["--service", "sshd"][..], &[]] {
        machine.policy(&policy);
        let strace = machine.program("strace").args(&strace);
        let disable = strace.args(&["/usr/local/bin/twofactor", "disable", "--yes"]);
        let run = disable.args(services).run();
        assert!(run.stdout.contains("Asked for a code alice") || services.is_empty());
        run.ok();
        let calls = machine.read("/run/calls");
        // Nor the user database, which may not answer.
        let opened = [
            "alice.toml",
            "\"alice\"",
            "+1",
            "+6",
            "/etc/passwd",
            "/etc/group",
        ];
        assert!(!opened.iter().any(|name| calls.contains(name)), "{calls}");
        assert!(calls.contains("twofactor.toml"));
    }
}
