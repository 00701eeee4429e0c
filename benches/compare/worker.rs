//! The measurements that run in a process of their own, inside the machine: a small C program, so that the process is as
//! that of sshd. A program in Rust has the unwinder of GCC already, libgcc_s, so that a module that needs it is loaded in
//! less time there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Machine, Run, workspace};
use serde_json::{Value, json};

use crate::samples::Samples;
use crate::world::{FLOORS, PEERS, ROOT, USER, file, module, stacks};

/// Directory of its sources.
const SOURCES: &str = "benches/compare/worker";

/// As distributions build sshd.
const FLAGS: [&str; 8] = [
    "-std=gnu17",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fPIE",
    "-pie",
    "-Wl,-z,relro,-z,now",
];

/// Longest time that a measurement may take.
const LIMIT: Duration = Duration::from_secs(1200);

/// The program, built.
pub struct Worker<'a> {
    machine: &'a Machine,
    program: PathBuf,
}

/// The code that a login is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeChoice {
    /// One that is right now.
    Right,
    /// One that is not.
    Wrong,
}

impl<'a> Worker<'a> {
    /// Builds it.
    pub fn build(machine: &'a Machine) -> Self {
        let program = Path::new(ROOT).join("worker");
        let sources = std::fs::read_dir(workspace().join(SOURCES)).unwrap();
        let mut sources: Vec<PathBuf> = sources.map(|entry| entry.unwrap().path()).collect();
        sources.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
        sources.sort();
        let compiler = machine.program("cc").args(&FLAGS).args(&sources);
        compiler.arg("-o").arg(&program).arg("-lpam").run().ok();
        let worker = Self { machine, program };
        worker.see_an_unwinder();
        worker
    }

    /// Puts the unwinder into the process, to see that it would be noticed.
    fn see_an_unwinder(&self) {
        let codes = crate::codes::timed(self.machine);
        let words = self.once(&codes, "permit", CodeChoice::Right);
        let program = self.machine.program(&words[0]).args(&words[1..]);
        let run = program.env("LD_PRELOAD", "libgcc_s.so.1").run().ok();
        assert!(has_unwinder(&run.stdout), "{}", run.stdout);
    }

    /// Median times of pam_authenticate in a process that has loaded every module and keeps it: with a right and with a
    /// wrong code.
    pub fn kept(&self, rounds: usize, codes: &Path) -> Value {
        let all = services(PEERS.iter().chain(&FLOORS));
        let right = self.samples("kept", codes, rounds, &all);
        let wrong = self.samples("wrong", codes, rounds, &services(&PEERS));
        let part = |samples: &Samples| {
            json!({
                "wall": samples.summaries(|times| times.auth),
                "cpu": samples.summaries(|times| times.auth_cpu),
            })
        };
        json!({ "right": part(&right), "wrong": part(&wrong) })
    }

    /// Median times of a login in a new process, as of sshd: libpam loads the module.
    pub fn anew(&self, rounds: usize, codes: &Path) -> Value {
        let all = services(PEERS.iter().chain(&FLOORS));
        let samples = self.samples("anew", codes, rounds, &all);
        json!({
            "whole": {
                "wall": samples.summaries(|times| times.whole),
                "cpu": samples.summaries(|times| times.whole_cpu),
            },
            "auth": {
                "wall": samples.summaries(|times| times.auth),
                "cpu": samples.summaries(|times| times.auth_cpu),
            },
        })
    }

    /// Duration of dlopen, in a new process that has libpam already.
    pub fn load(&self, rounds: usize, codes: &Path) -> Value {
        let samples = self.samples("load", codes, rounds, &services(&PEERS));
        json!({
            "wall": samples.summaries(|times| times.whole),
            "cpu": samples.summaries(|times| times.whole_cpu),
        })
    }

    /// pam_authenticate with one code after the other of a device that counts, for services of one module that differ in
    /// how many are enrolled.
    pub fn growth(&self, rounds: usize, codes: &Path, names: &[&String], of: &str) -> Value {
        let service = |name: &&String| format!("{name},{},", module(of).display());
        let services: Vec<String> = names.iter().map(service).collect();
        let samples = self.samples("kept", codes, rounds, &services);
        samples.summaries(|times| times.auth)
    }

