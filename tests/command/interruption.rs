//! Commands that wait for the lock of a user when they are interrupted.

use std::path::Path;

use harness::{Machine, Run, Running};
use rustix::process::{Pid, Signal, kill_process};

/// A process that holds the lock of a user's state.
pub fn hold_lock(machine: &Machine, user: &str) -> Running {
    let state = format!("/var/lib/twofactor/state/{user}");
    let line = format!("exec 7<{state}; flock 7; echo held >/run/held; exec sleep 600");
    let holder = machine.program("sh").args(&["-c", &line]).start();
    while !Path::new("/run/held").exists() {}
    holder
}

/// Interrupts a command as Ctrl-C does, frees the lock that it waits for, and waits for its end.
pub fn interrupted(mut command: Running, holder: Running) -> Run {
    let pid = Pid::from_raw(i32::try_from(command.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    holder.kill();
    while command.try_wait().is_none() {}
    command.kill()
}
