//! The files of one user's state: finding the current one, locking it, and taking it over from a holder that does not
//! move.
//!
//! `state/NAME` is the base. A process that has waited a second for its lock, while the state did not change, closes it: it makes
//! the directory `state/NAME+`. The files in there are generations, named by numbers from 1 on; the highest counts. Each is
//! claimed with link(2), which fails if another process did it, and is locked by its maker. It is provisional until it holds the
//! content of the highest file below it that is not provisional itself, and is flushed. Then the lower ones are removed. A
//! generation whose lock is held for too long is taken over in the same way.
//!
//! After its flush the holder of a file looks whether it is still the current one: the base is not closed, or the next generation
//! does not exist, and the name is still its file. Otherwise it says nothing about the code. What it wrote before that look is
//! copied by every later generation, since a generation is filled after it was made.
//!
//! Numbers only grow, and the highest file is never removed, so that nothing comes back. `tests/takeover_model.rs` tries all
//! orders of steps, stops and kills of two processes, and of three with `make races`.

mod generation_access;
mod generation_claim;
mod generation_removal;
mod lock_watch;
mod state_renaming;

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{CWD, Stat};

use crate::sys::file::{self, FileOpening};
use crate::sys::lock::{self, LockPause, WAIT};
use crate::sys::new_file::{self, NewFile, NewFileKind};
use twofactor_core::state::{self, SlotStanding, StoredState, UserState};

use super::state_subdirectory::StateSubdirectory;
use super::{FactorStore, FileFault, StoreError, file_names};
use lock_watch::LockWatch;
pub(super) use lock_watch::PATIENCE;

/// Number of times that a reader without a lock looks for the file in place of a base: one may go while it looks.
const PEEK_TRIES: u32 = 3;

/// The names of one user's state files.
pub(super) struct StateFiles<'s> {
    states: &'s StateSubdirectory,
    name: String,
    path: PathBuf,
}

/// A state file whose lock this process holds.
pub(super) struct HeldFile {
    pub(super) fd: OwnedFd,
    stat: Stat,
    place: StatePlace,
    pub(super) stored: StoredState,
}

/// Place of a state file.
enum StatePlace {
    /// `state/NAME`.
    Base,
    /// A generation.
    Generation(GenerationDirectory, u64),
}

/// The directory of a user's generations.
struct GenerationDirectory {
    fd: OwnedFd,
    stat: Stat,
}

/// Longest wait for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockWaiting {
    /// Not at all.
    Never,
    /// Until it is had or taken over; an error after [`WAIT`].
    Patient,
}

struct OpenFile {
    fd: OwnedFd,
    stat: Stat,
}

impl<'s> StateFiles<'s> {
    pub(super) fn of(store: &'s FactorStore, user: &str) -> Result<Self, StoreError> {
        let path = store.state_path(user);
        match file_names::state_file(user) {
            Some(name) => Ok(Self {
                states: &store.states,
                name,
                path,
            }),
            None => Err(StoreError {
                path,
                cause: FileFault::NameTooLong,
            }),
        }
    }

    /// Reads the state without a lock: for prompts and displays, never for a verdict. `None` when two system calls have
    /// said that there is no file. A slot that is being written fails its checksum, and the other one counts.
    pub(super) fn peek(&self) -> Result<Option<StoredState>, StoreError> {
        let opened = match self.open_base(FileOpening::Read)? {
            None if self.is_absent(self.directory()?, &self.name)? => return Ok(None),
            // Made in between, or it was there all the time.
            None => self.open_base(FileOpening::Read)?,
            found => found,
        };
        let Some(opened) = opened else {
            return Err(self.error(FileFault::MissingState));
        };
        let base = self.read(&opened);
        // A closed base need not be sound any more.
        let closed = base.as_ref().map_or(true, |stored| stored.moved);
        for _ in 0..if closed { PEEK_TRIES } else { 0 } {
            if let Some(stored) = self.peek_generation()? {
                return Ok(Some(stored));
            }
        }
        match base {
            // What took its place is gone: what it holds may be used up.
            Ok(stored) if stored.moved => Err(self.error(FileFault::MissingState)),
            other => other.map(Some),
        }
    }

