//! Signals that end a program, for changes that have to be put back first.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;

/// Set by a signal; there once [`arm`] was called.
static SIGNALLED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// Set by the signal of a key, which goes to all programs on the terminal.
static KEY_PRESSED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// Longest wait for an answer before a signal is looked for.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// From now on, signals that would end this program are noted instead.
///
/// # Errors
/// When the kernel refuses.
pub fn arm() -> Result<(), CommandFailure> {
    let flag = SIGNALLED.get_or_init(Arc::default);
    let key = KEY_PRESSED.get_or_init(Arc::default);
    for (signal, flag) in [
        (SIGHUP, flag),
        (SIGTERM, flag),
        (SIGINT, key),
        (SIGQUIT, key),
    ] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .map_err(|error| CommandFailure::system(format!("sigaction: {error}")))?;
    }
    Ok(())
}

/// Forgets the keys that were pressed while another program had the terminal: they were for that one.
pub fn forget_keys() {
    if let Some(flag) = KEY_PRESSED.get() {
        flag.store(false, Ordering::Relaxed);
    }
}

/// Fails once a signal has come.
///
/// # Errors
/// A refusal that says so.
pub fn check() -> Result<(), CommandFailure> {
    if was_signalled() {
        Err(CommandFailure::refused("interrupted").of_kind(FailureKind::Interrupted))
    } else {
        Ok(())
    }
}

/// True if the terminal at standard input is hung up. The programs on it see that before the signal comes.
pub fn is_hung_up() -> bool {
    let stdin = io::stdin();
    let mut seen = [PollFd::new(&stdin, PollFlags::empty())];
    let looked = poll(&mut seen, Some(&Timespec::default()));
    looked.is_err() || seen.iter().any(|it| it.revents().contains(PollFlags::HUP))
}

/// Waits for an answer on standard input, up to a fifth of a second. True if there is one.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] once a signal has come.
pub fn answer_is_there() -> io::Result<bool> {
    if was_signalled() {
        return Err(io::ErrorKind::Interrupted.into());
    }
    let stdin = io::stdin();
    let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut ready, Some(&PATIENCE)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Waits for an answer on standard input, where signals are noted. Without [`arm`] it returns at once: a signal ends the
/// program.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] once a signal has come.
pub fn wait_for_answer() -> io::Result<()> {
    while SIGNALLED.get().is_some() && !answer_is_there()? {}
    Ok(())
}

/// True once a signal has come.
pub fn was_signalled() -> bool {
    [&SIGNALLED, &KEY_PRESSED]
        .into_iter()
        .filter_map(OnceLock::get)
        .any(|flag| flag.load(Ordering::Relaxed))
}
