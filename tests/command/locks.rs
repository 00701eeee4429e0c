//! Things that wait for no lock: a command that is stopped, and users' locks, hold up neither the policy nor displays
//! nor `disable`.

use std::path::Path;

use harness::desk::{
    desk_on, give, give_phone, is_asked, json, json_error, parse, strings, terminal,
};
use harness::enrolled::record_path;
use harness::{Machine, Running};

use super::init::STATE;

const UNSEEN: &str = "another process holds the lock";

/// A process that holds the lock of the state directory, and does not move.
fn holder(machine: &Machine) -> Running {
    let flock = ["--exclusive", "--no-fork", STATE, "sleep", "600"];
    let running = machine.program("flock").args(&flock).start();
    while machine.run("flock", &["--nonblock", STATE, "true"]).code == Some(0) {}
    running
}

#[test]
fn r43_a_stopped_command_does_not_block_the_policy() {
    let machine = desk_on();
    give_phone(&machine, "root");
    let mut stopped = holder(&machine);
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
    let forced = ["enable", "--force", "--yes", "--json"];
    let warnings = strings(&json(machine.command(&forced))["warnings"]);
    assert!(
        warnings.iter().any(|warning| warning.contains(UNSEEN)),
        "{warnings:?}"
    );
    // What only switches off waits no longer than `disable`.
    let off = ["policy", "set", "services.sudo", "false", "--yes", "--json"];
    let warnings = strings(&json(machine.command(&off))["warnings"]);
    assert_eq!(warnings, [""; 0]);
    assert!(stopped.try_wait().is_none());
    stopped.kill();
}

/// Dangers cannot be judged while another may remove devices.
#[test]
fn r43_a_change_that_must_wait_names_the_way_out() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    give(&machine, "alice", &["--device", "tablet"]);
    let stopped = holder(&machine);
    let hash = parse(
        &machine
            .command(&["unset", "alice", "--dry-run", "--json"])
            .stdout,
    );
    let hash = hash["policy_hash"].as_str().unwrap();
    let page = ["unset", "alice", "--force", "--if-policy", hash];
    let forced =
        |call| format!("To remove it all the same, whatever that means for logins: {call}");
    let all = forced("twofactor unset --force alice");
    let calls = [
        (
            &["policy", "set", "window", "3"][..],
            "To change it while that process holds the lock: --force".to_owned(),
        ),
        (
            &["unset", "alice", "--device", "phone"],
            forced("twofactor unset --force alice --device phone"),
        ),
        (&["unset", "alice"], all.clone()),
        (&page, all),
    ];
    let started = calls.map(|(call, next)| {
        let running = machine.twofactor(call).args(&["--json", "--yes"]).start();
        (running, next)
    });
    for (mut running, way) in started {
        while running.try_wait().is_none() {}
        let run = running.kill();
        let error = json_error(run.clone(), 4);
        assert_eq!(error["kind"], "busy");
        let message = error["message"].as_str().unwrap();
        let pid = message.strip_prefix("process ").unwrap();
        let (pid, rest) = pid.split_once(" (sleep) is changing").unwrap();
        assert!(
            rest.ends_with("so the policy was not changed")
                || rest.ends_with("so nothing was removed")
        );
        assert_eq!(
            error["next"],
            format!("Try again. To see that process: ps -fp {pid}\n{way}")
        );
        assert!(!run.stderr.contains("Waiting"), "{run:?}");
    }
    assert!(record_path("alice").exists());
    machine
        .command(&["unset", "alice", "--force", "--yes"])
        .ok();
    assert!(!record_path("alice").exists());
    stopped.kill();
}

#[test]
fn a_wait_for_another_command_is_told() {
    let machine = desk_on();
    give_phone(&machine, "alice");
    for call in [
        &["unset", "alice", "--yes"][..],
        &["policy", "set", "window", "3", "--yes"],
    ] {
        let other = holder(&machine);
        let mut pty = terminal(&machine, call);
        pty.expect(" (sleep), at most 15 seconds ...");
        other.kill();
        assert_eq!(pty.end().code, Some(0));
    }
    assert!(!record_path("alice").exists());
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