    /// Locks the current file. `None` when there is none, or when it cannot be had at once and `waiting` says not to wait.
    pub(super) fn acquire(&self, waiting: LockWaiting) -> Result<Option<HeldFile>, StoreError> {
        let mut pause = LockPause::begin();
        let mut watch = LockWatch::begin();
        loop {
            let Some(base) = self.open_base(FileOpening::Update)? else {
                return Ok(None);
            };
            let is_free = self.try_lock(&base)?;
            let held = if is_free {
                self.settled_base(base, waiting, &mut watch)?
            } else if watch.is_due() {
                self.wait_for_base(&base, waiting, &mut watch)?
            } else {
                None
            };
            if held.is_some() || waiting == LockWaiting::Never {
                return Ok(held);
            }
            if pause.waited() >= WAIT {
                // Nothing is waited for where no process holds a file, and none can be made.
                let failure = watch.failure.take().filter(|_| is_free);
                return Err(failure.unwrap_or_else(|| self.busy()));
            }
            pause.rest();
        }
    }

    /// Makes the first file of a user, durably. False if there is one.
    pub(super) fn create(&self, state: &UserState) -> Result<bool, StoreError> {
        let bytes = state::encode_file(state);
        let states = self.directory()?;
        let made = new_file::create_new(states, &self.name, &bytes, NewFileKind::Free)
            .map_err(StoreError::file(&self.path))?;
        file::flush_directory(states).map_err(StoreError::file(&self.path))?;
        Ok(made.is_some())
    }

