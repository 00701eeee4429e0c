//! A panic inside the module ends in PAM_ABORT, in whatever program it is loaded: one that has the unwinder of GCC already,
//! as those in Rust and C++, and one that has not, as sshd and su.

use harness::enrolled::{enroll_phone, login, machine, run};
use harness::pam::code;
use harness::{Machine, Program, Run};

/// With this policy the module waits before it asks, in std::thread::sleep, which panics where the kernel knows no such wait.
const WAITING: &str =
    "enabled = true\nenforcement = \"mandatory\"\nuniform_prompt = true\n[services]\nsu = true\n";
const STRACE: [&str; 5] = [
    "strace",
    "-f",
    "-o",
    "/run/trace",
    "--inject=clock_nanosleep,nanosleep:error=EINVAL",
];

fn alice() -> Machine {
    let machine = machine(WAITING);
    enroll_phone(&machine, "alice");
    machine.stack(
        "su",
        "auth required pam_twofactor.so\naccount required pam_permit.so\n",
    );
    machine
}

/// su, a program in C, while the module panics.
fn su(machine: &Machine, preload: &str) -> Run {
    let strace = machine.program("strace").args(&STRACE[1..]);
    let su = strace.args(&["su", "alice", "-c", "echo is in"]);
    su.env("LD_PRELOAD", preload).input("123456\n").run()
}

/// True if GCC's unwinder can be part of the module: `build.rs` asks the same.
fn has_archive() -> bool {
    let asked = Program::new("cc").arg("-print-file-name=libgcc_eh.a").run();
    asked.ok().stdout.starts_with('/')
}

#[test]
fn a_panic_is_an_error_in_a_program_in_rust() {
    let _machine = alice();
    let outcome = run(login("alice").answer("123456").through(&STRACE));
    assert_eq!(outcome.auth, code::ABORT);
}

#[test]
fn a_panic_is_an_error_in_a_program_in_c() {
    let machine = alice();
    let run = su(&machine, "").exits(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("immediate abort"), "{}", run.stderr);
    if has_archive() {
        let trace = machine.read("/run/trace");
        assert!(trace.contains("pam_twofactor.so"), "{trace}");
        assert!(!trace.contains("libgcc_s"), "{trace}");
    }
}

#[test]
fn a_panic_is_an_error_beside_another_unwinder() {
    let machine = alice();
    let run = su(&machine, "libgcc_s.so.1").exits(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("immediate abort"), "{}", run.stderr);
    assert!(machine.read("/run/trace").contains("libgcc_s.so.1"));
}

#[test]
fn the_module_holds_the_unwinder_where_there_is_one() {
    let dynamic = Program::new("readelf")
        .args(&["--dynamic", "--wide"])
        .arg(harness::module())
        .run()
        .ok();
    assert_ne!(dynamic.stdout.contains("libgcc_s"), has_archive());
}
