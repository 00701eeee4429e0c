//! sshd as a program: what it says of its settings for a user (`sshd -T`), and of its configuration (`sshd -t`).

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use twofactor_store::sys::clock;

use super::settings::SshdSettings;

/// Places of sshd (it wants to be called by its full path).
const SSHD_PATHS: [&str; 4] = [
    "/usr/sbin/sshd",
    "/usr/local/sbin/sshd",
    "/sbin/sshd",
    "/usr/bin/sshd",
];
/// Longest time that sshd may take to tell its settings.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are read.
const MAX_LEN: u64 = 4 << 20;
/// An address that belongs to no host (RFC 5737): `Match` blocks for special networks do not apply to it.
const ELSEWHERE: &str = "192.0.2.1";

/// The sshd of this machine, if there is one.
#[derive(Clone, Debug)]
pub struct SshdProgram {
    path: Option<&'static str>,
    /// Settings that it is to get, as its option `-o` takes them.
    planned: Vec<&'static str>,
}

impl SshdProgram {
    /// Looks for it.
    pub fn look() -> Self {
        Self {
            path: SSHD_PATHS
                .into_iter()
                .find(|path| Path::new(path).is_file()),
            planned: Vec::new(),
        }
    }

    /// This program with further settings, as its option `-o` takes them.
    #[must_use]
    pub const fn planned(&self, settings: Vec<&'static str>) -> Self {
        Self {
            path: self.path,
            planned: settings,
        }
    }

    /// True if there is one.
    pub const fn is_installed(&self) -> bool {
        self.path.is_some()
    }

    /// True if its configuration is where distributions have it.
    pub fn is_packaged(&self) -> bool {
        self.path
            .is_some_and(|path| !path.starts_with("/usr/local/"))
    }

    /// The settings with which it meets a user who comes from elsewhere.
    ///
    /// # Errors
    /// The answer of sshd.
    pub fn settings_of(&self, user: &str) -> Result<SshdSettings, String> {
        let program = self.installed()?;
        if user.contains(',') {
            return Err(format!("{user}: sshd takes no such name"));
        }
        let who = format!("user={user},host={ELSEWHERE},addr={ELSEWHERE},laddr=127.0.0.1,lport=22");
        let planned = self.planned.iter().flat_map(|setting| ["-o", setting]);
        let mut command = Command::new(program);
        command.args(["-T", "-C", &who]).args(planned);
        answer(program, command).map(|output| SshdSettings::parse(&output))
    }

    /// Lets it check its configuration.
    ///
    /// # Errors
    /// The answer of sshd.
    pub fn check_configuration(&self) -> Result<(), String> {
        let program = self.installed()?;
        let mut command = Command::new(program);
        command.arg("-t");
        answer(program, command).map(|_| ())
    }

    fn installed(&self) -> Result<&'static str, String> {
        self.path.ok_or_else(|| "sshd is not installed".to_owned())
    }
}

/// The output of a command that succeeds. The error is what it says otherwise.
fn answer(program: &str, mut command: Command) -> Result<String, String> {
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (output, errors, passed) = run(command).map_err(|error| format!("{program}: {error}"))?;
    if passed {
        return Ok(output);
    }
    let lines: Vec<&str> = errors.lines().map(str::trim).collect();
    Err(lines.join("; "))
}

/// Output, errors, and whether the program succeeded; it is ended when it takes too long.
fn run(mut command: Command) -> Result<(String, String, bool), String> {
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let reader = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::Builder::new().spawn(move || {
            let mut text = Vec::new();
            if let Some(pipe) = pipe {
                // The lines that could be read count.
                let _ = pipe.take(MAX_LEN).read_to_end(&mut text);
            }
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let output = reader(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let errors = reader(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let (Ok(output), Ok(errors)) = (output, errors) else {
        // It may have ended in this moment.
        let _ = child.kill();
        let _ = child.wait();
        return Err("no thread can be started to read its answer".to_owned());
    };
    let deadline = clock::monotonic() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if clock::monotonic() > deadline => {
                // It may have ended in this moment.
                let _ = child.kill();
                let _ = child.wait();
                return Err("does not answer".to_owned());
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = |thread: std::thread::JoinHandle<String>| thread.join().unwrap_or_default();
    Ok((text(output), text(errors), status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_too_long_or_fails_is_told() {
        let mut failing = Command::new("/bin/sh");
        failing
            .args(["-c", "echo out; echo bad >&2; exit 3"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        assert_eq!(
            run(failing),
            Ok(("out\n".to_owned(), "bad\n".to_owned(), false))
        );
    }
}
