//! Changes of a record by the command, with every call about files and memory going wrong in turn: the old record or
//! the new one, never neither, and nothing that outlives the next change.

use std::fs;
use std::path::{Path, PathBuf};

use harness::fault::{Fault, Harm, Traced, Window};
use harness::otp::hotp;
use harness::pam::code;
use harness::{Machine, Program};
use twofactor_core::STATE_DIR;
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;

use super::kept::{KeptFiles, holder, open_store};
use super::logins::{account, all_files, in_turn, readable};
use super::table::{Column, TableRow, described, print, state_path, stride};
use harness::enrolled::{
    IGNORED, SECRET, add_account, add_recovery_codes, device, enroll_token, login, machine,
    record_path,
};

/// Version that is in force after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InForce {
    Old,
    New,
}

/// File that is imported.
const URIS: &str = "/run/uris";

/// A backup in which dave has one device.
const BACKUP: &str = "/run/backup";

/// A command that changes a record, and how to see that it did.
struct Change {
    arguments: &'static [&'static str],
    user: &'static str,
    is_new: fn(&Option<UserRecord>) -> bool,
}

const CHANGES: [Change; 6] = [
    Change {
        arguments: &["enroll", "bob", "--hotp", "--no-confirm", "--json", "--yes"],
        user: "bob",
        is_new: |record| {
            let devices = record.as_ref().map(|record| record.devices.len());
            let codes = record.as_ref().and_then(|record| record.recovery.as_ref());
            devices == Some(1) && codes.is_some_and(|set| set.hashes.len() == 10)
        },
    },
    Change {
        arguments: &["renew", "alice", "--no-confirm", "--json", "--yes"],
        user: "alice",
        is_new: |record| {
            record
                .as_ref()
                .is_some_and(|record| secret(record) != SECRET)
        },
    },
    Change {
        arguments: &["unset", "alice", "--json", "--yes"],
        user: "alice",
        is_new: Option::is_none,
    },
    Change {
        arguments: &["import", "uri", URIS, "--user", "bob", "--json", "--yes"],
        user: "bob",
        is_new: |record| {
            record
                .as_ref()
                .is_some_and(|record| secret(record) == SECRET)
        },
    },
    Change {
        arguments: &["recovery-codes", "alice", "--json", "--yes"],
        user: "alice",
        is_new: |record| {
            let is_as_before = record
                .as_ref()
                .is_some_and(|record| secret(record) == SECRET);
            let codes = record.as_ref().and_then(|record| record.recovery.as_ref());
            is_as_before && codes.is_some_and(|set| set.hashes.len() == 10)
        },
    },
    Change {
        arguments: &["restore", BACKUP, "--replace", "--json", "--yes"],
        user: "dave",
        is_new: |record| {
            record
                .as_ref()
                .is_some_and(|record| record.devices.len() == 1)
        },
    },
];

fn secret(record: &UserRecord) -> String {
    record.devices[0].secret.to_base32().to_string()
}

#[test]
fn a_fault_leaves_the_old_record_or_the_new_one() {
    let (machine, before) = swept();
    let rows = CHANGES
        .each_ref()
        .map(|change| sweep(&machine, change, &before));
    let all: usize = rows.iter().map(TableRow::struck).sum();
    print("state path of a change", &rows);
    assert!(all > 4000 / stride(131), "{all}");
}

fn swept() -> (Machine, CommandBefore) {
    let machine = machine("enabled = true\ntries = 1\n");
    enroll_token(&machine, "dave");
    machine.command(&["backup", "--output", BACKUP]).ok();
    let spare = [
        "enroll",
        "dave",
        "--device",
        "spare",
        "--no-confirm",
        "--json",
    ];
    machine.command(&spare).ok();
    enroll_token(&machine, "alice");
    add_recovery_codes("alice");
    enroll_token(&machine, "carol");
    add_account(&machine, "bob");
    machine.write_file("/run/codes", "", 0o600);
    let uri = format!("otpauth://hotp/bob?secret={SECRET}&counter=0\n");
    machine.write_file(URIS, uri, 0o600);
    let before = CommandBefore::look();
    (machine, before)
}

/// The calls that std makes by itself, and without which it panics: random numbers for its maps, and the end of a listing.
#[test]
fn no_failing_close_or_getrandom_panics() {
    let (machine, before) = swept();
    let harm = Harm::Error(libc::EIO);
    for change in &CHANGES {
        before.kept.restore();
        let whole = command(&machine, change).traced(Window::Program(1), None);
        let concerned = |position: &usize| {
            ["close", "getrandom"].contains(&whole.calls[*position].name().as_str())
        };
        let positions = (0..whole.calls.len()).filter(concerned);
        // `unset` closes several hundred files.
        for position in positions.step_by(if cfg!(feature = "whole-sweeps") { 1 } else { 3 }) {
            before.kept.restore();
            let fault = Fault { position, harm };
            let traced = command(&machine, change).traced(Window::Program(1), Some(fault));
            let what = described(&whole.calls, fault);
            assert_ne!(traced.run.code, Some(101), "{what}: {:?}", traced.run);
        }
    }
}

/// State before each change.
struct CommandBefore {
    kept: KeptFiles,
    all: Vec<PathBuf>,
}

impl CommandBefore {
    fn look() -> Self {
        Self {
            kept: KeptFiles::look(),
            all: all_files(),
        }
    }
}

fn command(machine: &Machine, change: &Change) -> Program {
    machine.twofactor(change.arguments)
}

