//! Opening, reading and locking one of the files, with the errors that name the state.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Dir, Stat};

use crate::sys::file::{self, FileAccess, FileError, FileOpening};
use crate::sys::lock;
use twofactor_core::state::{self, SlotStanding, StateError, StoredState};

use super::{GenerationDirectory, OpenFile, StateFiles};
use crate::files::{FileFault, StoreError};

impl<'s> StateFiles<'s> {
    /// The numbers of the generations, ascending.
    pub(super) fn numbers(&self, directory: &OwnedFd) -> Result<Vec<u64>, StoreError> {
        let names = list_names(directory).map_err(StoreError::file(&self.path))?;
        let mut numbers: Vec<u64> = Vec::new();
        for number in names.iter().filter_map(|name| name.parse().ok()) {
            let place = numbers.partition_point(|lower| *lower < number);
            numbers.insert(place, number);
        }
        Ok(numbers)
    }

    pub(super) fn open_generations(&self) -> Result<Option<GenerationDirectory>, StoreError> {
        let states = self.directory()?;
        let path = self.generations();
        let opened = match file::open_directory(states, Path::new(&path), FileAccess::Private) {
            Err(error) if error.is_missing() => return Ok(None),
            other => other.map_err(StoreError::file(&self.path))?,
        };
        let stat = file::stat(&opened).map_err(StoreError::file(&self.path))?;
        Ok(Some(GenerationDirectory { fd: opened, stat }))
    }

    /// The directory that all states are in.
    pub(super) fn directory(&self) -> Result<&'s OwnedFd, StoreError> {
        self.states.directory()
    }

    /// The name of the directory of generations.
    pub(super) fn generations(&self) -> String {
        format!("{}+", self.name)
    }

    pub(super) fn open_base(&self, how: FileOpening) -> Result<Option<OpenFile>, StoreError> {
        self.found(self.states.open_file(&self.name, how)?)
    }

    pub(super) fn open(
        &self,
        directory: &OwnedFd,
        name: &str,
        how: FileOpening,
    ) -> Result<Option<OpenFile>, StoreError> {
        self.found(file::open_file(
            directory,
            Path::new(name),
            how,
            FileAccess::Private,
        ))
    }

    fn found(
        &self,
        opened: Result<(OwnedFd, Stat), FileError>,
    ) -> Result<Option<OpenFile>, StoreError> {
        match opened {
            Err(error) if error.is_missing() => Ok(None),
            other => {
                let (fd, stat) = other.map_err(StoreError::file(&self.path))?;
                Ok(Some(OpenFile { fd, stat }))
            }
        }
    }

    pub(super) fn read_any(&self, opened: &OpenFile) -> Result<StoredState, StoreError> {
        let bytes =
            file::read_all(&opened.fd, &opened.stat).map_err(StoreError::file(&self.path))?;
        state::decode_file(&bytes).map_err(|error| self.error(FileFault::State(error)))
    }

    /// Reads a base, which is never provisional.
    pub(super) fn read(&self, opened: &OpenFile) -> Result<StoredState, StoreError> {
        let stored = self.read_any(opened)?;
        match stored.standing {
            SlotStanding::Settled => Ok(stored),
            SlotStanding::Provisional => Err(self.error(FileFault::State(StateError::Damaged))),
        }
    }

    pub(super) fn try_lock(&self, opened: &OpenFile) -> Result<bool, StoreError> {
        lock::try_exclusive(&opened.fd).map_err(StoreError::lock(&self.path))
    }

    pub(super) fn is_still(
        &self,
        directory: impl AsFd,
        name: &(impl AsRef<Path> + ?Sized),
        opened: &Stat,
    ) -> Result<bool, StoreError> {
        file::is_still(directory, name, opened).map_err(StoreError::file(&self.path))
    }

    pub(super) fn is_absent(&self, directory: &OwnedFd, name: &str) -> Result<bool, StoreError> {
        file::is_absent(directory, name).map_err(StoreError::file(&self.path))
    }

    pub(super) fn error(&self, cause: FileFault) -> StoreError {
        StoreError {
            path: self.path.clone(),
            cause,
        }
    }
}

/// The names in a directory of generations.
pub(super) fn list_names(directory: &OwnedFd) -> Result<Vec<String>, FileError> {
    let failed = |errno| FileError::System("readdir", errno);
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_str().unwrap_or_default();
        if !matches!(name, "" | "." | "..") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
