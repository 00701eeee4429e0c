//! The files of one user's state: finding the current one, locking it, and taking it over from a holder that does not
//! move.
//!
//! `state/NAME` is the base. A process that has waited a second for its lock, while the state did not change, closes it:
//! it makes the directory `state/NAME+`. The files in there are generations, named by numbers from 1 on; the highest
//! counts. Each is claimed with link(2), which fails where another process did it, is locked by its maker, and is
//! provisional until it holds what the highest file below it held that is not provisional itself, and is flushed. Then the
//! lower ones are removed. A generation whose lock is held for too long is taken over in the same way.
//!
//! The holder of a file looks after its flush whether it is still the current one: that the base is not closed, or that
//! the next generation does not exist; and that the name is still its file. Otherwise it says nothing about the code.
//! What it wrote before that look is copied by every later generation, since a generation is filled after it was made.
//!
//! Numbers only grow, and the highest file is never removed, so that nothing comes back. `tests/takeover_model.rs` tries
//! all orders of steps, stops and kills of three processes.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Dir, Stat};

use crate::sys::clock::monotonic;
use crate::sys::file::{self, Access, FileError, Open};
use crate::sys::link::{self, Claim, NewFile};
use crate::sys::lock::{self, Pause, WAIT};
use twofactor_core::state::{self, MOVED, MOVED_OFFSET, Standing, State, StateError, Stored};

use super::{Cause, Error, Store, names};

/// Longest wait for a lock while the state does not change.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// Interval at which a waiting process looks whether the state changes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The names of one user's state files.
pub(super) struct StateFiles<'s> {
    states: &'s OwnedFd,
    name: String,
    path: PathBuf,
}

/// A state file whose lock this process holds.
pub(super) struct HeldFile {
    pub(super) fd: OwnedFd,
    stat: Stat,
    place: StatePlace,
    pub(super) stored: Stored,
}

/// Place of a state file.
enum StatePlace {
    /// `state/NAME`.
    Base,
    /// A generation.
    Generation(Generations, u64),
}

/// The directory of a user's generations.
struct Generations {
    fd: OwnedFd,
    stat: Stat,
}

