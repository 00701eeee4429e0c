//! The policy as a file.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, Dir};

use crate::sys::clock::BeforeEpoch;
use crate::sys::file::{self, FileAccess, FileError, FileOpening};
use twofactor_core::policy::{self, Policy, PolicyTime};
use twofactor_core::state::policy_fingerprint;

use super::state_generations::PATIENCE;
use super::{FactorStore, FileFault, StoreError};

/// The file of a policy.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    path: PathBuf,
}

/// Longest wait for other commands of root that remove devices or change the policy. On a host of a fleet each of them may wait for
/// the store.
pub const OTHER_COMMANDS: Duration = Duration::from_secs(15);

/// The wait for the lock of other writers.
#[derive(Debug, Clone, Copy)]
pub enum LockWait {
    /// A second; then the write goes on without the lock. A writer that is stopped must not hold up others.
    Short,
    /// [`OTHER_COMMANDS`], or until this says that the wait is given up; then nothing is written. Such a write is judged by what
    /// others keep in place.
    Required(fn() -> bool),
}

/// Other writers during an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherWriters {
    /// They wait for the lock.
    Wait,
    /// There is no lock, or it is held by a process that does not move.
    MayWrite,
}

impl OtherWriters {
    /// Other writers beside one that waited for the lock, and may have it.
    pub(super) const fn of(lock: Option<&OwnedFd>) -> Self {
        match lock {
            Some(_) => Self::Wait,
            None => Self::MayWrite,
        }
    }

    /// Name under which a new text is staged. Without the lock another process may write at the same moment.
    pub(super) fn staged_name(self, name: &str) -> String {
        match self {
            Self::Wait => name.to_owned(),
            Self::MayWrite => format!("{name}.{}", std::process::id()),
        }
    }
}

/// A policy that was read, or the defaults, of no file. It is kept for one login: nothing of it outlives that in the
/// process.
#[derive(Debug, Clone, Default)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    /// Text that says so.
    text: String,
    /// Last change of the file: seconds since 1970-01-01 UTC.
    changed: u64,
}

