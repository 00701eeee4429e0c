//! The host's place in its fleet, as this host remembers it: `fleet/host` in the state directory.
//!
//! A number is written here before the store gets it: the store has this one or the one before, or it went back in time.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use rustix::fs::CWD;
use twofactor_store::UnmirroredUsers;
use twofactor_store::sys::file::{self, FileAccess, FileError, FileOpening};
use twofactor_store::sys::lock;

use super::host_error::{HostError, HostFault};
use super::host_settings::form;
use crate::sealed_values::fleet_entry::{EpochPhase, FleetMeta, HostBeat, RestorationId};
use crate::sealed_values::store_key::StoreKey;

/// The directory of the fleet in the state directory.
pub use twofactor_store::fleet_contact::FLEET_DIRECTORY as DIRECTORY;
const NAME: &str = "host";
const TITLE: &str = "twofactor-fleet-host 1";
const NONE: &str = "none";
/// Longest id of a host.
pub const MAX_HOST_ID: usize = 80;

/// The place of a host in its fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlace {
    /// The fleet and its epoch, which has begun.
    pub meta: FleetMeta,
    /// The restoration that was begun on this host, while it is not over. Only this host goes on with it: a backup may hold one that
    /// was over.
    pub begun: Option<RestorationId>,
    /// Id of this host.
    pub host: String,
    /// The number that the store had before the one that was begun last; the same, once the store is known to have that one.
    pub previous: HostBeat,
    /// The number that was begun last.
    pub current: HostBeat,
}

/// The directory of the fleet on this host.
#[derive(Debug)]
pub struct FleetDirectory {
    path: PathBuf,
    fd: OwnedFd,
}

/// The lock of the directory, until it is dropped. Numbers are written, and changes of records made, under it.
#[derive(Debug)]
pub struct FleetLock {
    _fd: OwnedFd,
}

impl HostPlace {
    /// The key of the host in the store.
    #[must_use]
    pub fn key(&self) -> StoreKey {
        StoreKey::host(&self.host)
    }

    /// True if the store had the entry of this host: it has counted since it was made.
    #[must_use]
    pub const fn was_in_store(&self) -> bool {
        self.current.count > 1
    }

    fn text(&self) -> String {
        let beat = |beat: HostBeat| format!("{} {}", beat.count, HEXLOWER.encode(&beat.run));
        format!(
            "{TITLE}\nfleet {}\nepoch {} {}\nbegun {}\nhost {}\nprevious {}\ncurrent {}\n",
            HEXLOWER.encode(&self.meta.fleet),
            self.meta.epoch,
            HEXLOWER.encode(&self.meta.restoration),
            self.begun
                .map_or_else(|| NONE.to_owned(), |it| HEXLOWER.encode(&it)),
            self.host,
            beat(self.previous),
            beat(self.current),
        )
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next() != Some(TITLE) {
            return None;
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let fleet = HEXLOWER.decode(field("fleet")?.as_bytes()).ok()?;
        let (epoch, restoration) = field("epoch")?.split_once(' ')?;
        let meta = FleetMeta {
            fleet: fleet.try_into().ok()?,
            epoch: epoch.parse().ok()?,
            restoration: eight(restoration)?,
            phase: EpochPhase::Settled,
        };
        let begun = match field("begun")? {
            NONE => None,
            id => Some(eight(id)?),
        };
        let host = field("host")?.to_owned();
        let place = Self {
            meta,
            begun,
            previous: beat(field("previous")?)?,
            current: beat(field("current")?)?,
            host,
        };
        let is_whole = lines.next().is_none() && is_host_id(&place.host);
        is_whole.then_some(place)
    }
}

fn beat(text: &str) -> Option<HostBeat> {
    let (count, run) = text.split_once(' ')?;
    Some(HostBeat {
        count: count.parse().ok()?,
        run: eight(run)?,
    })
}

fn eight(digits: &str) -> Option<[u8; 8]> {
    HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()
}

/// True for an id that a host can have.
#[must_use]
pub fn is_host_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_HOST_ID).contains(&id.len()) && id.bytes().all(is_plain)
}

impl FleetDirectory {
    /// Opens that of a state directory.
    ///
    /// # Errors
    /// [`HostFault::NotJoined`] where the state directory has none; [`HostError`].
    pub fn open(state: &Path) -> Result<Self, HostError> {
        let path = state.join(DIRECTORY);
        let top = file::open_directory(CWD, state, FileAccess::Private);
        let top = top.map_err(HostError::file(state))?;
        match file::open_directory(&top, Path::new(DIRECTORY), FileAccess::Private) {
            Ok(fd) => Ok(Self { path, fd }),
            Err(error) if error.is_missing() => {
                let absent = file::is_absent(&top, DIRECTORY).map_err(HostError::file(&path))?;
                let cause = if absent {
                    HostFault::NotJoined
                } else {
                    HostFault::File(error)
                };
                Err(HostError::new(&path, cause))
            }
            Err(error) => Err(HostError::file(&path)(error)),
        }
    }

