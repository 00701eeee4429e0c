//! Moving what is kept about a user to another name or uid: after a rename, a change of the uid, or a move to another
//! machine.
//!
//! Devices, recovery codes, used codes and lock-out move along, under the lock of the state. The steps, each atomic and on
//! the disk before the next:
//!
//! 1. The index gets the new name.
//! 2. The state gets the new uid, and says that all devices of the record are committed.
//! 3. The record, still under the old name, says the new name and uid.
//! 4. A state with the new name holds the same, and the old one goes.
//! 5. The record gets the new name.
//! 6. The index loses the old name.
//!
//! Before step 3 the old name counts, where its account still has the uid; from step 5 on the new one. Whatever else looks
//! for the record in between finds one of another user, or an entry of the index without one, and is refused.

use crate::sys::file::{self, Access, FileError};
use crate::sys::link::{self, Durability};
use twofactor_core::account::Account;
use twofactor_core::record::Record;

use super::generations::StateFiles;
use super::locked::knows_all;
use super::{Cause, Error, Locked, Store, index, names};

/// Progress of a move.
#[derive(Debug, Clone)]
pub enum Relocation {
    /// Not begun, or nothing of it counts yet: the record as it is.
    Ahead(Box<Record>),
    /// State or record say the new name and uid already.
    Begun,
    /// Only the index knows the old name still.
    Moved,
}

impl Store {
    /// Progress of the move from a name to an account. `None` when there is nothing to move.
    ///
    /// # Errors
    /// [`Error`] when a record cannot be read, or is that of a third user.
    pub fn relocation(&self, from: &str, to: &Account) -> Result<Option<Relocation>, Error> {
        let stale = || -> Result<bool, Error> {
            let index = self.index()?;
            Ok(index
                .iter()
                .any(|(uid, name)| name == from && (*uid, name) != (to.uid, &to.name)))
        };
        match self.record_named(from)? {
            Some(record) if is_of(&record, to) && from != to.name => Ok(Some(Relocation::Begun)),
            Some(record) if is_of(&record, to) => Ok(stale()?.then_some(Relocation::Moved)),
            Some(record) if record.user != from => Err(Error {
                path: self.record_path(from),
                cause: Cause::OtherUser(record.user),
            }),
            Some(record) => {
                // The state is written first, which is not done before the move was allowed.
                let state = self.peek_named(from)?;
                let begun = record.uid != to.uid && state.is_some_and(|state| state.uid == to.uid);
                Ok(Some(if begun {
                    Relocation::Begun
                } else {
                    Relocation::Ahead(Box::new(record))
                }))
            }
            None => {
                let new = self.record_named(&to.name)?;
                let moved = new.is_some_and(|record| is_of(&record, to))
                    && self.peek_named(from)?.is_none()
                    && stale()?;
                Ok(moved.then_some(Relocation::Moved))
            }
        }
    }

    /// Moves record and state, or completes a move that was stopped at any step.
    ///
    /// # Errors
    /// [`Error`]; [`Cause::Occupied`] where something is kept under the new name. Calling again completes the move.
    pub fn relocate(&self, from: &str, to: &Account) -> Result<(), Error> {
        match self.relocation(from, to)? {
            None => return Err(self.lost_before(from)),
            Some(Relocation::Moved) => return self.forget(from, to),
            Some(Relocation::Ahead(_) | Relocation::Begun) => {}
        }
        // The state is the first of the two that gets the new name.
        let state_at = match self.peek_named(from)? {
            None => to.name.as_str(),
            Some(_) => from,
        };
        let state = self.peek_named(state_at)?;
        let Some(state) = state else {
            return Err(self.missing_state(&named(from, to)));
        };
        let held = Account {
            uid: state.uid,
            ..named(state_at, to)
        };
        let mut locked = self.lock(&held)?;
        // As it is under the lock.
        let record = match self.record_named(from)? {
            Some(record) if record.user == from || is_of(&record, to) => record,
            _ => return Err(self.lost_before(from)),
        };
        // From step 3 on nothing but this move makes a state under the new name.
        let resumed = is_of(&record, to);
        self.prove_free(from, state_at == from && !resumed, to)?;
        self.change_owner(&mut locked, from, record, to)?;
        self.change_name(&locked, from, state_at, to)?;
        self.forget(from, to)
    }

