//! The cost of a login, side by side with pam_google_authenticator and pam_oath: the same work, in turns, through real
//! libpam, in a process as sshd's is, on the disk of the build directory. Needs root; `make bench` takes care of that.
//!
//! `--report FILE` makes tables and picture anew from figures that were written earlier.
//!
//! Without `--bench`, as `cargo test` runs it, everything is done a few times only, to prove that it works.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark: what fails must end it, and it measures time"
)]

mod calls;
mod codes;
mod enrollment;
mod goals;
mod instructions;
mod numbers;
mod picture;
mod samples;
mod table;
mod users;
mod worker;
mod world;

use std::collections::BTreeMap;
use std::path::Path;

use harness::otp::fresh_code_margin;
use harness::{Machine, artefacts};
use serde_json::{Map, Value, json};
use twofactor_core::account::Account;
use twofactor_core::device::OtpKind;

use enrollment::{enroll, oath_line, write_oath};
use harness::enrolled::add_account;
use worker::{CodeChoice, Worker};
use world::{CROWD, FLOORS, PEERS, USER, WIDE_OATH, member};

/// Amount of work.
struct Extent {
    /// Logins of each kind.
    rounds: usize,
    /// Of which modules the instructions are counted, and how often.
    stepped: &'static [&'static str],
    runs: usize,
    /// For how many seconds a code must be shown when such a login begins: one instruction after the other, it lasts
    /// that long.
    margin: u64,
    /// Logins for each number of enrolled users.
    growth: usize,
    /// Numbers of users that are enrolled.
    users: &'static [usize],
    /// Number of them that pam_oath is asked to carry.
    oath_users: usize,
    /// Number that the command imports.
    imported: usize,
    /// Seconds of a crowd.
    seconds: usize,
    /// Sizes of a crowd.
    crowds: &'static [usize],
}

const SHORT: Extent = Extent {
    rounds: 3,
    // The least: a hundred thousand instructions take two seconds.
    stepped: &["oath"],
    runs: 1,
    margin: 0,
    growth: 3,
    users: &[1, 20],
    oath_users: 20,
    imported: 20,
    seconds: 1,
    crowds: &[4],
};

const USUAL: Extent = Extent {
    rounds: 400,
    stepped: &PEERS,
    runs: 2,
    margin: 20,
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
    let directory = artefacts::target().join(if given("--bench") {
        "bench"
    } else {
        "bench/short"
    });
    std::fs::create_dir_all(&directory).unwrap();
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        println!("{}", path.display());
    };
    println!("{}{}", goals::table(&figures), table::spread(&figures));
    write("compare.json", format!("{figures:#}\n"));
    write("performance.svg", picture::draw(&figures));
    step("removing what was made");
    drop(files);
}

/// All figures, and the files that were made: removing them takes a while.
fn measure(extent: &Extent) -> (Value, Option<world::BenchDirectory>) {
    let machine = Machine::new();
    harness::module();
    let files = world::make(&machine);
    let worker = Worker::build(&machine);
    let account = add_account(&machine, USER);
    let disk = machine
        .run("findmnt", &["-no", "FSTYPE,SOURCE", "-T", world::ROOT])
        .ok()
        .stdout;
    let mut figures = one_user(&machine, &worker, extent, &account);

    step("many enrolled users");
    let command = users::command(&machine, extent.imported);
    let names = users::services(
        &machine,
        &account,
        extent.users,
        extent.oath_users,
        extent.imported,
    );
    // Data that has not been written back yet would be flushed together with the logins.
    rustix::fs::sync();
    figures["growth"] = growth(&machine, &worker, extent, &names);
    figures["crowds"] = crowds(&machine, &worker, extent);
    figures["disk"] = disk.split_whitespace().collect::<Vec<_>>().join(" ").into();
    figures["command"] = command;
    figures["users"] = json!(extent.users);
    (figures, Some(files))
}

