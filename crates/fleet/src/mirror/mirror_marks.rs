//! The revisions of the records on this host, one small file for each user in `fleet/records`. An older record never replaces a
//! newer one, also after a backup of the store was restored.
//!
//! A mark is written before its record. Its digest shows if the record never came. The mark of the record before it is kept, so
//! that the revision of the record in place is known also after a kill in between.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use rustix::fs::{CWD, Dir};
use rustix::io::Errno;
use twofactor_core::record::UserRecord;
use twofactor_store::fleet_mark::{self, file_of};
use twofactor_store::sys::file::{self, FileAccess, FileError, FileOpening};
use twofactor_store::sys::lock;

use super::record_mark::{MarkKind, RecordMark, UserMarks};
use crate::host_files::host_error::{HostError, HostFault};
use crate::host_files::host_settings::form;

/// The marks of this host.
pub struct MirrorMarks {
    path: PathBuf,
    fd: OwnedFd,
    patience: Duration,
}

impl MirrorMarks {
    /// Opens them in the fleet's directory, and makes their directory where it is missing.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn open(fleet: &Path) -> Result<Self, HostError> {
        let path = fleet.join(fleet_mark::DIRECTORY);
        let fd = file::durable_directory(fleet, fleet_mark::DIRECTORY)
            .map_err(HostError::file(&path))?;
        Ok(Self {
            path,
            fd,
            patience: lock::WAIT,
        })
    }

    /// These marks, with a limit on the wait for their lock.
    #[must_use]
    pub fn waiting(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The newest mark of a user; `None` if this host never had a record of the user.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn of(&self, user: &str) -> Result<Option<RecordMark>, HostError> {
        Ok(self.known(user)?.map(|marks| marks.newest))
    }

    fn known(&self, user: &str) -> Result<Option<UserMarks>, HostError> {
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
        let marks = UserMarks::parsed(&bytes).ok_or_else(|| form(&path, 0, "is damaged"))?;
        Ok(Some(marks))
    }

    /// The revision of this record; 0 if no mark is that of it.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn revision_of(&self, user: &str, record: Option<&UserRecord>) -> Result<u64, HostError> {
        let here = MarkKind::of(record);
        let marks = self.known(user)?;
        let mark = marks.and_then(|marks| marks.telling_of(here));
        Ok(mark.map_or(0, |(revision, _)| revision))
    }

    /// Writes the mark of the record in place, durably. It never replaces a newer one.
    ///
    /// # Errors
    /// [`HostError`], also if a newer mark is there.
    pub fn note(&self, user: &str, revision: u64, kind: MarkKind) -> Result<(), HostError> {
        self.note_coming(user, (revision, kind), kind)
    }

    /// Writes the mark of a record before it is put in place, or of a removal before it is made, durably. Keeps the mark of
    /// `here`, the record that is in place until then.
    ///
    /// # Errors
    /// As [`MirrorMarks::note`].
    pub fn note_coming(
        &self,
        user: &str,
        newest: RecordMark,
        here: MarkKind,
    ) -> Result<(), HostError> {
        let name = file_of(user);
        let path = self.path.join(&name);
        // Two processes of this host may write marks at once.
        let _lock = self.lock()?;
        let known = self.known(user)?;
        if known.is_some_and(|it| it.newest.0 > newest.0) {
            return Err(form(&path, 0, "tells of a newer record"));
        }
        let before = known.and_then(|it| it.telling_of(here));
        let before = before.filter(|it| *it != newest);
        let marks = UserMarks { newest, before };
        // A mark of a record before it does no harm.
        if known.is_some_and(|it| it == marks || (it.newest == newest && before.is_none())) {
            return Ok(());
        }
        let text = marks.text();
        file::write_file(&self.fd, &name, text.as_bytes(), FileAccess::Private)
            .map_err(HostError::file(&path))
    }

    /// The lock of all marks, until it is dropped.
    fn lock(&self) -> Result<OwnedFd, HostError> {
        let failed = |errno: Errno| HostError::file(&self.path)(FileError::System("flock", errno));
        let fd = file::open_directory(CWD, &self.path, FileAccess::Private);
        let fd = fd.map_err(HostError::file(&self.path))?;
        if lock::exclusive_within(&fd, self.patience).map_err(failed)? {
            Ok(fd)
        } else {
            Err(HostError::new(&self.path, HostFault::Busy))
        }
    }

    /// Notes what is here in the place of all that is noted of a user, durably: what is newer is of a history that the store lost.
    ///
    /// # Errors
    /// [`HostError`].
    pub(crate) fn replace(&self, user: &str, here: RecordMark) -> Result<(), HostError> {
        let name = file_of(user);
        let _lock = self.lock()?;
        let marks = UserMarks {
            newest: here,
            before: None,
        };
        file::write_file(
            &self.fd,
            &name,
            marks.text().as_bytes(),
            FileAccess::Private,
        )
        .map_err(HostError::file(&self.path.join(&name)))
    }

    /// Removes the marks of one user, durably: they are of a history that the store lost.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn forget(&self, user: &str) -> Result<(), HostError> {
        let name = file_of(user);
        let path = self.path.join(&name);
        let _lock = self.lock()?;
        file::remove(&self.fd, &name)
            .and_then(|()| file::flush_directory(&self.fd))
            .map_err(HostError::file(&path))
    }

    /// Removes all marks: they are those of a fleet that this host has left.
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