    /// Steps 1 to 3.
    fn change_owner(
        &self,
        locked: &mut Locked<'_>,
        from: &str,
        mut record: Record,
        to: &Account,
    ) -> Result<(), Error> {
        let path = self.record_path(from);
        let mut state = locked.state().clone();
        knows_all(&state, &record).map_err(|cause| Error {
            path: self.state_path(from),
            cause,
        })?;
        index::add(&self.users, to.uid, &to.name, Durability::Now)
            .and_then(|_| file::flush_directory(&self.users))
            .map_err(Error::file(&path))?;
        state.uid = to.uid;
        let kept = |id| record.devices.iter().any(|device| device.id == id);
        state.devices.retain(|entry| kept(entry.id));
        // Without a committed device a state without record would tell of nothing.
        state.devices.iter_mut().for_each(|d| d.committed = true);
        if state != *locked.state() {
            locked.write(state)?;
            locked.flush()?;
        }
        locked.confirm()?;
        if is_of(&record, to) {
            return Ok(());
        }
        record.user.clone_from(&to.name);
        record.uid = to.uid;
        let text = record.to_toml();
        // A record that is written can be read: anything else would lock the user out.
        Record::parse(&text).map_err(|error| Error {
            path: path.clone(),
            cause: Cause::Record(error),
        })?;
        let file_name = names::record_file(from).ok_or_else(|| too_long(&path))?;
        file::write_file(&self.users, &file_name, text.as_bytes(), Access::Private)
            .map_err(Error::file(&path))?;
        locked.confirm()
    }

    /// Steps 4 and 5.
    fn change_name(
        &self,
        locked: &Locked<'_>,
        from: &str,
        state_at: &str,
        to: &Account,
    ) -> Result<(), Error> {
        if from == to.name {
            return Ok(());
        }
        let path = self.record_path(&to.name);
        let name = |of: fn(&str) -> Option<String>, user: &str| {
            of(user).ok_or_else(|| too_long(&self.record_path(user)))
        };
        if state_at == from {
            // Made anew rather than renamed: the state may have generations, and two names cannot change at once. The old
            // base goes first, so that what a process that was stopped wrote into it counts no more.
            StateFiles::of(self, &to.name)?.create(locked.state())?;
            locked.confirm()?;
            StateFiles::of(self, from)?.remove_all()?;
        }
        let (old, new) = (
            name(names::record_file, from)?,
            name(names::record_file, &to.name)?,
        );
        if !link::rename_new(&self.users, &old, &new).map_err(Error::file(&path))? {
            return Err(self.occupied(&to.name));
        }
        file::flush_directory(&self.users).map_err(Error::file(&path))
    }

    /// Step 6, and what others claimed of the old state meanwhile.
    fn forget(&self, from: &str, to: &Account) -> Result<(), Error> {
        let path = self.record_path(from);
        for (uid, name) in self.index()? {
            if name == from && (uid, name.as_str()) != (to.uid, to.name.as_str()) {
                index::remove(&self.users, uid, from).map_err(Error::file(&path))?;
            }
        }
        file::flush_directory(&self.users).map_err(Error::file(&path))?;
        if from == to.name || self.peek_named(from)?.is_some() {
            return Ok(());
        }
        StateFiles::of(self, from)?.remove_all()
    }

    /// Nothing may be kept under the new name but what this move has put there.
    fn prove_free(&self, from: &str, no_state: bool, to: &Account) -> Result<(), Error> {
        if from == to.name {
            return Ok(());
        }
        if self.record_named(&to.name)?.is_some() {
            return Err(self.occupied(&to.name));
        }
        if no_state {
            if self.peek_named(&to.name)?.is_some() {
                return Err(self.occupied(&to.name));
            }
            // Remains of a user of that name who was removed.
            StateFiles::of(self, &to.name)?.remove_all()?;
        }
        Ok(())
    }

    fn occupied(&self, name: &str) -> Error {
        Error {
            path: self.record_path(name),
            cause: Cause::Occupied,
        }
    }

    fn lost_before(&self, name: &str) -> Error {
        Error::file(&self.record_path(name))(FileError::System("open", rustix::io::Errno::NOENT))
    }
}

fn is_of(record: &Record, account: &Account) -> bool {
    record.user == account.name && record.uid == account.uid
}

fn named(name: &str, account: &Account) -> Account {
    Account {
        name: name.to_owned(),
        ..account.clone()
    }
}