fn sweep(machine: &Machine, change: &Change, before: &CommandBefore) -> TableRow {
    let mut row = TableRow::new(&format!("twofactor {}", change.arguments[..2].join(" ")));
    before.kept.restore();
    let whole = command(machine, change).traced(Window::Program(1), None);
    assert_eq!(whole.run.code, Some(0), "{whole:?}");
    assert_eq!(in_force(change, before), Ok(InForce::New));
    for (fault, call) in state_path(&whole.calls).iter().step_by(stride(131)) {
        before.kept.restore();
        let traced = command(machine, change).traced(Window::Program(1), Some(*fault));
        row.count(call, traced.struck);
        let what = described(&whole.calls, *fault);
        let is_killed = matches!(fault.harm, Harm::KillBefore | Harm::KillAfter);
        let mut found = |column, why: String| row.found(column, format!("{what}: {why}"));
        judge(machine, change, before, &traced, &mut found);
        if is_killed {
            repeated(machine, change, before, *fault, &mut found);
        }
        machine.forget_log();
    }
    before.kept.restore();
    row
}

fn judge(
    machine: &Machine,
    change: &Change,
    before: &CommandBefore,
    traced: &Traced,
    found: &mut dyn FnMut(Column, String),
) {
    let (code, signal) = (traced.run.code, traced.run.signal);
    // A program that fails before its main function may kill the command, as the loader and the runtime see fit.
    if code == Some(101) {
        found(Column::Stuck, format!("it panicked: {:?}", traced.run));
    }
    let now = match in_force(change, before) {
        Ok(now) => now,
        Err(why) => return found(Column::Lost, why),
    };
    if code == Some(0) && now == InForce::Old {
        found(Column::Lost, "it said that it was done".to_owned());
    }
    for name in ["users/carol.toml", "state/carol"] {
        let path = Path::new(STATE_DIR).join(name);
        if fs::read(&path).ok().as_deref() != before.kept.content(&path) {
            found(Column::Lost, format!("{name} is another one"));
        }
    }
    let account = account(change.user);
    // A command that lives cleans up after itself; a state without a record holds no secret.
    if signal.is_none() {
        strays(before, change, found);
    }
    if let Err(why) = works(machine, &account) {
        found(Column::Stuck, why);
    }
    match changed_again(&account) {
        Err(why) => found(Column::Stuck, format!("the next change: {why}")),
        Ok(()) => strays(before, change, found),
    }
}

fn strays(before: &CommandBefore, change: &Change, found: &mut dyn FnMut(Column, String)) {
    let own = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        let uid = account(change.user).uid;
        name == change.user
            || name == format!("{}.toml", change.user).as_str()
            || name == format!("+{uid}").as_str()
    };
    let is_new = |path: &PathBuf| !before.all.contains(path) && !own(path);
    let new: Vec<PathBuf> = all_files().into_iter().filter(is_new).collect();
    if !new.is_empty() {
        found(Column::Stray, format!("{new:?}"));
    }
}

/// A command that was killed is given again: it does its work where it had not, and its device works.
fn repeated(
    machine: &Machine,
    change: &Change,
    before: &CommandBefore,
    fault: Fault,
    found: &mut dyn FnMut(Column, String),
) {
    before.kept.restore();
    command(machine, change).traced(Window::Program(1), Some(fault));
    // The result it had to find is judged in each fault; here it may be the new record, which some commands refuse to
    // make again.
    let was = in_force(change, before);
    let again = command(machine, change).run();
    let is_done = again.code == Some(0) || (was == Ok(InForce::New) && again.code == Some(1));
    if !is_done || in_force(change, before) != Ok(InForce::New) {
        found(Column::Stuck, format!("given again: {again:?}"));
    }
    if let Err(why) = works(machine, &account(change.user)) {
        found(Column::Stuck, format!("given again: {why}"));
    }
}

/// The record that is in force; the reason why none is.
fn in_force(change: &Change, before: &CommandBefore) -> Result<InForce, String> {
    let account = account(change.user);
    let path = record_path(change.user);
    let record = holder(&account)?.record;
    if record.is_some() {
        readable(&account)?;
    }
    if fs::read(&path).ok().as_deref() == before.kept.content(&path) {
        return Ok(InForce::Old);
    }
    if (change.is_new)(&record) {
        Ok(InForce::New)
    } else {
        Err("neither the old record nor the new one".to_owned())
    }
}

/// Users with a device get in with its code, and users without one are not asked.
fn works(machine: &Machine, account: &Account) -> Result<(), String> {
    let (answer, expected) = match holder(account)?.record {
        None => ("000000".to_owned(), IGNORED),
        Some(record) => (hotp(&secret(&record), 0, 6), code::SUCCESS),
    };
    let results = in_turn(machine, login(&account.name), &[&answer]);
    match results[..] {
        [Some(result)] if result == expected => Ok(()),
        _ => Err(format!("a login: {results:?}")),
    }
}

/// One more change, of whatever is there.
pub(super) fn changed_again(account: &Account) -> Result<(), String> {
    let store = open_store();
    let mut locked = store
        .lock_for_change(account)
        .map_err(|error| error.to_string())?;
    let record = locked.record().map_err(|error| error.to_string())?;
    match record {
        Some(record) => locked.replace_record(&record, &[]),
        None => {
            let mut record = UserRecord::new(account.name.clone(), account.uid);
            let token = device("token", twofactor_core::device::OtpKind::Hotp);
            let entry = twofactor_core::state::DeviceState {
                id: token.id,
                next: 0,
                drift: 0,
                last_used: 0,
                committed: true,
            };
            record.devices.push(token);
            locked.replace_record(&record, &[entry])
        }
    }
    .map_err(|error| error.to_string())
}
