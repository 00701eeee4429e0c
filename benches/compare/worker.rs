//! The measurements that run in a process of their own, inside the machine: one thread, started anew for each.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::libpam::SUCCESS;
use crate::login::{Place, Times};
use crate::numbers::summary;
use crate::process::{self, fork, load};
use crate::world::{
    Codes, FLOORS, PEERS, Pristine, USER, addition, counted, member, module, stacks,
};
use pam_twofactor::sys::accounts;

/// Runs what the command line of a worker says; returns what it prints.
pub fn run(arguments: &[&str]) -> Value {
    let number = |text: &str| text.parse::<usize>().unwrap();
    match arguments {
        ["kept", rounds] => kept(number(rounds)),
        ["anew", rounds] => anew(number(rounds)),
        ["growth", rounds, services @ ..] => growth(number(rounds), services),
        ["crowd", service, processes, seconds] => {
            crowd(service, number(processes), number(seconds))
        }
        ["load", rounds] => load_times(number(rounds)),
        ["memory", service] => memory(service),
        ["once", service, code] => json!(Place::new(&stacks(), USER).is_let_in(service, code)),
        other => panic!("no measurement {other:?}"),
    }
}

/// Samples by service.
type Samples = BTreeMap<String, Vec<Times>>;

/// Runs `measure` for each service, in turns, in an order that changes; the first rounds do not count.
///
/// The order is another one in each round, and the same in each run: a service that always came after the same other one
/// would be measured with what that one left in the caches of the processor.
fn in_turns(
    rounds: usize,
    services: &[&str],
    mut measure: impl FnMut(&str, usize) -> Times,
) -> Samples {
    let warm_up = rounds.div_ceil(20);
    let mut samples = Samples::new();
    let mut order = services.to_vec();
    let mut draw = fastrand::Rng::with_seed(0);
    for round in 0..warm_up + rounds {
        draw.shuffle(&mut order);
        for service in &order {
            let times = measure(service, round);
            if round >= warm_up {
                samples
                    .entry((*service).to_owned())
                    .or_default()
                    .push(times);
            }
        }
    }
    samples
}

