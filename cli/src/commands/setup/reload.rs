//! Making sshd read its configuration again.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::Failure;

/// There while systemd is the init system (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";
/// Where sshd writes its process id.
const PID_FILE: &str = "/run/sshd.pid";
/// The units that distributions have, the first of which counts that there is.
const UNITS: [&str; 2] = ["ssh.service", "sshd.service"];

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SshdReload {
    /// It reads its configuration again.
    Done,
    /// None runs.
    NotRunning,
}

/// Reloads it. Logins that are open stay open.
///
/// # Errors
/// When it runs and cannot be told.
pub fn reload() -> Result<SshdReload, Failure> {
    if Path::new(SYSTEMD).exists() {
        return by_systemd();
    }
    by_signal()
}

fn by_systemd() -> Result<SshdReload, Failure> {
    let mut said = String::new();
    for unit in UNITS {
        let output = systemctl(&["try-reload-or-restart", unit])?;
        if output.status.success() {
            let active = systemctl(&["is-active", "--quiet", unit])?;
            return Ok(if active.status.success() {
                SshdReload::Done
            } else {
                SshdReload::NotRunning
            });
        }
        said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    }
    Err(Failure::system(format!("sshd cannot be reloaded: {said}")))
}

fn systemctl(arguments: &[&str]) -> Result<std::process::Output, Failure> {
    Command::new("/usr/bin/systemctl")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::system(format!("systemctl: {error}")))
}

fn by_signal() -> Result<SshdReload, Failure> {
    let Some(pid) = std::fs::read_to_string(PID_FILE)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .and_then(Pid::from_raw)
    else {
        return Ok(SshdReload::NotRunning);
    };
    // The number may be that of another program by now.
    let program = std::fs::read_link(format!("/proc/{}/exe", pid.as_raw_pid()));
    if !program.is_ok_and(|path| path.file_name().is_some_and(is_sshd)) {
        return Ok(SshdReload::NotRunning);
    }
    match kill_process(pid, Signal::HUP) {
        Ok(()) => Ok(SshdReload::Done),
        Err(errno) => Err(Failure::system(format!("sshd cannot be reloaded: {errno}"))),
    }
}

/// After an upgrade the program that runs is one that was deleted: `sshd (deleted)`.
fn is_sshd(name: &std::ffi::OsStr) -> bool {
    name.to_str()
        .and_then(|name| name.split(' ').next())
        .is_some_and(|name| name == "sshd")
}
