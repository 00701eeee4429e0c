//! One user's state under its lock, and every change to record and state.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::Stat;

use crate::device::{Device, Kind};
use crate::record::Record;
use crate::state::{self, COUNTER_UNKNOWN, DeviceState, Slot, State};
use crate::sys::accounts::Account;
use crate::sys::file::{self, Access, Open};
use crate::sys::lock;

use super::{Cause, Error, Store, names};

/// Exclusive access to one user's record and state. The kernel ends it when it is dropped or its process dies; it
/// must not be kept while a person is asked something.
pub struct Locked<'s> {
    store: &'s Store,
    account: Account,
    fd: OwnedFd,
    state: State,
    sequence: u64,
    /// The slot that holds `state`.
    newest: Slot,
    /// The slot whose content has been flushed. Writes go to the other one until they are flushed too, so that a
    /// power cut finds one of them whole. (After a kill between write and flush both may be in flight; each is within
    /// one sector, which a disk writes whole or not at all.)
    flushed: Slot,
}

impl<'s> Locked<'s> {
    pub(super) fn existing(store: &'s Store, account: &Account) -> Result<Self, Error> {
        match open_and_lock(store, account)? {
            Some(opened) => Self::read(store, account, opened),
            None => Err(state_error(store, account, Cause::MissingState)),
        }
    }

    pub(super) fn existing_or_new(store: &'s Store, account: &Account) -> Result<Self, Error> {
        let enrolled = store.record(account)?.is_some();
        let found = match Self::existing(store, account) {
            Err(error) if error.mended_by_unlock() && !enrolled => None,
            other => Some(other?),
        };
        match found {
            Some(locked) => Ok(locked),
            None => Self::replace(store, account, || Ok(State::new(account.uid))),
        }
    }

    /// A state in which nothing works that may have been used before: TOTP codes only from steps later than any
    /// that could have been accepted, HOTP not before `twofactor resync`, recovery and bypass codes not at all.
    pub(super) fn rebuilt(
        store: &'s Store,
        account: &Account,
        window: u8,
        now: u64,
    ) -> Result<Self, Error> {
        Self::replace(store, account, || match store.record(account)? {
            Some(record) => Ok(nothing_reusable(&record, window, now)),
            None => Err(Error::file(&store.record_path(&account.name))(
                file::FileError::System("open", rustix::io::Errno::NOENT),
            )),
        })
    }

    /// The state as it is now.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The record as it is now, `None` when there is none.
    ///
    /// # Errors
    /// [`Error`] also when the state does not know one of its devices.
    pub fn record(&self) -> Result<Option<Record>, Error> {
        let record = self.store.record(&self.account)?;
        if let Some(record) = &record {
            knows_all(&self.state, record).map_err(|cause| self.error(cause))?;
        }
        Ok(record)
    }

    /// Writes the state, in place; it is seen by others at once, and survives a power cut after [`Locked::flush`].
    ///
    /// # Errors
    /// [`Error`] when it cannot be written; then the state is what was flushed last, or what was written last.
    pub fn write(&mut self, state: State) -> Result<(), Error> {
        let Some(sequence) = self.sequence.checked_add(1) else {
            return Err(self.error(Cause::System("has no sequence number left")));
        };
        let bytes = state::encode(&state, sequence);
        let slot = self.flushed.other();
        file::write_at(&self.fd, &bytes, slot.offset()).map_err(Error::file(&self.path()))?;
        self.sequence = sequence;
        self.newest = slot;
        self.state = state;
        Ok(())
    }

    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    /// [`Error`] when that is not sure.
    pub fn flush(&mut self) -> Result<(), Error> {
        file::flush(&self.fd).map_err(Error::file(&self.path()))?;
        self.flushed = self.newest;
        Ok(())
    }

    /// Replaces record and state: first a state that knows the devices of the old record and of the new one, then
    /// the record. A crash in between leaves the old record with a state that knows it.
    ///
    /// `entries` are the state of devices that are new. Grace ends.
    ///
    /// # Errors
    /// [`Error`]; the old record is in force then, unless only the flush of the directory failed.
    pub fn replace_record(
        &mut self,
        record: &Record,
        entries: &[DeviceState],
    ) -> Result<(), Error> {
        let old = self.record()?;
        let mut state = self.state.clone();
        state.grace.clear();
        let in_use = |entry: &DeviceState| {
            let records = old.iter().chain(std::iter::once(record));
            records
                .flat_map(|record| &record.devices)
                .any(|device| device.id == entry.id)
        };
        state.devices.retain(in_use);
        for entry in entries {
            state.devices.retain(|old| old.id != entry.id);
            state.devices.push(*entry);
        }
        if state.devices.len() > state::CAPACITY {
            return Err(self.error(Cause::System("too many devices")));
        }
        knows_all(&state, record).map_err(|cause| self.error(cause))?;
        let path = self.store.record_path(&self.account.name);
        // What is written can be read: anything else would lock the user out.
        let text = record.to_toml();
        Record::parse(&text).map_err(|error| Error {
            path: path.clone(),
            cause: Cause::Record(error),
        })?;
        self.write(state)?;
        self.flush()?;
        let name = self.record_file()?;
        file::write_file(&self.store.users, &name, text.as_bytes(), Access::Private)
            .map_err(Error::file(&path))
    }

