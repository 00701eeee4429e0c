//! Opening, reading and overwriting files that only root may have touched.

mod content_version;
mod file_error;
mod in_place;
mod presence;
mod replacement;

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fchmod, fdatasync, fstat, mkdirat,
    openat, openat2, statat,
};
use rustix::io::{Errno, fcntl_dupfd_cloexec, pread, retry_on_intr};

use file_error::failed;

pub use content_version::ContentVersion;
pub use file_error::FileError;
pub use in_place::{size_limit, write_at, write_below};
pub use presence::{is_absent, is_present, is_still};
pub use replacement::{
    FlaggedRename, exchange, flush_directory, flush_file_system, flush_names, link, publish,
    publish_as, publish_new, publish_renamed, remove, remove_directory, remove_if_there,
    remove_leftover, rename_flagged, stage, write_file,
};

/// The first number of a file that is not one of the three standard ones.
const FIRST_FREE: RawFd = 3;
/// Largest file that is read, in bytes.
pub const MAX_LEN: usize = 64 * 1024;

/// Rights of others on a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileAccess {
    /// Nothing: it holds secrets.
    Private,
    /// Read it, but not write.
    Readable,
}

impl FileAccess {
    const fn forbidden(self) -> u32 {
        match self {
            Self::Private => 0o077,
            Self::Readable => 0o022,
        }
    }

    fn file_mode(self) -> Mode {
        match self {
            Self::Private => Mode::RUSR | Mode::WUSR,
            Self::Readable => Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH,
        }
    }
}

/// Opens a directory (not a link to one), owned by root and no more open than `access`.
///
/// # Errors
/// [`FileError`].
pub fn open_directory(
    at: impl AsFd,
    path: &Path,
    access: FileAccess,
) -> Result<OwnedFd, FileError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = retry_on_intr(|| openat(&at, path, flags, Mode::empty())).map_err(failed("open"))?;
    check(&fd, FileType::Directory, access)?;
    Ok(fd)
}

/// The checks of [`open_directory`] of one that is not opened.
///
/// # Errors
/// [`FileError`].
pub fn check_directory(at: impl AsFd, name: &str, access: FileAccess) -> Result<(), FileError> {
    let stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("stat"))?;
    check_stat(stat, FileType::Directory, access).map(drop)
}

/// Makes a directory with mode 0700 unless it is there, and opens it.
///
/// # Errors
/// [`FileError`].
pub fn ensure_directory(at: impl AsFd, path: &Path) -> Result<OwnedFd, FileError> {
    let made = mkdirat(&at, path, Mode::RWXU);
    match made {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(failed("mkdir")(errno)),
    }
    let fd = open_directory(at, path, FileAccess::Private)?;
    if made.is_ok() {
        // The caller's umask may have taken away more than it should.
        fchmod(&fd, Mode::RWXU).map_err(failed("chmod"))?;
    }
    Ok(fd)
}

/// Opens a private directory below a private one, and makes it where it is missing, durably.
///
/// # Errors
/// [`FileError`].
pub fn durable_directory(parent: &Path, name: &str) -> Result<OwnedFd, FileError> {
    match open_directory(CWD, &parent.join(name), FileAccess::Private) {
        Err(error) if error.is_missing() => {
            let parent = open_directory(CWD, parent, FileAccess::Private)?;
            let fd = ensure_directory(&parent, Path::new(name))?;
            flush_directory(&parent)?;
            Ok(fd)
        }
        opened => opened,
    }
}

/// The directory that a file is in, and its name there.
///
/// # Errors
/// [`FileError::WrongType`] for a path without a name, or with one that is not UTF-8.
pub fn parent_and_name(path: &Path) -> Result<(&Path, &str), FileError> {
    let parent = path.parent().ok_or(FileError::WrongType)?;
    let name = path.file_name().and_then(OsStr::to_str);
    let name = name.ok_or(FileError::WrongType)?;
    if parent.as_os_str().is_empty() {
        return Ok((Path::new("."), name));
    }
    Ok((parent, name))
}

/// Way in which a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOpening {
    /// To be read.
    Read,
    /// To be read and overwritten.
    Update,
}

impl FileOpening {
    fn flags(self) -> OFlags {
        let direction = match self {
            Self::Read => OFlags::RDONLY,
            Self::Update => OFlags::RDWR,
        };
        direction | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY
    }
}

/// Opens a regular file without following a link at its end, owned by root, no more open than `access`, at most
/// [`MAX_LEN`] bytes.
///
/// # Errors
/// [`FileError`]; [`FileError::is_missing`] tells "no such file" from everything else.
pub fn open_file(
    at: impl AsFd,
    path: &Path,
    how: FileOpening,
    access: FileAccess,
) -> Result<(OwnedFd, Stat), FileError> {
    let fd =
        retry_on_intr(|| openat(&at, path, how.flags(), Mode::empty())).map_err(failed("open"))?;
    checked_file(fd, access)
}

