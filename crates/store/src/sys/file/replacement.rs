//! Replacing and removing files and names, so that a power cut leaves the old or the new one.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, fchmod, fsync, linkat, openat, renameat,
    renameat_with, syncfs, unlinkat,
};
use rustix::io::{Errno, retry_on_intr};

use super::file_error::failed;
use super::{FileAccess, FileError, apart, write_at};

/// Writes or replaces a whole file, atomically and durably: under the temporary name `.NAME.new`, flushed, then renamed, then the directory flushed.
///
/// The temporary name is the same each time, so what a killed writer left is cleaned up by the next one. Callers
/// hold a lock that keeps other writers of `name` out.
///
/// # Errors
/// [`FileError`]; the old file is untouched unless the very last flush failed, and no temporary file is left.
pub fn write_file(
    directory: impl AsFd,
    name: &str,
    bytes: &[u8],
    access: FileAccess,
) -> Result<(), FileError> {
    let temporary = temporary_name(name);
    remove(&directory, &temporary)?;
    let written = write_temporary(&directory, &temporary, bytes, access).and_then(|()| {
        renameat(&directory, temporary.as_str(), &directory, name).map_err(failed("rename"))
    });
    if let Err(error) = written {
        // The first error is the one to tell.
        let _ = remove(&directory, &temporary);
        return Err(error);
    }
    flush_directory(&directory)
}

/// Writes a file under its temporary name and flushes nothing: for many files that one [`flush_file_system`] makes
/// durable before [`publish`] gives them their names. Returns the file, which the caller may lock.
///
/// # Errors
/// [`FileError`]; no temporary file is left.
pub fn stage(
    directory: impl AsFd,
    name: &str,
    bytes: &[u8],
    access: FileAccess,
) -> Result<OwnedFd, FileError> {
    let temporary = temporary_name(name);
    remove(&directory, &temporary)?;
    let staged = create(&directory, &temporary, bytes, access);
    if staged.is_err() {
        // The first error is the one to tell.
        let _ = remove(&directory, &temporary);
    }
    staged
}

/// Gives what [`stage`] wrote its name.
///
/// # Errors
/// [`FileError`]; no temporary file is left.
pub fn publish(directory: impl AsFd, name: &str) -> Result<(), FileError> {
    publish_renamed(directory, name, name)
}

/// Gives what [`stage`] wrote under one name another.
///
/// # Errors
/// [`FileError`]; no temporary file is left.
pub fn publish_renamed(directory: impl AsFd, staged: &str, name: &str) -> Result<(), FileError> {
    let temporary = temporary_name(staged);
    renameat(&directory, temporary.as_str(), &directory, name).map_err(|errno| {
        let _ = remove(&directory, &temporary);
        FileError::System("rename", errno)
    })
}

/// [`publish_renamed`], durably.
///
/// # Errors
/// [`FileError`]; no temporary file is left.
pub fn publish_as(directory: impl AsFd, staged: &str, name: &str) -> Result<(), FileError> {
    publish_renamed(&directory, staged, name)?;
    flush_directory(&directory)
}

