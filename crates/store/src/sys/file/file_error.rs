//! The reasons why a file cannot be used.

use std::fmt;

use rustix::io::Errno;

use super::MAX_LEN;

/// Reason why a file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileError {
    /// A system call failed.
    System(&'static str, Errno),
    /// Something else than a regular file (or directory), for example a link or a FIFO.
    WrongType,
    /// A user other than root owns it.
    NotRoots,
    /// Others have rights to it that they must not have: its mode.
    TooOpen(u32),
    /// The file has more than [`MAX_LEN`] bytes.
    TooLarge,
}

impl FileError {
    /// True if the error is that there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        *self == Self::System("open", Errno::NOENT)
    }

    /// True if it is the answer of a file system or kernel that knows no renaming with flags, as NFS.
    #[must_use]
    pub fn is_unknown_rename(&self) -> bool {
        let Self::System("rename", errno) = self else {
            return false;
        };
        [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP].contains(errno)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(call, errno) => write!(f, "{call}: {errno}"),
            Self::WrongType => f.write_str("is a link or not of the right type"),
            Self::NotRoots => f.write_str("is not owned by root"),
            Self::TooOpen(mode) => write!(f, "is accessible to others (mode {mode:04o})"),
            Self::TooLarge => write!(f, "is larger than {} KiB", MAX_LEN / 1024),
        }
    }
}

impl std::error::Error for FileError {}

/// The error of a system call.
pub(super) fn failed(call: &'static str) -> impl Fn(Errno) -> FileError {
    move |errno| match errno {
        // Errors that O_NOFOLLOW, O_DIRECTORY and O_NONBLOCK make of links, files and FIFOs in the way.
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => FileError::WrongType,
        errno => FileError::System(call, errno),
    }
}
