//! Making sshd read its configuration again.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::command_failure::CommandFailure;

/// Exists while systemd is the init system (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";
/// Namespaces that an sshd with the same settings shares with this process.
const NAMESPACES: [&str; 2] = ["pid", "net"];
/// Units of the distributions; the first that exists is used.
const UNITS: [&str; 2] = ["ssh.service", "sshd.service"];

/// Result of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SshdReload {
    /// sshd reads its configuration again.
    Done,
    /// No sshd runs.
    NotRunning,
}

impl SshdReload {
    /// The word in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "reloaded",
            Self::NotRunning => "not_running",
        }
    }
}

/// Reloads sshd. Open sessions stay open.
///
/// # Errors
/// When it runs and cannot be reloaded.
pub fn reload() -> Result<SshdReload, CommandFailure> {
    if Path::new(SYSTEMD).exists() && by_systemd()? == SshdReload::Done {
        return Ok(SshdReload::Done);
    }
    // It may run without a unit of these names.
    by_signal()
}

/// Reloads the units that are active. One that is masked, or is not there, is none of them.
fn by_systemd() -> Result<SshdReload, CommandFailure> {
    for unit in UNITS {
        if !systemctl(&["is-active", "--quiet", unit])?.status.success() {
            continue;
        }
        let output = systemctl(&["try-reload-or-restart", unit])?;
        if output.status.success() {
            return Ok(SshdReload::Done);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(CommandFailure::system(format!(
            "sshd cannot be reloaded: {said}"
        )));
    }
    Ok(SshdReload::NotRunning)
}

fn systemctl(arguments: &[&str]) -> Result<std::process::Output, CommandFailure> {
    Command::new("/usr/bin/systemctl")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| CommandFailure::system(format!("systemctl: {error}")))
}

/// Sends the signal of sshd(8) to every listening sshd of this machine.
fn by_signal() -> Result<SshdReload, CommandFailure> {
    let mut told = SshdReload::NotRunning;
    for pid in listeners()? {
        match kill_process(pid, Signal::HUP) {
            Ok(()) => told = SshdReload::Done,
            // Ended meanwhile.
            Err(Errno::SRCH) => {}
            Err(errno) => {
                return Err(CommandFailure::system(format!(
                    "sshd cannot be reloaded: {errno}"
                )));
            }
        }
    }
    Ok(told)
}

/// The listening processes in the namespaces of this one. Those of containers have other settings.
fn listeners() -> Result<Vec<Pid>, CommandFailure> {
    let failed = |error: std::io::Error| CommandFailure::system(format!("/proc: {error}"));
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let pid = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else {
            continue;
        };
        // A process that has ended needs no signal.
        let program = fs::read_link(path.join("exe"));
        let here = NAMESPACES.iter().all(|namespace| {
            let of = |process: &Path| fs::read_link(process.join("ns").join(namespace)).ok();
            of(&path) == of(Path::new("/proc/self"))
        });
        let is_sshd = program.is_ok_and(|path| path.file_name().is_some_and(is_sshd));
        if is_sshd && here && fs::read(path.join("cmdline")).is_ok_and(|words| listens(&words)) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Recognizes a listener by the title that sshd gives its processes. Sessions, and an sshd of inetd or of a socket unit,
/// read their settings once.
fn listens(command_line: &[u8]) -> bool {
    let mut words = command_line.split(|byte| *byte == 0);
    let title = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
    match title.strip_prefix("sshd: ") {
        Some(title) => title.contains("[listener]"),
        None => !words.any(|word| word == b"-i"),
    }
}

/// After an upgrade the running program was deleted: `sshd (deleted)`.
fn is_sshd(name: &std::ffi::OsStr) -> bool {
    name.to_str()
        .and_then(|name| name.split(' ').next())
        .is_some_and(|name| name == "sshd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_do_not_wait_for_connections() {
        for (line, expected) in [
            (&b"/usr/sbin/sshd\0-D\0"[..], true),
            (
                b"sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0",
                true,
            ),
            (b"sshd: alice [priv]\0", false),
            (b"sshd: alice@pts/0\0", false),
            (b"/usr/sbin/sshd\0-i\0", false),
        ] {
            assert_eq!(listens(line), expected, "{}", String::from_utf8_lossy(line));
        }
    }
}
