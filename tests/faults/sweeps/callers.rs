//! su and sudo run with the limits of their caller, from nothing upwards. The limits make a login fail, but no guess is judged
//! without being counted, nothing is told about a code that was not counted, and no file is damaged.

use std::fs;

use harness::logins;
use harness::pam::code;
use harness::{Machine, PASSWORD, Run};

use harness::enrolled::{
    Token, auth, enroll_token, record_path, settle_records, state_of, state_path,
};

/// Between two limits of memory, in KiB; `make faults` tries more of them.
const MEMORY: u64 = if cfg!(feature = "whole-sweeps") {
    100
} else {
    1500
};

/// A program with which carol, who has a device herself, authenticates.
#[derive(Clone, Copy)]
struct AuthCaller {
    command: &'static str,
    /// The user whose code it wants.
    user: &'static str,
}

const SU: AuthCaller = AuthCaller {
    command: "su alice -c 'echo let in'",
    user: "alice",
};
const SUDO: AuthCaller = AuthCaller {
    command: "sudo -k -S -p '' echo let in",
    user: "carol",
};

fn machine() -> Machine {
    let machine = logins::machine();
    let patient = "attempts = 1000\nmax_failures = 0\n";
    logins::policy(&machine, "tries = 1", patient);
    for user in ["alice", "carol", "dave"] {
        enroll_token(&machine, user);
    }
    settle_records();
    // su waits after a failure, a second by default.
    machine.write_file("/etc/login.defs", "FAIL_DELAY 0\n", 0o644);
    machine.allow_sudo("carol");
    let once = machine.read("/etc/sudoers") + "Defaults passwd_tries=1\n";
    machine.write_file("/etc/sudoers", once, 0o440);
    machine
}

fn limited(machine: &Machine, caller: AuthCaller, limit: &str, typed: &str) -> Run {
    let command = format!("ulimit {limit}; exec {}", caller.command);
    let shell = machine
        .program("bash")
        .args(&["-c", &command])
        .user("carol");
    shell.input(format!("{PASSWORD}\n{typed}\n")).run()
}

/// The output that a caller sees. How far a program comes before it is killed for the time it took differs each time,
/// but not what it says about a code.
fn told(mut run: Run) -> Run {
    if run.signal.is_some() {
        for question in ["Password: ", "Verification code: "] {
            run.stderr = run.stderr.replace(question, "");
        }
    }
    run
}

/// Number of guesses that the log says were judged.
fn judged(machine: &Machine) -> usize {
    let lines = machine.log_with("result=wrong").len();
    machine.forget_log();
    lines
}

/// Both files of a user.
fn kept(user: &str) -> [Vec<u8>; 2] {
    [record_path(user), state_path(user)].map(|path| fs::read(path).unwrap())
}

/// One limit: a wrong code and a right one, each from the same state. Returns whether the right one let in.
fn try_limit(machine: &Machine, caller: AuthCaller, limit: &str) -> bool {
    let token = Token::new(caller.user);
    let before = kept(caller.user);
    let wrong = limited(machine, caller, limit, &token.wrong());
    let counted = state_of(caller.user).failures;
    assert!(!wrong.stdout.contains("let in"), "{limit}: {wrong:?}");
    assert_eq!(judged(machine), counted as usize, "{limit}: {wrong:?}");
    assert!(counted <= 1, "{limit}");
    fs::write(state_path(caller.user), &before[1]).unwrap();
    let right = limited(machine, caller, limit, token.code_at(0));
    let used = state_of(caller.user).devices[0].next == 1;
    let is_in = right.stdout.contains("let in");
    assert!(!is_in || used, "{limit}: {right:?}");
    if counted == 0 && !used {
        same_answers(machine, caller, limit, (told(wrong), told(right)));
    }
    assert_eq!(kept(caller.user)[0], before[0], "{limit}");
    fs::write(state_path(caller.user), &before[1]).unwrap();
    machine.forget_log();
    is_in
}

/// Neither code was counted: the answers do not tell which it was. Where memory is just too small, a program
/// fails here or there by chance; then the same answers come with both codes.
fn same_answers(machine: &Machine, caller: AuthCaller, limit: &str, (wrong, right): (Run, Run)) {
    let token = Token::new(caller.user);
    let (mut of_wrong, mut of_right) = (vec![wrong], vec![right]);
    for _ in 0..30 {
        if of_wrong.iter().any(|run| of_right.contains(run)) {
            return;
        }
        of_wrong.push(told(limited(machine, caller, limit, &token.wrong())));
        of_right.push(told(limited(machine, caller, limit, token.code_at(0))));
    }
    panic!("{limit}: codes are told apart: {of_wrong:#?} {of_right:#?}");
}

/// All limits of a kind; sees that they begin too small for a login.
fn sweep(
    machine: &Machine,
    caller: AuthCaller,
    kind: &str,
    values: impl Iterator<Item = u64>,
) -> (usize, usize) {
    let let_in: Vec<bool> = values
        .map(|value| try_limit(machine, caller, &format!("{kind} {value}")))
        .collect();
    (let_in.len(), let_in.iter().filter(|is_in| **is_in).count())
}

fn all_limits(caller: AuthCaller) {
    let machine = machine();
    let others = ["dave"].map(kept);
    assert!(try_limit(&machine, caller, "-c unlimited"), "the control");
    let rows = [
        ("-f", sweep(&machine, caller, "-f", 0..4)),
        ("-n", sweep(&machine, caller, "-n", 0..20)),
        (
            "-v",
            sweep(
                &machine,
                caller,
                "-v",
                (0..36_000 / MEMORY).map(|step| step * MEMORY),
            ),
        ),
        ("-c", sweep(&machine, caller, "-c", 0..2)),
        ("-t", sweep(&machine, caller, "-t", 0..3)),
    ];
    for (kind, (tried, let_in)) in rows {
        println!(
            "{}: ulimit {kind}: {tried} limits, {let_in} of them large enough for a login; \
             0 guesses not counted, 0 told apart",
            caller.command.split(' ').next().unwrap()
        );
    }
    // Too small, and large enough: both ends were seen.
    for kind in [0, 1, 2] {
        let (_, (tried, let_in)) = rows[kind];
        assert!(let_in < tried, "{rows:?}");
    }
    assert!(rows[1].1.1 > 0 && rows[2].1.1 > 0, "{rows:?}");
    assert_eq!(["dave"].map(kept), others);
    for user in [caller.user, "dave"] {
        let login = harness::pam::Drive::installed().service("sshd").user(user);
        let typed = Token::new(user).code();
        assert_eq!(auth(login.answer(PASSWORD).answer(typed)), code::SUCCESS);
    }
}

#[test]
fn limits_of_the_caller_of_su_free_no_guess() {
    all_limits(SU);
}

#[test]
fn limits_of_the_caller_of_sudo_free_no_guess() {
    all_limits(SUDO);
}
