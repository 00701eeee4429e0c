//! The policy as a file.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Stat};

use crate::policy::{self, Policy};
use crate::state::policy_fingerprint;
use crate::sys::file::{self, Access, Existing, FileError, Open};

use super::{Cause, Error, Store};

/// Where a policy is.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    path: PathBuf,
}

/// A policy that was read, with what is needed to tell whether the file has changed since.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    /// Hash of its text.
    pub fingerprint: u64,
    stamp: Stamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: i64,
    changed: (i64, i64),
}

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Self {
        // The widths of these fields differ between architectures.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        Self {
            file: (stat.st_dev as u64, stat.st_ino as u64),
            size: stat.st_size as i64,
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

impl PolicyFile {
    /// The policy at `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Error`] when it is missing, unreadable, invalid, not root's, or writable by others.
    pub fn load(&self) -> Result<LoadedPolicy, Error> {
        let (text, stat) = self.read()?;
        let policy = policy::parse(&text).map_err(|error| self.error(Cause::Policy(error)))?;
        Ok(LoadedPolicy {
            policy,
            fingerprint: policy_fingerprint(&text),
            stamp: Stamp::from(&stat),
        })
    }

    /// Reads it again unless the file is unchanged since `loaded` was read.
    ///
    /// # Errors
    /// [`Error`] as for [`PolicyFile::load`].
    pub fn refresh(&self, loaded: &mut LoadedPolicy) -> Result<(), Error> {
        let (_, stat) = self.open()?;
        if Stamp::from(&stat) != loaded.stamp {
            *loaded = self.load()?;
        }
        Ok(())
    }

    /// Its text, for editing.
    ///
    /// # Errors
    /// [`Error`] when it is missing, unreadable, not root's, or writable by others.
    pub fn text(&self) -> Result<String, Error> {
        self.read().map(|(text, _)| text)
    }

    /// Replaces it atomically with `text`, which must be a valid policy; root 0644.
    ///
    /// `change` turns the current text (`None` when there is no file) into the new one while other writers wait.
    ///
    /// # Errors
    /// [`Error`], or what `change` returns; the file is as it was then.
    pub fn edit<E: From<Error>>(
        &self,
        store: &Store,
        change: impl FnOnce(Option<&str>) -> Result<String, E>,
    ) -> Result<(), E> {
        let _lock = store.lock_whole()?;
        let current = match self.text() {
            Err(error) if error.is_missing() => None,
            other => Some(other?),
        };
        let text = change(current.as_deref())?;
        policy::parse(&text).map_err(|error| self.error(Cause::Policy(error)))?;
        self.write(&text).map_err(E::from)
    }

    fn write(&self, text: &str) -> Result<(), Error> {
        let (Some(directory), Some(name)) = (
            self.path.parent(),
            self.path.file_name().and_then(OsStr::to_str),
        ) else {
            return Err(self.error(Cause::File(FileError::WrongType)));
        };
        let fd = file::open_directory(CWD, directory, Access::Readable)
            .map_err(Error::file(directory))?;
        let bytes = text.as_bytes();
        file::write_file(fd, name, bytes, Access::Readable, Existing::Replace)
            .map_err(Error::file(&self.path))
    }

    fn open(&self) -> Result<(std::os::fd::OwnedFd, Stat), Error> {
        file::open_file(CWD, &self.path, Open::Read, Access::Readable)
            .map_err(Error::file(&self.path))
    }

    fn read(&self) -> Result<(String, Stat), Error> {
        let (fd, stat) = self.open()?;
        let bytes = file::read_all(fd).map_err(Error::file(&self.path))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| self.error(Cause::NotUtf8))?;
        Ok((text.to_owned(), stat))
    }

    fn error(&self, cause: Cause) -> Error {
        Error {
            path: self.path.clone(),
            cause,
        }
    }
}
