//! Removing the files of a user, and putting a new one in place of those that cannot be read.

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::sys::file::{self, FileAccess, FileError, FileOpening};
use crate::sys::lock::LockPause;
use crate::sys::new_file;
use twofactor_core::state::{self, UserState};

use super::generation_access::list_names;
use super::{PATIENCE, StateFiles};
use crate::files::StoreError;

impl StateFiles<'_> {
    /// Puts a new file in place of one that cannot be read. Its lock is waited for, but a holder that does not move does
    /// not keep an administrator from it.
    pub(in crate::files) fn replace_unreadable(&self, state: &UserState) -> Result<(), StoreError> {
        if let Some(base) = self.open_base(FileOpening::Update)? {
            let mut pause = LockPause::begin();
            while !self.try_lock(&base)? && pause.waited() < PATIENCE {
                pause.rest();
            }
            // Another process may have made a new one meanwhile.
            if !self.is_still(self.directory()?, &self.name, &base.stat)? {
                return Ok(());
            }
        }
        let states = self.directory()?;
        let replace = |bytes: &[u8]| {
            file::write_file(states, &self.name, bytes, FileAccess::Private)
                .map_err(StoreError::file(&self.path))
        };
        // A holder of the old base must not find it open when the generations are gone. A process that is about to note a move in
        // the base finds that they are gone before the new base is there.
        replace(&state::encode_moved(state))?;
        self.remove_generations()?;
        replace(&state::encode_file(state))
    }

    /// Removes all files of the user. The base goes first: without it none of the others is found, and what a process that
    /// was stopped wrote into it counts no more. True if this call removed any.
    pub(in crate::files) fn remove_all(&self) -> Result<bool, StoreError> {
        let states = self.directory()?;
        let remove = || {
            file::remove_leftover(states, &self.name)?;
            let removed = file::remove_if_there(states, &self.name)?;
            file::flush_directory(states)?;
            Ok(removed)
        };
        let removed = remove().map_err(StoreError::file(&self.path))?;
        Ok(self.remove_generations()? || removed)
    }

    /// Removes the directory of generations; true if it was there. First it gets a name under which it is not found: from then on none of its
    /// files is the current one, in whatever order they go.
    pub(super) fn remove_generations(&self) -> Result<bool, StoreError> {
        let states = self.directory()?;
        let dead = format!(".{}", self.generations());
        let remove = || {
            remove_dead(states, &dead)?;
            match new_file::rename(states, &self.generations(), &dead) {
                Err(error) if error.is_missing() => return Ok(false),
                other => other?,
            }
            file::flush_directory(states)?;
            remove_dead(states, &dead)?;
            file::flush_directory(states)?;
            Ok(true)
        };
        remove().map_err(StoreError::file(&self.path))
    }
}

/// Removes a directory of generations that is not found any more.
fn remove_dead(states: &OwnedFd, name: &str) -> Result<(), FileError> {
    let directory = match file::open_directory(states, Path::new(name), FileAccess::Private) {
        Err(error) if error.is_missing() => return Ok(()),
        other => other?,
    };
    for file_name in list_names(&directory)? {
        file::remove(&directory, &file_name)?;
    }
    file::remove_directory(states, name)
}
