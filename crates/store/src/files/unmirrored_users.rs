//! The notes that the fleet's service leaves for logins of users whose record this host could not put in place: a file for each of them,
//! in `fleet/unmirrored`. Such a user has a device, though the files of this host tell of none.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Dir};
use rustix::io::Errno;

use super::file_names;
use crate::fleet_contact::{FLEET_DIRECTORY, HOST_FILE};
use crate::sys::file::{self, FileAccess, FileError, FileOpening};

const NAME: &str = "unmirrored";

/// The users of the fleet who pass on this host for none without a device.
pub struct UnmirroredUsers {
    fd: OwnedFd,
}

impl UnmirroredUsers {
    /// Opens the notes in the fleet's directory, and makes their directory where it is missing.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(fleet: &Path) -> Result<Self, FileError> {
        let fd = file::durable_directory(fleet, NAME)?;
        Ok(Self { fd })
    }

    /// Notes a user whose uid is not known, durably.
    ///
    /// # Errors
    /// [`FileError`], also for a name that can have no file.
    pub fn note(&self, user: &str) -> Result<(), FileError> {
        self.write(user, b"")
    }

    /// Notes a user with the uid, durably: by that another name of the same user is known without a look at accounts.
    ///
    /// # Errors
    /// [`FileError`], also for a name that can have no file.
    pub fn note_with_uid(&self, user: &str, uid: u32) -> Result<(), FileError> {
        self.write(user, format!("{uid}\n").as_bytes())
    }

    fn write(&self, user: &str, text: &[u8]) -> Result<(), FileError> {
        let name = file_names::state_file(user);
        let name = name.ok_or(FileError::System("open", Errno::NAMETOOLONG))?;
        file::write_file(&self.fd, &name, text, FileAccess::Private)
    }

    /// Forgets a user. After a power cut the note may be there again, which refuses the user until the next look at the store.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn forget(&self, user: &str) -> Result<(), FileError> {
        let Some(name) = file_names::state_file(user) else {
            return Ok(());
        };
        file::remove(&self.fd, &name)
    }

    /// Forgets all of them, durably: they are those of a fleet that this host is in no more.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn forget_all(&self) -> Result<(), FileError> {
        for user in self.users()? {
            self.forget(&user)?;
        }
        file::flush_directory(&self.fd)
    }

    /// All users who are noted.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn users(&self) -> Result<Vec<String>, FileError> {
        let failed = |errno| FileError::System("readdir", errno);
        let mut users = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            users.extend(
                entry
                    .file_name()
                    .to_str()
                    .ok()
                    .and_then(file_names::user_of_state),
            );
        }
        users.sort_unstable();
        Ok(users)
    }

    /// The uid that stands in the note of a user. `None` where none was known, and in notes of 0.1.0. A note that was edited, or restored
    /// with other rights, tells none either, and still is one of its user.
    #[must_use]
    pub fn uid_of(&self, user: &str) -> Option<u32> {
        let name = file_names::state_file(user)?;
        let path = Path::new(&name);
        let opened = file::open_file(&self.fd, path, FileOpening::Read, FileAccess::Private);
        let (fd, stat) = opened.ok()?;
        let bytes = file::read_all(fd, &stat).ok()?;
        let text = std::str::from_utf8(&bytes).ok()?;
        text.strip_suffix('\n')?.parse().ok()
    }

    /// Opens those of a state directory; `None` where the host is in no fleet, and there is no place for them. A host that is in one has
    /// them: where they are missing, or are said to be, it is not known who is noted.
    ///
    /// # Errors
    /// [`FileError`] when they cannot be looked at.
    pub fn found(state: &Path) -> Result<Option<Self>, FileError> {
        let open = |at: &OwnedFd, name: &str| {
            file::open_directory(at, Path::new(name), FileAccess::Private)
        };
        let state = file::open_directory(CWD, state, FileAccess::Private)?;
        let fleet = match open(&state, FLEET_DIRECTORY) {
            Err(error) if error.is_missing() && file::is_absent(&state, FLEET_DIRECTORY)? => {
                return Ok(None);
            }
            fleet => fleet?,
        };
        match open(&fleet, NAME) {
            Err(error) if error.is_missing() && file::is_absent(&fleet, HOST_FILE)? => Ok(None),
            notes => Ok(Some(Self { fd: notes? })),
        }
    }

    /// True if a user is noted. One whose name can have no file was not noted, and no mirror was whole then.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn have(&self, user: &str) -> Result<bool, FileError> {
        let Some(name) = file_names::state_file(user) else {
            return Ok(false);
        };
        Ok(!file::is_absent(&self.fd, &name)?)
    }

    /// True if a user is noted in a state directory.
    ///
    /// # Errors
    /// [`FileError`] when that cannot be told.
    pub fn has(state: &Path, user: &str) -> Result<bool, FileError> {
        Self::found(state)?.map_or(Ok(false), |notes| notes.have(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ScratchStore;

    #[test]
    fn a_user_is_noted_until_forgotten() {
        let scratch = ScratchStore::new();
        let state = scratch.path();
        // There is no place for a note, and none where nothing is found at all.
        assert!(!UnmirroredUsers::has(state, "alice").unwrap());
        assert!(UnmirroredUsers::has(&state.join("none"), "alice").is_err());
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let fleet = state.join(FLEET_DIRECTORY);
        std::fs::create_dir(&fleet).unwrap();
        std::fs::set_permissions(&fleet, private).unwrap();
        assert!(!UnmirroredUsers::has(state, "alice").unwrap());
        // A host of a fleet has notes.
        std::fs::write(fleet.join(HOST_FILE), "").unwrap();
        assert!(UnmirroredUsers::has(state, "alice").is_err());
        let notes = UnmirroredUsers::open(&fleet).unwrap();
        notes.note("alice").unwrap();
        notes.note("alice").unwrap();
        notes.note("../é").unwrap();
        assert_eq!(notes.uid_of("alice"), None);
        notes.note_with_uid("alice", 1000).unwrap();
        assert_eq!(notes.uid_of("alice"), Some(1000));
        assert_eq!(notes.uid_of("bob"), None);
        assert!(notes.note("").is_err());
        assert!(UnmirroredUsers::has(state, "alice").unwrap());
        assert!(UnmirroredUsers::has(state, "../é").unwrap());
        assert!(!UnmirroredUsers::has(state, "bob").unwrap());
        let notes = UnmirroredUsers::open(&fleet).unwrap();
        assert_eq!(notes.users().unwrap(), ["../é", "alice"]);
        notes.forget("alice").unwrap();
        notes.forget("alice").unwrap();
        assert!(!UnmirroredUsers::has(state, "alice").unwrap());
        notes.forget_all().unwrap();
        assert_eq!(notes.users().unwrap(), [""; 0]);
    }

    #[test]
    fn notes_that_cannot_be_looked_at_are_an_error() {
        let scratch = ScratchStore::new();
        let fleet = scratch.path().join(FLEET_DIRECTORY);
        std::fs::create_dir(&fleet).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&fleet, private).unwrap();
        std::fs::write(fleet.join(NAME), "").unwrap();
        assert!(UnmirroredUsers::has(scratch.path(), "alice").is_err());
    }
}
