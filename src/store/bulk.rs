//! The first records of many users at once, with a few flushes for all of them instead of a few for each.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::path::Path;

use crate::record::Record;
use crate::state::{self, DeviceState, State};
use crate::sys::accounts::Account;
use crate::sys::file::{self, Access, FileError, Open};
use crate::sys::lock;

use super::locked::knows_all;
use super::{Cause, Error, Store, names};

/// Most newcomers of one call: each keeps a file open and locked, and others who want to enrol somebody wait meanwhile.
pub const BATCH: usize = 400;

/// Somebody who gets a first record.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// Who.
    pub account: Account,
    /// What is written; at least one device.
    pub record: Record,
    /// The state of each of its devices.
    pub entries: Vec<DeviceState>,
}

/// What became of a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolled {
    /// Record and state are on the disk.
    Done,
    /// There was a record or a state already; nothing was changed.
    Occupied,
}

/// A newcomer whose state is written and locked, so that nobody else can make a record beside it.
struct Staged {
    position: usize,
    record_file: String,
    state_file: String,
    text: zeroize::Zeroizing<String>,
    _lock: OwnedFd,
}

type Results = Vec<Result<Enrolled, Error>>;

impl Store {
    /// Makes record and state of up to [`BATCH`] accounts that have neither. As everywhere, states come first: a crash
    /// leaves a newcomer with both, with a state alone, which is harmless, or with nothing.
    ///
    /// # Errors
    /// [`Error`] for all of them when more than [`BATCH`] are given, somebody else holds the lock, or the disk cannot be
    /// flushed: then some may be enrolled, and calling again finds them occupied. In the list: for one of them.
    pub fn enrol_all(&self, newcomers: &[Newcomer]) -> Result<Results, Error> {
        if newcomers.len() > BATCH {
            let cause = Cause::System("too many newcomers at once");
            let path = self.path.clone();
            return Err(Error { path, cause });
        }
        let _creators = self.lock_states()?;
        let mut results: Results = Vec::with_capacity(newcomers.len());
        let mut staged = Vec::with_capacity(newcomers.len());
        for (position, newcomer) in newcomers.iter().enumerate() {
            let mut before = newcomers.iter().take(position);
            if before.any(|other| other.account.name == newcomer.account.name) {
                results.push(Ok(Enrolled::Occupied));
                continue;
            }
            results.push(match self.stage_state(position, newcomer) {
                Ok(Some(ready)) => {
                    staged.push(ready);
                    Ok(Enrolled::Done)
                }
                Ok(None) => Ok(Enrolled::Occupied),
                Err(error) => Err(error),
            });
        }
        let finished = self.finish(newcomers, &mut staged, &mut results);
        if finished.is_err() {
            for one in &staged {
                // The error before it is the one to tell.
                let _ = file::remove_leftover(&self.states, &one.state_file);
                let _ = file::remove_leftover(&self.users, &one.record_file);
            }
        }
        finished.map(|()| results)
    }

    fn finish(
        &self,
        newcomers: &[Newcomer],
        staged: &mut Vec<Staged>,
        results: &mut Results,
    ) -> Result<(), Error> {
        self.flush_all()?;
        staged.retain(|one| {
            let user = newcomers.get(one.position).map(|n| &n.account.name);
            let path = user.map(|user| self.state_path(user)).unwrap_or_default();
            let done = file::publish(&self.states, &one.state_file).and_then(|()| {
                let bytes = one.text.as_bytes();
                file::stage(&self.users, &one.record_file, bytes, Access::Private).map(drop)
            });
            keep(results, one.position, done.map_err(Error::file(&path)))
        });
        // The names of the states, too, before the first record can be seen.
        self.flush_all()?;
        let users = self.path.join("users");
        staged.retain(|one| {
            let done = file::publish(&self.users, &one.record_file);
            let path = users.join(&one.record_file);
            keep(results, one.position, done.map_err(Error::file(&path)))
        });
        file::flush_directory(&self.users).map_err(Error::file(&users))
    }

    fn stage_state(&self, position: usize, newcomer: &Newcomer) -> Result<Option<Staged>, Error> {
        let Newcomer {
            account,
            record,
            entries,
        } = newcomer;
        let state_path = self.state_path(&account.name);
        let failed = |cause| Error {
            path: state_path.clone(),
            cause,
        };
        let files = names::state_file(&account.name).zip(names::record_file(&account.name));
        let Some((state_file, record_file)) = files else {
            return Err(failed(Cause::NameTooLong));
        };
        let name = Path::new(&state_file);
        let found = file::open_file(&self.states, name, Open::Read, Access::Private);
        match found {
            Err(error) if error.is_missing() && self.record(account)?.is_none() => {}
            Err(error) if !error.is_missing() => return Err(Error::file(&state_path)(error)),
            _ => return Ok(None),
        }
        let mut state = State::new(account.uid);
        state.devices = entries.clone();
        if state.devices.len() > state::CAPACITY {
            return Err(failed(Cause::System("too many devices")));
        }
        knows_all(&state, record).map_err(failed)?;
        // What is written can be read: anything else would lock the user out.
        let text = record.to_toml();
        Record::parse(&text).map_err(|error| failed(Cause::Record(error)))?;
        let bytes = state::encode_file(&state);
        let fd = file::stage(&self.states, &state_file, &bytes, Access::Private)
            .map_err(Error::file(&state_path))?;
        lock::exclusive(&fd).map_err(Error::lock(&state_path))?;
        Ok(Some(Staged {
            position,
            record_file,
            state_file,
            text,
            _lock: fd,
        }))
    }

    fn flush_all(&self) -> Result<(), Error> {
        let flush = || -> Result<(), FileError> {
            file::flush_file_system(&self.states)?;
            match file::device(&self.states)? == file::device(&self.users)? {
                true => Ok(()),
                false => file::flush_file_system(&self.users),
            }
        };
        flush().map_err(Error::file(&self.path))
    }
}

/// Notes a failure; whether the newcomer goes on.
fn keep(results: &mut Results, position: usize, done: Result<(), Error>) -> bool {
    match (done, results.get_mut(position)) {
        (Ok(()), _) => true,
        (Err(error), Some(result)) => {
            *result = Err(error);
            false
        }
        (Err(_), None) => false,
    }
}