    /// Removes the record, then the state.
    ///
    /// # Errors
    /// [`Error`]; when only the state is left it is harmless, and the next enrolment uses it.
    pub fn remove(self) -> Result<(), Error> {
        let record_path = self.store.record_path(&self.account.name);
        let name = self.record_file()?;
        let remove = |directory: &OwnedFd, name: &str| {
            file::remove_leftover(directory, name)?;
            file::remove(directory, name)?;
            file::flush_directory(directory)
        };
        remove(&self.store.users, &name).map_err(Error::file(&record_path))?;
        let state_name = state_file(self.store, &self.account)?;
        remove(&self.store.states, &state_name).map_err(Error::file(&self.path()))
    }

    fn read(
        store: &'s Store,
        account: &Account,
        (fd, stat): (OwnedFd, Stat),
    ) -> Result<Self, Error> {
        let path = store.state_path(&account.name);
        let bytes = file::read_all(&fd, &stat).map_err(Error::file(&path))?;
        let stored = state::decode_file(&bytes)
            .map_err(|error| state_error(store, account, Cause::State(error)))?;
        if stored.state.uid != account.uid {
            let cause = Cause::OtherUid {
                recorded: stored.state.uid,
                current: account.uid,
            };
            return Err(state_error(store, account, cause));
        }
        Ok(Self {
            store,
            account: account.clone(),
            fd,
            state: stored.state,
            sequence: stored.sequence,
            newest: stored.slot,
            flushed: stored.slot,
        })
    }

    /// Puts a new state file in place of whatever is there. Creators are kept apart by a lock on the directory, and
    /// from logins by the lock of the file that is replaced; `state` is made under both.
    fn replace(
        store: &'s Store,
        account: &Account,
        state: impl FnOnce() -> Result<State, Error>,
    ) -> Result<Self, Error> {
        let path = store.state_path(&account.name);
        let lock = store.lock_states()?;
        let mut found = None;
        let old = match open_and_lock(store, account)? {
            None => None,
            Some(opened) => match Self::read(store, account, opened) {
                Ok(locked) => {
                    found = Some(locked);
                    None
                }
                Err(error) if error.mended_by_unlock() => open_and_lock(store, account)?,
                Err(error) => return Err(error),
            },
        };
        let state = state()?;
        if let Some(locked) = found.take_if(|locked| locked.knows(&state)) {
            // Another creator was faster, or nothing was wrong.
            return Ok(locked);
        }
        let name = state_file(store, account)?;
        let bytes = state::encode_file(&state);
        file::write_file(&store.states, &name, &bytes, Access::Private)
            .map_err(Error::file(&path))?;
        drop((lock, old, found));
        Self::existing(store, account)
    }

    fn knows(&self, other: &State) -> bool {
        let mut devices = other.devices.iter();
        devices.all(|device| self.state.device(device.id).is_some())
    }

    fn record_file(&self) -> Result<String, Error> {
        names::record_file(&self.account.name).ok_or_else(|| self.error(Cause::NameTooLong))
    }

    fn path(&self) -> std::path::PathBuf {
        self.store.state_path(&self.account.name)
    }

    fn error(&self, cause: Cause) -> Error {
        state_error(self.store, &self.account, cause)
    }
}

/// The state of a record whose own state is lost.
fn nothing_reusable(record: &Record, window: u8, now: u64) -> State {
    let mut state = State::new(record.uid);
    let entry = |device: &Device| DeviceState {
        id: device.id,
        next: match device.kind {
            Kind::Totp { interval } => interval.step(now) + state::furthest_ahead(window) + 1,
            Kind::Hotp => COUNTER_UNKNOWN,
        },
        drift: 0,
        last_used: 0,
    };
    state.devices = record.devices.iter().map(entry).collect();
    if let Some(set) = &record.recovery {
        (0..set.hashes.len()).for_each(|position| state.spend(set.id, position));
    }
    state.bypass = record.bypass.as_ref().map(|bypass| bypass.id);
    state
}

/// Whether there is an entry for every device.
pub(super) fn knows_all(state: &State, record: &Record) -> Result<(), Cause> {
    let mut devices = record.devices.iter();
    match devices.find(|device| state.device(device.id).is_none()) {
        Some(device) => Err(Cause::UnknownDevice(device.name.to_string())),
        None => Ok(()),
    }
}

/// Opens the state file and locks it; again when it was replaced or removed in the meantime.
fn open_and_lock(store: &Store, account: &Account) -> Result<Option<(OwnedFd, Stat)>, Error> {
    let name = state_file(store, account)?;
    let path = store.state_path(&account.name);
    loop {
        let opened: (OwnedFd, Stat) = match file::open_file(
            &store.states,
            Path::new(&name),
            Open::Update,
            Access::Private,
        ) {
            Err(error) if error.is_missing() => return Ok(None),
            other => other.map_err(Error::file(&path))?,
        };
        lock::exclusive(&opened.0).map_err(Error::lock(&path))?;
        if file::is_still(&store.states, &name, &opened.1).map_err(Error::file(&path))? {
            return Ok(Some(opened));
        }
    }
}

fn state_file(store: &Store, account: &Account) -> Result<String, Error> {
    names::state_file(&account.name).ok_or_else(|| state_error(store, account, Cause::NameTooLong))
}

fn state_error(store: &Store, account: &Account, cause: Cause) -> Error {
    Error {
        path: store.state_path(&account.name),
        cause,
    }
}
