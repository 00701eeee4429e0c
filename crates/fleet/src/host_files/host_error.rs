//! Errors of the files that tie a host to its fleet.

use std::fmt;
use std::path::{Path, PathBuf};

use twofactor_store::sys::file::FileError;

use crate::etcd::etcd_gateway::SettingsError;

/// A file of the fleet on this host that cannot be used. The text carries no content of it.
#[derive(Debug, Clone, PartialEq)]
pub struct HostError {
    /// The file or directory.
    pub path: PathBuf,
    /// The cause.
    pub cause: HostFault,
}

/// Reason why a file of the fleet cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub enum HostFault {
    /// The file cannot be opened, read or written, or is not safe to use.
    File(FileError),
    /// The file has a wrong form: the place of the fault, and what is expected there.
    Form {
        /// Line of the file, from 1; 0 for the whole.
        line: usize,
        /// The fault, without a word of the file.
        what: &'static str,
    },
    /// The settings name files or addresses that cannot be used.
    Settings(SettingsError),
    /// The host is in no fleet: the file of its place does not exist.
    NotJoined,
    /// The key of the fleet is being replaced.
    KeyRotation,
    /// The key belongs to another fleet than the host.
    OtherFleet,
    /// The kernel gives no randomness.
    Random,
    /// Another process holds the lock.
    Busy,
}

impl HostError {
    pub(crate) fn file(path: &Path) -> impl Fn(FileError) -> Self {
        move |error| Self::new(path, HostFault::File(error))
    }

    pub(crate) fn new(path: &Path, cause: HostFault) -> Self {
        Self {
            path: path.to_owned(),
            cause,
        }
    }

    /// True if the host is in no fleet, by the word of a directory that can be read.
    #[must_use]
    pub const fn is_not_joined(&self) -> bool {
        matches!(self.cause, HostFault::NotJoined)
    }

    /// True if the file does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(&self.cause, HostFault::File(error) if error.is_missing())
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.cause {
            HostFault::File(error) => error.fmt(f),
            HostFault::Form { line: 0, what } => f.write_str(what),
            HostFault::Form { line, what } => write!(f, "line {line}: {what}"),
            HostFault::Settings(error) => error.fmt(f),
            HostFault::NotJoined => f.write_str("this host is in no fleet"),
            HostFault::KeyRotation => {
                f.write_str("the key of the fleet is being replaced, and that is not finished")
            }
            HostFault::OtherFleet => f.write_str("the key belongs to another fleet than this host"),
            HostFault::Random => f.write_str("the kernel gives no randomness"),
            HostFault::Busy => f.write_str("is locked by another process"),
        }
    }
}

impl std::error::Error for HostError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            HostFault::File(error) => Some(error),
            HostFault::Settings(error) => Some(error),
            _ => None,
        }
    }
}