/// Logins of one user: times in turns, and what is counted one by one.
fn one_user(machine: &Machine, worker: &Worker, extent: &Extent, account: &Account) -> Value {
    step("logins of one user, in turns");
    enroll(machine, account, world::phone());
    write_oath(&oath_line(USER, world::phone()));
    let kept = worker.kept(extent.rounds, &codes::timed(machine));
    let anew = worker.anew(extent.rounds, &codes::timed(machine));
    let load = worker.load(extent.rounds, &codes::timed(machine));

    step("calls, instructions, memory");
    let by_service = |services: &[&str], measured: &dyn Fn(&Path, &str) -> Value| -> Value {
        let one = |service: &&str| {
            let codes = codes::timed(machine);
            ((*service).to_owned(), measured(&codes, service))
        };
        services.iter().map(one).collect::<Map<_, _>>().into()
    };
    let calls = |services: &[&str], answer| {
        by_service(services, &|codes, service| {
            calls::count(machine, worker, codes, service, answer)
        })
    };
    let with_floor = [&PEERS, &FLOORS[..1]].concat();
    let permit = instructions::count(machine, worker, &codes::timed(machine), "permit");
    let instructions = |_| {
        by_service(extent.stepped, &|codes, service| {
            fresh_code_margin(30, extent.margin);
            instructions::count(machine, worker, codes, service).beyond(&permit)
        })
    };
    let size = |service: &&str| {
        let size = std::fs::metadata(world::module(service)).unwrap().len();
        ((*service).to_owned(), size)
    };
    json!({
        "kept": kept, "anew": anew, "load": load,
        "calls": calls(&with_floor, CodeChoice::Right), "wrong_calls": calls(&PEERS, CodeChoice::Wrong),
        "instructions": (0..extent.runs).map(instructions).collect::<Vec<_>>(),
        "memory": by_service(&PEERS, &|codes, service| worker.memory(codes, service)),
        "bytes": PEERS.iter().map(size).collect::<BTreeMap<_, _>>(),
    })
}

/// Logins among few and many, of one module after the other: where a login of ours follows one in which pam_oath has
/// read and written megabytes, nothing of ours is in the caches of the processor any more.
fn growth(machine: &Machine, worker: &Worker, extent: &Extent, names: &[String]) -> Value {
    let codes = codes::counted(machine, 2 * extent.growth + 2);
    let mut joined = Map::new();
    for module in ["twofactor", "oath"] {
        let own = names.iter().filter(|name| name.starts_with(module));
        let own: Vec<&String> = own.collect();
        let Value::Object(measured) = worker.growth(extent.growth, &codes, &own, module) else {
            panic!("no figures of {module}");
        };
        joined.extend(measured);
    }
    joined.into()
}

/// Each module with each size of a crowd. google-authenticator comes last: it makes and removes a hundred thousand
/// files, and for minutes after that it takes some file systems longer to make one.
fn crowds(machine: &Machine, worker: &Worker, extent: &Extent) -> Value {
    let most = extent.crowds.iter().copied().max().unwrap_or(0).min(CROWD);
    let accounts: Vec<_> = (0..most)
        .map(|number| add_account(machine, &member(number)))
        .collect();
    let line = |number: usize| oath_line(&member(number), OtpKind::Hotp);
    let lines: String = (0..most).map(line).collect();
    let mut by_size = json!({});
    for service in ["twofactor", "oath", WIDE_OATH, "google"] {
        for &size in extent.crowds {
            step(&format!("{service}, {size} processes at once"));
            // Each crowd begins with the first code.
            let enroll_all = |account| enroll(machine, account, OtpKind::Hotp);
            accounts.iter().for_each(enroll_all);
            write_oath(&lines);
            let codes = codes::counted(machine, 8_000 * extent.seconds / size.max(4) + 100);
            by_size[size.to_string()][service] =
                worker.crowd(&codes, service, size, extent.seconds);
        }
    }
    by_size
}

fn step(what: &str) {
    eprintln!("bench: {what}");
}
