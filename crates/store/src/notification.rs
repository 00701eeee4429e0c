//! The program of `notify`: whether it may be run, and one run of it.
//!
//! It runs with root's rights, so no other user may be able to replace it: each directory of its path is looked at, and none may be
//! a link. It gets nothing of this process but the message.

use std::fmt;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::sys::{clock, process};

/// Time limit of one run.
const LIMIT: Duration = Duration::from_secs(10);
/// Time limit for a killed program to be gone.
const KILLED: Duration = Duration::from_secs(1);
/// Longest pause between two looks at a program.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest message in bytes: a pipe takes it at once (pipe(7), PIPE_BUF), so that a program that reads nothing holds up nothing.
const MAX_MESSAGE: usize = 4096;
/// The environment of the program.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Reason why a program did not get a change, or did not accept it.
#[derive(Debug)]
pub enum NotifyFault {
    /// A part of its path cannot be used.
    Refused(PathBuf, PathFault),
    /// The message is too long.
    TooLong,
    /// The program could not be started or waited for.
    System(PathBuf, io::Error),
    /// The program failed.
    Failed(PathBuf, ExitStatus),
    /// The program did not end in time, and was killed.
    TimedOut(PathBuf),
}

/// Reason why a part of the path is refused.
#[derive(Debug)]
pub enum PathFault {
    /// The program cannot be looked at.
    Unreadable(io::Error),
    /// A symbolic link.
    Link,
    /// Neither a directory nor, at the end, a regular file.
    WrongType,
    /// The program belongs to another user than root.
    NotRoots,
    /// Others than root can write to it.
    Writable,
    /// The program cannot be executed.
    NotExecutable,
}

impl NotifyFault {
    /// True if the next run would fare the same.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        !matches!(self, Self::TooLong | Self::Failed(..))
    }
}

impl fmt::Display for NotifyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(path, fault) => write!(f, "{}: {fault}", path.display()),
            Self::TooLong => write!(f, "the message has more than {MAX_MESSAGE} bytes"),
            Self::System(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Failed(path, status) => write!(f, "{}: {status}", path.display()),
            Self::TimedOut(path) => write!(
                f,
                "{}: did not end within {} s, and was killed",
                path.display(),
                LIMIT.as_secs()
            ),
        }
    }
}

impl std::error::Error for NotifyFault {}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Link => f.write_str("is a symbolic link"),
            Self::WrongType => f.write_str("is neither a directory nor, at the end, a program"),
            Self::NotRoots => f.write_str("does not belong to root"),
            Self::Writable => f.write_str("is writable by others than root"),
            Self::NotExecutable => f.write_str("is not executable"),
        }
    }
}

/// Checks that a program may be run: a regular file that root can execute, without links in its path, which root alone can change.
///
/// # Errors
/// [`NotifyFault::Refused`] with the part of the path.
pub fn check(program: &Path) -> Result<(), NotifyFault> {
    let mut place = PathBuf::new();
    let mut parts = program.components().peekable();
    // Whatever user `/` belongs to, all programs are that user's. Below it, from the top: what a directory holds is known once only root can change that directory.
    while let Some(part) = parts.next() {
        place.push(part);
        if part == Component::RootDir && parts.peek().is_some() {
            continue;
        }
        let found = fs::symlink_metadata(&place).map_err(PathFault::Unreadable);
        let judged = found.and_then(|found| match parts.peek() {
            Some(_) => judge(&found, found.is_dir()),
            None if found.mode() & 0o100 == 0 && found.is_file() => Err(PathFault::NotExecutable),
            None => judge(&found, found.is_file()),
        });
        judged.map_err(|fault| NotifyFault::Refused(place.clone(), fault))?;
    }
    Ok(())
}

fn judge(found: &Metadata, is_of_type: bool) -> Result<(), PathFault> {
    if found.is_symlink() {
        Err(PathFault::Link)
    } else if !is_of_type {
        Err(PathFault::WrongType)
    } else if found.uid() != 0 {
        Err(PathFault::NotRoots)
    } else if found.mode() & 0o022 != 0 {
        Err(PathFault::Writable)
    } else {
        Ok(())
    }
}

/// Runs a program once, with the message on its standard input and nothing else of this process, and waits for its end. The caller
/// holds no lock.
///
/// # Errors
/// [`NotifyFault`]. A program that did not end in time is killed, with its process group.
pub fn run(program: &Path, message: &str) -> Result<(), NotifyFault> {
    run_for(program, message, LIMIT)
}

fn run_for(program: &Path, message: &str, limit: Duration) -> Result<(), NotifyFault> {
    if message.len() > MAX_MESSAGE {
        return Err(NotifyFault::TooLong);
    }
    check(program)?;
    let failed = |error| NotifyFault::System(program.to_owned(), error);
    process::close_all_at_exec().map_err(failed)?;
    let mut child = Command::new(program)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // A program need not read it.
        let _ = input.write_all(message.as_bytes());
    }
    match end(&mut child, limit).map_err(failed)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(NotifyFault::Failed(program.to_owned(), status)),
        None => {
            kill(&mut child);
            Err(NotifyFault::TimedOut(program.to_owned()))
        }
    }
}

/// The end of a program; `None` where it runs on after this time.
fn end(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let end = clock::monotonic() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            ended => return ended,
        }
        let now = clock::monotonic();
        if now >= end {
            return Ok(None);
        }
        clock::sleep_until(end.min(now + pause));
        pause = PAUSE.min(pause * 2);
    }
}

/// Kills the group of a program that was not waited for yet, so that its number still is its own.
fn kill(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // Nothing is left to be done where it fails.
        let _ = kill_process_group(group, Signal::KILL);
    }
    // One that the kernel does not let go is not waited for.
    let _ = end(child, KILLED);
}
