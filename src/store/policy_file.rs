//! The policy as a file.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;

use crate::policy::{self, Policy};
use crate::state::policy_fingerprint;
use crate::sys::file::{self, Access, FileError, Open};

use super::{Cause, Error, Store};

/// Where a policy is.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    path: PathBuf,
}

/// A policy that was read.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    /// Hash of its text, to tell whether the file has changed since.
    pub fingerprint: u64,
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
        self.parse(&self.text()?)
    }

    /// Reads it again. Time stamps would miss a change that follows another within a tick of the kernel's clock.
    ///
    /// # Errors
    /// [`Error`] as for [`PolicyFile::load`].
    pub fn refresh(&self, loaded: &mut LoadedPolicy) -> Result<(), Error> {
        let text = self.text()?;
        if policy_fingerprint(&text) != loaded.fingerprint {
            *loaded = self.parse(&text)?;
        }
        Ok(())
    }

    /// Its text, for editing.
    ///
    /// # Errors
    /// [`Error`] when it is missing, unreadable, not root's, or writable by others.
    pub fn text(&self) -> Result<String, Error> {
        let (fd, stat) = file::open_file(CWD, &self.path, Open::Read, Access::Readable)
            .map_err(Error::file(&self.path))?;
        let bytes = file::read_all(fd, &stat).map_err(Error::file(&self.path))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| self.error(Cause::NotUtf8))?;
        Ok(text.to_owned())
    }

    /// Replaces it atomically with `text`, which must be a valid policy; root 0644.
    ///
    /// `change` turns the current text (`None` when there is no file) into the new one while other writers wait. They
    /// wait for a lock in the state directory: anybody could hold one on a directory that everybody can open. Without
    /// a `store`, nobody waits: so that a broken state directory keeps nobody from switching off.
    ///
    /// # Errors
    /// [`Error`], or what `change` returns; the file is as it was then.
    pub fn edit<E: From<Error>>(
        &self,
        store: Option<&Store>,
        change: impl FnOnce(Option<&str>) -> Result<String, E>,
    ) -> Result<(), E> {
        let _lock = store.map(Store::lock_whole).transpose()?;
        let current = match self.text() {
            Err(error) if error.is_missing() => None,
            other => Some(other?),
        };
        let text = change(current.as_deref())?;
        self.parse(&text)?;
        self.write(&text).map_err(E::from)
    }

    fn write(&self, text: &str) -> Result<(), Error> {
        let (Some(directory), Some(name)) = (
            self.path.parent(),
            self.path.file_name().and_then(OsStr::to_str),
        ) else {
            return Err(self.error(Cause::File(FileError::WrongType)));
        };
        let directory = match directory.as_os_str().is_empty() {
            true => Path::new("."),
            false => directory,
        };
        let fd = file::open_directory(CWD, directory, Access::Readable)
            .map_err(Error::file(directory))?;
        file::write_file(fd, name, text.as_bytes(), Access::Readable)
            .map_err(Error::file(&self.path))
    }

    fn parse(&self, text: &str) -> Result<LoadedPolicy, Error> {
        let policy = policy::parse(text).map_err(|error| self.error(Cause::Policy(error)))?;
        Ok(LoadedPolicy {
            policy,
            fingerprint: policy_fingerprint(text),
        })
    }

    fn error(&self, cause: Cause) -> Error {
        Error {
            path: self.path.clone(),
            cause,
        }
    }
}
