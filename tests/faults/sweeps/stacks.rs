//! Every stack that is shipped, with every system call between pam_start and pam_end failing in turn: in libpam, in the
//! other modules, and in ours.

use std::fs;

use harness::fault::{Fault, Harm};
use harness::pam::{Drive, code};
use harness::{Machine, PASSWORD};

use super::logins::result;
use super::table::{Column, TableRow, described, print, stride};
use harness::enrolled::{Token, enroll_token, set_state, settle_records, state_path};
use harness::logins;

const ERRORS: [i32; 5] = [
    libc::EIO,
    libc::EMFILE,
    libc::ENOMEM,
    libc::EACCES,
    libc::ENOENT,
];

/// The stacks of `pam.d`, all of them.
fn shipped() -> Vec<String> {
    let directory = harness::workspace().join("pam.d");
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A login at a stack with the right password and this code.
fn login(stack: &str, caller: u32, typed: &str) -> Drive {
    // The fallback is that of services without a file.
    let service = if stack == "other" { "unlisted" } else { stack };
    let drive = Drive::installed().service(service).user("alice");
    match stack {
        // Its pam_exec closes every descriptor that there may be.
        "sshd-key-and-code" => drive
            .through(&["prlimit", "--nofile=64"])
            .pam_env("SSH_AUTH_INFO_0=publickey x")
            .answer(typed),
        "sshd-password-and-code-in-one-field" | "i3lock" | "swaylock" => {
            drive.answer(format!("{PASSWORD}{typed}"))
        }
        // Root is let in by pam_rootok.
        "su" | "sudo" | "sudo-i" => drive.real_uid(caller).answer(PASSWORD).answer(typed),
        _ => drive.answer(PASSWORD).answer(typed),
    }
}

/// In two parts, which can run at the same time.
#[test]
fn no_failing_call_lets_in_at_the_first_stacks() {
    let stacks = shipped();
    let (first, _) = stacks.split_at(stacks.len() / 2);
    at(first);
}

#[test]
fn no_failing_call_lets_in_at_the_other_stacks() {
    let stacks = shipped();
    assert!(stacks.len() >= 9, "{stacks:?}");
    let (_, others) = stacks.split_at(stacks.len() / 2);
    at(others);
}

fn at(stacks: &[String]) {
    let machine = logins::machine();
    let patient = "attempts = 1000\nmax_failures = 0\n";
    logins::policy(&machine, "tries = 1", patient);
    // libpam falls back to it when it cannot read the file of a service.
    machine.install_stack("other");
    let caller = machine.add_user("carol");
    let alice = enroll_token(&machine, "alice");
    settle_records();
    let mut rows = Vec::new();
    for stack in stacks {
        machine.install_stack(stack);
        rows.extend(sweep(&machine, stack, caller, &alice));
    }
    let all: usize = rows.iter().map(TableRow::struck).sum();
    print("all calls of a login, by stack and code", &rows);
    assert!(all >= 1000 / stride(83), "{all}");
}

fn sweep(machine: &Machine, stack: &str, caller: u32, alice: &Token) -> Vec<TableRow> {
    let login = |typed: &str| login(stack, caller, typed);
    // The control: with nothing failing the right code lets in.
    set_state("alice", |state| {
        state.devices[0].next = 0;
        state.refused = twofactor_core::state::RefusedAnswers::default();
    });
    let right = login(alice.code_at(0)).traced(None);
    assert_eq!(result(&right), Some(code::SUCCESS), "{stack}: {right:?}");
    let state = fs::read(state_path("alice")).unwrap();
    let wrong = alice.wrong();
    let mut rows = Vec::new();
    for (name, typed) in [("wrong", wrong.as_str()), ("used", alice.code_at(0))] {
        let mut row = TableRow::new(&format!("{stack}: {name} code"));
        // As before each fault: what a wrong code leaves in the state costs calls.
        fs::write(state_path("alice"), &state).unwrap();
        let whole = login(typed).traced(None);
        assert_ne!(result(&whole), Some(code::SUCCESS), "{stack}: {whole:?}");

        let faults = (0..whole.calls.len()).flat_map(|position| {
            ERRORS.map(|errno| Fault {
                position,
                harm: Harm::Error(errno),
            })
        });
        for fault in faults.step_by(stride(83)) {
            fs::write(state_path("alice"), &state).unwrap();
            let traced = login(typed).traced(Some(fault));
            row.count(&whole.calls[fault.position], traced.struck);
            if result(&traced) == Some(code::SUCCESS) {
                row.found(Column::LetIn, described(&whole.calls, fault));
            }
            machine.forget_log();
        }
        rows.push(row);
    }
    rows
}
