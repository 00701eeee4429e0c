//! The daemon's figures: what a program that runs as the user waits for, beside the same login of root, and what is left
//! of it for users when another one does what it can against the daemon. On the disk of the build directory; needs root;
//! `make bench` takes care of that.
//!
//! The timed work runs in processes of the machine, whose numbers the daemon sees: this program again, with `--inside`.
//!
//! Without `--bench`, as `cargo test` runs it, everything is done a few times only, to prove that it works.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark: what fails must end it, and it measures time"
)]

mod caller;
mod flood;
mod kills;
mod refusals;
mod silent;
mod spread;
mod supervisor;
mod timed_login;

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::enrolled::{SERVICE, add_account, add_stack, enroll_token};
use harness::{Machine, Program, Running, artefacts, logins};
use twofactor_core::{POLICY_FILE, STATE_DIR};
use twofactor_store::{FactorStore, MarkDisagreement};

use caller::DaemonCaller;
use spread::FigureRow;

/// Amount of work.
struct WorkAmount {
    /// Refused logins of root and of the user.
    refusals: usize,
    /// Calls for the status.
    calls: usize,
    /// Calls while others hold connections.
    disturbed: usize,
    /// Users with 64 guesses each, at once.
    guessed: usize,
    /// Logins with su and sshd meanwhile, each.
    logins: usize,
    /// Times that the daemon is killed.
    kills: usize,
}

const SHORT: WorkAmount = WorkAmount {
    refusals: 3,
    calls: 20,
    disturbed: 20,
    guessed: 1,
    logins: 1,
    kills: 3,
};

const USUAL: WorkAmount = WorkAmount {
    refusals: 400,
    calls: 5_000,
    disturbed: 1_000,
    guessed: 10,
    logins: 20,
    kills: 20,
};

/// Codes are counted, and no lock-out comes in the way of a measurement.
const UNLIMITED: &str =
    "enabled = true\ntries = 1\n[throttle]\nattempts = 1000\nmax_failures = 1000000\ndelay = 0\n";
/// The limits as they are delivered.
const LIMITED: &str = "enabled = true\ntries = 1\n[throttle]\ndelay = 0\n";

/// This program in the machine.
const OWN_PROGRAM: &str = "/usr/local/sbin/bench-daemon";

/// The user who calls.
const USER: &str = "alice";

/// A user without a wrong code, for the login after the kills.
const FRESH_USER: &str = "bob";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--inside", "supervise"] => supervisor::run(),
        ["--inside", part, count] => inside(part, count.parse().unwrap()),
        words if words.contains(&"--bench") => measure(&USUAL, &parts(words)),
        _ => measure(&SHORT, &[]),
    }
}

/// The parts that are asked for; without any all of them.
fn parts<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let words = words.iter().copied();
    words.filter(|word| !word.starts_with("--")).collect()
}

/// Prints the rows of a part.
fn inside(part: &str, count: usize) {
    let caller = DaemonCaller::of(USER);
    let rows = match part {
        "memory" => silent::memory(),
        "refusals" => vec![refusals::compared(&caller, count)],
        "calls" => {
            let (connected, kept) = (caller.statuses(count), caller.kept_status(count));
            vec![FigureRow::round_trip(&connected, &kept)]
        }
        "silent" => silent::calls_meanwhile(&caller, count),
        "kills" => vec![kills::survived(&DaemonCaller::of(FRESH_USER), count)],
        _ => panic!("no such part: {part}"),
    };
    for row in rows {
        print!("{row}");
    }
}

fn measure(amount: &WorkAmount, parts: &[&str]) {
    let is_asked = |part: &str| parts.is_empty() || parts.contains(&part);
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let machine = logins::machine();
    machine.write_file(OWN_PROGRAM, own, 0o755);
    let _files = StateOnDisk::mount(&machine);
    add_stack(&machine, SERVICE, "");
    artefacts::daemon();
    for user in [USER, FRESH_USER] {
        enroll_token(&machine, user);
    }
    for user in silent::users() {
        add_account(&machine, &user);
    }
    let _daemon = supervised(&machine);
    println!("| figure | goal | measured | N | reached |\n|---|---|---|---|---|");
    machine.policy(UNLIMITED);
    for (part, count) in [
        ("memory", 1),
        ("refusals", amount.refusals),
        ("calls", amount.calls),
        ("silent", amount.disturbed),
    ] {
        if is_asked(part) {
            print_part(&machine, part, count);
        }
    }
    machine.policy(LIMITED);
    if is_asked("guesses") {
        step("guesses");
        print!("{}", flood::compared(&machine, amount.guessed));
        step("logins meanwhile");
        print!("{}", flood::logins_meanwhile(&machine, amount.logins));
    }
    if is_asked("kills") {
        print_part(&machine, "kills", amount.kills);
    }
}

fn print_part(machine: &Machine, part: &str, count: usize) {
    step(part);
    let program = own_program(machine, &[part, &count.to_string()]);
    let run = program.limit(Duration::from_secs(600)).run();
    print!("{}", run.ok().stdout);
}

fn own_program(machine: &Machine, words: &[&str]) -> Program {
    machine.program(OWN_PROGRAM).arg("--inside").args(words)
}

fn supervised(machine: &Machine) -> Running {
    let supervisor = own_program(machine, &["supervise"]).start();
    // A caller waits for nothing but the socket.
    while !DaemonCaller::of(USER).is_served() {
        std::thread::sleep(Duration::from_millis(5));
    }
    supervisor
}

/// A state directory on the disk of the build directory, since a flush to memory costs nothing. Removed at the end.
struct StateOnDisk(PathBuf);

impl StateOnDisk {
    fn mount(machine: &Machine) -> Self {
        let name = format!("bench-daemon-{}", std::process::id());
        let path = artefacts::target().join(name);
        std::fs::create_dir(&path).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&path, mode).unwrap();
        let files = Self(path);
        let bind = machine.program("mount").arg("--bind").arg(&files.0);
        bind.arg(STATE_DIR).run().ok();
        let (state, policy) = (Path::new(STATE_DIR), Path::new(POLICY_FILE));
        FactorStore::initialize(state, policy, MarkDisagreement::Settle).unwrap();
        files
    }
}

impl Drop for StateOnDisk {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn step(what: &str) {
    eprintln!("bench: {what}");
}
