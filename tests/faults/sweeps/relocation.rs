//! `twofactor rename` and `adopt`, killed at each call that changes a file: exactly one name finds the record, and a right
//! code of that user works; other logins in between are asked or refused; the same command completes the move.

use std::cell::Cell;
use std::path::Path;

use harness::Machine;
use harness::fault::{Fault, Harm, Traced, Window};
use harness::pam::code;
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::OneTimeCode;
use twofactor_store::{FileFault, FoundBy};

use super::kept::open_store;
use super::logins::account;
use harness::enrolled::{
    IGNORED, Token, add_account, add_recovery_codes, enroll_token, login, machine, run, state_of,
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
    /// The user id of alice, under whose name it is kept before.
    old_uid: u32,
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
        old_uid: uid,
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
    let old_uid = account("alice").uid;
    machine.remove_user("alice");
    machine.add_user("anna");
    let case = Case {
        arguments: &["adopt", "anna", "--from", "alice", "--yes"],
        old_uid,
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
    let old_uid = account("alice").uid;
    machine.remove_user("alice");
    machine.add_user("alice");
    let case = Case {
        arguments: &["adopt", "alice", "--yes"],
        old_uid,
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
    let calls = |fault: Option<Fault>| {
        let number = if fault.is_some() { 1 } else { 4 };
        command(machine, case, token.code_at(number), fault)
    };
    let between = |what: &str| in_between(case, token, what);
    kill_at_changes(machine, (&whole, &calls), &between, &|| {
        moved(case, token, 5)
    });
}

/// The user of an invitation is refused where the record has the new name, and the index still the old one. Nothing tells that from a
/// record that is lost with its state.
#[test]
fn a_killed_rename_keeps_an_invitation() {
    let machine = machine("enabled = true\nenroll_at_login = \"offer\"\ntries = 1\n");
    let alice = add_account(&machine, "alice");
    let mut record = UserRecord::new(alice.name.clone(), alice.uid);
    record.invite = Some(OneTimeCode::generate(u64::MAX).unwrap().0);
    let store = open_store();
    let mut locked = store.lock_for_change(&alice).unwrap();
    locked.replace_record(&record, &[]).unwrap();
    drop(locked);
    machine.add_user_with_id("anna", alice.uid);
    machine.run("cp", &["-a", STATE, KEPT]).ok();
    let calls = |fault| {
        let program = machine.twofactor(&["rename", "alice", "anna", "--yes"]);
        program.traced(Window::Program(1), fault)
    };
    let whole = calls(None);
    assert_eq!(whole.run.code, Some(0), "{whole:?}");
    let is_invited = || {
        let holder = open_store().holder(&account("anna"));
        let holder = holder.map_err(|error| error.cause)?;
        Ok(holder.record.is_some_and(|record| record.invite.is_some()))
    };
    let refusals = Cell::new(0);
    let between = |what: &str| {
        let has_moved = Path::new(STATE).join("users/anna.toml").exists();
        let index = open_store().index().unwrap();
        let expected = if has_moved && index.iter().any(|(_, name)| name == "alice") {
            refusals.set(refusals.get() + 1);
            Err(FileFault::LostRecord)
        } else {
            Ok(true)
        };
        assert_eq!(is_invited(), expected, "{what}");
    };
    kill_at_changes(&machine, (&whole, &calls), &between, &|| {
        assert_eq!(is_invited(), Ok(true));
    });
    assert!(refusals.get() > 0);
}

/// Kills the command at each of its changes. `between` looks at what is left then, `moved` at the end of the same command.
fn kill_at_changes(
    machine: &Machine,
    (whole, command): (&Traced, &dyn Fn(Option<Fault>) -> Traced),
    between: &dyn Fn(&str),
    moved: &dyn Fn(),
) {
    let changes = whole.calls.iter().enumerate();
    let changes = changes.filter(|(_, call)| CHANGES.contains(&call.name().as_str()));
    let positions: Vec<usize> = changes.map(|(position, _)| position).collect();
    assert!(positions.len() > 8, "{positions:?}");
    let mut killed = 0;
    for position in positions {
        for harm in [Harm::KillBefore, Harm::KillAfter] {
            restore(machine);
            let fault = Some(Fault { position, harm });
            let traced = command(fault);
            if traced.struck.is_none() || traced.run.signal.is_none() {
                continue;
            }
            killed += 1;
            let what = format!("{} {harm:?}", whole.calls[position].name());
            between(&what);
            let again = command(None);
            let done =
                again.run.code == Some(0) || again.run.stderr.contains("there is nothing to move");
            assert!(done, "{what}: {again:?}");
            moved();
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

/// A login after the kill is asked for a code, or refused; the user who has the record gets in with a right one.
fn in_between(case: &Case, token: &Token, what: &str) {
    let records = ["alice", "anna"].map(|name| Path::new(STATE).join(format!("users/{name}.toml")));
    let there = records.iter().filter(|path| path.exists()).count();
    assert_eq!(there, 1, "{what}");
    let uid = account(case.new).uid;
    let begun = open_store()
        .index()
        .unwrap()
        .iter()
        .any(|entry| entry.0 == uid);
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
    let finder = finder(case, what);
    // The old user of an adoption is no account any more; the new one has the old name in one of them.
    let is_old = case.wants_code && !is_new(case);
    if !is_old {
        let outcome = run(login(finder).answer(token.code_at(2)));
        assert_eq!(outcome.auth, code::SUCCESS, "{what}: {finder}: {outcome:?}");
        let again = run(login(finder).answer(token.code_at(2)));
        assert_ne!(again.auth, code::SUCCESS, "{what}: {finder}: {again:?}");
    }
}

/// True if the record says the new uid.
fn is_new(case: &Case) -> bool {
    let store = open_store();
    let records = ["alice", "anna"].map(|name| store.record_named(name).unwrap());
    let uid = account(case.new).uid;
    records.iter().flatten().any(|record| record.uid == uid)
}

/// The one name that finds the record.
fn finder(case: &Case, what: &str) -> &'static str {
    let store = open_store();
    let old = Account {
        name: "alice".into(),
        uid: case.old_uid,
        gid: case.old_uid,
    };
    let found = [("alice", old), (case.new, account(case.new))].map(|(name, account)| {
        let holder = store.holder(&account).ok()?;
        holder.record.is_some().then_some((name, holder.found_by))
    });
    let found: Vec<_> = found.into_iter().flatten().collect();
    let by_name: Vec<_> = found
        .iter()
        .filter(|(_, by)| *by == FoundBy::Name)
        .collect();
    match (&by_name[..], &found[..]) {
        ([(name, _)], _) | ([], [(name, _)]) => name,
        _ => panic!("{what}: {found:?}"),
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
    let left: Vec<_> = [
        "users/alice.toml",
        "users/.alice.toml.new",
        "state/alice",
        "state/alice+",
    ]
    .into_iter()
    .filter(|file| case.new != "alice" && Path::new(STATE).join(file).exists())
    .collect();
    assert_eq!(left, [""; 0]);
}