fn too_long(path: &std::path::Path) -> Error {
    Error {
        path: path.to_owned(),
        cause: Cause::NameTooLong,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Disagreement, FoundBy, list};
    use super::*;
    use crate::testing::{Scratch, alice, enroll_devices, phone};

    fn anna(uid: u32) -> Account {
        Account {
            name: "anna".to_owned(),
            uid,
            gid: uid,
        }
    }

    /// Record and state of alice; a kill has kept her device from being committed.
    fn pending() -> (Scratch, Store) {
        let scratch = Scratch::new();
        let store = scratch.store();
        enroll_devices(&store, &alice(), &[phone()]);
        let mut locked = store.lock(&alice()).unwrap();
        let mut state = locked.state().clone();
        state.devices.iter_mut().for_each(|d| d.committed = false);
        state.failures = 3;
        locked.write(state).unwrap();
        locked.flush().unwrap();
        drop(locked);
        (scratch, store)
    }

    #[test]
    fn everything_moves_and_the_old_name_leads_nowhere() {
        for uid in [alice().uid, 7007] {
            let (_scratch, store) = pending();
            store.relocate("alice", &anna(uid)).unwrap();
            let found = store.snapshot(&anna(uid)).unwrap().unwrap();
            assert_eq!(
                (found.record.user.as_str(), found.record.uid),
                ("anna", uid)
            );
            assert_eq!((found.state.uid, found.state.failures), (uid, 3));
            assert!(found.state.has_committed());
            let inventory = store.inventory().unwrap();
            assert_eq!(inventory.records, ["anna"]);
            assert_eq!(inventory.states, ["anna"]);
            assert_eq!(inventory.index, [(uid, "anna".to_owned())]);
            assert!(store.relocation("alice", &anna(uid)).unwrap().is_none());
            assert!(store.relocate("alice", &anna(uid)).is_err());
        }
    }

    /// A holder of the old base that is stopped all the while finds at no moment that its file counts again.
    #[test]
    fn a_taken_over_state_moves_without_generations() {
        let (scratch, store) = pending();
        let stopped = store.lock(&alice()).unwrap();
        let mut taker =
            std::thread::scope(|scope| scope.spawn(|| store.lock(&alice()).unwrap()).join())
                .unwrap();
        let mut state = taker.state().clone();
        state.failures = 9;
        taker.write(state).unwrap();
        taker.flush().unwrap();
        drop(taker);
        store.relocate("alice", &anna(7007)).unwrap();
        assert!(stopped.confirm().is_err());
        let found = store.snapshot(&anna(7007)).unwrap().unwrap();
        assert_eq!((found.state.uid, found.state.failures), (7007, 9));
        let names: Vec<String> = list(&store.states, &scratch.top().join("state"))
            .unwrap()
            .into_iter()
            .filter(|name| !matches!(name.as_str(), "." | ".."))
            .collect();
        assert_eq!(names, ["anna"]);
        assert!(store.lock(&anna(7007)).is_ok());
    }

    /// The step before the names: the files of alice are anna's.
    fn with_new_owner<'s>(store: &'s Store, anna: &Account) -> Locked<'s> {
        let mut locked = store.lock(&alice()).unwrap();
        let record = locked.record().unwrap().unwrap();
        store
            .change_owner(&mut locked, "alice", record, anna)
            .unwrap();
        locked
    }

    /// Stopped between the new state and the old one, it goes on where it was.
    #[test]
    fn a_move_that_has_made_the_new_state_is_completed() {
        let (_scratch, store) = pending();
        let anna = anna(7007);
        let locked = with_new_owner(&store, &anna);
        let new = StateFiles::of(&store, "anna").unwrap();
        assert!(new.create(locked.state()).unwrap());
        drop(locked);
        store.relocate("alice", &anna).unwrap();
        assert_eq!(store.holder(&anna).unwrap().found_by, FoundBy::Name);
        assert_eq!(store.inventory().unwrap().states, ["anna"]);
    }

    /// Between the names of state and record there is nothing but the state that tells of the record.
    #[test]
    fn devices_are_committed_before_their_record_moves() {
        let (_scratch, store) = pending();
        let anna = anna(7007);
        let locked = with_new_owner(&store, &anna);
        link::rename_new(&store.states, "alice", "anna").unwrap();
        let refused = store.holder(&anna).unwrap_err();
        assert_eq!(refused.cause, Cause::LostRecord);
        assert!(matches!(
            store.relocation("alice", &anna).unwrap(),
            Some(Relocation::Begun)
        ));
        drop(locked);
        store.relocate("alice", &anna).unwrap();
        assert_eq!(store.holder(&anna).unwrap().found_by, FoundBy::Name);
    }

    #[test]
    fn no_record_or_state_of_another_user_is_replaced() {
        for part in ["users/anna.toml", "state/anna"] {
            let (scratch, store) = pending();
            let anna = anna(alice().uid);
            enroll_devices(
                &store,
                &Account {
                    uid: 7007,
                    ..anna.clone()
                },
                &[phone()],
            );
            let path = scratch.top().join(part);
            let other = if part.ends_with(".toml") {
                scratch.top().join("state/anna")
            } else {
                scratch.top().join("users/anna.toml")
            };
            std::fs::remove_file(other).unwrap();
            let before = std::fs::read(&path).unwrap();
            let refused = store.relocate("alice", &anna).unwrap_err();
            assert_eq!(refused.cause, Cause::Occupied, "{part}");
            assert_eq!(std::fs::read(&path).unwrap(), before);
            assert!(store.record(&alice()).unwrap().is_some());
        }
    }

    #[test]
    fn a_directory_that_is_noted_is_not_made_anew() {
        let scratch = Scratch::new();
        drop(scratch.store());
        std::fs::remove_dir_all(scratch.top()).unwrap();
        let made = |disagreement| {
            Store::initialize(&scratch.top(), &scratch.policy(), disagreement).map(|_| ())
        };
        assert!(made(Disagreement::Refuse).unwrap_err().is_missing());
        assert!(!scratch.top().exists());
        made(Disagreement::Settle).unwrap();
        assert!(scratch.top().join("users").is_dir());
    }
}