    /// Amount that a login adds to the memory of a process, in KiB: resident, its share of it, and what no other one
    /// can use.
    pub fn memory(&self, codes: &Path, service: &str) -> Value {
        let services = services(&["permit", service]);
        let text = self.measured("memory", codes, USER, 0, &services);
        // Two reports of the same length; the first begins with the same word as the second.
        let half = text.lines().count() / 2;
        let lines: Vec<&str> = text.lines().collect();
        let [before, after] = [&lines[..half], &lines[half..]].map(resident);
        let names = ["Rss", "Pss", "Private_Dirty"];
        let added = names.map(|name| (name.to_owned(), json!(after[name] - before[name])));
        added.into_iter().collect::<serde_json::Map<_, _>>().into()
    }

    /// Many processes at once, each with a user of its own and that user's next code, for some seconds, or until one has
    /// no code left.
    pub fn crowd(&self, codes: &Path, service: &str, processes: usize, seconds: usize) -> Value {
        let seconds = seconds.to_string();
        let arguments = [format!("{service},{},", module(service).display()), seconds];
        let text = self.measured("crowd", codes, "crowd", processes, &arguments);
        let numbers = |line: &str| -> Vec<u64> {
            line.split(' ')
                .map(|number| number.parse().unwrap())
                .collect()
        };
        let results: Vec<Vec<u64>> = text.lines().map(numbers).collect();
        assert_eq!(results.len(), processes);
        let total = |position: usize| results.iter().map(|result| result[position]).sum::<u64>();
        let longest = results.iter().map(|result| result[2]).max().unwrap_or(0);
        json!({ "accepted": total(0), "refused": total(1), "seconds": longest.max(1) as f64 / 1000.0 })
    }

    /// The words of a command that does one login, to be looked at from outside.
    pub fn once(&self, codes: &Path, service: &str, answer: CodeChoice) -> Vec<OsString> {
        let number = usize::from(answer == CodeChoice::Wrong);
        self.command("once", codes, USER, number, &services(&[service]))
    }

    fn samples(&self, mode: &str, codes: &Path, rounds: usize, services: &[String]) -> Samples {
        Samples::read(&self.measured(mode, codes, USER, rounds, services))
    }

    fn measured(
        &self,
        mode: &str,
        codes: &Path,
        user: &str,
        number: usize,
        services: &[String],
    ) -> String {
        let words = self.command(mode, codes, user, number, services);
        let program = self.machine.program(&words[0]).args(&words[1..]);
        printed(&program.limit(LIMIT).run().ok())
    }

    fn command(
        &self,
        mode: &str,
        codes: &Path,
        user: &str,
        number: usize,
        services: &[String],
    ) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![self.program.clone().into(), mode.into()];
        words.extend([stacks().into(), codes.into(), user.into()]);
        words.push(number.to_string().into());
        words.extend(services.iter().map(OsString::from));
        words
    }
}

/// The text that a worker printed about its measurement.
///
/// # Panics
/// When more was in its process at first than in that of sshd.
pub fn printed(run: &Run) -> String {
    let (maps, text) = run.stdout.split_once("ready\n").unwrap();
    assert!(
        !has_unwinder(maps),
        "libgcc_s is in the process before any module: {maps}"
    );
    text.to_owned()
}

/// True if the unwinder of GCC is among the mappings of a process (proc_pid_maps(5)).
fn has_unwinder(maps: &str) -> bool {
    assert!(maps.contains("/libpam.so."), "no mappings: {maps}");
    maps.contains("/libgcc_s.so.")
}

/// As the worker is told what to measure.
fn services<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> Vec<String> {
    let one = |name: &&str| format!("{name},{},{}", module(name).display(), file(name));
    names.into_iter().map(one).collect()
}

/// proc_pid_smaps_rollup(5).
fn resident(lines: &[&str]) -> BTreeMap<String, i64> {
    let field = |line: &&str| {
        let (name, rest) = line.split_once(':')?;
        let kilobytes = rest.trim().strip_suffix(" kB")?.parse().ok()?;
        Some((name.to_owned(), kilobytes))
    };
    lines.iter().filter_map(field).collect()
}
