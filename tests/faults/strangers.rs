//! One field in su: the code is judged before the password, so that any user can have attempts at another one made, and stop them in
//! the middle.

use std::time::Duration;

use harness::enrolled::{
    SERVICE, add_account, add_stack, auth, enroll_token, set_state, state_path,
};
use harness::pam::code;
use harness::{Machine, Running, logins};

const POLICY: &str = "enabled = true\ntries = 1\n[throttle]\nattempts = 1000\nmax_failures = 0\n";

const ONE_FIELD: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so forward_pass\n\
    auth [success=1 default=bad] pam_unix.so use_first_pass nodelay\n\
    auth [default=die] pam_twofactor.so authfail\n\
    auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n";

/// su to alice by frank, who knows no password of hers, stopped after this call.
fn stranger(machine: &Machine, number: usize, call: &str) -> Running {
    let trace = format!("/run/trace.{number}");
    let inject = format!("inject={call}:signal=STOP");
    let su = [
        "-f", "-u", "frank", "-o", &trace, "-e", &inject, "su", "alice", "-c", "true",
    ];
    let mut su = machine
        .program("strace")
        .args(&su)
        .input(format!("guess{number}23456\n"))
        .start();
    let stopped = || {
        let trace = std::fs::read_to_string(&trace).unwrap_or_default();
        trace.contains("--- stopped by SIGSTOP ---")
    };
    for _ in 0..12_000 {
        if stopped() {
            return su;
        }
        assert!(su.try_wait().is_none(), "{}", machine.read(&trace));
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not stopped: {}", machine.read(&trace));
}

fn is_locked(machine: &Machine, file: &str) -> bool {
    machine.run("flock", &["-n", file, "true"]).code == Some(1)
}

#[test]
fn r43_strangers_who_stop_freeze_no_user() {
    let machine = logins::machine();
    machine.policy(POLICY);
    add_stack(&machine, SERVICE, "");
    machine.stack("su", ONE_FIELD);
    let alice = enroll_token(&machine, "alice");
    enroll_token(&machine, "dave");
    for user in ["bob", "carol", "frank"] {
        add_account(&machine, user);
    }
    set_state("dave", |state| state.failures = 3);
    let state = state_path("alice").display().to_string();
    // The first one holds the lock; each of the others holds the file that took the place of the last one.
    let mut strangers = vec![stranger(&machine, 1, "flock")];
    assert!(is_locked(&machine, &state));
    for number in 2..=4 {
        strangers.push(stranger(&machine, number, "linkat"));
    }
    for counter in 0..2 {
        let code = alice.code_at(counter);
        assert_eq!(auth(alice.login().answer(code)), code::SUCCESS);
        assert_eq!(auth(alice.login().answer(code)), code::MAXTRIES);
    }
    for command in [
        &["enroll", "bob", "--hotp", "--no-confirm", "--json", "--yes"][..],
        &["invite", "carol", "--yes"],
        &["unlock", "dave", "--yes"],
        &["disable", "--yes"],
    ] {
        machine.command(command).ok();
    }
    machine.policy(POLICY);
    assert_eq!(auth(alice.login().answer(alice.code_at(2))), code::SUCCESS);
    for mut stranger in strangers {
        assert!(stranger.try_wait().is_none(), "still stopped");
    }
}