/// Longest wait for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
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
    pub(super) fn of(store: &'s Store, user: &str) -> Result<Self, Error> {
        let path = store.state_path(user);
        match names::state_file(user) {
            Some(name) => Ok(Self {
                states: &store.states,
                name,
                path,
            }),
            None => Err(Error {
                path,
                cause: Cause::NameTooLong,
            }),
        }
    }

    /// Reads the state without a lock: for prompts and displays, never for a verdict. `None` when two system calls have
    /// said that there is no file. A slot that is being written fails its checksum, and the other one counts.
    pub(super) fn peek(&self) -> Result<Option<Stored>, Error> {
        let opened = match self.open(self.states, &self.name, Open::Read)? {
            None if self.is_absent(self.states, &self.name)? => return Ok(None),
            // Made in between, or it was there all the time.
            None => self.open(self.states, &self.name, Open::Read)?,
            found => found,
        };
        let Some(opened) = opened else {
            return Err(self.error(Cause::MissingState));
        };
        let base = self.read(&opened);
        // A closed base need not be sound any more.
        let closed = base.as_ref().map_or(true, |stored| stored.moved);
        if closed && let Some(stored) = self.peek_generation()? {
            return Ok(Some(stored));
        }
        base.map(Some)
    }

    /// Locks the current file. `None` when there is none, or when it cannot be had at once and `waiting` says not to wait.
    pub(super) fn acquire(&self, waiting: Waiting) -> Result<Option<HeldFile>, Error> {
        let mut pause = Pause::begin();
        let mut watch = Watch::begin();
        loop {
            let Some(base) = self.open(self.states, &self.name, Open::Update)? else {
                return Ok(None);
            };
            let held = if self.try_lock(&base)? {
                self.settled_base(base, waiting, &mut watch)?
            } else if watch.is_due() {
                self.wait_for_base(&base, waiting, &mut watch)?
            } else {
                None
            };
            if held.is_some() || waiting == Waiting::Never {
                return Ok(held);
            }
            if pause.waited() >= WAIT {
                return Err(self.busy());
            }
            pause.rest();
        }
    }

    /// Makes the first file of a user, durably. False if there is one.
    pub(super) fn create(&self, state: &State) -> Result<bool, Error> {
        let bytes = state::encode_file(state);
        let made = link::create_new(self.states, &self.name, &bytes, Claim::Free)
            .map_err(Error::file(&self.path))?;
        file::flush_directory(self.states).map_err(Error::file(&self.path))?;
        Ok(made.is_some())
    }

    /// The first file of a user, locked and without a name, for [`StateFiles::publish`]; it is not flushed.
    pub(super) fn stage(&self, state: &State) -> Result<NewFile<'s>, FileError> {
        let bytes = state::encode_file(state);
        NewFile::create(self.states.as_fd(), &self.name, &bytes, Claim::Locked)
    }

    /// Gives it its name. `None` if there is a file of that name.
    pub(super) fn publish(
        &self,
        file: NewFile<'s>,
        state: &State,
    ) -> Result<Option<HeldFile>, Error> {
        let Some(fd) = file.publish(&self.name).map_err(Error::file(&self.path))? else {
            return Ok(None);
        };
        let stat = file::stat(&fd).map_err(Error::file(&self.path))?;
        let stored = state::decode_file(&state::encode_file(state))
            .map_err(|error| self.error(Cause::State(error)))?;
        Ok(Some(HeldFile {
            fd,
            stat,
            place: StatePlace::Base,
            stored,
        }))
    }

    /// Puts a new file in place of one that cannot be read. Its lock is waited for, but a holder that does not move does
    /// not keep an administrator from it.
    pub(super) fn replace_unreadable(&self, state: &State) -> Result<(), Error> {
        if let Some(base) = self.open(self.states, &self.name, Open::Update)? {
            let mut pause = Pause::begin();
            while !self.try_lock(&base)? && pause.waited() < PATIENCE {
                pause.rest();
            }
            // Another process may have made a new one meanwhile.
            if !self.is_still(self.states, &self.name, &base.stat)? {
                return Ok(());
            }
        }
        let bytes = state::encode_file(state);
        file::write_file(self.states, &self.name, &bytes, Access::Private)
            .map_err(Error::file(&self.path))?;
        self.remove_generations()
    }

    /// Checks that the file is still the current one: what was written and flushed before is in every later one.
    pub(super) fn confirm(&self, held: &HeldFile) -> Result<(), Error> {
        if self.is_current(&held.place, &held.stat)? {
            Ok(())
        } else {
            Err(self.error(Cause::TakenOver))
        }
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

    /// Removes all files of the user. The base goes first: without it none of the others is found, and what a process that
    /// was stopped wrote into it counts no more.
    pub(super) fn remove_all(&self) -> Result<(), Error> {
        let remove = || {
            file::remove_leftover(self.states, &self.name)?;
            file::remove(self.states, &self.name)?;
            file::flush_directory(self.states)
        };
        remove().map_err(Error::file(&self.path))?;
        self.remove_generations()
    }

    /// The base behind a lock that was had, if it is the current file; else the generation that is.
    fn settled_base(
        &self,
        base: OpenFile,
        waiting: Waiting,
        watch: &mut Watch,
    ) -> Result<Option<HeldFile>, Error> {
        let stored = self.read(&base);
        if !self.is_current(&StatePlace::Base, &base.stat)? {
            drop(base.fd);
            return self.join(waiting, watch);
        }
        Ok(Some(HeldFile {
            fd: base.fd,
            stat: base.stat,
            place: StatePlace::Base,
            stored: stored?,
        }))
    }

    /// Closes the base if nothing has changed for [`PATIENCE`].
    fn wait_for_base(
        &self,
        base: &OpenFile,
        waiting: Waiting,
        watch: &mut Watch,
    ) -> Result<Option<HeldFile>, Error> {
        if !self.is_absent(self.states, &self.directory())? {
            return self.join(waiting, watch);
        }
        watch.see(base.stat.st_ino, self.read(base)?.sequence);
        if !watch.is_stale() {
            return Ok(None);
        }
        match self.close_base() {
            Ok(Some((directory, claim))) => self.complete(directory, claim, 1),
            // Another process was faster; or no file can be made, so that there is nothing to do but wait.
            Ok(None) | Err(_) => Ok(None),
        }
    }

    /// Makes the directory of generations and the first one. The file comes first: a base that is closed while no file can
    /// be made would keep the right person out.
    fn close_base(&self) -> Result<Option<(Generations, OpenFile)>, FileError> {
        let claim = self.stage_claim()?;
        let made = file::ensure_directory(self.states, Path::new(&self.directory()))?;
        let Some(fd) = claim.publish_in(made.as_fd(), "1")? else {
            return Ok(None);
        };
        let stat = file::stat(&fd)?;
        let directory = Generations {
            stat: file::stat(&made)?,
            fd: made,
        };
        Ok(Some((directory, OpenFile { fd, stat })))
    }

    fn stage_claim(&self) -> Result<NewFile<'s>, FileError> {
        let bytes = state::encode_provisional(&State::new(0));
        let claim = NewFile::create(self.states.as_fd(), &self.name, &bytes, Claim::Locked)?;
        claim.flush()?;
        Ok(claim)
    }

    /// Locks the highest generation, or makes the next one if nothing has changed for [`PATIENCE`].
    fn join(&self, waiting: Waiting, watch: &mut Watch) -> Result<Option<HeldFile>, Error> {
        let Some(directory) = self.open_generations()? else {
            return Ok(None);
        };
        let highest = self.numbers(&directory.fd)?.last().copied().unwrap_or(0);
        if highest > 0 {
            let name = highest.to_string();
            let Some(opened) = self.open(&directory.fd, &name, Open::Update)? else {
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
        if waiting == Waiting::Never {
            return Ok(None);
        }
        let next = highest.saturating_add(1);
        match self.claim(&directory.fd, next) {
            Ok(Some(claim)) => self.complete(directory, claim, next),
            // Another process was faster; or no file can be made, so that there is nothing to do but wait.
            Ok(None) | Err(_) => Ok(None),
        }
    }

    fn claim(&self, directory: &OwnedFd, number: u64) -> Result<Option<OpenFile>, FileError> {
        let claim = self.stage_claim()?;
        match claim.publish_in(directory.as_fd(), &number.to_string())? {
            Some(fd) => {
                let stat = file::stat(&fd)?;
                Ok(Some(OpenFile { fd, stat }))
            }
            None => Ok(None),
        }
    }

    /// Turns a generation whose lock is held into the current file. `None` where another process did something meanwhile.
    fn complete(
        &self,
        directory: Generations,
        opened: OpenFile,
        number: u64,
    ) -> Result<Option<HeldFile>, Error> {
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
        let unfinished =
            own.standing == Standing::Provisional || numbers.len() > 1 || !self.is_move_noted()?;
        let stored = if own.standing == Standing::Provisional {
            let source = self.source(fd, &numbers, number)?;
            self.fill(&opened, &source)?
        } else {
            own
        };
        if unfinished {
            self.finish(fd, &opened, &numbers)?;
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
    fn finish(
        &self,
        directory: &OwnedFd,
        highest: &OpenFile,
        numbers: &[u64],
    ) -> Result<(), Error> {
        let lower = numbers
            .split_last()
            .map(|(_, lower)| lower)
            .unwrap_or_default();
        let finish = || {
            file::flush(&highest.fd)?;
            file::flush_directory(directory)?;
            file::flush_directory(self.states)?;
            for number in lower {
                file::remove(directory, &number.to_string())?;
            }
            file::flush_directory(directory)
        };
        finish().map_err(Error::file(&self.path))?;
        self.note_move()
    }

    /// The content of the highest file below a generation that is not provisional.
    fn source(&self, directory: &OwnedFd, numbers: &[u64], number: u64) -> Result<Stored, Error> {
        for lower in numbers.iter().rev().filter(|lower| **lower < number) {
            let Some(opened) = self.open(directory, &lower.to_string(), Open::Read)? else {
                return Err(self.error(Cause::TakenOver));
            };
            let stored = self.read_any(&opened)?;
            if stored.standing == Standing::Settled {
                return Ok(stored);
            }
        }
        match self.open(self.states, &self.name, Open::Read)? {
            Some(base) => self.read(&base),
            None => Err(self.error(Cause::MissingState)),
        }
    }

    fn fill(&self, opened: &OpenFile, source: &Stored) -> Result<Stored, Error> {
        let bytes = state::encode_settled(&source.state);
        file::write_at(&opened.fd, &bytes, 0).map_err(Error::file(&self.path))?;
        state::decode_file(&bytes).map_err(|error| self.error(Cause::State(error)))
    }

    fn is_move_noted(&self) -> Result<bool, Error> {
        match self.open(self.states, &self.name, Open::Read)? {
            Some(base) => Ok(self.read(&base)?.moved),
            None => Ok(false),
        }
    }

    /// Tells readers without a lock not to read the base.
    fn note_move(&self) -> Result<(), Error> {
        let Some(base) = self.open(self.states, &self.name, Open::Update)? else {
            return Ok(());
        };
        file::write_at(&base.fd, &MOVED, MOVED_OFFSET)
            .and_then(|()| file::flush(&base.fd))
            .map_err(Error::file(&self.path))
    }

    fn peek_generation(&self) -> Result<Option<Stored>, Error> {
        let Some(directory) = self.open_generations()? else {
            return Ok(None);
        };
        for number in self.numbers(&directory.fd)?.iter().rev() {
            if let Some(opened) = self.open(&directory.fd, &number.to_string(), Open::Read)? {
                let stored = self.read_any(&opened)?;
                if stored.standing == Standing::Settled {
                    return Ok(Some(stored));
                }
            }
        }
        Ok(None)
    }

    /// The order matters: the process that makes the next file after the first look copies what was flushed before it.
    fn is_current(&self, place: &StatePlace, opened: &Stat) -> Result<bool, Error> {
        match place {
            StatePlace::Base => Ok(self.is_absent(self.states, &self.directory())?
                && self.is_still(self.states, &self.name, opened)?),
            StatePlace::Generation(directory, number) => {
                let next = number.saturating_add(1).to_string();
                Ok(self.is_absent(&directory.fd, &next)?
                    && self.is_still(&directory.fd, &number.to_string(), opened)?
                    && self.is_still(self.states, &self.directory(), &directory.stat)?)
            }
        }
    }

    /// Removes the directory of generations. First it gets a name under which it is not found: from then on none of its
    /// files is the current one, in whatever order they go.
    fn remove_generations(&self) -> Result<(), Error> {
        let dead = format!(".{}", self.directory());
        let remove = || {
            self.remove_dead(&dead)?;
            match link::rename(self.states, &self.directory(), &dead) {
                Err(error) if error.is_missing() => return Ok(()),
                other => other?,
            }
            file::flush_directory(self.states)?;
            self.remove_dead(&dead)?;
            file::flush_directory(self.states)
        };
        remove().map_err(Error::file(&self.path))
    }

    fn remove_dead(&self, name: &str) -> Result<(), FileError> {
        let directory = match file::open_directory(self.states, Path::new(name), Access::Private) {
            Err(error) if error.is_missing() => return Ok(()),
            other => other?,
        };
        for file_name in list_names(&directory)? {
            file::remove(&directory, &file_name)?;
        }
        file::remove_directory(self.states, name)
    }

    /// The numbers of the generations, ascending.
    fn numbers(&self, directory: &OwnedFd) -> Result<Vec<u64>, Error> {
        let names = list_names(directory).map_err(Error::file(&self.path))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn open_generations(&self) -> Result<Option<Generations>, Error> {
        let path = self.directory();
        let opened = match file::open_directory(self.states, Path::new(&path), Access::Private) {
            Err(error) if error.is_missing() => return Ok(None),
            other => other.map_err(Error::file(&self.path))?,
        };
        let stat = file::stat(&opened).map_err(Error::file(&self.path))?;
        Ok(Some(Generations { fd: opened, stat }))
    }

    fn directory(&self) -> String {
        format!("{}+", self.name)
    }

    fn open(&self, directory: &OwnedFd, name: &str, how: Open) -> Result<Option<OpenFile>, Error> {
        match file::open_file(directory, Path::new(name), how, Access::Private) {
            Err(error) if error.is_missing() => Ok(None),
            other => {
                let (fd, stat) = other.map_err(Error::file(&self.path))?;
                Ok(Some(OpenFile { fd, stat }))
            }
        }
    }

    fn read_any(&self, opened: &OpenFile) -> Result<Stored, Error> {
        let bytes = file::read_all(&opened.fd, &opened.stat).map_err(Error::file(&self.path))?;
        state::decode_file(&bytes).map_err(|error| self.error(Cause::State(error)))
    }

    /// Reads a base, which is never provisional.
    fn read(&self, opened: &OpenFile) -> Result<Stored, Error> {
        let stored = self.read_any(opened)?;
        match stored.standing {
            Standing::Settled => Ok(stored),
            Standing::Provisional => Err(self.error(Cause::State(StateError::Damaged))),
        }
    }

    fn try_lock(&self, opened: &OpenFile) -> Result<bool, Error> {
        lock::try_exclusive(&opened.fd).map_err(Error::lock(&self.path))
    }

    fn is_still(&self, directory: &OwnedFd, name: &str, opened: &Stat) -> Result<bool, Error> {
        file::is_still(directory, name, opened).map_err(Error::file(&self.path))
    }

    fn is_absent(&self, directory: &OwnedFd, name: &str) -> Result<bool, Error> {
        file::is_absent(directory, name).map_err(Error::file(&self.path))
    }

    fn busy(&self) -> Error {
        let base = self
            .open(self.states, &self.name, Open::Read)
            .ok()
            .flatten();
        let pid = base.and_then(|file| lock::holder(&file.stat));
        self.error(Cause::Busy(pid))
    }

    fn error(&self, cause: Cause) -> Error {
        Error {
            path: self.path.clone(),
            cause,
        }
    }
}

/// The names in a directory of generations.
fn list_names(directory: &OwnedFd) -> Result<Vec<String>, FileError> {
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

/// Since when the file that is waited for has not changed.
struct Watch {
    seen: Option<(u64, u64)>,
    since: Duration,
    looked: Duration,
}

impl Watch {
    fn begin() -> Self {
        let now = monotonic();
        Self {
            seen: None,
            since: now,
            looked: now,
        }
    }

    /// True if the last look was a while ago: a crowd of waiting processes must not read all the time.
    fn is_due(&self) -> bool {
        monotonic().saturating_sub(self.looked) >= LOOK_EVERY
    }

    /// Notes the inode number of the file, and the sequence number of the state.
    fn see(&mut self, inode: u64, sequence: u64) {
        self.looked = monotonic();
        if self.seen != Some((inode, sequence)) {
            self.seen = Some((inode, sequence));
            self.since = self.looked;
        }
    }

    fn is_stale(&self) -> bool {
        monotonic().saturating_sub(self.since) >= PATIENCE
    }
}
