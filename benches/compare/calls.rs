//! System calls of a login, as strace sees them.

use std::path::Path;

use harness::Machine;
use harness::fault::FLUSHES;
use serde_json::{Value, json};

use crate::worker::{CodeChoice, Worker, printed};

/// Marks that the worker makes where libpam's part begins and ends, also in a conversation.
const MARKS: [&str; 2] = ["lseek(-2, 1885433089,", "lseek(-2, 1885433088,"];

/// Counts what one login of a service does in libpam and its modules, from pam_start to pam_end, and in pam_authenticate
/// alone.
pub fn count(
    machine: &Machine,
    worker: &Worker,
    codes: &Path,
    service: &str,
    answer: CodeChoice,
) -> Value {
    let strace = machine.program("strace").args(&[
        "-f",
        "-y",
        "-qq",
        "-s",
        "20",
        "-e",
        "signal=none",
        "-o",
        "/run/trace",
    ]);
    let run = strace.args(&worker.once(codes, service, answer)).run().ok();
    let is_taken = printed(&run).trim() == "0";
    assert_eq!(
        is_taken,
        answer == CodeChoice::Right,
        "{service}: {answer:?}"
    );
    let trace = machine.read("/run/trace");
    let parts = between_marks(&trace);
    let [_, auth @ .., _] = parts.as_slice() else {
        panic!("no marks in {trace}");
    };
    json!({ "whole": counted(&parts.concat()), "auth": counted(&auth.concat()) })
}

/// The calls of pam_start, those of pam_authenticate, apart where something is asked, and those of pam_end.
fn between_marks(trace: &str) -> Vec<Vec<&str>> {
    let mut parts = Vec::new();
    let mut inside = false;
    for line in trace.lines() {
        let call = line.split_once(' ').map_or("", |(_, call)| call.trim());
        match MARKS.map(|mark| call.starts_with(mark)) {
            [true, _] => {
                inside = true;
                parts.push(Vec::new());
            }
            [_, true] => inside = false,
            _ => parts
                .iter_mut()
                .last()
                .filter(|_| inside)
                .into_iter()
                .for_each(|part: &mut Vec<_>| part.push(call)),
        }
    }
    parts
}

fn counted(calls: &[&str]) -> Value {
    let name = |call: &str| call.split('(').next().unwrap_or_default().to_owned();
    let flushes = calls
        .iter()
        .filter(|call| FLUSHES.contains(&name(call).as_str()));
    let written = calls.iter().filter(|call| {
        let writes = ["write", "pwrite64", "writev", "pwritev"].contains(&name(call).as_str());
        // Descriptors are shown with their files, sockets without a slash.
        writes
            && call
                .split(',')
                .next()
                .is_some_and(|first| first.contains("</"))
    });
    let bytes = written.filter_map(|call| call.rsplit_once(" = ")?.1.parse::<u64>().ok());

    json!({ "calls": calls.len(), "flushes": flushes.count(), "written": bytes.sum::<u64>() })
}
