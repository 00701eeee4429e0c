//! The mark of a state directory: an id in the directory, and the same id beside the policy.
//!
//! A directory that is not mounted, not restored, or made anew has no mark or another one. It must not pass for one in
//! which no user is enrolled.
//!
//! In the directory the id is part of the name of an empty file, `mark-ID`: one system call tells whether it is there.
//! Beside the policy it stands in a file of the policy's name with the ending `.id` (`/etc/security/twofactor.id`), one
//! line `ID PATH` for each directory.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;

use crate::sys::file::{self, FileAccess, FileOpening};
use crate::sys::new_file::{self, NewFileKind};
use crate::sys::random;

use super::{FileFault, StoreError};

const MARK: &str = "mark-";
/// Bytes of randomness in an id.
const ID_LEN: usize = 16;

/// Way in which [`initialize`] treats a directory and a file of ids that do not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkDisagreement {
    /// As an error: the wrong directory may be mounted.
    Refuse,
    /// The id of the directory is taken, or a new one is made where it has none.
    Settle,
}

/// Result of [`initialize`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkResult {
    /// Directory and file of ids had the same id already.
    Already,
    /// A new id was made.
    Marked,
    /// The id of the directory was noted beside the policy.
    Noted,
}

/// The file of ids that belongs to a policy.
#[must_use]
pub fn id_file(policy: &Path) -> PathBuf {
    policy.with_extension("id")
}

/// Checks that the directory behind `top` is the one that was marked for `path`.
///
/// # Errors
/// [`StoreError`] with [`FileFault::Unmarked`] where the directory has no mark, [`FileFault::NotNoted`] where no id is noted for
/// this path, [`FileFault::OtherMark`] where the ids differ.
pub fn check(top: &OwnedFd, path: &Path, policy: &Path) -> Result<(), StoreError> {
    let noted = noted(path, policy)?;
    if let Some(noted) = &noted
        && file::is_present(top, &format!("{MARK}{noted}")).map_err(StoreError::file(path))?
    {
        return Ok(());
    }
    let cause = disagreement(read_mark(top, path)?, noted, policy);
    cause.map_or(Ok(()), |cause| {
        Err(StoreError {
            path: path.to_owned(),
            cause,
        })
    })
}

/// The fault of a directory with this mark, for which this id is noted. `None` where they agree: it was marked a moment ago.
fn disagreement(mark: Option<String>, noted: Option<String>, policy: &Path) -> Option<FileFault> {
    match (mark, noted) {
        (Some(mark), Some(noted)) if mark == noted => None,
        (Some(_), Some(_)) => Some(FileFault::OtherMark),
        (None, _) => Some(FileFault::Unmarked),
        (Some(_), None) => Some(FileFault::NotNoted(id_file(policy))),
    }
}

/// Marks a directory, and notes its id beside the policy.
///
/// # Errors
/// [`StoreError`] as for [`check`] where one of the two has an id that the other has not, unless that is to be settled.
pub fn initialize(
    top: &OwnedFd,
    path: &Path,
    policy: &Path,
    disagreement: MarkDisagreement,
) -> Result<MarkResult, StoreError> {
    let mark = read_mark(top, path)?;
    let noted = noted(path, policy)?;
    let settle = disagreement == MarkDisagreement::Settle;
    match (mark, noted) {
        (Some(mark), Some(noted)) if mark == noted => Ok(MarkResult::Already),
        (Some(_), Some(_)) if !settle => Err(StoreError {
            path: path.to_owned(),
            cause: FileFault::OtherMark,
        }),
        (None, Some(_)) if !settle => Err(StoreError {
            path: path.to_owned(),
            cause: FileFault::Unmarked,
        }),
        (Some(mark), _) => {
            note(&mark, path, policy)?;
            Ok(MarkResult::Noted)
        }
        (None, _) => {
            let id = new_id(path)?;
            // The note comes first: a kill in between leaves a directory that is refused, not one that is believed.
            note(&id, path, policy)?;
            new_file::create_new(top, &format!("{MARK}{id}"), &[], NewFileKind::Free)
                .and_then(|_| file::flush_directory(top))
                .map_err(StoreError::file(path))?;
            Ok(MarkResult::Marked)
        }
    }
}

