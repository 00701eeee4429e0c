//! The files of one user's state: finding the current one, locking it, and taking it over from a holder that does not
//! move.
//!
//! `state/NAME` is the base. Each file holds the number of its generation. A process that has waited for a second for a
//! lock while the state did not change claims the next generation, `state/NAME+N`, with link(2), which fails where
//! another did it. The claim is locked by its maker and provisional: it is judged by no process until what the base
//! holds is in it, it is flushed, and it is renamed over the base. So only a base is ever judged, and all that was told
//! is in it:
//!
//! * The holder of a base checks after its flush that no next generation exists and that the base still is its file, in
//!   this order, and says nothing about the code otherwise. What it wrote before that check is read by the maker of
//!   every claim that comes after it.
//! * Older claims lose their names before the new base is judged. A process that was stopped just before it renamed one
//!   of them finds no name to rename.
//!
//! `tests/takeover.rs` tries all orders of steps, stops and kills of three processes.
#![forbid(unsafe_code)]

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Stat;

use crate::state::{self, Generation, State, StateError, Stored};
use crate::sys::clock::monotonic;
use crate::sys::file::{self, Access, FileError, Open};
use crate::sys::link::{self, Claim, NewFile};
use crate::sys::lock::{self, Pause, WAIT};

use super::{Cause, Error, Store, names};

/// How long a lock is waited for while the state does not change.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// How often a waiting process looks whether the state changes.
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
    pub(super) stored: Stored,
}

