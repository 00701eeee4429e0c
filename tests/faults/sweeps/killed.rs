//! su and sudo as their caller kills them, before and after each system call that they make: the user who runs
//! them can send SIGKILL at any moment.

use std::fs;

use harness::fault::{Fault, Harm, Window};
use harness::pam::{Drive, code};
use harness::{Machine, PASSWORD, Program};

use super::logins::{account, in_turn, readable};
use super::table::{Column, TableRow, described, print, stride};
use harness::enrolled::{Token, enroll_token, record_path, settle_records, state_path};
use harness::logins;

/// The program, its arguments, and whose code it asks for.
type KilledProgram = (&'static str, &'static [&'static str], &'static str);

const CALLERS: [KilledProgram; 2] = [
    ("su", &["alice", "-c", "echo let in"], "alice"),
    ("sudo", &["-k", "-S", "-p", "", "echo", "let in"], "carol"),
];

#[test]
fn no_kill_of_su_or_sudo_frees_a_guess_or_a_code() {
    let machine = logins::machine();
    let patient = "attempts = 1000\nmax_failures = 0\n";
    logins::policy(&machine, "tries = 1", patient);
    machine.write_file("/etc/login.defs", "FAIL_DELAY 0\n", 0o644);
    for user in ["alice", "carol", "dave"] {
        enroll_token(&machine, user);
    }
    settle_records();
    machine.allow_sudo("carol");
    let once = machine.read("/etc/sudoers") + "Defaults passwd_tries=1\n";
    machine.write_file("/etc/sudoers", once, 0o440);
    machine.write_file("/run/codes", "", 0o600);
    let mut rows = Vec::new();
    for caller in &CALLERS {
        for is_right in [false, true] {
            rows.push(sweep(&machine, caller, is_right));
        }
    }
    print("kills of su and sudo", &rows);
}

fn sweep(machine: &Machine, caller: &KilledProgram, is_right: bool) -> TableRow {
    let (name, arguments, user) = *caller;
    let token = Token::new(user);
    let typed = if is_right {
        token.code_at(0).to_owned()
    } else {
        token.wrong()
    };
    let program = || -> Program {
        // sudo closes every descriptor that there may be.
        let limited = machine.program("prlimit").args(&["--nofile=64", name]);
        let input = format!("{PASSWORD}\n{typed}\n");
        limited.args(arguments).user("carol").input(input)
    };
    let kind = if is_right { "right" } else { "wrong" };
    let mut row = TableRow::new(&format!("{name}: {kind} code"));
    let before = ["alice", "carol", "dave"].map(kept);
    let state = fs::read(state_path(user)).unwrap();
    // setpriv, prlimit, and then the program itself.
    let whole = program().traced(Window::Program(3), None);
    assert_eq!(whole.run.stdout.contains("let in"), is_right, "{whole:?}");
    let kills = (0..whole.calls.len()).flat_map(|position| {
        let kill = |harm| Fault { position, harm };
        [Harm::KillBefore, Harm::KillAfter].map(kill)
    });
    for fault in kills.step_by(stride(67)) {
        fs::write(state_path(user), &state).unwrap();
        machine.forget_log();
        let traced = program().traced(Window::Program(3), Some(fault));
        row.count(&whole.calls[fault.position], traced.struck);
        let what = described(&whole.calls, fault);
        let mut found = |column, why: &str| row.found(column, format!("{what}: {why}"));
        let (is_in, told) = (
            traced.run.stdout.contains("let in"),
            machine.log_with("result=wrong").len(),
        );
        match readable(&account(user)) {
            Err(why) => found(Column::Lost, &why),
            Ok(state) => {
                if is_in && state.devices[0].next == 0 {
                    found(Column::LetIn, "no use recorded");
                }
                if told > state.failures as usize {
                    found(Column::LetIn, "a guess was not counted");
                }
            }
        }
        if is_in && !is_right {
            found(Column::LetIn, "with a wrong code");
        }
        let own = ["alice", "carol", "dave"]
            .iter()
            .position(|name| *name == user);
        for (place, other) in ["alice", "carol", "dave"].into_iter().enumerate() {
            let now = kept(other);
            if now[0] != before[place][0] || (Some(place) != own && now != before[place]) {
                found(Column::Lost, &format!("the files of {other}"));
            }
        }
        let login = Drive::installed()
            .service("sshd")
            .user(user)
            .answer(PASSWORD);
        let answers = [typed.as_str(), typed.as_str(), token.code_at(1)];
        let later = in_turn(machine, login, &answers);
        let again = later[..2]
            .iter()
            .filter(|result| **result == Some(code::SUCCESS));
        if again.count() + usize::from(is_in) > usize::from(is_right) {
            found(Column::LetIn, "a code worked twice");
        }
        if later[2] != Some(code::SUCCESS) {
            found(Column::Stuck, &format!("{later:?}"));
        }
    }
    fs::write(state_path(user), &state).unwrap();
    row
}

/// Both files of a user.
fn kept(user: &str) -> [Vec<u8>; 2] {
    [record_path(user), state_path(user)].map(|path| fs::read(path).unwrap())
}
