//! The leftover of a change that was killed while it wrote a record: a temporary file, with the keys of the devices.

use rustix::fs::Dir;

use crate::sys::file;
use twofactor_core::account::Account;

use super::{FactorStore, LockedFactor, StoreError, file_names};

impl FactorStore {
    /// Removes the temporary records of users whose lock can be had at once. One that is held may be that of the change which writes
    /// the file; the user's next change removes what is left then.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be read. What goes wrong with one user keeps no other's file.
    pub fn remove_killed_changes(&self) -> Result<(), StoreError> {
        let directory = self.users.directory()?;
        let failed =
            |errno| StoreError::file(self.users.path())(file::FileError::System("readdir", errno));
        for entry in Dir::read_from(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = std::str::from_utf8(entry.file_name().to_bytes()).ok();
            if let Some(user) = name.and_then(user_of_temporary) {
                // Whatever it is, a change of that user says so.
                let _ = self.remove_killed_change(&user);
            }
        }
        Ok(())
    }

    fn remove_killed_change(&self, user: &str) -> Result<(), StoreError> {
        // One that is on its way to another name is left to the rest of the move.
        let record = self.record_named(user)?;
        let Some(record) = record.filter(|record| record.user == user) else {
            return Ok(());
        };
        let account = Account {
            name: user.to_owned(),
            uid: record.uid,
            gid: record.uid,
        };
        match LockedFactor::at_once(self, &account)? {
            Some(locked) => locked.remove_temporary_records(),
            None => Ok(()),
        }
    }
}

/// The user whose record a temporary file was to become.
pub(super) fn user_of_temporary(file_name: &str) -> Option<String> {
    let name = file_name.strip_prefix('.')?.strip_suffix(".new")?;
    // The holder of a lock that was taken over has a number.
    let record = name.split_once('+').map_or(name, |(record, _)| record);
    file_names::user_of(record)
}

#[cfg(test)]
mod tests {
    use crate::testing::{ScratchStore, account, alice, enroll_devices, token};

    #[test]
    fn temporary_records_go_once_their_user_is_unlocked() {
        let scratch = ScratchStore::new();
        let store = scratch.store();
        let bob = account("bob", 1001);
        for account in [&alice(), &bob] {
            enroll_devices(&store, account, &[token()]);
        }
        let before = scratch.everything();
        let users = scratch.top().join("users");
        let write = |name: &str| std::fs::write(users.join(name), "key").unwrap();
        let stray = [".alice.toml.new", ".bob.toml.new"];
        stray.iter().for_each(|name| write(name));
        // Of no user, of one that is not there, and of a later holder of the lock than this one.
        let others = [".carol.toml.new", ".x.new", "y.new", ".alice.toml+1.new"];
        others.iter().for_each(|name| write(name));
        let held = store.lock_for_change(&bob).unwrap();
        store.remove_killed_changes().unwrap();
        let left = |name: &&str| users.join(name).exists();
        assert_eq!(stray.iter().map(&left).collect::<Vec<_>>(), [false, true]);
        assert!(others.iter().all(left));
        drop(held);
        store.remove_killed_changes().unwrap();
        for name in others {
            std::fs::remove_file(users.join(name)).unwrap();
        }
        assert_eq!(scratch.everything(), before);
    }
}
