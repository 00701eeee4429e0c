//! Number of waits for the disk, as strace sees them.

use std::process::Command;

use super::*;

const TEST: &str = "attempt::tests::flushes::the_disk_is_waited_for_once_and_only_after_a_write";
const MARK: &str = "/nowhere/";

/// Shows up in the trace.
fn mark(what: &str) {
    assert!(fs::metadata(format!("{MARK}{what}")).is_err());
}

fn is_traced() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    !status.contains("TracerPid:\t0\n")
}

fn scene() {
    let machine = AttemptMachine::with_policy(ON);
    mark("ask");
    assert_eq!(machine.before(), PreCheck::Throttle(ThrottleStatus::Open));
    mark("right");
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    mark("used");
    assert_eq!(machine.types(&code(STEP)), used());
    mark("repeated");
    assert_eq!(machine.types(&code(STEP)), AttemptResult::Repeated);
    mark("wrong");
    for number in 1..=5 {
        assert_eq!(machine.types(&format!("00000{number}")), wrong());
    }
    mark("refused");
    let closed = ThrottleStatus::LockedFor(30);
    assert_eq!(machine.types(&code(STEP)), AttemptResult::Refused(closed));
    mark("ask-after-clock-set-back");
    TIME.set(NOW - 7200);
    assert_eq!(machine.before(), PreCheck::Throttle(ThrottleStatus::Open));
    mark("ask-again");
    assert_eq!(machine.before(), PreCheck::Throttle(ThrottleStatus::Open));
    mark("refused-after-clock-set-back");
    TIME.set(NOW - 9000);
    assert_eq!(machine.types(&code(STEP)), AttemptResult::Refused(closed));
    mark("end");
}

#[test]
fn the_disk_is_waited_for_once_and_only_after_a_write() {
    if is_traced() {
        return scene();
    }
    let scratch = ScratchStore::new();
    let log = scratch.path().join("trace");
    let output = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fdatasync,fsync,%%stat", "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", TEST])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    let mut counts: Vec<(String, u32)> = Vec::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        if let Some((_, rest)) = line.split_once(MARK) {
            counts.push((rest.split('"').next().unwrap().to_owned(), 0));
        } else if let Some((_, count)) = counts.last_mut().filter(|_| line.contains("sync(")) {
            assert!(
                line.contains("fdatasync(") && line.contains("/state/alice>"),
                "{line}"
            );
            *count += 1;
        }
    }
    let counts: Vec<(&str, u32)> = counts
        .iter()
        .map(|(what, count)| (what.as_str(), *count))
        .collect();
    let expected = [
        ("ask", 0),
        ("right", 1),
        ("used", 1),
        ("repeated", 0),
        ("wrong", 5),
        ("refused", 0),
        ("ask-after-clock-set-back", 0),
        ("ask-again", 0),
        ("refused-after-clock-set-back", 1),
        ("end", 0),
    ];
    assert_eq!(counts, expected);
}
