//! Errors of a kept file: which file, and the cause.

use std::fmt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::sys::file::FileError;
use twofactor_core::policy::PolicyError;
use twofactor_core::record::RecordError;
use twofactor_core::state::StateError;

use super::file_names;

/// A file that cannot be used. The text carries no content of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreError {
    /// The file or directory.
    pub path: PathBuf,
    /// The cause.
    pub cause: FileFault,
}

/// Reason why a file cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub enum FileFault {
    /// The file cannot be opened, read or written, or is not safe to use.
    File(FileError),
    /// The file is not UTF-8.
    NotUtf8,
    /// The file is not a valid policy.
    Policy(PolicyError),
    /// The file is not a valid record.
    Record(RecordError),
    /// The file is not a valid state.
    State(StateError),
    /// The file belongs to another user id: the name was given to another user.
    OtherUid {
        /// In the file.
        recorded: u32,
        /// In the passwd database.
        current: u32,
    },
    /// The file is the record of a user of this other name.
    OtherUser(String),
    /// A record has no state beside it.
    MissingState,
    /// The state does not know a device of the record.
    UnknownDevice(String),
    /// Another process held the lock for too long; which one, if it can be seen.
    Busy(Option<u32>),
    /// The state was taken over by another process while this one did not move: nothing may be concluded from what was
    /// read.
    TakenOver,
    /// Another process changed the file after it was read.
    Changed,
    /// The state can be written no more often.
    Exhausted,
    /// The state directory carries no mark: it is not mounted, not restored, or was made anew.
    Unmarked,
    /// The state directory carries the mark of another one.
    OtherMark,
    /// The id of the state directory is not noted in this file.
    NotNoted(PathBuf),
    /// A state knows a device, or an index entry names the user, and there is no record of them.
    LostRecord,
    /// Several records belong to the uid of a user whose name has none: their names.
    SeveralRecords(Vec<String>),
    /// Something is kept about the user already.
    Occupied,
    /// The record of the account is kept under this other name.
    KeptAs(String),
    /// No user can be enrolled under a name that long.
    NameTooLong,
    /// The host is in a fleet, and this program cannot reach it.
    InFleet,
    /// The change was not made in the fleet: a sentence that says so.
    Fleet(String),
    /// The change was not made: the fleet has another record of the user than this host.
    FleetConflict,
    /// The change was made in the fleet, or may have been, and is not known to be made on this host: a sentence that says so.
    FleetAhead(String),
    /// Something that has no cause of its own here.
    System(&'static str),
}

impl StoreError {
    pub(crate) fn file(path: &Path) -> impl Fn(FileError) -> Self {
        move |error| Self {
            path: path.to_owned(),
            cause: FileFault::File(error),
        }
    }

    pub(crate) fn lock(path: &Path) -> impl Fn(Errno) -> Self {
        move |errno| Self {
            path: path.to_owned(),
            cause: FileFault::File(FileError::System("flock", errno)),
        }
    }

    /// True if `twofactor unlock` repairs this: the state, and only the state, is unusable.
    #[must_use]
    pub const fn fixed_by_unlock(&self) -> bool {
        matches!(
            self.cause,
            FileFault::State(StateError::Damaged | StateError::Length)
                | FileFault::Exhausted
                | FileFault::MissingState
                | FileFault::UnknownDevice(_)
        )
    }

    /// True if a change may count in the fleet that is not known to be made on this host.
    #[must_use]
    pub const fn is_unsure(&self) -> bool {
        matches!(self.cause, FileFault::FleetAhead(_))
    }

    /// The user whose record or state it is about, by the name of the file.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        let file = self.path.file_name()?.to_str()?;
        file_names::user_of(file).or_else(|| file_names::user_of_state(file))
    }

    /// True if the file does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match &self.cause {
            FileFault::File(error) => error.is_missing(),
            _ => false,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.cause)
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NotUtf8 => f.write_str("is not UTF-8"),
            Self::Policy(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
            Self::State(error) => error.fmt(f),
            Self::OtherUid { recorded, current } => write!(
                f,
                "belongs to uid {recorded}, but the user now has uid {current}"
            ),
            Self::OtherUser(name) => write!(f, "is the record of another user: {name:?}"),
            Self::MissingState => f.write_str("is missing beside a record"),
            Self::UnknownDevice(name) => write!(f, "does not know the device {name}"),
            Self::Busy(None) => f.write_str("is locked by another process"),
            Self::Busy(Some(pid)) => write!(f, "is locked by process {pid}"),
            Self::TakenOver => f.write_str("was taken over by another process"),
            Self::Changed => f.write_str("was changed meanwhile"),
            Self::Exhausted => f.write_str("has no sequence number left"),
            Self::Unmarked => f.write_str(
                "is not marked as a state directory: it is not mounted, not restored, or was made anew",
            ),
            Self::OtherMark => f.write_str("is not the state directory that was in use here"),
            Self::NotNoted(file) => {
                write!(f, "is marked, but {} does not name it", file.display())
            }
            Self::LostRecord => f.write_str("belongs to a device whose record is gone"),
            Self::SeveralRecords(names) => write!(
                f,
                "there are records of several users of this uid: {}",
                names.join(", ")
            ),
            Self::Occupied => f.write_str("something is kept under this name already"),
            Self::KeptAs(name) => write!(f, "the record of this uid is kept as {name:?}"),
            Self::NameTooLong => f.write_str("the user name is too long"),
            Self::InFleet => f.write_str(
                "this host is in a fleet, which this program cannot ask with these files",
            ),
            Self::FleetConflict => f.write_str(
                "the fleet has another record of this user; nothing was changed, and the next poll brings it here",
            ),
            Self::Fleet(text) | Self::FleetAhead(text) => f.write_str(text),
            Self::System(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            FileFault::File(error) => Some(error),
            FileFault::Policy(error) => Some(error),
            FileFault::Record(error) => Some(error),
            FileFault::State(error) => Some(error),
            _ => None,
        }
    }
}
