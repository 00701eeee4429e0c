//! `users/` and `state/` of a state directory: opened and checked where a change, a list or a proof of absence needs
//! them, and gone through where one file in them is all that is wanted.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::Stat;

use crate::sys::file::{self, FileAccess, FileError, FileOpening};

use super::StoreError;

/// One of the two directories.
pub(super) struct StateSubdirectory {
    top: Arc<OwnedFd>,
    name: &'static str,
    path: PathBuf,
    opened: OnceLock<OwnedFd>,
    /// Filled once it was checked, open or not.
    checked: OnceLock<()>,
}

impl StateSubdirectory {
    /// The directory `name` in the state directory that is open as `top`, which is root's alone.
    pub(super) fn new(top: &Arc<OwnedFd>, path: &Path, name: &'static str) -> Self {
        Self {
            top: Arc::clone(top),
            name,
            path: path.join(name),
            opened: OnceLock::new(),
            checked: OnceLock::new(),
        }
    }

    /// [`StateSubdirectory::new`]; the directory is made, with mode 0700, unless it is there.
    ///
    /// # Errors
    /// [`StoreError`] as for [`StateSubdirectory::directory`], or when it cannot be made.
    pub(super) fn ensure(
        top: &Arc<OwnedFd>,
        path: &Path,
        name: &'static str,
    ) -> Result<Self, StoreError> {
        let part = Self::new(top, path, name);
        let fd =
            file::ensure_directory(top, Path::new(name)).map_err(StoreError::file(&part.path))?;
        let opened = OnceLock::from(fd);
        Ok(Self { opened, ..part })
    }

    /// Its path, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory itself, root's and private.
    ///
    /// # Errors
    /// [`StoreError`] when it is missing, not root's, or accessible to others.
    pub(super) fn directory(&self) -> Result<&OwnedFd, StoreError> {
        if let Some(fd) = self.opened.get() {
            return Ok(fd);
        }
        let fd = file::open_directory(&self.top, Path::new(self.name), FileAccess::Private)
            .map_err(StoreError::file(&self.path))?;
        Ok(self.opened.get_or_init(|| fd))
    }

    /// Opens a file in it, with the checks of [`file::open_file`]. Until the directory is open, one system call finds the
    /// file through the state directory, which is root's alone, and follows no link. Where that fails, for whatever
    /// reason, the directory is opened, and what it says counts: a file that is not found is looked for in a directory
    /// that is there.
    ///
    /// # Errors
    /// [`FileError`] of the file; [`StoreError`] of the directory.
    pub(super) fn open_file(
        &self,
        name: &str,
        how: FileOpening,
    ) -> Result<Result<(OwnedFd, Stat), FileError>, StoreError> {
        if self.opened.get().is_none()
            && let Ok(found) = self.open_beneath(name, how)
        {
            return Ok(Ok(found));
        }
        let directory = self.directory()?;
        Ok(file::open_file(
            directory,
            Path::new(name),
            how,
            FileAccess::Private,
        ))
    }

    /// True if `name` still is the file that was opened, and there is nothing under the name `closing` before that.
    ///
    /// # Errors
    /// [`FileError`]; a file that is missing is "no", not an error.
    pub(super) fn is_still_open(
        &self,
        name: &str,
        closing: &str,
        opened: &Stat,
    ) -> Result<bool, FileError> {
        // That the file is found under its name shows that the directory was there for the first look, too.
        let is_open = self.is_unclosed(closing)?;
        Ok(is_open
            && match self.opened.get() {
                Some(fd) => file::is_still(fd, name, opened)?,
                None => file::is_still(&self.top, &self.below(name), opened)?,
            })
    }

    /// True if there is nothing under the name `closing`.
    ///
    /// # Errors
    /// [`FileError`].
    pub(super) fn is_unclosed(&self, closing: &str) -> Result<bool, FileError> {
        match self.opened.get() {
            Some(fd) => file::is_absent(fd, closing),
            None => file::is_absent(&self.top, &self.below(closing)),
        }
    }

    fn open_beneath(&self, name: &str, how: FileOpening) -> Result<(OwnedFd, Stat), FileError> {
        if self.checked.get().is_none() {
            file::check_directory(&self.top, self.name, FileAccess::Private)?;
            let _ = self.checked.set(());
        }
        file::open_file_beneath(&self.top, &self.below(name), how, FileAccess::Private)
    }

    fn below(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }
}
