//! Names that are made only where there are none.
//!
//! link(2) and rename(2) without replacement are atomic: of two processes that make the same name, one gets EEXIST.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, fchmod, fsync, linkat, openat, renameat,
    renameat_with, unlinkat,
};
use rustix::io::{Errno, retry_on_intr};

use super::file::{self, FileAccess, FileError, FileOpening};
use super::lock;

/// Kind of a new file before it has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewFileKind {
    /// Open to the locks of others.
    Free,
    /// Locked by this process (flock(2)): others see it locked from the first moment on.
    Locked,
}

/// A file of mode 0600 that has no name yet, or a temporary one where the file system does not know O_TMPFILE.
///
/// A kill leaves nothing, or the temporary file.
pub struct NewFile<'d> {
    directory: BorrowedFd<'d>,
    fd: OwnedFd,
    temporary: Option<String>,
}

impl<'d> NewFile<'d> {
    /// Makes it, with this content. `name` is the name that it will have.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn create(
        directory: BorrowedFd<'d>,
        name: &str,
        bytes: &[u8],
        claim: NewFileKind,
    ) -> Result<Self, FileError> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = match retry_on_intr(|| openat(directory, ".", flags, owner())) {
            Ok(fd) => Self {
                directory,
                fd: file::apart(fd)?,
                temporary: None,
            },
            // Errors of file systems and kernels without O_TMPFILE (open(2)).
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                Self::with_name(directory, name)?
            }
            Err(errno) => return Err(FileError::System("create", errno)),
        };
        file.fill(bytes, claim)?;
        Ok(file)
    }

    /// Waits until its content is on the disk.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn flush(&self) -> Result<(), FileError> {
        retry_on_intr(|| fsync(&self.fd)).map_err(|errno| FileError::System("fsync", errno))
    }

    /// Gives it its name, which is durable after [`file::flush_directory`]. `None` if the name exists.
    ///
    /// # Errors
    /// [`FileError`]; then there is no new name.
    pub fn publish(self, name: &str) -> Result<Option<OwnedFd>, FileError> {
        let directory = self.directory;
        self.publish_in(directory, name)
    }

    /// [`NewFile::publish`] in another directory of the same file system.
    ///
    /// # Errors
    /// [`FileError`]; then there is no new name.
    pub fn publish_in(
        mut self,
        directory: BorrowedFd<'_>,
        name: &str,
    ) -> Result<Option<OwnedFd>, FileError> {
        let linked = match &self.temporary {
            Some(temporary) => linkat(
                self.directory,
                temporary.as_str(),
                directory,
                name,
                AtFlags::empty(),
            ),
            None => link_open(&self.fd, directory, name),
        };
        let own = file::is_still(directory, name, &file::stat(&self.fd)?);
        self.forget_temporary();
        match linked {
            // Another process has taken the temporary name meanwhile: what has the name now is its file.
            Ok(()) if !own? => Ok(None),
            Ok(()) => {
                let fd = self.fd.try_clone();
                fd.map(Some)
                    .map_err(|_| FileError::System("dup", Errno::MFILE))
            }
            Err(Errno::EXIST) => Ok(None),
            Err(errno) => Err(FileError::System("link", errno)),
        }
    }

    fn with_name(directory: BorrowedFd<'d>, name: &str) -> Result<Self, FileError> {
        // The name that `file::write_file` has as well: what a kill leaves is removed by the next change.
        let temporary = format!(".{name}.new");
        file::remove(directory, &temporary)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| openat(directory, temporary.as_str(), flags, owner()))
            .map_err(|errno| FileError::System("create", errno))?;
        Ok(Self {
            directory,
            fd: file::apart(fd)?,
            temporary: Some(temporary),
        })
    }

    fn fill(&self, bytes: &[u8], claim: NewFileKind) -> Result<(), FileError> {
        let failed = |call| move |errno| FileError::System(call, errno);
        // The caller's umask is not ours to change, and may be anything.
        fchmod(&self.fd, owner()).map_err(failed("chmod"))?;
        file::write_at(&self.fd, bytes, 0)?;
        if claim == NewFileKind::Locked
            && !lock::try_exclusive(&self.fd).map_err(failed("flock"))?
        {
            // It is open here only.
            return Err(FileError::System("flock", Errno::WOULDBLOCK));
        }
        Ok(())
    }

    fn forget_temporary(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // The earlier error is the one that is reported.
            let _ = unlinkat(self.directory, temporary.as_str(), AtFlags::empty());
        }
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        self.forget_temporary();
    }
}

