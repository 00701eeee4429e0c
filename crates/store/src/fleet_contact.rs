//! The note that the fleet's service leaves for logins: when this host last met the store of its fleet, and how many hosts there are.

use std::path::Path;

use rustix::fs::CWD;

use crate::sys::file::{self, FileAccess, FileError, FileOpening};

/// The directory within the state directory that belongs to the fleet.
pub const FLEET_DIRECTORY: &str = "fleet";

/// Name of the file there that says that the host is in a fleet.
pub(crate) const HOST_FILE: &str = "host";

/// Name of the note.
const NAME: &str = "contact";

/// Seconds by which the mirror of the records may be older than the last contact.
const MIRROR_LAG: u64 = 60;

/// Time of this host's last contact with its fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetContact {
    /// Time at which the store was last known to be that of the fleet, in seconds since 1970-01-01 UTC.
    pub met: u64,
    /// Time at which all records were last copied from there, in seconds since 1970-01-01 UTC.
    pub mirrored: u64,
    /// Hosts of the fleet, this one included.
    pub hosts: u32,
}

impl FleetContact {
    /// Reads the note in a state directory; `None` where there is none, or one that makes no sense: the host never met its fleet.
    ///
    /// # Errors
    /// [`FileError`] when it is there and cannot be read, or is not root's alone.
    pub fn read(state: &Path) -> Result<Option<Self>, FileError> {
        let path = state.join(FLEET_DIRECTORY).join(NAME);
        let opened = file::open_file(CWD, &path, FileOpening::Read, FileAccess::Private);
        let (fd, stat) = match opened {
            Err(error) if error.is_missing() => return Ok(None),
            opened => opened?,
        };
        let bytes = file::read_all(fd, &stat)?;
        Ok(std::str::from_utf8(&bytes).ok().and_then(Self::parse))
    }

    /// Replaces the note. A power cut leaves the old one or this one.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, state: &Path) -> Result<(), FileError> {
        let state = file::open_directory(CWD, state, FileAccess::Private)?;
        let directory = file::ensure_directory(state, Path::new(FLEET_DIRECTORY))?;
        let text = format!("{} {} {}\n", self.met, self.mirrored, self.hosts);
        file::write_file(directory, NAME, text.as_bytes(), FileAccess::Private)
    }

    /// Removes the note, durably: what a host knew of one fleet says nothing of another.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn remove(state: &Path) -> Result<(), FileError> {
        let directory = state.join(FLEET_DIRECTORY);
        let directory = file::open_directory(CWD, &directory, FileAccess::Private)?;
        file::remove(&directory, NAME)?;
        file::flush_directory(&directory)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.strip_suffix('\n')?.split(' ');
        let contact = Self {
            met: fields.next()?.parse().ok()?,
            mirrored: fields.next()?.parse().ok()?,
            hosts: fields.next()?.parse().ok()?,
        };
        let is_whole = fields.next().is_none() && contact.hosts > 0;
        is_whole.then_some(contact)
    }

    /// Seconds from the last contact to `now` (seconds since 1970-01-01 UTC); `None` if the note is ahead of the clock, and tells nothing.
    #[must_use]
    pub fn age(&self, now: u64) -> Option<u64> {
        now.checked_sub(self.met.max(self.mirrored))
            .and_then(|_| now.checked_sub(self.met))
    }

    /// True if the copies of the records were those of the store at the last contact.
    #[must_use]
    pub const fn is_mirror_fresh(&self) -> bool {
        self.mirrored.saturating_add(MIRROR_LAG) >= self.met
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ScratchStore;

    const CONTACT: FleetContact = FleetContact {
        met: 1000,
        mirrored: 940,
        hosts: 3,
    };

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let scratch = ScratchStore::new();
        assert_eq!(FleetContact::read(scratch.path()).unwrap(), None);
        CONTACT.write(scratch.path()).unwrap();
        let read = FleetContact::read(scratch.path()).unwrap();
        assert_eq!(read, Some(CONTACT));
        let path = scratch.path().join("fleet/contact");
        for text in [
            "",
            "1 2 3",
            "1 2 0\n",
            "1 2\n",
            "1 2 3 4\n",
            "1 2 -3\n",
            "x\n",
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(
                FleetContact::read(scratch.path()).unwrap(),
                None,
                "{text:?}"
            );
        }
        FleetContact::remove(scratch.path()).unwrap();
        assert_eq!(FleetContact::read(scratch.path()).unwrap(), None);
        FleetContact::remove(scratch.path()).unwrap();
        CONTACT.write(scratch.path()).unwrap();
        // Where others could read or write it, it is an error, and not a contact that never was.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(&path, open).unwrap();
        assert!(FleetContact::read(scratch.path()).is_err());
    }

    #[test]
    fn a_note_ahead_of_the_clock_tells_nothing() {
        assert_eq!(CONTACT.age(1000), Some(0));
        assert_eq!(CONTACT.age(1060), Some(60));
        assert_eq!(CONTACT.age(999), None);
        let ahead = FleetContact {
            mirrored: 1001,
            ..CONTACT
        };
        assert_eq!(ahead.age(1000), None);
    }

    #[test]
    fn a_mirror_is_fresh_for_a_minute() {
        assert!(CONTACT.is_mirror_fresh());
        let stale = FleetContact {
            mirrored: 939,
            ..CONTACT
        };
        assert!(!stale.is_mirror_fresh());
    }
}
