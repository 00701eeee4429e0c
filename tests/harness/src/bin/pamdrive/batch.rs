//! Many transactions: one after the other in one process, or at once in many.

use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::arguments::{Barrier, DriveArguments, ScriptedAnswer, Threads};
use crate::transaction;
use crate::{host, system};

/// Runs `--repeat` transactions and reports what the process held before and after them.
pub fn repeat(arguments: &DriveArguments, count: usize) -> Result<Value, String> {
    let mut extra = extra_answers(arguments)?.into_iter();
    let mut results: BTreeMap<String, usize> = BTreeMap::new();
    let mut changed: BTreeMap<String, usize> = BTreeMap::new();
    let mut transact = |count: usize| -> Result<(), String> {
        for _ in 0..count {
            let report = one(&with_extra(arguments, extra.next()), &mut || {})?;
            *results.entry(result(arguments, &report)).or_default() += 1;
            for name in report
                .get("changed")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                *changed
                    .entry(name.as_str().unwrap_or("unknown").to_owned())
                    .or_default() += 1;
            }
        }
        Ok(())
    };
    transact(arguments.warm_up)?;
    let before = ProcessHoldings::look();
    transact(count)?;
    let after = ProcessHoldings::look();
    Ok(
        json!({ "transactions": count + arguments.warm_up, "results": results, "changed": changed, "before": before.report(), "after": after.report() }),
    )
}

/// Runs one transaction, in a thread of its own if that was asked for.
pub fn one(
    arguments: &DriveArguments,
    before_last_answer: &mut (dyn FnMut() + Send),
) -> Result<Map<String, Value>, String> {
    match arguments.threads {
        Threads::One => transaction::run(arguments, before_last_answer),
        Threads::Many => {
            let ended = std::thread::scope(|scope| {
                scope
                    .spawn(|| transaction::run(arguments, before_last_answer))
                    .join()
            });
            ended.unwrap_or_else(|_| Err("the thread of the transaction panicked".to_owned()))
        }
    }
}

/// Runs `--fork` processes at once, `--rounds` times; hands each round's report to `tell`.
pub fn fork(
    arguments: &DriveArguments,
    count: usize,
    mut tell: impl FnMut(Value),
) -> Result<(), String> {
    let mut extra = extra_answers(arguments)?.into_iter();
    let mut each = logins(arguments)?.into_iter();
    for round in 0..arguments.rounds {
        if let Some(command) = &arguments.before_round {
            let status = Command::new("/bin/sh")
                .arg("-c")
                .arg(command)
                .status()
                .map_err(|error| error.to_string())?;
            if !status.success() {
                return Err(format!(
                    "round {round}: {} failed: {status}",
                    command.display()
                ));
            }
        }
        let shared = with_extra(arguments, extra.next());
        let own = (0..count).map(|_| with_login(&shared, each.next()));
        let reports = at_once(&own.collect::<Vec<_>>()).map_err(|error| error.to_string())?;
        let mut results: BTreeMap<String, usize> = BTreeMap::new();
        let mut texts: BTreeMap<String, usize> = BTreeMap::new();
        for report in reports {
            *results.entry(result(arguments, &report)).or_default() += 1;
            for message in report
                .get("messages")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let text = message
                    .get("text")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                *texts.entry(text.to_owned()).or_default() += 1;
            }
        }
        tell(json!({ "round": round, "results": results, "texts": texts }));
    }
    Ok(())
}

/// Runs a process for each of these.
fn at_once(processes: &[DriveArguments]) -> std::io::Result<Vec<Map<String, Value>>> {
    let (mut ready, is_ready) = pipe()?;
    let (released, release) = pipe()?;
    let mut children = Vec::new();
    for arguments in processes {
        let (report, reports) = pipe()?;
        match system::fork()? {
            None => {
                drop((release, ready, report));
                child(
                    arguments,
                    Gate {
                        is_ready: Some(is_ready),
                        released,
                    },
                    reports,
                );
            }
            Some(pid) => children.push((pid, report)),
        }
    }
    drop((is_ready, released));
    // Each child reports once: when it waits for the others, or when it ended without coming that far.
    ready.read_exact(&mut vec![0; processes.len()])?;
    drop(release);
    let mut reports = Vec::new();
    for (pid, mut pipe) in children {
        let mut text = String::new();
        pipe.read_to_string(&mut text)?;
        system::wait(pid);
        reports.push(serde_json::from_str(&text).unwrap_or_default());
    }
    Ok(reports)
}

