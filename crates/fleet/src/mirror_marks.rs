//! The revisions of the records that this host has: an older one never replaces a newer one, also after a backup of the store was
//! restored. One small file for each user, in `fleet/records`.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rustix::fs::{CWD, Dir};
use twofactor_store::sys::file::{self, FileAccess, FileError, FileOpening};

use crate::host_error::HostError;
use crate::host_settings::form;

const NAME: &str = "records";

/// Kind of a record that this host has by its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// A record.
    Present,
    /// The note that it was removed.
    Removed,
}

/// The marks of this host.
pub struct MirrorMarks {
    path: PathBuf,
    fd: OwnedFd,
}

impl MirrorMarks {
    /// Opens them in the fleet's directory, and makes their directory where it is missing.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn open(fleet: &Path) -> Result<Self, HostError> {
        let path = fleet.join(NAME);
        let open = || {
            let top = file::open_directory(CWD, fleet, FileAccess::Private)?;
            let fd = file::ensure_directory(&top, Path::new(NAME))?;
            file::flush_directory(&top)?;
            Ok(fd)
        };
        let fd = open().map_err(HostError::file(&path))?;
        Ok(Self { path, fd })
    }

    /// The newest revision of a user's record that this host has had; `None` where it had none.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn of(&self, user: &str) -> Result<Option<(u64, MarkKind)>, HostError> {
        let name = file_of(user);
        let path = self.path.join(&name);
        let read = || -> Result<Option<Vec<u8>>, FileError> {
            let way = FileOpening::Read;
            match file::open_file(&self.fd, Path::new(&name), way, FileAccess::Private) {
                Err(error) if error.is_missing() && file::is_absent(&self.fd, &name)? => Ok(None),
                other => {
                    let (fd, stat) = other?;
                    file::read_all(fd, &stat).map(Some)
                }
            }
        };
        let Some(bytes) = read().map_err(HostError::file(&path))? else {
            return Ok(None);
        };
        let mark = parsed(&bytes).ok_or_else(|| form(&path, 0, "is damaged"))?;
        Ok(Some(mark))
    }

    /// Notes a revision, durably.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn note(&self, user: &str, revision: u64, kind: MarkKind) -> Result<(), HostError> {
        let name = file_of(user);
        let word = match kind {
            MarkKind::Present => "present",
            MarkKind::Removed => "removed",
        };
        let text = format!("{revision} {word}\n");
        file::write_file(&self.fd, &name, text.as_bytes(), FileAccess::Private)
            .map_err(HostError::file(&self.path.join(name)))
    }

    /// Forgets all of them: they are those of a fleet that this host is in no more.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn forget_all(&self) -> Result<(), HostError> {
        let failed = |errno| HostError::file(&self.path)(FileError::System("readdir", errno));
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name != "." && name != ".." {
                file::remove(&self.fd, name).map_err(HostError::file(&self.path))?;
            }
        }
        file::flush_directory(&self.fd).map_err(HostError::file(&self.path))
    }

    /// All users with a mark.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn users(&self) -> Result<Vec<String>, HostError> {
        let failed = |errno| HostError::file(&self.path)(FileError::System("readdir", errno));
        let mut users = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            users.extend(entry.file_name().to_str().ok().and_then(user_of));
        }
        users.sort_unstable();
        Ok(users)
    }
}

/// No two names have one file, and no name leaves the directory.
fn file_of(user: &str) -> String {
    HEXLOWER.encode(user.as_bytes())
}

fn user_of(file: &str) -> Option<String> {
    String::from_utf8(HEXLOWER.decode(file.as_bytes()).ok()?).ok()
}

fn parsed(bytes: &[u8]) -> Option<(u64, MarkKind)> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (revision, word) = text.split_once(' ')?;
    let kind = match word {
        "present" => MarkKind::Present,
        "removed" => MarkKind::Removed,
        _ => return None,
    };
    Some((revision.parse().ok()?, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_noted() {
        let fleet = tempfile::tempdir().unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(fleet.path(), private).unwrap();
        let marks = MirrorMarks::open(fleet.path()).unwrap();
        assert_eq!(marks.of("a/b").unwrap(), None);
        marks.note("a/b", 7, MarkKind::Present).unwrap();
        marks.note("é", 8, MarkKind::Removed).unwrap();
        let again = MirrorMarks::open(fleet.path()).unwrap();
        assert_eq!(again.of("a/b").unwrap(), Some((7, MarkKind::Present)));
        assert_eq!(again.of("é").unwrap(), Some((8, MarkKind::Removed)));
        assert_eq!(again.users().unwrap(), ["a/b", "é"]);
        std::fs::write(fleet.path().join("records/c3a9"), "8 gone\n").unwrap();
        assert!(again.of("é").is_err());
        again.forget_all().unwrap();
        assert_eq!(again.users().unwrap(), [""; 0]);
    }
}