fn user_of(file: &str) -> Option<String> {
    String::from_utf8(HEXLOWER.decode(file.as_bytes()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, MirrorMarks) {
        let fleet = tempfile::tempdir().unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(fleet.path(), private).unwrap();
        let marks = MirrorMarks::open(fleet.path()).unwrap();
        (fleet, marks)
    }

    #[test]
    fn a_mark_is_read_as_it_was_noted() {
        let (fleet, marks) = scratch();
        let record = UserRecord::new("a/b".to_owned(), 7);
        let present = MarkKind::of(Some(&record));
        assert_eq!(marks.of("a/b").unwrap(), None);
        marks.note("a/b", 7, present).unwrap();
        marks.note("é", 8, MarkKind::Removed).unwrap();
        let again = MirrorMarks::open(fleet.path()).unwrap();
        assert_eq!(again.of("a/b").unwrap(), Some((7, present)));
        assert_eq!(again.of("é").unwrap(), Some((8, MarkKind::Removed)));
        assert_eq!(again.users().unwrap(), ["a/b", "é"]);
        let file = fleet.path().join("records/c3a9");
        for damaged in [
            "8 gone\n",
            "8 present\n",
            "8 present 00\n",
            "8 removed 00\n",
            "8 removed\n7\n",
            "8 removed\n7 removed\n6 removed\n",
        ] {
            std::fs::write(&file, damaged).unwrap();
            assert!(again.of("é").is_err(), "{damaged}");
        }
        again.forget_all().unwrap();
        assert_eq!(again.users().unwrap(), [""; 0]);
    }

    #[test]
    fn a_mark_never_goes_back() {
        let (_fleet, marks) = scratch();
        let record = UserRecord::new("alice".to_owned(), 7);
        marks.note("alice", 7, MarkKind::Removed).unwrap();
        assert!(marks.note("alice", 6, MarkKind::of(Some(&record))).is_err());
        assert_eq!(marks.of("alice").unwrap(), Some((7, MarkKind::Removed)));
        marks.note("alice", 7, MarkKind::Removed).unwrap();
        // Unless it is replaced or forgotten.
        let present = MarkKind::of(Some(&record));
        marks.replace("alice", (5, present)).unwrap();
        assert_eq!(marks.revision_of("alice", Some(&record)).unwrap(), 5);
        marks.note("alice", 7, MarkKind::Removed).unwrap();
        marks.forget("alice").unwrap();
        marks.forget("alice").unwrap();
        marks.note("alice", 6, MarkKind::Removed).unwrap();
        assert_eq!(marks.of("alice").unwrap(), Some((6, MarkKind::Removed)));
    }

    /// There is no longer wait than that, and nothing is noted without the lock.
    #[test]
    fn a_mark_waits_for_another_process_in_its_time_alone() {
        let (fleet, marks) = scratch();
        let other = marks.lock().unwrap();
        let marks = MirrorMarks::open(fleet.path()).unwrap();
        let marks = marks.waiting(Duration::ZERO);
        let noted = marks.note("alice", 7, MarkKind::Removed);
        assert_eq!(noted.unwrap_err().cause, HostFault::Busy);
        assert_eq!(marks.of("alice").unwrap(), None);
        drop(other);
        let noted = marks.note("alice", 7, MarkKind::Removed);
        assert_eq!(noted, Ok(()));
    }

    /// The process that changed it was killed before the record was in place, or another one put it there.
    #[test]
    fn a_mark_tells_of_its_own_record_alone() {
        let (_fleet, marks) = scratch();
        let old = UserRecord::new("alice".to_owned(), 7);
        let new = UserRecord::new("alice".to_owned(), 8);
        assert_eq!(marks.revision_of("alice", Some(&old)).unwrap(), 0);
        marks.note("alice", 7, MarkKind::of(Some(&new))).unwrap();
        assert_eq!(marks.revision_of("alice", Some(&new)).unwrap(), 7);
        assert_eq!(marks.revision_of("alice", Some(&old)).unwrap(), 0);
        assert_eq!(marks.revision_of("alice", None).unwrap(), 0);
    }

    /// A kill before the record comes leaves the one before, or none that the mark does not tell of.
    #[test]
    fn the_record_before_is_known_until_the_new_is_there() {
        let (fleet, marks) = scratch();
        let [old, new, newer] = [7, 8, 9].map(|uid| UserRecord::new("alice".to_owned(), uid));
        let [was, kind, next] = [&old, &new, &newer].map(|it| MarkKind::of(Some(it)));
        assert_eq!(was, MarkKind::of_digest(Some(old.digest())));
        let known = || {
            let marks = MirrorMarks::open(fleet.path()).unwrap();
            [&old, &new, &newer].map(|it| marks.revision_of("alice", Some(it)).unwrap())
        };
        marks.note("alice", 5, was).unwrap();
        marks.note_coming("alice", (6, kind), was).unwrap();
        assert_eq!(
            (known(), marks.of("alice").unwrap()),
            ([5, 6, 0], Some((6, kind)))
        );
        // Killed there: another change is made of the old record, of the same revision or a later one.
        for revision in [6, 7] {
            marks.note_coming("alice", (revision, next), was).unwrap();
            assert_eq!(known(), [5, 0, revision]);
        }
        // It came, and is the one that is replaced.
        marks.note("alice", 7, next).unwrap();
        marks.note_coming("alice", (8, kind), next).unwrap();
        assert_eq!(known(), [0, 8, 7]);
        assert!(marks.note_coming("alice", (7, next), kind).is_err());
        marks
            .note_coming("alice", (9, MarkKind::Removed), kind)
            .unwrap();
        assert_eq!(marks.of("alice").unwrap(), Some((9, MarkKind::Removed)));
        marks
            .note_coming("alice", (10, was), MarkKind::Removed)
            .unwrap();
        assert_eq!(known(), [10, 0, 0]);
        assert_eq!(marks.revision_of("alice", None).unwrap(), 9);
    }

    /// A kill before the new record of a removed user comes leaves the note of the removal.
    #[test]
    fn a_removal_is_known_until_the_new_record_is_there() {
        let (_fleet, marks) = scratch();
        let new = UserRecord::new("alice".to_owned(), 7);
        marks.note("alice", 5, MarkKind::Removed).unwrap();
        let coming = (6, MarkKind::of(Some(&new)));
        marks
            .note_coming("alice", coming, MarkKind::Removed)
            .unwrap();
        assert_eq!(marks.revision_of("alice", None).unwrap(), 5);
        assert_eq!(marks.revision_of("alice", Some(&new)).unwrap(), 6);
    }
}