impl LoadedPolicy {
    /// Hash of the text: a grace period ends where it changes.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        policy_fingerprint(&self.text)
    }

    /// The clock's time, beside that of the file.
    #[must_use]
    pub fn time(&self, now: Result<u64, BeforeEpoch>) -> PolicyTime {
        PolicyTime {
            now: now.ok(),
            changed: self.changed,
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

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`StoreError`] when it is missing, unreadable, invalid, not root's, or writable by others.
    pub fn load(&self) -> Result<LoadedPolicy, StoreError> {
        let (text, changed) = self.read()?;
        self.parse(text, changed)
    }

    /// Reads it; `None` where there is no such file. Logins are refused then, but a command may go on with the defaults.
    ///
    /// # Errors
    /// [`StoreError`] as for [`PolicyFile::load`].
    pub fn load_if_present(&self) -> Result<Option<LoadedPolicy>, StoreError> {
        match self.load() {
            Err(error) if error.is_missing() => Ok(None),
            other => other.map(Some),
        }
    }

    /// Reads it again, and parses it again where the text is another one. Time stamps would miss a change that follows
    /// another within a tick of the kernel's clock.
    ///
    /// # Errors
    /// [`StoreError`] as for [`PolicyFile::load`].
    pub fn refresh(&self, loaded: &mut LoadedPolicy) -> Result<(), StoreError> {
        let (text, changed) = self.read()?;
        if text == loaded.text {
            loaded.changed = changed;
        } else {
            *loaded = self.parse(text, changed)?;
        }
        Ok(())
    }

    /// Its text, for editing.
    ///
    /// # Errors
    /// [`StoreError`] when it is missing, unreadable, not root's, or writable by others.
    pub fn text(&self) -> Result<String, StoreError> {
        self.read().map(|(text, _)| text)
    }

    /// Its text, and when it was changed.
    fn read(&self) -> Result<(String, u64), StoreError> {
        let (fd, stat) = file::open_file(CWD, &self.path, FileOpening::Read, FileAccess::Readable)
            .map_err(StoreError::file(&self.path))?;
        let bytes = file::read_all(fd, &stat).map_err(StoreError::file(&self.path))?;
        let text = String::from_utf8(bytes).map_err(|_| self.error(FileFault::NotUtf8))?;
        Ok((text, u64::try_from(stat.st_mtime).unwrap_or(0)))
    }

    /// Replaces it atomically with the text of `change`, which must be a valid policy; root 0644.
    ///
    /// `change` turns the current text (`None` when there is no file) into the new one while other writers wait. They
    /// wait for a lock in the state directory: any user could hold one on a directory that all users can open. Without a
    /// `store` there is no waiting, so that a broken state directory keeps no administrator from switching off. What is
    /// replaced is compared with what `change` got at the last moment. It returns what other writers could do meanwhile.
    ///
    /// # Errors
    /// [`StoreError`], or what `change` returns; the file is as it was then, unless the very last flush failed.
    /// [`FileFault::Changed`] where another text stands there by now. [`FileFault::Busy`] where a required lock was not had, with its holder.
    pub fn edit<E: From<StoreError>>(
        &self,
        (store, wait): (Option<&FactorStore>, LockWait),
        change: impl FnOnce(Option<&str>) -> Result<String, E>,
    ) -> Result<OtherWriters, E> {
        let lock = match (store, wait) {
            (Some(store), LockWait::Short) => store.lock_whole(PATIENCE)?,
            (Some(store), LockWait::Required(is_given_up)) => {
                store.lock_whole_unless(OTHER_COMMANDS, is_given_up)?
            }
            (None, _) => None,
        };
        if let (Some(store), None, LockWait::Required(_)) = (store, &lock, wait) {
            return Err(E::from(StoreError {
                path: store.path.clone(),
                cause: FileFault::Busy(store.whole_holder()),
            }));
        }
        let current = self.text_if_there()?;
        let text = change(current.as_deref())?;
        let text = self.parse(text, 0)?.text;
        let others = OtherWriters::of(lock.as_ref());
        self.write(&text, current.as_deref(), others)?;
        Ok(others)
    }

    fn text_if_there(&self) -> Result<Option<String>, StoreError> {
        match self.text() {
            Err(error) if error.is_missing() => Ok(None),
            other => other.map(Some),
        }
    }

    fn write(
        &self,
        text: &str,
        current: Option<&str>,
        others: OtherWriters,
    ) -> Result<(), StoreError> {
        let (directory, name) = file::parent_and_name(&self.path)
            .map_err(|error| self.error(FileFault::File(error)))?;
        let fd = file::open_directory(CWD, directory, FileAccess::Readable)
            .map_err(StoreError::file(directory))?;
        let staged = others.staged_name(name);
        let stage = || {
            if others == OtherWriters::Wait {
                remove_leftovers(&fd, name)?;
            }
            let new = file::stage(&fd, &staged, text.as_bytes(), FileAccess::Readable)?;
            file::flush(new)
        };
        stage().map_err(StoreError::file(&self.path))?;
        let unchanged = self.text_if_there().and_then(|now| {
            if now.as_deref() == current {
                Ok(())
            } else {
                Err(self.error(FileFault::Changed))
            }
        });
        if unchanged.is_err() {
            // The first error is the one to tell.
            let _ = file::remove_leftover(&fd, &staged);
            return unchanged;
        }
        file::publish_as(&fd, &staged, name).map_err(StoreError::file(&self.path))
    }

    /// True if it says the same as when it was loaded.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read any more, as for [`PolicyFile::load`].
    pub fn is_as(&self, loaded: &LoadedPolicy) -> Result<bool, StoreError> {
        let (text, _) = self.read()?;
        Ok(text == loaded.text)
    }

    pub(super) fn parse(&self, text: String, changed: u64) -> Result<LoadedPolicy, StoreError> {
        let policy = policy::parse(&text).map_err(|error| self.error(FileFault::Policy(error)))?;
        Ok(LoadedPolicy {
            policy,
            text,
            changed,
        })
    }

    pub(super) fn error(&self, cause: FileFault) -> StoreError {
        StoreError {
            path: self.path.clone(),
            cause,
        }
    }
}

/// Removes what was left by writers that had no lock and were killed.
fn remove_leftovers(directory: &OwnedFd, name: &str) -> Result<(), FileError> {
    let failed = |errno| FileError::System("readdir", errno);
    let start = format!("{name}.");
    for entry in Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name().to_str().ok();
        let staged = file_name
            .and_then(|file| file.strip_prefix('.')?.strip_suffix(".new"))
            .filter(|staged| staged.starts_with(&start));
        let writer = staged.and_then(|staged| staged.get(start.len()..)?.parse::<u32>().ok());
        if let (Some(staged), Some(writer)) = (staged, writer)
            && !Path::new("/proc").join(writer.to_string()).exists()
        {
            file::remove_leftover(directory, staged)?;
        }
    }
    Ok(())
}
