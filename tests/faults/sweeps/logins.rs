//! A login with each kind of code, with every call about files and memory going wrong in turn.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use harness::Machine;
use harness::fault::{Call, Fault, Harm, Traced};
use harness::otp::unix_time;
use harness::pam::{Drive, code};
use serde_json::Value;
use twofactor_core::STATE_DIR;
use twofactor_core::account::Account;
use twofactor_core::state::UserState;
use twofactor_store::FactorStore;

use super::stopped::CODE_OF_LAST_KEY;
use super::table::{Column, TableRow, described, print, state_path, stride};
use harness::enrolled::{
    IGNORED, add_account, add_recovery_codes, enroll_phone, enroll_token, login, machine,
    record_path, settle_records, state_path as state_file,
};

/// One answer in each login, and no lock-out in the way.
const POLICY: &str =
    "enabled = true\ntries = 1\n[throttle]\nattempts = 1000\nmax_failures = 0\ndelay = 0\n";

/// A code whose login is swept, and one that must work afterwards whatever happened.
struct Codes {
    swept: String,
    fresh: String,
}

/// A kind of code.
struct CodeKind<'a> {
    name: &'static str,
    user: &'static str,
    is_right: bool,
    codes: &'a dyn Fn() -> Codes,
    /// True if the use of the swept code is recorded.
    is_used: &'a dyn Fn(&UserState) -> bool,
}

#[test]
fn no_fault_in_a_login_lets_in_or_loses_anything() {
    let machine = machine(POLICY);
    let phone = enroll_phone(&machine, "alice");
    let recovery = add_recovery_codes("alice");
    let token = enroll_token(&machine, "carol");
    settle_records();
    // A step later is within the window; nothing has to wait for a step to begin.
    let cache = std::cell::RefCell::new(BTreeMap::new());
    let at_step = |wrong: bool| {
        let step = unix_time() / phone.interval;
        let mut cache = cache.borrow_mut();
        let codes = cache.entry((step, wrong)).or_insert_with(|| {
            let fresh = phone.code_after(1);
            if wrong {
                (phone.wrong_code(), fresh)
            } else {
                (phone.code(), fresh)
            }
        });
        let (swept, fresh) = codes.clone();
        Codes { swept, fresh }
    };
    let fixed = |swept: &str, fresh: &str| Codes {
        swept: swept.to_owned(),
        fresh: fresh.to_owned(),
    };
    let kinds = [
        CodeKind {
            name: "right code of a phone",
            user: "alice",
            is_right: true,
            codes: &|| at_step(false),
            is_used: &|state| state.devices[0].next > 0,
        },
        CodeKind {
            name: "wrong code",
            user: "alice",
            is_right: false,
            codes: &|| at_step(true),
            is_used: &|_| false,
        },
        CodeKind {
            name: "recovery code",
            user: "alice",
            is_right: true,
            codes: &|| fixed(&recovery[0], &recovery[1]),
            is_used: &|state| state.recovery.bits & 1 == 1,
        },
        CodeKind {
            name: "right code of a counting token",
            user: "carol",
            is_right: true,
            codes: &|| fixed(token.code_at(0), token.code_at(1)),
            is_used: &|state| state.devices[0].next > 0,
        },
    ];
    let rows: Vec<TableRow> = kinds.iter().map(|kind| sweep(&machine, kind)).collect();
    let all: usize = rows.iter().map(TableRow::struck).sum();
    print("state path of a login", &rows);
    assert!(all > 3000 / stride(23), "{all}");
}

/// A user without a record is not asked, so "no such file" is the one error that lets in when it is believed.
#[test]
fn one_enoent_makes_no_user_unenrolled() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    settle_records();
    let whole = alice.login().answer(alice.wrong()).traced(None);
    let harm = Harm::Error(libc::ENOENT);
    let mut struck = 0;
    for position in 0..whole.calls.len() {
        if !whole.calls[position].is_about_files_or_memory() {
            continue;
        }
        let traced = alice
            .login()
            .answer(alice.wrong())
            .traced(Some(Fault { position, harm }));
        struck += usize::from(traced.struck.is_some());
        let result = result(&traced);
        let call = whole.calls[position].name();
        assert_ne!(result, Some(IGNORED), "{call} at {position}");
        assert_ne!(result, Some(code::SUCCESS), "{call} at {position}");
    }
    assert!(struck > 80, "{struck}");
}