    /// Opens it, and makes it where it is missing, with a place for notes of users: logins on a host of a fleet do without none.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn ensure(state: &Path) -> Result<Self, HostError> {
        let path = state.join(DIRECTORY);
        let make = || -> Result<OwnedFd, FileError> {
            let top = file::open_directory(CWD, state, FileAccess::Private)?;
            let fd = file::ensure_directory(&top, Path::new(DIRECTORY))?;
            file::flush_directory(&top)?;
            Ok(fd)
        };
        let fd = make().map_err(HostError::file(&path))?;
        UnmirroredUsers::open(&path).map_err(HostError::file(&path))?;
        Ok(Self { path, fd })
    }

    /// Locks it. Waits at most 5 s.
    ///
    /// # Errors
    /// [`HostFault::Busy`]; [`HostError`].
    pub fn lock(&self) -> Result<FleetLock, HostError> {
        self.lock_within(lock::WAIT)
    }

    /// Locks it. Waits no longer than `limit`.
    ///
    /// # Errors
    /// [`HostFault::Busy`]; [`HostError`].
    pub fn lock_within(&self, limit: Duration) -> Result<FleetLock, HostError> {
        let fd = file::open_directory(CWD, &self.path, FileAccess::Private);
        let fd = fd.map_err(HostError::file(&self.path))?;
        let had = lock::exclusive_within(&fd, limit)
            .map_err(|errno| HostError::file(&self.path)(FileError::System("flock", errno)))?;
        if had {
            Ok(FleetLock { _fd: fd })
        } else {
            Err(HostError::new(&self.path, HostFault::Busy))
        }
    }

    /// Reads the place of the host.
    ///
    /// # Errors
    /// [`HostFault::NotJoined`] where there is proven to be none; [`HostError`].
    pub fn place(&self) -> Result<HostPlace, HostError> {
        let path = self.path.join(NAME);
        let read = || -> Result<Vec<u8>, FileError> {
            let name = Path::new(NAME);
            let (fd, stat) =
                file::open_file(&self.fd, name, FileOpening::Read, FileAccess::Private)?;
            file::read_all(fd, &stat)
        };
        let bytes = match read() {
            Err(error) if error.is_missing() => {
                let absent = file::is_absent(&self.fd, NAME).map_err(HostError::file(&path))?;
                let cause = if absent {
                    HostFault::NotJoined
                } else {
                    HostFault::File(error)
                };
                return Err(HostError::new(&path, cause));
            }
            other => other.map_err(HostError::file(&path))?,
        };
        HostPlace::parse(&bytes).ok_or_else(|| form(&path, 0, "is damaged"))
    }

    /// Writes the place of the host, atomically and durably.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn write(&self, place: &HostPlace, _: &FleetLock) -> Result<(), HostError> {
        let path = self.path.join(NAME);
        file::write_file(&self.fd, NAME, place.text().as_bytes(), FileAccess::Private)
            .map_err(HostError::file(&path))
    }

    /// Removes the place of the host, durably: it is in no fleet then.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn remove(&self, _: &FleetLock) -> Result<(), HostError> {
        file::remove(&self.fd, NAME)
            .and_then(|()| file::flush_directory(&self.fd))
            .map_err(HostError::file(&self.path.join(NAME)))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> HostPlace {
        let beat = |count| HostBeat { count, run: [7; 8] };
        HostPlace {
            meta: FleetMeta {
                epoch: 2,
                restoration: [4; 8],
                ..FleetMeta::first([3; 16])
            },
            begun: Some([6; 8]),
            host: "a.example.org-01ab".to_owned(),
            previous: beat(4),
            current: beat(5),
        }
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let state = tempfile::tempdir().unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(state.path(), private).unwrap();
        let refused = FleetDirectory::open(state.path()).unwrap_err();
        assert!(refused.is_not_joined(), "{refused}");
        let directory = FleetDirectory::ensure(state.path()).unwrap();
        assert!(directory.place().unwrap_err().is_not_joined());
        let lock = directory.lock().unwrap();
        directory.write(&place(), &lock).unwrap();
        let again = FleetDirectory::open(state.path()).unwrap();
        assert_eq!(again.place(), Ok(place()));
        directory.remove(&lock).unwrap();
        assert!(again.place().unwrap_err().is_not_joined());
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let text = place().text();
        for cut in 0..text.len() {
            assert_eq!(HostPlace::parse(&text.as_bytes()[..cut]), None, "{cut}");
        }
        assert_eq!(HostPlace::parse(text.as_bytes()), Some(place()));
        let never = HostPlace {
            begun: None,
            ..place()
        };
        assert_eq!(HostPlace::parse(never.text().as_bytes()), Some(never));
        for (from, to) in [
            ("epoch 2", "epoch x"),
            ("-01ab", "/x"),
            (" 5 ", " 5 0"),
            ("host 1", "host 2"),
        ] {
            assert_eq!(
                HostPlace::parse(text.replacen(from, to, 1).as_bytes()),
                None
            );
        }
        assert_eq!(HostPlace::parse(format!("{text}x\n").as_bytes()), None);
    }
}
