//! What a login costs, side by side with pam_google_authenticator and pam_oath: the same work, in turns, through real
//! libpam, on the disk of the build directory. Needs root; `make bench` takes care of that.
//!
//! `--report FILE` makes tables and picture anew from figures that were written earlier.
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

mod calls;
#[path = "../../tests/common/enrolled.rs"]
mod enrolled;
#[allow(dead_code, reason = "made for pamdrive, which needs more of it")]
#[path = "../../tests/harness/src/bin/pamdrive/libpam.rs"]
mod libpam;
mod login;
mod numbers;
mod picture;
mod process;
mod table;
mod users;
mod worker;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Machine, artefacts};
use pam_twofactor::device::Kind;
use serde_json::{Value, json};

use enrolled::add_account;
use world::{CROWD, Codes, FLOORS, PEERS, USER, WIDE_OATH, member};

/// How much is done.
struct Extent {
    /// Logins of each kind.
    rounds: usize,
    /// Logins for each number of enrolled users.
    growth: usize,
    /// How many are enrolled.
    users: &'static [usize],
    /// How many of them pam_oath is asked to carry.
    oath_users: usize,
    /// How many the command imports.
    imported: usize,
    /// Seconds of a crowd.
    seconds: usize,
    /// Sizes of a crowd.
    crowds: &'static [usize],
}

const SHORT: Extent = Extent {
    rounds: 3,
    growth: 3,
    users: &[1, 20],
    oath_users: 20,
    imported: 20,
    seconds: 1,
    crowds: &[4],
};

const USUAL: Extent = Extent {
    rounds: 400,
    growth: 60,
    users: &[1, 1_000, 10_000, 100_000],
    oath_users: 100_000,
    imported: 100_000,
    seconds: 10,
    crowds: &[8, 64],
};

const LONG: Extent = Extent {
    rounds: 2_000,
    users: &[1, 1_000, 10_000, 100_000, 1_000_000],
    ..USUAL
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--worker", what @ ..] = words.as_slice() {
        println!("{}", worker::run(what));
        return;
    }
    let given = |word: &str| words.contains(&word);
    let extent = match (given("--bench"), given("--long")) {
        (false, _) => SHORT,
        (true, false) => USUAL,
        (true, true) => LONG,
    };
    let (figures, files) = match words.as_slice() {
        ["--report", file, ..] => (
            serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap(),
            None,
        ),
        _ => measure(&extent),
    };
    let directory = artefacts::target().join(match given("--bench") {
        true => "bench",
        false => "bench/short",
    });
    std::fs::create_dir_all(&directory).unwrap();
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        println!("{}", path.display());
    };
    println!("{}", table::markdown(&figures));
    write("compare.json", format!("{figures:#}\n"));
    write("performance.svg", picture::draw(&figures));
    step("removing what was made");
    drop(files);
}

/// All figures, and the files that were made: removing them takes a while.
fn measure(extent: &Extent) -> (Value, Option<world::Files>) {
    // Inside the machine this process cannot see itself.
    let program = std::env::current_exe().unwrap();
    let machine = Machine::new();
    harness::module();
    let files = world::make(&machine);
    let account = add_account(&machine, USER);
    let work = |what: &[&str]| worker(&machine, &program, what);
    let rounds = extent.rounds.to_string();
    let disk = machine
        .run("findmnt", &["-no", "FSTYPE,SOURCE", "-T", world::ROOT])
        .ok()
        .stdout;

    step("logins of one user, in turns");
    world::enrol(&account, world::phone());
    world::write_oath(&world::oath_line(USER, world::phone()));
    let pristine = world::Pristine::remember();
    let kept = work(&["kept", &rounds]);
    let anew = work(&["anew", &rounds]);
    let load = work(&["load", &rounds]);
    let codes = Codes::ahead();
    let by_service = |measured: &dyn Fn(&str) -> Value| {
        let one = |service: &&str| {
            pristine.restore(service, &account);
            ((*service).to_owned(), measured(service))
        };
        PEERS
            .iter()
            .chain(&FLOORS[..1])
            .map(one)
            .collect::<serde_json::Map<_, _>>()
    };
    let calls = by_service(&|service| calls::count(&machine, &program, service, codes.now()));
    let memory = by_service(&|service| work(&["memory", service]));
    let size = |service: &&str| {
        let size = std::fs::metadata(world::module(service)).unwrap().len();
        ((*service).to_owned(), size)
    };
    let sizes: BTreeMap<String, u64> = PEERS.iter().map(size).collect();

    step("many enrolled users");
    let command = users::command(&machine, extent.imported);
    let names = users::services(
        &machine,
        &account,
        extent.users,
        extent.oath_users,
        extent.imported,
    );
    // What has not been written back yet would be flushed together with the logins.
    rustix::fs::sync();
    let growth = growth(extent, &names, &work);
    let crowds = crowds(&machine, extent, &work);
    let figures = json!({
        "disk": disk.split_whitespace().collect::<Vec<_>>().join(" "),
        "kept": kept, "anew": anew, "load": load, "calls": calls, "memory": memory, "bytes": sizes,
        "crowds": crowds, "command": command, "growth": growth, "users": extent.users,
    });
    (figures, Some(files))
}

/// Logins among few and many, of one module after the other: where a login of ours follows one in which pam_oath has
/// read and written megabytes, nothing of ours is in the caches of the processor any more.
fn growth(extent: &Extent, names: &[String], work: &dyn Fn(&[&str]) -> Value) -> Value {
    let rounds = extent.growth.to_string();
    let mut joined = serde_json::Map::new();
    for module in ["twofactor", "oath"] {
        let own = names.iter().filter(|name| name.starts_with(module));
        let what: Vec<&str> = ["growth", &rounds]
            .into_iter()
            .chain(own.map(String::as_str))
            .collect();
        let Value::Object(measured) = work(&what) else {
            panic!("no figures of {module}");
        };
        joined.extend(measured);
    }
    joined.into()
}

/// Each module with each size of a crowd. google-authenticator comes last: it makes and removes a hundred thousand
/// files, and for minutes after that it takes some file systems longer to make one.
fn crowds(machine: &Machine, extent: &Extent, work: &dyn Fn(&[&str]) -> Value) -> Value {
    let most = extent.crowds.iter().copied().max().unwrap_or(0).min(CROWD);
    let accounts: Vec<_> = (0..most)
        .map(|number| add_account(machine, &member(number)))
        .collect();
    let line = |number: usize| world::oath_line(&member(number), Kind::Hotp);
    let lines: String = (0..most).map(line).collect();
    let mut by_size = json!({});
    for service in ["twofactor", "oath", WIDE_OATH, "google"] {
        for size in extent.crowds.iter().map(usize::to_string) {
            step(&format!("{service}, {size} processes at once"));
            // Each crowd begins with the first code.
            let enrol = |account| world::enrol(account, Kind::Hotp);
            accounts.iter().for_each(enrol);
            world::write_oath(&lines);
            let seconds = extent.seconds.to_string();
            by_size[&size][service] = work(&["crowd", service, &size, &seconds]);
        }
    }
    by_size
}

fn worker(machine: &Machine, program: &Path, what: &[&str]) -> Value {
    let run = machine
        .program(PathBuf::from(program))
        .arg("--worker")
        .args(what);
    let run = run.limit(Duration::from_secs(600)).run().ok();
    serde_json::from_str(&run.stdout).unwrap()
}

fn step(what: &str) {
    eprintln!("bench: {what}");
}