/// How long a lock is waited for.
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
        let opened = match self.open(&self.name, Open::Read)? {
            None if self.is_absent(&self.name)? => return Ok(None),
            // Made in between, or it was there all the time.
            None => self.open(&self.name, Open::Read)?,
            found => found,
        };
        match opened {
            Some(opened) => self.read(&opened).map(Some),
            None => Err(self.missing()),
        }
    }

    /// Locks the current file. `None` when there is none, or when it cannot be had at once and `waiting` says not to wait.
    pub(super) fn acquire(&self, waiting: Waiting) -> Result<Option<HeldFile>, Error> {
        let mut pause = Pause::begin();
        let mut watch = Watch::begin();
        loop {
            let Some(base) = self.open(&self.name, Open::Update)? else {
                return Ok(None);
            };
            let free = self.try_lock(&base)?;
            if free && let Some(held) = self.settle(base)? {
                return Ok(Some(held));
            }
            if waiting == Waiting::Never {
                return Ok(None);
            }
            // A lock that was free and did not help: another process claims the next generation.
            if (free || watch.is_due())
                && let Some(held) = self.join(&mut watch)?
            {
                return Ok(Some(held));
            }
            if pause.waited() >= WAIT {
                return Err(self.busy());
            }
            pause.rest();
        }
    }

    /// Makes the first file of a user, durably. False if there is one.
    pub(super) fn create(&self, state: &State) -> Result<bool, Error> {
        let bytes = state::encode_file(state, Generation::default());
        let made = link::create_new(self.states, &self.name, &bytes, Claim::Free)
            .map_err(Error::file(&self.path))?;
        file::flush_directory(self.states).map_err(Error::file(&self.path))?;
        Ok(made.is_some())
    }

    /// The first file of a user, locked and without a name, for [`StateFiles::publish`]; it is not flushed.
    pub(super) fn stage(&self, state: &State) -> Result<NewFile<'s>, FileError> {
        let bytes = state::encode_file(state, Generation::default());
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
        self.held(OpenFile { fd, stat }, state, Generation::default())
            .map(Some)
    }

    /// A file that was just written, as it would be read.
    fn held(
        &self,
        opened: OpenFile,
        state: &State,
        generation: Generation,
    ) -> Result<HeldFile, Error> {
        let stored = state::decode_file(&state::encode_file(state, generation))
            .map_err(|error| self.error(Cause::State(error)))?;
        Ok(HeldFile {
            fd: opened.fd,
            stat: opened.stat,
            stored,
        })
    }

    /// Puts a new file in place of one that cannot be read. Its lock is waited for, but a holder that does not move does
    /// not keep an administrator from it.
    pub(super) fn replace_unreadable(&self, state: &State) -> Result<(), Error> {
        let base = self.open(&self.name, Open::Update)?;
        if let Some(base) = &base {
            let pause = Pause::begin();
            let mut rest = Pause::begin();
            while !self.try_lock(base)? && pause.waited() < PATIENCE {
                rest.rest();
            }
            if !self.is_still(&self.name, base)? {
                return Ok(());
            }
        }
        let bytes = state::encode_file(state, Generation::default());
        file::write_file(self.states, &self.name, &bytes, Access::Private)
            .map_err(Error::file(&self.path))
    }

    /// Checks that the file is still the current one: what was written and flushed before is in every later one.
    pub(super) fn confirm(&self, held: &HeldFile) -> Result<(), Error> {
        if self.is_current(held.stored.generation.number, &held.stat)? {
            Ok(())
        } else {
            Err(self.error(Cause::TakenOver))
        }
    }

    /// Removes all files of the user, the base last.
    pub(super) fn remove_all(&self, generation: Generation) -> Result<(), Error> {
        let leftovers = u64::from(generation.leftovers);
        let first = generation.number.saturating_sub(leftovers);
        self.remove_claims(first..generation.number.saturating_add(2))?;
        let remove = || {
            file::remove_leftover(self.states, &self.name)?;
            file::remove(self.states, &self.name)?;
            file::flush_directory(self.states)
        };
        remove().map_err(Error::file(&self.path))
    }

    /// The file behind a lock that was had, if it is the current one.
    fn settle(&self, base: OpenFile) -> Result<Option<HeldFile>, Error> {
        let mut stored = match self.read(&base) {
            Err(error) if self.is_still(&self.name, &base)? => return Err(error),
            Err(_) => return Ok(None),
            Ok(stored) => stored,
        };
        let generation = stored.generation;
        if generation.leftovers > 0 {
            let first = generation
                .number
                .saturating_sub(u64::from(generation.leftovers));
            self.remove_claims(first..generation.number)?;
            stored.generation = Generation::settled(generation.number);
        }
        let current = self.is_current(generation.number, &base.stat)?;
        Ok(current.then_some(HeldFile {
            fd: base.fd,
            stat: base.stat,
            stored,
        }))
    }

    /// Completes the highest claim if its lock is free, or makes one if nothing has changed for [`PATIENCE`].
    fn join(&self, watch: &mut Watch) -> Result<Option<HeldFile>, Error> {
        let Some(base) = self.open(&self.name, Open::Read)? else {
            return Ok(None);
        };
        let stored = self.read(&base)?;
        let mut number = stored.generation.number;
        let mut highest: Option<OpenFile> = None;
        while let Some(claim) = self.open(&self.claim(number.saturating_add(1)), Open::Update)? {
            number = number.saturating_add(1);
            highest = Some(claim);
        }
        if let Some(claim) = highest {
            if self.try_lock(&claim)? {
                return self.take_over(claim, number);
            }
            watch.see(claim.stat.st_ino, stored.sequence);
        } else {
            watch.see(base.stat.st_ino, stored.sequence);
        }
        if !watch.is_stale() {
            return Ok(None);
        }
        let next = number.saturating_add(1);
        match self.make_claim(next, stored.state.uid) {
            Ok(Some(claim)) => self.take_over(claim, next),
            // Another process was faster; or no file can be made, so that there is nothing to do but wait.
            Ok(None) | Err(_) => Ok(None),
        }
    }

    fn make_claim(&self, number: u64, uid: u32) -> Result<Option<OpenFile>, FileError> {
        let generation = Generation {
            provisional: true,
            ..Generation::settled(number)
        };
        let bytes = state::encode_file(&State::new(uid), generation);
        match link::create_new(self.states, &self.claim(number), &bytes, Claim::Locked)? {
            Some(fd) => {
                let stat = file::stat(&fd)?;
                Ok(Some(OpenFile { fd, stat }))
            }
            None => Ok(None),
        }
    }

    /// Turns a claim whose lock is held into the base. `None` where another process did something meanwhile.
    fn take_over(&self, claim: OpenFile, number: u64) -> Result<Option<HeldFile>, Error> {
        let name = self.claim(number);
        if !self.is_still(&name, &claim)? {
            return Ok(None);
        }
        let Some(base) = self.open(&self.name, Open::Read)? else {
            // The user was removed.
            file::remove(self.states, &name).map_err(Error::file(&self.path))?;
            return Ok(None);
        };
        let before = self.read(&base)?;
        let first = before.generation.number.saturating_add(1);
        let highest = self.is_absent(&self.claim(number.saturating_add(1)))?;
        if before.generation.number >= number || !highest {
            return Ok(None);
        }
        let merged = Generation {
            leftovers: u16::try_from(number - first).unwrap_or(u16::MAX),
            ..Generation::settled(number)
        };
        let replace = || {
            file::write_at(&claim.fd, &state::encode_file(&before.state, merged), 0)?;
            file::flush(&claim.fd)?;
            link::rename(self.states, &name, &self.name)
        };
        match replace() {
            Err(error) if error.is_missing() => return Ok(None),
            other => other.map_err(Error::file(&self.path))?,
        }
        self.remove_claims(first..number)?;
        file::flush_directory(self.states).map_err(Error::file(&self.path))?;
        if !self.is_current(number, &claim.stat)? {
            return Ok(None);
        }
        let mut held = self.held(claim, &before.state, merged)?;
        held.stored.generation = Generation::settled(number);
        Ok(Some(held))
    }

    /// The order matters: a process that claims the next generation after the first look reads what was flushed before it.
    fn is_current(&self, number: u64, opened: &Stat) -> Result<bool, Error> {
        let unclaimed = self.is_absent(&self.claim(number.saturating_add(1)))?;
        let same = file::is_still(self.states, &self.name, opened);
        Ok(unclaimed && same.map_err(Error::file(&self.path))?)
    }

    fn remove_claims(&self, numbers: std::ops::Range<u64>) -> Result<(), Error> {
        for number in numbers {
            file::remove(self.states, &self.claim(number)).map_err(Error::file(&self.path))?;
        }
        Ok(())
    }

    fn claim(&self, number: u64) -> String {
        format!("{}+{number}", self.name)
    }

    fn open(&self, name: &str, how: Open) -> Result<Option<OpenFile>, Error> {
        match file::open_file(self.states, Path::new(name), how, Access::Private) {
            Err(error) if error.is_missing() => Ok(None),
            other => {
                let (fd, stat) = other.map_err(Error::file(&self.path))?;
                Ok(Some(OpenFile { fd, stat }))
            }
        }
    }

    fn read(&self, opened: &OpenFile) -> Result<Stored, Error> {
        let bytes = file::read_all(&opened.fd, &opened.stat).map_err(Error::file(&self.path))?;
        match state::decode_file(&bytes) {
            Ok(stored) if stored.generation.provisional => {
                Err(self.error(Cause::State(StateError::Damaged)))
            }
            Ok(stored) => Ok(stored),
            Err(error) => Err(self.error(Cause::State(error))),
        }
    }

    fn try_lock(&self, opened: &OpenFile) -> Result<bool, Error> {
        lock::try_exclusive(&opened.fd).map_err(Error::lock(&self.path))
    }

    fn is_still(&self, name: &str, opened: &OpenFile) -> Result<bool, Error> {
        file::is_still(self.states, name, &opened.stat).map_err(Error::file(&self.path))
    }

    fn is_absent(&self, name: &str) -> Result<bool, Error> {
        file::is_absent(self.states, name).map_err(Error::file(&self.path))
    }

    fn busy(&self) -> Error {
        let holder = self.open(&self.name, Open::Read).ok().flatten();
        let pid = holder.and_then(|file| lock::holder(&file.stat));
        self.error(Cause::Busy(pid))
    }

    fn missing(&self) -> Error {
        self.error(Cause::MissingState)
    }

    fn error(&self, cause: Cause) -> Error {
        Error {
            path: self.path.clone(),
            cause,
        }
    }
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
