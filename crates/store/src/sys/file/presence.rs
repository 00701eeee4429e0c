//! Presence of a name, without opening what it names.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Stat, statat};
use rustix::io::Errno;

use super::FileError;

/// True if `name` still is the file that was opened.
///
/// # Errors
/// [`FileError`]; a missing file is "no", not an error.
pub fn is_still(
    directory: impl AsFd,
    name: &(impl AsRef<Path> + ?Sized),
    opened: &Stat,
) -> Result<bool, FileError> {
    match statat(directory, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok((stat.st_dev, stat.st_ino) == (opened.st_dev, opened.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(FileError::System("stat", errno)),
    }
}

/// True if there is nothing under a name.
///
/// # Errors
/// [`FileError`].
pub fn is_absent(directory: impl AsFd, name: &str) -> Result<bool, FileError> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(false),
        Err(Errno::NOENT) => Ok(true),
        Err(errno) => Err(FileError::System("stat", errno)),
    }
}

/// True if a regular file of root's has a name, seen by one system call.
///
/// # Errors
/// [`FileError`].
pub fn is_present(directory: impl AsFd, name: &str) -> Result<bool, FileError> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => {
            Ok(FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_uid == 0)
        }
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(FileError::System("stat", errno)),
    }
}