/// A renaming with flags, as [`renameat_with`] makes it within a directory.
pub type FlaggedRename = fn(BorrowedFd<'_>, &str, &str, RenameFlags) -> Result<(), Errno>;

/// The renaming of the kernel.
///
/// # Errors
/// Those of renameat2(2).
pub fn rename_flagged(
    directory: BorrowedFd<'_>,
    old: &str,
    new: &str,
    flags: RenameFlags,
) -> Result<(), Errno> {
    renameat_with(directory, old, directory, new, flags)
}

/// Gives what [`stage`] wrote under one name another if that is free; tells whether it was.
///
/// # Errors
/// [`FileError`], also where the file system knows no such renaming. No temporary file is left.
pub fn publish_new(
    directory: impl AsFd,
    staged: &str,
    name: &str,
    rename: FlaggedRename,
) -> Result<bool, FileError> {
    let temporary = temporary_name(staged);
    let renamed = rename(directory.as_fd(), &temporary, name, RenameFlags::NOREPLACE);
    if renamed.is_err() {
        let _ = remove(&directory, &temporary);
    }
    match renamed {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(FileError::System("rename", errno)),
    }
}

/// Exchanges what two names stand for, whatever it is, so that at no moment one of them stands for nothing. Call
/// [`flush_directory`] to make that durable.
///
/// # Errors
/// [`FileError`], also where the file system knows no such renaming.
pub fn exchange(
    directory: impl AsFd,
    one: &str,
    other: &str,
    rename: FlaggedRename,
) -> Result<(), FileError> {
    rename(directory.as_fd(), one, other, RenameFlags::EXCHANGE)
        .map_err(|errno| FileError::System("rename", errno))
}

/// Gives a file a second name, which must be free.
///
/// # Errors
/// [`FileError`].
pub fn link(directory: impl AsFd, name: &str, second: &str) -> Result<(), FileError> {
    linkat(&directory, name, &directory, second, AtFlags::empty())
        .map_err(|errno| FileError::System("link", errno))
}

/// Waits until everything that was written to the file system of a directory is on the disk (syncfs(2)).
///
/// # Errors
/// [`FileError`]; Linux tells of failed writes from 5.8 on.
pub fn flush_file_system(directory: impl AsFd) -> Result<(), FileError> {
    retry_on_intr(|| syncfs(&directory)).map_err(failed("syncfs"))
}

/// Removes a file if it is there. Call [`flush_directory`] to make that durable.
///
/// # Errors
/// [`FileError`].
pub fn remove(directory: impl AsFd, name: &str) -> Result<(), FileError> {
    remove_if_there(directory, name).map(drop)
}

/// [`remove`] that is true if the file was there: of several processes that remove it, for one alone.
///
/// # Errors
/// [`FileError`].
pub fn remove_if_there(directory: impl AsFd, name: &str) -> Result<bool, FileError> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(FileError::System("unlink", errno)),
    }
}

/// Removes an empty directory if it is there.
///
/// # Errors
/// [`FileError`].
pub fn remove_directory(directory: impl AsFd, name: &str) -> Result<(), FileError> {
    match unlinkat(directory, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(FileError::System("rmdir", errno)),
    }
}

/// Removes what a killed [`write_file`] of `name` may have left.
///
/// # Errors
/// [`FileError`].
pub fn remove_leftover(directory: impl AsFd, name: &str) -> Result<(), FileError> {
    remove(directory, &temporary_name(name))
}

/// Waits until created, renamed and removed names are on the disk (fsync(2)).
///
/// # Errors
/// [`FileError`].
pub fn flush_directory(directory: impl AsFd) -> Result<(), FileError> {
    retry_on_intr(|| fsync(&directory)).map_err(failed("fsync"))
}

/// [`flush_directory`] for the directory at `path`, no matter which user owns it: nothing is read from it.
///
/// # Errors
/// [`FileError`].
pub fn flush_names(path: &Path) -> Result<(), FileError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = retry_on_intr(|| openat(CWD, path, flags, Mode::empty())).map_err(failed("open"))?;
    flush_directory(fd)
}

fn temporary_name(name: &str) -> String {
    format!(".{name}.new")
}

fn write_temporary(
    directory: impl AsFd,
    name: &str,
    bytes: &[u8],
    access: FileAccess,
) -> Result<(), FileError> {
    let fd = create(directory, name, bytes, access)?;
    retry_on_intr(|| fsync(&fd)).map_err(failed("fsync"))
}

fn create(
    directory: impl AsFd,
    name: &str,
    bytes: &[u8],
    access: FileAccess,
) -> Result<OwnedFd, FileError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = retry_on_intr(|| openat(&directory, name, flags, Mode::RUSR | Mode::WUSR))
        .map_err(failed("create"))?;
    let fd = apart(fd)?;
    // The caller's umask is not ours to change, and may be anything.
    fchmod(&fd, access.file_mode()).map_err(failed("chmod"))?;
    write_at(&fd, bytes, 0)?;
    Ok(fd)
}
