//! One setup at a time, from its first look at the files to the end of its trial.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;

/// Only root can hold the lock. The kernel releases it when the program ends.
const PATH: &str = "/run/twofactor-setup.lock";

/// The lock, held while it lives.
pub struct SetupLock(#[expect(dead_code, reason = "an open file holds the lock")] File);

impl SetupLock {
    /// Takes it.
    ///
    /// # Errors
    /// A refusal while another setup holds it; a system error when it cannot be taken.
    pub fn take() -> Result<Self, CommandFailure> {
        let failed =
            |error: &dyn std::fmt::Display| CommandFailure::system(format!("{PATH}: {error}"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(PATH)
            .map_err(|error| failed(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(Errno::WOULDBLOCK) => Err(CommandFailure::refused("another twofactor setup runs")
                .of_kind(FailureKind::Busy)
                .next("Answer its questions, or end it; then again.")),
            Err(errno) => Err(failed(&errno)),
        }
    }
}
