//! `twofactor rename` and `adopt`, killed at each call that changes a file: one name at most finds the record, a login in
//! between is asked or refused, and the same command completes the move.

use std::path::Path;

use harness::Machine;
use harness::fault::{Fault, Harm, Traced, Window};
use harness::pam::code;

use super::logins::account;
use harness::enrolled::{
    IGNORED, Token, add_recovery_codes, enroll_token, login, machine, run, state_of,
};

const STATE: &str = "/var/lib/twofactor";
const KEPT: &str = "/run/kept";
/// Calls after which another process may see something else than before, or after which it lasts.
const CHANGES: [&str; 13] = [
    "write",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "fsync",
    "fdatasync",
];

/// One kind of move.
struct Case {
    arguments: &'static [&'static str],
    /// The user who logs in with the devices afterwards.
    new: &'static str,
    /// Another name that may try.
    other: Option<&'static str>,
    /// True if a code is asked for.
    wants_code: bool,
}

#[test]
fn r42_a_killed_rename_lets_no_user_in() {
    let machine = machine("enabled = true\nenroll_at_login = \"offer\"\ntries = 1\n");
    let token = enroll_token(&machine, "alice");
    assert_eq!(add_recovery_codes("alice").len(), 10);
    let uid = account("alice").uid;
    // The old name goes on as an alias.
    machine.add_user_with_id("anna", uid);
    let case = Case {
        arguments: &["rename", "alice", "anna", "--yes"],
        new: "anna",
        other: Some("alice"),
        wants_code: false,
    };
    sweep(&machine, &case, &token);
}

#[test]
fn r42_a_killed_adoption_lets_no_user_in() {
    let machine = machine("enabled = true\nenroll_at_login = \"offer\"\ntries = 1\n");
    let token = enroll_token(&machine, "alice");
    assert_eq!(add_recovery_codes("alice").len(), 10);
    machine.remove_user("alice");
    machine.add_user("anna");
    let case = Case {
        arguments: &["adopt", "anna", "--from", "alice", "--yes"],
        new: "anna",
        other: None,
        wants_code: true,
    };
    sweep(&machine, &case, &token);
}

#[test]
fn r42_a_killed_adoption_of_the_name_lets_no_user_in() {
    let machine = machine("enabled = true\nenroll_at_login = \"offer\"\ntries = 1\n");
    let token = enroll_token(&machine, "alice");
    assert_eq!(add_recovery_codes("alice").len(), 10);
    machine.remove_user("alice");
    machine.add_user("alice");
    let case = Case {
        arguments: &["adopt", "alice", "--yes"],
        new: "alice",
        other: None,
        wants_code: true,
    };
    sweep(&machine, &case, &token);
}

fn sweep(machine: &Machine, case: &Case, token: &Token) {
    machine.run("cp", &["-a", STATE, KEPT]).ok();
    let whole = command(machine, case, token.code_at(1), None);
    assert_eq!(whole.run.code, Some(0), "{whole:?}");
    moved(case, token, 2);
    let changes = whole.calls.iter().enumerate();
    let changes = changes.filter(|(_, call)| CHANGES.contains(&call.name().as_str()));
    let positions: Vec<usize> = changes.map(|(position, _)| position).collect();
    assert!(positions.len() > 8, "{positions:?}");
    let mut killed = 0;
    for position in positions {
        for harm in [Harm::KillBefore, Harm::KillAfter] {
            restore(machine);
            let fault = Some(Fault { position, harm });
            let traced = command(machine, case, token.code_at(1), fault);
            if traced.struck.is_none() || traced.run.signal.is_none() {
                continue;
            }
            killed += 1;
            let what = format!("{} {harm:?}", whole.calls[position].name());
            in_between(case, &what);
            let again = command(machine, case, token.code_at(2), None);
            let done =
                again.run.code == Some(0) || again.run.stderr.contains("there is nothing to move");
            assert!(done, "{what}: {again:?}");
            moved(case, token, 3);
            machine.forget_log();
        }
    }
    assert!(killed > 16, "{killed}");
}

fn restore(machine: &Machine) {
    for part in ["users", "state"] {
        machine.run("rm", &["-rf", &format!("{STATE}/{part}")]).ok();
        let kept = format!("{KEPT}/{part}");
        machine.run("cp", &["-a", &kept, STATE]).ok();
    }
}

fn command(machine: &Machine, case: &Case, code: &str, fault: Option<Fault>) -> Traced {
    let program = machine.twofactor(case.arguments);
    let program = if case.wants_code {
        program.input(format!("{code}\n"))
    } else {
        program
    };
    program.traced(Window::Program(1), fault)
}

/// A login after the kill is asked for a code, or refused.
fn in_between(case: &Case, what: &str) {
    let records = ["alice", "anna"].map(|name| Path::new(STATE).join(format!("users/{name}.toml")));
    let there = records.iter().filter(|path| path.exists()).count();
    assert_eq!(there, 1, "{what}");
    let uid = account(case.new).uid;
    let begun = std::fs::symlink_metadata(Path::new(STATE).join(format!("users/+{uid}"))).is_ok();
    for user in [Some(case.new), case.other].into_iter().flatten() {
        let outcome = run(login(user).answer("000000"));
        // Before its first step nothing tells that the devices of alice, with another uid, are those of anna.
        if !begun && case.wants_code && case.new != "alice" {
            assert_eq!(outcome.auth, IGNORED, "{what}: {user}: {outcome:?}");
            continue;
        }
        let expected = [code::AUTHINFO_UNAVAIL, code::MAXTRIES, code::AUTH_ERR];
        assert!(
            expected.contains(&outcome.auth),
            "{what}: {user}: {outcome:?}"
        );
    }
}

/// The new name is asked, by the same device, whose codes are used up as before.
fn moved(case: &Case, token: &Token, next: usize) {
    let outcome = run(login(case.new).answer(token.code_at(next)));
    assert_eq!(outcome.auth, code::SUCCESS, "{outcome:?}");
    let again = run(login(case.new).answer(token.code_at(next)));
    assert_ne!(again.auth, code::SUCCESS);
    assert_eq!(state_of(case.new).devices.len(), 1);
    if let Some(other) = case.other {
        // It is an alias of the new name now.
        let outcome = run(login(other).answer(token.code_at(next + 1)));
        assert_eq!(outcome.auth, code::SUCCESS, "{outcome:?}");
    }
    let left: Vec<_> = ["users/alice.toml", "users/.alice.toml.new", "state/alice"]
        .into_iter()
        .filter(|file| case.new != "alice" && Path::new(STATE).join(file).exists())
        .collect();
    assert_eq!(left, [""; 0]);
}