fn summaries(samples: &Samples, part: fn(&Times) -> u64) -> Value {
    let one = |(service, times): (&String, &Vec<Times>)| {
        (service.clone(), summary(times.iter().map(part).collect()))
    };
    samples
        .iter()
        .map(one)
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// pam_authenticate alone, in a process that has loaded every module and keeps it: with a right and with a wrong code.
fn kept(rounds: usize) -> Value {
    PEERS
        .iter()
        .chain(&FLOORS)
        .for_each(|service| load(&module(service)));
    let (codes, pristine) = (Codes::ahead(), Pristine::remember());
    let account = accounts::by_name(USER).unwrap().unwrap();
    let place = Place::new(&stacks(), USER);
    let mut additions: BTreeMap<&str, Box<dyn FnMut()>> = FLOORS
        .iter()
        .map(|service| (*service, addition(service)))
        .collect();
    let services: Vec<&str> = PEERS.iter().chain(&FLOORS).copied().collect();
    let right = in_turns(rounds, &services, |service, _| {
        pristine.restore(service, &account);
        let mut nothing = || {};
        let added: &mut dyn FnMut() = match additions.get_mut(service) {
            Some(added) => added,
            None => &mut nothing,
        };
        let (result, times) = place.login(service, codes.now(), added);
        assert_eq!(result, SUCCESS, "{service} refused a right code");
        times
    });
    let wrong_code = codes.wrong();
    let wrong = in_turns(rounds, &PEERS, |service, _| {
        pristine.restore(service, &account);
        let (result, times) = place.login(service, &wrong_code, &mut || {});
        assert_ne!(result, SUCCESS, "{service} took a wrong code");
        times
    });
    json!({
        "right": { "wall": summaries(&right, |times| times.auth), "cpu": summaries(&right, |times| times.auth_cpu) },
        "wrong": { "wall": summaries(&wrong, |times| times.auth), "cpu": summaries(&wrong, |times| times.auth_cpu) },
    })
}

/// Whole transactions, each in a new process, as in sshd: pam_start loads the module.
fn anew(rounds: usize) -> Value {
    let (codes, pristine) = (Codes::ahead(), Pristine::remember());
    let account = accounts::by_name(USER).unwrap().unwrap();
    let place = Place::new(&stacks(), USER);
    let services: Vec<&str> = PEERS.iter().chain(&FLOORS).copied().collect();
    let samples = in_turns(rounds, &services, |service, _| {
        pristine.restore(service, &account);
        let mut added = addition(service);
        let child = fork(|| {
            let (result, times) = place.login(service, codes.now(), &mut added);
            vec![
                result as u64,
                times.whole,
                times.auth,
                times.whole_cpu,
                times.auth_cpu,
            ]
        });
        let [result, whole, auth, whole_cpu, auth_cpu] = child.wait()[..] else {
            panic!("{service}: no result");
        };
        assert_eq!(result, 0, "{service} refused a right code");
        Times {
            whole,
            auth,
            whole_cpu,
            auth_cpu,
        }
    });
    json!({
        "whole": { "wall": summaries(&samples, |times| times.whole), "cpu": summaries(&samples, |times| times.whole_cpu) },
        "auth": { "wall": summaries(&samples, |times| times.auth), "cpu": summaries(&samples, |times| times.auth_cpu) },
    })
}

/// pam_authenticate with one code after the other of a device that counts, for services that differ in how many are
/// enrolled.
fn growth(rounds: usize, services: &[&str]) -> Value {
    ["twofactor", "oath"]
        .iter()
        .for_each(|service| load(&module(service)));
    let place = Place::new(&stacks(), USER);
    let codes = counted(2 * rounds + 2);
    let samples = in_turns(rounds, services, |service, round| {
        let (result, times) = place.login(service, &codes[round], &mut || {});
        assert_eq!(result, SUCCESS, "{service} refused a right code");
        times
    });
    summaries(&samples, |times| times.auth)
}

/// Many processes at once, each with a user of its own and that user's next code, for some seconds, or until one has no
/// code left: pam_oath can refuse faster than anybody accepts.
fn crowd(service: &str, processes: usize, seconds: usize) -> Value {
    load(&module(service));
    let codes = counted(8_000 * seconds / processes.max(4) + 100);
    let begin = Instant::now() + Duration::from_millis(300);
    let children: Vec<_> = (0..processes)
        .map(|number| {
            fork(|| {
                let place = Place::new(&stacks(), &member(number));
                let end = begin + Duration::from_secs(seconds as u64);
                std::thread::sleep(begin.saturating_duration_since(Instant::now()));
                let (mut accepted, mut refused) = (0, 0);
                for code in &codes {
                    if Instant::now() >= end {
                        break;
                    }
                    match place.is_let_in(service, code) {
                        true => accepted += 1,
                        false => refused += 1,
                    }
                }
                let elapsed = Instant::now().saturating_duration_since(begin);
                vec![accepted, refused, elapsed.as_millis() as u64]
            })
        })
        .collect();
    let results: Vec<Vec<u64>> = children.into_iter().map(process::Child::wait).collect();
    let total = |position: usize| results.iter().map(|result| result[position]).sum::<u64>();
    let longest = results.iter().map(|result| result[2]).max().unwrap_or(0);
    json!({ "accepted": total(0), "refused": total(1), "seconds": longest.max(1) as f64 / 1000.0 })
}

/// How long dlopen takes, in a new process that has libpam already.
fn load_times(rounds: usize) -> Value {
    let samples = in_turns(rounds, &PEERS, |service, _| {
        let child = fork(|| {
            let (began, used) = (process::now(), process::cpu());
            load(&module(service));
            vec![process::now() - began, process::cpu() - used]
        });
        let [whole, cpu] = child.wait()[..] else {
            panic!("{service}: no result");
        };
        Times {
            whole,
            auth: whole,
            whole_cpu: cpu,
            auth_cpu: cpu,
        }
    });
    json!({ "wall": summaries(&samples, |times| times.whole), "cpu": summaries(&samples, |times| times.whole_cpu) })
}

/// What a login adds to the memory of a process, in KiB: resident, its share of it, and what nobody else can use.
fn memory(service: &str) -> Value {
    let codes = Codes::ahead();
    let place = Place::new(&stacks(), USER);
    // What libpam, the C library and this program need once is not the module's.
    place.login("permit", codes.now(), &mut || {});
    accounts::by_name(USER).unwrap();
    let before = resident();
    load(&module(service));
    let (result, _) = place.login(service, codes.now(), &mut || {});
    assert_eq!(result, SUCCESS, "{service} refused a right code");
    let after = resident();
    let added = |name: &str| (name.to_owned(), json!(after[name] - before[name]));
    let names = ["Rss", "Pss", "Private_Dirty"];
    names
        .map(added)
        .into_iter()
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// proc_pid_smaps_rollup(5).
fn resident() -> BTreeMap<String, i64> {
    let text = std::fs::read_to_string(Path::new("/proc/self/smaps_rollup")).unwrap();
    let field = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        Some((
            name.to_owned(),
            rest.trim().strip_suffix(" kB")?.parse().ok()?,
        ))
    };
    text.lines().filter_map(field).collect()
}
