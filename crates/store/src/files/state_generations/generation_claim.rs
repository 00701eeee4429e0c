//! Making the next file of a state: it is claimed, filled with what the one below it holds, and flushed.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::sys::file::{self, FileOpening};
use crate::sys::new_file::{NewFile, NewFileKind};
use twofactor_core::state::{self, MOVED, MOVED_OFFSET, SlotStanding, StoredState, UserState};

use super::{GenerationDirectory, HeldFile, OpenFile, StateFiles, StatePlace};
use crate::files::{FileFault, StoreError};

impl<'s> StateFiles<'s> {
    /// Makes the directory of generations and the first one. The file comes first: a base that is closed while no file can
    /// be made would keep the right person out.
    pub(super) fn close_base(&self) -> Result<Option<(GenerationDirectory, OpenFile)>, StoreError> {
        let claim = self.stage_claim()?;
        let states = self.directory()?;
        let publish = || {
            let made = file::ensure_directory(states, Path::new(&self.generations()))?;
            let Some(fd) = claim.publish_in(made.as_fd(), "1")? else {
                return Ok(None);
            };
            let stat = file::stat(&fd)?;
            let directory = GenerationDirectory {
                stat: file::stat(&made)?,
                fd: made,
            };
            Ok(Some((directory, OpenFile { fd, stat })))
        };
        publish().map_err(StoreError::file(&self.path))
    }

    pub(super) fn stage_claim(&self) -> Result<NewFile<'s>, StoreError> {
        let bytes = state::encode_provisional(&UserState::new(0));
        let states = self.directory()?.as_fd();
        let stage = || {
            let claim = NewFile::create(states, &self.name, &bytes, NewFileKind::Locked)?;
            claim.flush()?;
            Ok(claim)
        };
        stage().map_err(StoreError::file(&self.path))
    }

    pub(super) fn claim(
        &self,
        directory: &OwnedFd,
        number: u64,
    ) -> Result<Option<OpenFile>, StoreError> {
        let claim = self.stage_claim()?;
        let publish = || match claim.publish_in(directory.as_fd(), &number.to_string())? {
            Some(fd) => {
                let stat = file::stat(&fd)?;
                Ok(Some(OpenFile { fd, stat }))
            }
            None => Ok(None),
        };
        publish().map_err(StoreError::file(&self.path))
    }

    /// Turns a generation whose lock is held into the current file. `None` where another process did something meanwhile.
    pub(super) fn complete(
        &self,
        directory: GenerationDirectory,
        opened: OpenFile,
        number: u64,
    ) -> Result<Option<HeldFile>, StoreError> {
        let own = self.read_any(&opened)?;
        let fd = &directory.fd;
        let numbers = self.numbers(fd)?;
        if numbers.last() != Some(&number)
            || !self.is_still(fd, &number.to_string(), &opened.stat)?
        {
            // The file keeps its name: a gap would hide the higher ones from the holder of a lower one.
            return Ok(None);
        }
        // The remains of a killed process: its file may not be on the disk, lower ones may be there, readers may not
        // know.
        let unfinished = own.standing == SlotStanding::Provisional
            || numbers.len() > 1
            || !self.is_move_noted()?;
        let stored = if own.standing == SlotStanding::Provisional {
            let source = self.source(fd, &numbers, number)?;
            self.fill(&opened, &source)?
        } else {
            own
        };
        if unfinished {
            self.finish(&directory, &opened, &numbers)?;
        }
        let place = StatePlace::Generation(directory, number);
        let current = self.is_current(&place, &opened.stat)?;
        Ok(current.then_some(HeldFile {
            fd: opened.fd,
            stat: opened.stat,
            place,
            stored,
        }))
    }

    /// Makes the highest generation, which holds everything, durable with its names; then removes the lower ones and tells
    /// readers without a lock.
    pub(super) fn finish(
        &self,
        directory: &GenerationDirectory,
        highest: &OpenFile,
        numbers: &[u64],
    ) -> Result<(), StoreError> {
        let lower = numbers
            .split_last()
            .map(|(_, lower)| lower)
            .unwrap_or_default();
        let (fd, states) = (&directory.fd, self.directory()?);
        let finish = || {
            file::flush(&highest.fd)?;
            file::flush_directory(fd)?;
            file::flush_directory(states)?;
            for number in lower {
                file::remove(fd, &number.to_string())?;
            }
            file::flush_directory(fd)
        };
        finish().map_err(StoreError::file(&self.path))?;
        self.note_move(directory)
    }

    /// The content of the highest file below a generation that is not provisional.
    pub(super) fn source(
        &self,
        directory: &OwnedFd,
        numbers: &[u64],
        number: u64,
    ) -> Result<StoredState, StoreError> {
        for lower in numbers.iter().rev().filter(|lower| **lower < number) {
            let Some(opened) = self.open(directory, &lower.to_string(), FileOpening::Read)? else {
                return Err(self.error(FileFault::TakenOver));
            };
            let stored = self.read_any(&opened)?;
            if stored.standing == SlotStanding::Settled {
                return Ok(stored);
            }
        }
        match self.open_base(FileOpening::Read)? {
            // What took its place is gone: what it holds may be used up.
            Some(base) => match self.read(&base)? {
                stored if stored.moved => Err(self.error(FileFault::MissingState)),
                stored => Ok(stored),
            },
            None => Err(self.error(FileFault::MissingState)),
        }
    }

    pub(super) fn fill(
        &self,
        opened: &OpenFile,
        source: &StoredState,
    ) -> Result<StoredState, StoreError> {
        let bytes = state::encode_settled(&source.state);
        file::write_at(&opened.fd, &bytes, 0).map_err(StoreError::file(&self.path))?;
        state::decode_file(&bytes).map_err(|error| self.error(FileFault::State(error)))
    }

    pub(super) fn is_move_noted(&self) -> Result<bool, StoreError> {
        match self.open_base(FileOpening::Read)? {
            Some(base) => Ok(self.read(&base)?.moved),
            None => Ok(false),
        }
    }

    /// Tells readers without a lock not to read the base.
    pub(super) fn note_move(&self, directory: &GenerationDirectory) -> Result<(), StoreError> {
        let Some(base) = self.open_base(FileOpening::Update)? else {
            // The state was removed, or moved to another name, and readers do not come here any more.
            return Err(self.error(FileFault::TakenOver));
        };
        // The base of another state takes its place only after the directory is gone.
        if !self.is_still(self.directory()?, &self.generations(), &directory.stat)? {
            return Err(self.error(FileFault::TakenOver));
        }
        file::write_at(&base.fd, &MOVED, MOVED_OFFSET)
            .and_then(|()| file::flush(&base.fd))
            .map_err(StoreError::file(&self.path))
    }
}