/// A host of a fleet, with a note of these users, whose records could not be put in place.
fn join_with_notes(machine: &Machine, noted: &[&str]) {
    let fleet = format!("{STATE_DIR}/fleet");
    let notes = format!("{fleet}/unmirrored");
    machine
        .run("install", &["-d", "-m", "0700", &fleet, &notes])
        .ok();
    machine.write_file(format!("{fleet}/host"), "", 0o600);
    for user in noted {
        machine.write_file(format!("{notes}/{user}"), "", 0o600);
    }
}

/// Strikes each of these calls of a login by "no such file", and tells the results.
fn without_a_file(
    of: &dyn Fn(Option<Fault>) -> Traced,
    is_struck: &dyn Fn(&Call) -> bool,
) -> Vec<Option<i32>> {
    let whole = of(None);
    let harm = Harm::Error(libc::ENOENT);
    let positions = (0..whole.calls.len()).filter(|at| is_struck(&whole.calls[*at]));
    let all = positions.map(|position| of(Some(Fault { position, harm })));
    all.filter(|traced| traced.struck.is_some())
        .map(|traced| result(&traced))
        .collect()
}

/// Not found once, the note of a user whose record could not be put in place is not gone; also where the policy has no fleet any more.
#[test]
fn one_enoent_hides_no_note() {
    let machine = machine(POLICY);
    add_account(&machine, "bob");
    join_with_notes(&machine, &["bob"]);
    for policy in [POLICY, &format!("{POLICY}[fleet]\nenabled = true\n")] {
        machine.policy(policy);
        let refused = result(&login("bob").traced(None));
        assert_eq!(refused, Some(code::AUTHINFO_UNAVAIL));
        let all = without_a_file(
            &|fault| login("bob").traced(fault),
            &Call::is_about_files_or_memory,
        );
        assert!(all.len() > 20, "{}", all.len());
        assert!(!all.contains(&Some(IGNORED)), "{all:?}");
    }
}

/// A device that this host alone knows would not be asked for on the others.
#[test]
fn one_enoent_stores_no_device_on_one_host_alone() {
    let machine = machine("enabled = true\nenroll_at_login = \"offer\"\n");
    add_account(&machine, "bob");
    join_with_notes(&machine, &[]);
    let enrolls = |fault| {
        let drive = login("bob").phases("auth,acct").answer("yes");
        let drive = drive.answer_shell(CODE_OF_LAST_KEY).answer("");
        let traced = drive.traced(fault);
        assert!(!record_path("bob").exists(), "{fault:?}");
        traced
    };
    let is_look = |call: &Call| call.name() == "newfstatat";
    let all = without_a_file(&enrolls, &is_look);
    assert!(all.len() > 5, "{}", all.len());
}

/// Content of the files before each fault.
struct LoginBefore {
    record: Vec<u8>,
    state: Vec<u8>,
    files: Vec<PathBuf>,
}

impl LoginBefore {
    fn of(user: &str) -> Self {
        Self {
            record: fs::read(record_path(user)).unwrap(),
            state: fs::read(state_file(user)).unwrap(),
            files: all_files(),
        }
    }
}

fn sweep(machine: &Machine, kind: &CodeKind<'_>) -> TableRow {
    let mut row = TableRow::new(kind.name);
    machine.write_file("/run/codes", "", 0o600);
    let before = LoginBefore::of(kind.user);
    let whole = login(kind.user).answer((kind.codes)().swept).traced(None);
    let expected = if kind.is_right {
        code::SUCCESS
    } else {
        code::MAXTRIES
    };
    assert_eq!(result(&whole), Some(expected), "{whole:?}");
    assert_eq!(all_files(), before.files);
    let faults = state_path(&whole.calls);
    for (fault, call) in faults.iter().step_by(stride(23)) {
        fs::write(state_file(kind.user), &before.state).unwrap();
        let codes = (kind.codes)();
        let traced = login(kind.user).answer(&codes.swept).traced(Some(*fault));
        row.count(call, traced.struck);
        let what = described(&whole.calls, *fault);
        judge(
            machine,
            kind,
            &before,
            &codes,
            &traced,
            &mut |column, why| {
                row.found(column, format!("{what}: {why}"));
            },
        );
        machine.forget_log();
    }
    fs::write(state_file(kind.user), &before.state).unwrap();
    row
}

