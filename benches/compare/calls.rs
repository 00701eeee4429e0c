//! System calls of a login, as strace sees them.
#![forbid(unsafe_code)]

use std::path::Path;

use harness::Machine;
use serde_json::{Value, json};

const FLUSHES: [&str; 6] = [
    "fsync",
    "fdatasync",
    "sync",
    "syncfs",
    "sync_file_range",
    "msync",
];

/// Counts what one login of a service does between pam_start and pam_end, and in pam_authenticate alone.
pub fn count(machine: &Machine, program: &Path, service: &str, code: &str) -> Value {
    let strace = [
        "-f",
        "-y",
        "-qq",
        "-s",
        "20",
        "-e",
        "signal=none",
        "-o",
        "/run/trace",
    ];
    let run = machine.program("strace").args(&strace).arg(program);
    let run = run.args(&["--worker", "once", service, code]).run().ok();
    assert_eq!(run.stdout.trim(), "true", "{service} refused a right code");
    let trace = machine.read("/run/trace");
    let calls: Vec<&str> = trace
        .lines()
        .filter_map(|line| line.split_once(' ').map(|(_, call)| call.trim()))
        .collect();
    let mark = |name: &str| {
        let found = calls
            .iter()
            .position(|call| call.contains(&format!("\"bench:{name}\"")));
        found.unwrap_or_else(|| panic!("no mark {name} in {trace}"))
    };
    let (start, auth, end, over) = (mark("start"), mark("auth"), mark("end"), mark("over"));
    json!({
        "whole": counted(&calls[start + 1..over]),
        "auth": counted(&calls[auth + 1..end]),
    })
}

fn counted(calls: &[&str]) -> Value {
    // Marks and clocks of this benchmark, marks of the conversation: neither libpam's nor the module's.
    let own = ["\"bench:", "(CLOCK_PROCESS_CPUTIME_ID", "lseek(-2"];
    let is_own = |call: &&&str| own.iter().any(|mark| call.contains(mark));
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

    json!({ "calls": calls.len() - calls.iter().filter(is_own).count(), "flushes": flushes.count(), "written": bytes.sum::<u64>() })
}
