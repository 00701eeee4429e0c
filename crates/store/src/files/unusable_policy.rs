//! A policy that cannot be used, replaced by one that can. Whatever it is, it is kept beside the new one.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::sys::file::{self, FileAccess, FileError, FlaggedRename};
use twofactor_core::policy;

use super::policy_file::OtherWriters;
use super::state_generations::PATIENCE;
use super::{FactorStore, FileFault, PolicyFile, StoreError};

/// A policy by which no login is let in, as it was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct UnusablePolicy {
    /// The text, or the reason why it cannot be read as one.
    found: Result<String, StoreError>,
    kept: PathBuf,
}

impl UnusablePolicy {
    /// The text; `None` where it cannot be read as one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.found.as_deref().ok()
    }

    /// The path at which it is kept once it is replaced.
    #[must_use]
    pub fn kept(&self) -> &Path {
        &self.kept
    }

    /// True if the file at `path` is what was looked at.
    fn is_at(&self, path: &Path) -> bool {
        match (PolicyFile::new(path).text(), &self.found) {
            (Ok(text), Ok(found)) => text == *found,
            (Err(error), Err(found)) => error.cause == found.cause,
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        }
    }
}

impl PolicyFile {
    /// The policy that cannot be used; `None` where it is valid, or there is none.
    #[must_use]
    pub fn unusable(&self) -> Option<UnusablePolicy> {
        let found = self.text();
        let is_unusable = match &found {
            Ok(text) => policy::parse(text).is_err(),
            Err(error) => !error.is_missing(),
        };
        is_unusable.then(|| UnusablePolicy {
            found,
            kept: free_name(self.path()),
        })
    }

    /// Puts `text`, a valid policy, in the place of the one that cannot be used and was looked at, which gets the name that was
    /// told; root 0644. Other writers wait as in [`PolicyFile::edit`].
    ///
    /// # Errors
    /// [`StoreError`]; [`FileFault::Changed`] where another one stands there by now. The file is as it was then, unless the very
    /// last flush failed.
    pub fn replace_unusable(
        &self,
        store: Option<&FactorStore>,
        shown: &UnusablePolicy,
        text: &str,
    ) -> Result<(), StoreError> {
        self.parse(text.to_owned(), 0)?;
        let lock = store.map(|store| store.lock_whole(PATIENCE)).transpose()?;
        let lock = lock.flatten();
        if !shown.is_at(self.path()) {
            return Err(self.error(FileFault::Changed));
        }
        let others = OtherWriters::of(lock.as_ref());
        self.exchange_unusable(shown, text, (others, file::rename_flagged))
    }

    /// Puts `text` under the name of the unusable policy, and changes the names of both at once: at no moment is there no policy.
    pub(super) fn exchange_unusable(
        &self,
        shown: &UnusablePolicy,
        text: &str,
        (others, rename): (OtherWriters, FlaggedRename),
    ) -> Result<(), StoreError> {
        let failed = StoreError::file(self.path());
        let (directory, name) = file::parent_and_name(self.path()).map_err(&failed)?;
        let (_, kept) = file::parent_and_name(&shown.kept).map_err(&failed)?;
        let fd = file::open_directory(CWD, directory, FileAccess::Readable)
            .map_err(StoreError::file(directory))?;
        let staged = others.staged_name(name);
        let new = stage(&fd, &staged, text).map_err(&failed)?;
        match file::publish_new(&fd, &staged, kept, rename) {
            Ok(true) => {}
            Ok(false) => return Err(self.error(FileFault::Changed)),
            Err(error) if error.is_unknown_rename() => {
                return self.link_unusable(&fd, (name, kept, &staged), (shown, text));
            }
            Err(error) => return Err(failed(error)),
        }
        let withdraw = || -> Result<(), FileError> {
            let stat = file::stat(&new)?;
            if file::is_still(&fd, kept, &stat)? {
                file::remove(&fd, kept)?;
            }
            Ok(())
        };
        // The flush took a while, in which a writer that waits for no lock may have put a valid policy there. That must not be out of
        // force even for a moment. One that comes between this look and the exchange is, until both have their names again. After a
        // kill in just that time it has the second name.
        if !shown.is_at(self.path()) {
            withdraw().map_err(&failed)?;
            return Err(self.error(FileFault::Changed));
        }
        let exchanged = file::exchange(&fd, name, kept, rename);
        if exchanged.is_ok() && shown.is_at(&shown.kept) {
            return file::flush_directory(&fd).map_err(&failed);
        }
        // A writer that waits for no lock was here in between: what it wrote gets its name again.
        let restored = exchanged.and_then(|()| file::exchange(&fd, name, kept, rename));
        withdraw().map_err(&failed)?;
        match restored {
            Ok(()) => Err(self.error(FileFault::Changed)),
            Err(error) if error.is_unknown_rename() => {
                self.link_unusable(&fd, (name, kept, &staged), (shown, text))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Replaces it where the file system cannot change two names at once, as NFS: the unusable policy gets its second name first, and
    /// the new one takes its first name then.
    fn link_unusable(
        &self,
        fd: &OwnedFd,
        (name, kept, staged): (&str, &str, &str),
        (shown, text): (&UnusablePolicy, &str),
    ) -> Result<(), StoreError> {
        let failed = StoreError::file(self.path());
        stage(fd, staged, text).map_err(&failed)?;
        let linked = match file::link(fd, name, kept) {
            // What has that name by now is not ours.
            Err(FileError::System(_, Errno::EXIST)) => Err((self.error(FileFault::Changed), false)),
            Err(error) => Err((failed(error), false)),
            Ok(()) if shown.is_at(&shown.kept) && shown.is_at(self.path()) => Ok(()),
            Ok(()) => Err((self.error(FileFault::Changed), true)),
        };
        let renamed = linked.and_then(|()| {
            file::publish_renamed(fd, staged, name).map_err(|error| (failed(error), true))
        });
        if let Err((error, is_linked)) = renamed {
            // The first error is the one to tell.
            let _ = file::remove_leftover(fd, staged);
            if is_linked {
                let _ = file::remove(fd, kept);
            }
            return Err(error);
        }
        file::flush_directory(fd).map_err(&failed)
    }
}

/// Writes the new policy, durably, under its temporary name.
fn stage(directory: &OwnedFd, staged: &str, text: &str) -> Result<OwnedFd, FileError> {
    let new = file::stage(directory, staged, text.as_bytes(), FileAccess::Readable)?;
    file::flush(&new)?;
    Ok(new)
}

/// `PATH.invalid`, or `PATH.invalid.2` and so on: an earlier one may be the only copy of a site's settings.
fn free_name(policy: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = policy.as_os_str().to_owned();
        name.push(".invalid");
        if number > 1 {
            name.push(format!(".{number}"));
        }
        PathBuf::from(name)
    };
    let mut names = (1..).map(name);
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    names.find(is_free).unwrap_or_else(|| name(1))
}