/// True if an id is noted for the directory: it was in use here.
///
/// # Errors
/// [`StoreError`] when the file of ids cannot be read.
pub fn is_noted(path: &Path, policy: &Path) -> Result<bool, StoreError> {
    Ok(noted(path, policy)?.is_some())
}

/// The id of a directory. Two marks are that of another one.
fn read_mark(top: &OwnedFd, path: &Path) -> Result<Option<String>, StoreError> {
    let names = super::list(top, path)?;
    let mut ids = names.iter().filter_map(|name| name.strip_prefix(MARK));
    match (ids.next(), ids.next()) {
        (Some(_), Some(_)) => Err(StoreError {
            path: path.to_owned(),
            cause: FileFault::OtherMark,
        }),
        (id, _) => Ok(id.map(str::to_owned)),
    }
}

fn new_id(path: &Path) -> Result<String, StoreError> {
    let mut bytes = [0; ID_LEN];
    random::fill(&mut bytes).map_err(|_| StoreError {
        path: path.to_owned(),
        cause: FileFault::System("cannot be marked: the kernel gives no randomness"),
    })?;
    Ok(base16ct::lower::encode_string(&bytes))
}

/// The id that is noted for a directory.
fn noted(path: &Path, policy: &Path) -> Result<Option<String>, StoreError> {
    let lines = lines(policy)?;
    let found = lines.iter().find(|(_, noted)| noted == path);
    Ok(found.map(|(id, _)| id.clone()))
}

/// All noted ids with their directories.
fn lines(policy: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let ids = id_file(policy);
    let opened = file::open_file(CWD, &ids, FileOpening::Read, FileAccess::Readable);
    let (fd, stat) = match opened {
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        other => other.map_err(StoreError::file(&ids))?,
    };
    let bytes = file::read_all(fd, &stat).map_err(StoreError::file(&ids))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| StoreError {
        path: ids,
        cause: FileFault::NotUtf8,
    })?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(id, path)| (id.to_owned(), PathBuf::from(path)))
        .collect())
}

/// Notes an id for a directory, beside those of other directories.
fn note(id: &str, path: &Path, policy: &Path) -> Result<(), StoreError> {
    let ids = id_file(policy);
    let failed = |cause| StoreError {
        path: path.to_owned(),
        cause,
    };
    let own = path
        .to_str()
        .filter(|path| !path.contains('\n'))
        .ok_or_else(|| failed(FileFault::NotUtf8))?;
    let mut text = format!("{id} {own}\n");
    for (other, noted) in lines(policy)? {
        if noted != path {
            text.push_str(&format!("{other} {}\n", noted.display()));
        }
    }
    let (directory, name) =
        file::parent_and_name(&ids).map_err(|error| failed(FileFault::File(error)))?;
    let fd = file::open_directory(CWD, directory, FileAccess::Readable)
        .map_err(StoreError::file(directory))?;
    file::write_file(fd, name, text.as_bytes(), FileAccess::Readable)
        .map_err(StoreError::file(&ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_id_at_both_places_is_agreement() {
        let policy = Path::new("/etc/policy.toml");
        let id = |text: &str| Some(text.to_owned());
        assert_eq!(disagreement(id("a"), id("a"), policy), None);
        let other = disagreement(id("a"), id("b"), policy);
        assert_eq!(other, Some(FileFault::OtherMark));
        for noted in [id("a"), None] {
            assert_eq!(disagreement(None, noted, policy), Some(FileFault::Unmarked));
        }
        let missing = FileFault::NotNoted("/etc/policy.id".into());
        assert_eq!(disagreement(id("a"), None, policy), Some(missing));
    }
}