fn judge(
    machine: &Machine,
    kind: &CodeKind<'_>,
    before: &LoginBefore,
    codes: &Codes,
    traced: &Traced,
    found: &mut dyn FnMut(Column, String),
) {
    let result = result(traced);
    let died = traced
        .run
        .signal
        .is_some_and(|signal| signal != libc::SIGKILL);
    if died || traced.run.code.is_some_and(|code| code != 0) {
        found(
            Column::Stuck,
            format!("the application died: {:?}", traced.run),
        );
    }
    let account = account(kind.user);
    match readable(&account) {
        Err(why) => found(Column::Lost, why),
        Ok(state) => {
            if result == Some(code::SUCCESS) && !(kind.is_used)(&state) {
                found(Column::LetIn, "no use recorded".to_owned());
            }
            let told = traced.run.stdout.contains("Wrong code.");
            if told && state.failures == 0 {
                found(Column::LetIn, "a guess was not counted".to_owned());
            }
        }
    }
    if result == Some(IGNORED) || (!kind.is_right && result == Some(code::SUCCESS)) {
        found(Column::LetIn, format!("{result:?}"));
    }
    if fs::read(record_path(kind.user)).unwrap() != before.record {
        found(Column::Lost, "the record is another one".to_owned());
    }
    if all_files() != before.files {
        found(Column::Stray, format!("{:?}", all_files()));
    }
    // Once more, and again, and the next code.
    let answers = [&codes.swept, &codes.swept, &codes.fresh].map(String::as_str);
    let later = in_turn(machine, login(kind.user), &answers);
    let accepted = later[..2].iter().chain([&result]);
    let accepted = accepted.filter(|result| **result == Some(code::SUCCESS));
    if accepted.count() > usize::from(kind.is_right) {
        found(Column::LetIn, "a code worked twice".to_owned());
    }
    if later[2] != Some(code::SUCCESS) {
        found(Column::Stuck, format!("the next code: {later:?}"));
    }
}

/// Value that the authentication phase returned, `None` when the process did not live to tell.
pub fn result(traced: &Traced) -> Option<i32> {
    let report: Value = serde_json::from_str(&traced.run.stdout).ok()?;
    report["auth"].as_i64()?.try_into().ok()
}

/// The results of logins with these answers, one after the other.
pub fn in_turn(machine: &Machine, login: Drive, answers: &[&str]) -> Vec<Option<i32>> {
    machine.write_file("/run/codes", answers.join("\n"), 0o600);
    let rounds = login.answers_file("/run/codes").at_once(1, answers.len());
    let only = |results: &BTreeMap<String, u64>| results.keys().next()?.parse().ok();
    rounds.iter().map(|round| only(&round.results)).collect()
}

pub fn account(user: &str) -> Account {
    twofactor_store::sys::accounts::by_name(user)
        .unwrap()
        .unwrap()
}

/// The state, if it and the record can be used together.
pub fn readable(account: &Account) -> Result<UserState, String> {
    let store = FactorStore::open(Path::new(STATE_DIR), Path::new(twofactor_core::POLICY_FILE))
        .map_err(|error| error.to_string())?;
    let locked = store.lock(account).map_err(|error| error.to_string())?;
    match locked.record().map_err(|error| error.to_string())? {
        None => Err("there is no record".to_owned()),
        Some(_) => Ok(locked.state().clone()),
    }
}

/// The names of all files that were made in the machine. /run is its own, and below it lie the changes to all other
/// directories that are not of the real system.
pub fn all_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![PathBuf::from("/run")];
    let device = fs::metadata("/run").unwrap().dev();
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            // The kernel's own working directories of the overlays.
            let is_here = metadata.dev() == device && entry.file_name() != "work";
            if is_here && metadata.is_dir() {
                waiting.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}
