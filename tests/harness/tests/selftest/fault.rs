//! The fault injector does what strace's does, and what strace cannot do without lying.

use std::collections::BTreeMap;

use harness::fault::{Call, Fault, Halt, Harm, Traced, Window};
use harness::freezer;
use harness::{Machine, Program, Run};

const TEXT: &str = "first line\nsecond line\n";

fn cat(machine: &Machine) -> Program {
    machine.write_file("/srv/text", TEXT, 0o644);
    machine.program("cat").arg("/srv/text")
}

fn traced(machine: &Machine, position: usize, harm: Harm) -> Traced {
    cat(machine).traced(Window::Program(1), Some(Fault { position, harm }))
}

fn by_strace(machine: &Machine, inject: &str) -> Run {
    let program = machine
        .program("strace")
        .args(&["-f", "-qq", "-o", "/run/trace", "-e"])
        .arg(format!("inject={inject}"));
    let run = program.args(&["cat", "/srv/text"]).run();
    let trace = machine.read("/run/trace");
    let struck = trace.contains("(INJECTED)") || trace.contains("killed by SIGKILL");
    assert!(struck, "{inject}: {trace}");
    run
}

#[test]
fn calls_fail_and_are_killed_as_under_strace() {
    let machine = Machine::new();
    let whole = cat(&machine).traced(Window::Program(1), None);
    assert_eq!((whole.run.code, whole.run.stdout.as_str()), (Some(0), TEXT));
    assert_eq!(whole.struck, None);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut compared = 0;
    for (position, call) in whole.calls.iter().enumerate() {
        let name = call.name();
        let nth = seen.entry(name.clone()).or_default();
        *nth += 1;
        if !call.is_about_files_or_memory() {
            continue;
        }
        for (harm, inject) in [
            (Harm::Error(libc::EIO), "error=EIO"),
            (Harm::Error(libc::ENOENT), "error=ENOENT"),
            (Harm::KillBefore, "signal=KILL"),
        ] {
            let inject = format!("{name}:{inject}:when={nth}");
            let ours = traced(&machine, position, harm);
            assert_eq!(ours.struck.unwrap().number, call.number, "{inject}");
            assert_eq!(ours.run, by_strace(&machine, &inject), "{inject}");
            compared += 1;
        }
    }
    assert!(compared > 90, "{compared}");
}

/// The position of the first call of a name.
fn first(calls: &[Call], name: &str) -> usize {
    calls.iter().position(|call| call.name() == name).unwrap()
}

#[test]
fn a_kill_comes_before_or_after_the_call() {
    let machine = Machine::new();
    let calls = cat(&machine).traced(Window::Program(1), None).calls;
    let write = first(&calls, "write");
    for (harm, written) in [(Harm::KillBefore, ""), (Harm::KillAfter, TEXT)] {
        let run = traced(&machine, write, harm).run;
        assert_eq!(
            (run.signal, run.stdout.as_str()),
            (Some(libc::SIGKILL), written)
        );
    }
}

#[test]
fn a_short_write_is_really_short() {
    let machine = Machine::new();
    let calls = cat(&machine).traced(Window::Program(1), None).calls;
    let write = first(&calls, "write");
    assert_eq!(calls[write].length(), Some(TEXT.len() as u64));
    let short = traced(&machine, write, Harm::Short(4));
    assert_eq!((short.run.code, short.run.stdout.as_str()), (Some(0), TEXT));
    assert_eq!(short.calls[write + 1].name(), "write");
    assert_eq!(short.calls[write + 1].length(), Some(TEXT.len() as u64 - 4));
}

#[test]
fn calls_of_children_are_told_and_struck_too() {
    let machine = Machine::new();
    let shell = |fault| {
        let shell = machine
            .program("sh")
            .args(&["-c", "cat /srv/text; echo $?"]);
        shell.traced(Window::Program(2), fault)
    };
    machine.write_file("/srv/text", TEXT, 0o644);
    let whole = shell(None);
    assert_eq!(whole.run.stdout, format!("{TEXT}0\n"));
    let position = first(&whole.calls, "write");
    let harm = Harm::Error(libc::ENOSPC);
    let struck = shell(Some(Fault { position, harm }));
    assert_eq!(struck.run.stdout, "1\n", "{struck:?}");
}

#[test]
fn a_halted_program_does_nothing_until_it_goes_on() {
    let machine = Machine::new();
    let shell = || {
        machine
            .program("sh")
            .args(&["-c", "echo > /run/one; echo > /run/two; echo done"])
    };
    let calls = shell().traced(Window::Program(1), None).calls;
    let opened = |call: &Call| call.name() == "openat";
    // The last two are those of the files.
    let mut opens = (0..calls.len())
        .rev()
        .filter(|place| opened(&calls[*place]));
    let position = opens.nth(1).unwrap();
    let halts = [Halt::Signal, Halt::Freezer];
    for halt in halts.into_iter().take(1 + usize::from(freezer::is_there())) {
        machine.run("rm", &["-f", "/run/one", "/run/two"]).ok();
        let mut seen = None;
        let traced = shell().halted(Window::Program(1), (position, halt), &mut || {
            // Long enough for a program that runs.
            machine.run("sleep", &["0.2"]).ok();
            let there = ["/run/one", "/run/two"].map(|path| std::path::Path::new(path).exists());
            seen = Some(there);
        });
        assert_eq!(seen, Some([true, false]), "{halt:?}");
        assert_eq!(traced.run.ok().stdout, "done\n");
        assert!(std::path::Path::new("/run/two").exists());
    }
}