/// [`open_file`] of a file below a directory, where no part of the path may be a link, or lead out of it (openat2(2), since
/// Linux 5.6). Kernels and sandboxes that do not know the call refuse it.
///
/// # Errors
/// [`FileError`].
pub fn open_file_beneath(
    at: impl AsFd,
    path: &str,
    how: FileOpening,
    access: FileAccess,
) -> Result<(OwnedFd, Stat), FileError> {
    let ways = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let fd = retry_on_intr(|| openat2(&at, path, how.flags(), Mode::empty(), ways))
        .map_err(failed("open"))?;
    checked_file(fd, access)
}

/// Reads the whole file, from its beginning; `opened` is what [`open_file`] told of it. The allocator wipes it when it is
/// freed.
///
/// # Errors
/// [`FileError::TooLarge`] when it grew since it was opened.
pub fn read_all(fd: impl AsFd, opened: &Stat) -> Result<Vec<u8>, FileError> {
    let expected = usize::try_from(opened.st_size).unwrap_or(0).min(MAX_LEN);
    // A file that fills the one byte more than expected has grown.
    let mut buffer = vec![0; expected + 1];
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match retry_on_intr(|| pread(&fd, &mut *room, filled as u64)).map_err(failed("read"))? {
            0 => {
                buffer.truncate(filled);
                return Ok(buffer);
            }
            count => filled += count,
        }
        // There was room for more: the file ends where it is expected to.
        if filled == expected {
            buffer.truncate(filled);
            return Ok(buffer);
        }
    }
    Err(FileError::TooLarge)
}

/// Waits until the file's data is on the disk (fdatasync(2)).
///
/// # Errors
/// [`FileError`]; then nothing is known about what is on the disk.
pub fn flush(fd: impl AsFd) -> Result<(), FileError> {
    retry_on_intr(|| fdatasync(&fd)).map_err(failed("fdatasync"))
}

/// The kernel's attributes of an open file.
///
/// # Errors
/// [`FileError`].
pub fn stat(fd: impl AsFd) -> Result<Stat, FileError> {
    fstat(fd).map_err(failed("fstat"))
}

/// The number of the file system that an open file is on.
///
/// # Errors
/// [`FileError`].
pub fn device(fd: impl AsFd) -> Result<u64, FileError> {
    fstat(fd).map(|stat| stat.st_dev).map_err(failed("fstat"))
}

/// The file under a number above the three standard ones. A program may have closed those; a file under such a number would get
/// what a library writes to standard output or error.
pub(super) fn apart(fd: OwnedFd) -> Result<OwnedFd, FileError> {
    numbered(fd, FIRST_FREE)
}

fn numbered(fd: OwnedFd, first: RawFd) -> Result<OwnedFd, FileError> {
    if fd.as_raw_fd() >= first {
        return Ok(fd);
    }
    fcntl_dupfd_cloexec(&fd, first).map_err(failed("fcntl"))
}

fn checked_file(fd: OwnedFd, access: FileAccess) -> Result<(OwnedFd, Stat), FileError> {
    let fd = apart(fd)?;
    let stat = check(&fd, FileType::RegularFile, access)?;
    match usize::try_from(stat.st_size) {
        Ok(size) if size <= MAX_LEN => Ok((fd, stat)),
        _ => Err(FileError::TooLarge),
    }
}

fn check(fd: impl AsFd, kind: FileType, access: FileAccess) -> Result<Stat, FileError> {
    check_stat(fstat(fd).map_err(failed("fstat"))?, kind, access)
}

fn check_stat(stat: Stat, kind: FileType, access: FileAccess) -> Result<Stat, FileError> {
    let mode = stat.st_mode;
    match () {
        () if FileType::from_raw_mode(mode) != kind => Err(FileError::WrongType),
        () if stat.st_uid != 0 => Err(FileError::NotRoots),
        () if mode & access.forbidden() != 0 => Err(FileError::TooOpen(mode & 0o7777)),
        () => Ok(stat),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::{FdFlags, fcntl_getfd};

    #[test]
    fn a_file_with_a_standard_number_gets_another_one() {
        let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let fd = file();
        let number = fd.as_raw_fd();
        let kept = numbered(fd, number).unwrap();
        assert_eq!(kept.as_raw_fd(), number);
        let moved = numbered(kept, number + 7).unwrap();
        assert!(moved.as_raw_fd() >= number + 7);
        assert_eq!(fcntl_getfd(&moved).unwrap(), FdFlags::CLOEXEC);
        assert!(apart(file()).unwrap().as_raw_fd() >= FIRST_FREE);
    }
}
