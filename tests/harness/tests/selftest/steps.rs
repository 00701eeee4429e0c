//! The counter of instructions counts the same in each run, and no instruction outside the marks.

use harness::Machine;
use harness::pam::{Drive, EXACT};
use harness::steps::Stepped;

fn counted(drive: &dyn Fn() -> Drive) -> Stepped {
    let stepped = drive().stepped();
    assert_eq!(stepped.run.code, Some(0), "{}", stepped.run.stderr);
    stepped
}

#[test]
fn two_runs_count_the_same_instructions() {
    let machine = Machine::new();
    machine.add_user("alice");
    machine.stack("other", "auth required pam_deny.so\n");
    machine.stack("test", &format!("auth {EXACT} pam_permit.so\n"));
    let drive = || Drive::installed().service("test").user("alice");
    let [first, second] = [counted(&drive), counted(&drive)];
    assert_eq!(first.windows, second.windows);
    // pam_start, pam_authenticate, the question for the variables, pam_end.
    assert_eq!(first.windows.len(), 4, "{:?}", first.windows);
    let of = |window: usize, file: &str| first.windows[window].get(file).copied();
    // Modules are loaded at the start, and what pam_permit does is a handful: it asks who the user is.
    assert!(of(0, "ld-linux-x86-64.so.2").unwrap() > 10_000);
    assert_eq!(of(1, "ld-linux-x86-64.so.2"), None);
    assert!((5..100).contains(&of(1, "pam_permit.so").unwrap()));
    assert_eq!(of(1, "pam_deny.so"), None);
}