    /// The first file of a user, locked and without a name, for [`StateFiles::publish`]; it is not flushed.
    pub(super) fn stage(&self, state: &UserState) -> Result<NewFile<'s>, StoreError> {
        let bytes = state::encode_file(state);
        let states = self.directory()?.as_fd();
        NewFile::create(states, &self.name, &bytes, NewFileKind::Locked)
            .map_err(StoreError::file(&self.path))
    }

    /// Gives it its name. `None` if there is a file of that name.
    pub(super) fn publish(
        &self,
        file: NewFile<'s>,
        state: &UserState,
    ) -> Result<Option<HeldFile>, StoreError> {
        let Some(fd) = file
            .publish(&self.name)
            .map_err(StoreError::file(&self.path))?
        else {
            return Ok(None);
        };
        let stat = file::stat(&fd).map_err(StoreError::file(&self.path))?;
        let stored = state::decode_file(&state::encode_file(state))
            .map_err(|error| self.error(FileFault::State(error)))?;
        Ok(Some(HeldFile {
            fd,
            stat,
            place: StatePlace::Base,
            stored,
        }))
    }

    /// Checks that the file is still the current one: what was written and flushed before is in every later one. It is looked for
    /// from the root on: the state directory itself may be another one by now, in which nothing of this is.
    pub(super) fn confirm(&self, held: &HeldFile) -> Result<(), StoreError> {
        let is_in_place = match &held.place {
            StatePlace::Base => {
                let is_open = self.states.is_unclosed(&self.generations());
                is_open.map_err(StoreError::file(&self.path))?
                    && self.is_still(CWD, &self.path, &held.stat)?
            }
            StatePlace::Generation(directory, _) => {
                let path = self.path.with_file_name(self.generations());
                self.is_still(CWD, &path, &directory.stat)?
                    && self.is_current(&held.place, &held.stat)?
            }
        };
        if is_in_place {
            return Ok(());
        }
        Err(self.error(if self.is_current(&held.place, &held.stat)? {
            FileFault::Changed
        } else {
            FileFault::TakenOver
        }))
    }

    /// The temporary names that this holder and those before it may have left.
    pub(super) fn stale_names(&self, held: &HeldFile, name: &str) -> Vec<String> {
        let number = match held.place {
            StatePlace::Base => 0,
            StatePlace::Generation(_, number) => number,
        };
        let numbered = (number.saturating_sub(7).max(1)..=number).map(|n| format!("{name}+{n}"));
        std::iter::once(name.to_owned()).chain(numbered).collect()
    }

    /// A temporary name for a file that this holder writes, and no other one.
    pub(super) fn staging_name(&self, held: &HeldFile, name: &str) -> String {
        match held.place {
            StatePlace::Base => name.to_owned(),
            StatePlace::Generation(_, number) => format!("{name}+{number}"),
        }
    }

    /// The base after a lock that was had, if it is the current file; else the generation that is.
    fn settled_base(
        &self,
        base: OpenFile,
        waiting: LockWaiting,
        watch: &mut LockWatch,
    ) -> Result<Option<HeldFile>, StoreError> {
        let stored = self.read(&base);
        if !self.is_current(&StatePlace::Base, &base.stat)? {
            drop(base.fd);
            return self.join(waiting, watch);
        }
        let stored = stored?;
        if stored.moved {
            return Err(self.error(FileFault::MissingState));
        }
        Ok(Some(HeldFile {
            fd: base.fd,
            stat: base.stat,
            place: StatePlace::Base,
            stored,
        }))
    }

    /// Closes the base if nothing has changed for [`PATIENCE`].
    fn wait_for_base(
        &self,
        base: &OpenFile,
        waiting: LockWaiting,
        watch: &mut LockWatch,
    ) -> Result<Option<HeldFile>, StoreError> {
        if !self.is_absent(self.directory()?, &self.generations())? {
            return self.join(waiting, watch);
        }
        let stored = self.read(base)?;
        if stored.moved {
            // Not closed again where its generations have another name by now.
            return if self.is_absent(self.directory()?, &self.generations())? {
                Err(self.error(FileFault::MissingState))
            } else {
                Ok(None)
            };
        }
        watch.see(base.stat.st_ino, stored.sequence);
        if !watch.is_stale() {
            return Ok(None);
        }
        match self.close_base() {
            Ok(Some((directory, claim))) => self.complete(directory, claim, 1),
            // Another process was faster; or no file can be made, so that there is nothing to do but wait.
            Ok(None) | Err(_) => Ok(None),
        }
    }

    /// Locks the highest generation, or makes the next one if nothing has changed for [`PATIENCE`].
    fn join(
        &self,
        waiting: LockWaiting,
        watch: &mut LockWatch,
    ) -> Result<Option<HeldFile>, StoreError> {
        let Some(directory) = self.open_generations()? else {
            return Ok(None);
        };
        let highest = self.numbers(&directory.fd)?.last().copied().unwrap_or(0);
        watch.failure = None;
        if highest > 0 {
            let name = highest.to_string();
            let Some(opened) = self.open(&directory.fd, &name, FileOpening::Update)? else {
                return Ok(None);
            };
            if self.try_lock(&opened)? {
                return self.complete(directory, opened, highest);
            }
            watch.see(opened.stat.st_ino, self.read_any(&opened)?.sequence);
            if !watch.is_stale() {
                return Ok(None);
            }
        }
        if waiting == LockWaiting::Never {
            return Ok(None);
        }
        let next = highest.saturating_add(1);
        match self.claim(&directory.fd, next) {
            Ok(Some(claim)) => self.complete(directory, claim, next),
            // Another process was faster.
            Ok(None) => Ok(None),
            // No file can be made, so that there is nothing to do but wait: for a holder, if there is one.
            Err(error) => {
                watch.failure = Some(error).filter(|_| highest == 0);
                Ok(None)
            }
        }
    }

    fn peek_generation(&self) -> Result<Option<StoredState>, StoreError> {
        let Some(directory) = self.open_generations()? else {
            return Ok(None);
        };
        for number in self.numbers(&directory.fd)?.iter().rev() {
            if let Some(opened) =
                self.open(&directory.fd, &number.to_string(), FileOpening::Read)?
            {
                let stored = self.read_any(&opened)?;
                if stored.standing == SlotStanding::Settled {
                    return Ok(Some(stored));
                }
            }
        }
        Ok(None)
    }

    /// The order matters: the process that makes the next file after the first look copies what was flushed before it.
    fn is_current(&self, place: &StatePlace, opened: &Stat) -> Result<bool, StoreError> {
        match place {
            StatePlace::Base => self
                .states
                .is_still_open(&self.name, &self.generations(), opened)
                .map_err(StoreError::file(&self.path)),
            StatePlace::Generation(directory, number) => {
                let next = number.saturating_add(1).to_string();
                Ok(self.is_absent(&directory.fd, &next)?
                    && self.is_still(&directory.fd, &number.to_string(), opened)?
                    && self.is_still(self.directory()?, &self.generations(), &directory.stat)?)
            }
        }
    }

    fn busy(&self) -> StoreError {
        let base = self.open_base(FileOpening::Read).ok().flatten();
        let pid = base.and_then(|file| lock::holder(&file.stat));
        self.error(FileFault::Busy(pid))
    }
}