fn owner() -> Mode {
    Mode::RUSR | Mode::WUSR
}

/// Makes a file whose content is on the disk before it has its name. `None` if the name exists.
///
/// # Errors
/// [`FileError`]; then there is no new name.
pub fn create_new(
    directory: impl AsFd,
    name: &str,
    bytes: &[u8],
    claim: NewFileKind,
) -> Result<Option<OwnedFd>, FileError> {
    let file = NewFile::create(directory.as_fd(), name, bytes, claim)?;
    file.flush()?;
    file.publish(name)
}

/// The first way needs CAP_DAC_READ_SEARCH, the second /proc.
fn link_open(fd: &OwnedFd, directory: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match linkat(fd, "", directory, name, AtFlags::EMPTY_PATH) {
        Err(Errno::NOENT | Errno::PERM | Errno::INVAL) => {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            linkat(CWD, path, directory, name, AtFlags::SYMLINK_FOLLOW)
        }
        done => done,
    }
}

/// Renames a file; whatever had the new name is gone.
///
/// # Errors
/// [`FileError`]; [`FileError::is_missing`] if the old name is gone.
pub fn rename(directory: impl AsFd, from: &str, to: &str) -> Result<(), FileError> {
    renameat(&directory, from, &directory, to).map_err(|errno| match errno {
        Errno::NOENT => FileError::System("open", errno),
        errno => FileError::System("rename", errno),
    })
}

/// Renames a file if the new name is free; tells whether it was.
///
/// # Errors
/// [`FileError`], also where the file system knows no such renaming.
pub fn rename_new(directory: impl AsFd, from: &str, to: &str) -> Result<bool, FileError> {
    match renameat_with(&directory, from, &directory, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(FileError::System("rename", errno)),
    }
}

/// Time at which the content of a new file is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkDurability {
    /// Before the file has its name.
    Now,
    /// After a flush of the file system, for many files at once.
    Later,
}

/// Makes a small file that holds one line, whole from the first moment on; tells whether the name was free.
///
/// # Errors
/// [`FileError`].
pub fn write_value(
    directory: impl AsFd,
    name: &str,
    value: &str,
    durability: LinkDurability,
) -> Result<bool, FileError> {
    let bytes = format!("{value}\n").into_bytes();
    let file = NewFile::create(directory.as_fd(), name, &bytes, NewFileKind::Free)?;
    if durability == LinkDurability::Now {
        file.flush()?;
    }
    Ok(file.publish(name)?.is_some())
}

/// The line that a small file holds. `None` when two system calls have said that there is nothing under that name.
///
/// # Errors
/// [`FileError`], also when it is no file of root's that is closed to others, or not one line of UTF-8.
pub fn read_value(directory: impl AsFd, name: &str) -> Result<Option<String>, FileError> {
    let open = || {
        file::open_file(
            &directory,
            Path::new(name),
            FileOpening::Read,
            FileAccess::Private,
        )
    };
    let (fd, stat) = match open() {
        Err(error) if error.is_missing() && file::is_absent(&directory, name)? => return Ok(None),
        // Made in between, or it was there all the time.
        Err(error) if error.is_missing() => open()?,
        other => other?,
    };
    let bytes = file::read_all(fd, &stat)?;
    let line = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.strip_suffix('\n'))
        .filter(|line| !line.is_empty() && !line.contains('\n'));
    line.map(|line| Some(line.to_owned()))
        .ok_or(FileError::WrongType)
}