fn child(arguments: &DriveArguments, mut gate: Gate, mut reports: PipeWriter) -> ! {
    if arguments.barrier == Barrier::Start {
        gate.wait();
    }
    let report = transaction::run(arguments, &mut || gate.wait()).unwrap_or_default();
    gate.pass();
    let text = serde_json::to_vec(&report).unwrap_or_default();
    reports.write_all(&text).ok();
    system::leave()
}

/// Gate at which a forked process waits until all the others are as far.
struct Gate {
    is_ready: Option<PipeWriter>,
    released: PipeReader,
}

impl Gate {
    fn pass(&mut self) {
        if let Some(mut is_ready) = self.is_ready.take() {
            is_ready.write_all(b"r").ok();
        }
    }

    fn wait(&mut self) {
        if self.is_ready.is_some() {
            self.pass();
            // Ends with an error at the end of the pipe, which is the release.
            self.released.read_exact(&mut [0]).ok();
        }
    }
}

/// The lines of `--answers-file`: transaction or round N gets line N as one more answer.
fn extra_answers(arguments: &DriveArguments) -> Result<Vec<Vec<u8>>, String> {
    lines(arguments.answers_file.as_deref())
}

/// The lines of `--each-file`: process N, counted over all rounds, gets the user and the one more answer of line N.
fn logins(arguments: &DriveArguments) -> Result<Vec<BatchLogin>, String> {
    let parts = |line: Vec<u8>| {
        let space = line.iter().position(|byte| *byte == b' ');
        let (user, answer) = line.split_at(space.ok_or("a line of --each-file is USER ANSWER")?);
        let answer = answer.strip_prefix(b" ").unwrap_or(answer);
        Ok(BatchLogin {
            user: user.to_vec(),
            answer: answer.to_vec(),
        })
    };
    let lines = lines(arguments.each_file.as_deref())?;
    lines.into_iter().map(parts).collect()
}

fn lines(path: Option<&Path>) -> Result<Vec<Vec<u8>>, String> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let content = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = content.strip_suffix(b"\n").unwrap_or(&content);
    Ok(lines
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect())
}

/// A line of `--each-file`.
struct BatchLogin {
    user: Vec<u8>,
    answer: Vec<u8>,
}

fn with_login(arguments: &DriveArguments, login: Option<BatchLogin>) -> DriveArguments {
    let Some(BatchLogin { user, answer }) = login else {
        return arguments.clone();
    };
    let mut arguments = with_extra(arguments, Some(answer));
    arguments.user = Some(user);
    arguments
}

fn with_extra(arguments: &DriveArguments, extra: Option<Vec<u8>>) -> DriveArguments {
    let mut arguments = arguments.clone();
    arguments.answers.extend(extra.map(ScriptedAnswer::Bytes));
    arguments
}

/// The code of the first phase, or what went wrong before it.
fn result(arguments: &DriveArguments, report: &Map<String, Value>) -> String {
    let first = arguments
        .phases
        .first()
        .map_or("auth", |phase| transaction::name(*phase));
    match (report.get(first), report.get("start")) {
        (Some(code), _) => code.to_string(),
        (None, Some(code)) => format!("start {code}"),
        (None, None) => "died".to_owned(),
    }
}

/// Holdings of the process; plain numbers, so that looking leaves no trace on the heap.
struct ProcessHoldings {
    resident_pages: usize,
    heap_bytes: usize,
    descriptors: usize,
    free_thread_keys: usize,
}

impl ProcessHoldings {
    fn look() -> Self {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let resident_pages = pages
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .unwrap_or(0);
        drop(pages);
        let descriptors = host::open_files().len();
        let free_thread_keys = system::free_thread_keys();
        Self {
            resident_pages,
            heap_bytes: system::heap_in_use(),
            descriptors,
            free_thread_keys,
        }
    }

    fn report(&self) -> Value {
        json!({
            "resident_pages": self.resident_pages,
            "heap_bytes": self.heap_bytes,
            "descriptors": self.descriptors,
            "free_thread_keys": self.free_thread_keys,
        })
    }
}
