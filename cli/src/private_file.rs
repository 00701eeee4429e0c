//! A file with a secret that the caller asked for: new, readable by its owner alone, and gone when the command fails.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;

/// Readable and writable by its owner.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The only one who can read it, as the caller is told.
pub fn reader() -> &'static str {
    if rustix::process::geteuid().is_root() {
        "root"
    } else {
        "you"
    }
}

/// A file that was just made. Dropped before [`PrivateFile::keep`], it is removed again.
pub struct PrivateFile {
    directory: OwnedFd,
    file: OwnedFd,
    name: OsString,
    path: PathBuf,
    fate: FileFate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FileFate {
    Remove,
    Keep,
}

impl PrivateFile {
    /// Makes an empty file with mode 0600. Nothing that exists is ever written to, also not by way of a link.
    ///
    /// # Errors
    /// A refusal when there is such a file or no such directory; a system error otherwise. Then there is no new file.
    pub fn reserve(path: &Path) -> Result<Self, CommandFailure> {
        let failed = |errno: Errno| explain(path, errno);
        let Some(name) = path.file_name() else {
            return Err(CommandFailure::usage(format!(
                "{}: is no name of a file",
                path.display()
            )));
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let to_directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::openat(CWD, parent, to_directory, Mode::empty()).map_err(failed)?;
        let new = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, name, new, PRIVATE).map_err(failed)?;
        // From here on, dropping it removes the file.
        let made = Self {
            directory,
            file,
            name: name.to_owned(),
            path: path.to_owned(),
            fate: FileFate::Remove,
        };
        // The umask may have taken away more than it should.
        rustix::fs::fchmod(&made.file, PRIVATE).map_err(failed)?;
        Ok(made)
    }

    /// Writes the content, or more of it, to the disk.
    ///
    /// # Errors
    /// A system error, as of a full disk.
    pub fn write(&self, bytes: &[u8]) -> Result<(), CommandFailure> {
        let failed = |errno: Errno| explain(&self.path, errno);
        write_all(&self.file, bytes).map_err(failed)?;
        rustix::fs::fsync(&self.file).map_err(failed)
    }

    /// Waits until its name is on the disk, too.
    ///
    /// # Errors
    /// A system error.
    pub fn flush_name(&self) -> Result<(), CommandFailure> {
        rustix::fs::fsync(&self.directory).map_err(|errno| explain(&self.path, errno))
    }

    /// Its length, in bytes; 0 where it cannot be told.
    pub fn length(&self) -> u64 {
        let end = rustix::fs::fstat(&self.file).map(|stat| stat.st_size);
        end.ok()
            .and_then(|end| u64::try_from(end).ok())
            .unwrap_or(0)
    }

    /// Removes what was written after the first `length` bytes.
    ///
    /// # Errors
    /// A system error.
    pub fn cut(&self, length: u64) -> Result<(), CommandFailure> {
        let failed = |errno: Errno| explain(&self.path, errno);
        rustix::fs::ftruncate(&self.file, length).map_err(failed)?;
        rustix::fs::seek(&self.file, SeekFrom::Start(length)).map_err(failed)?;
        Ok(())
    }

    /// Its path, as it was asked for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file stays.
    pub fn keep(mut self) {
        self.retain();
    }

    /// The file takes the place of another one in its directory, and stays. One that is a link is replaced itself.
    ///
    /// # Errors
    /// A system error; then the other one is as it was.
    pub fn replace(mut self, name: &OsStr) -> Result<(), CommandFailure> {
        let renamed = rustix::fs::renameat(&self.directory, &self.name, &self.directory, name);
        renamed.map_err(|errno| explain(&self.path, errno))?;
        self.retain();
        Ok(())
    }

    /// The file stays, whatever is written to it yet.
    pub const fn retain(&mut self) {
        self.fate = FileFate::Keep;
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if self.fate == FileFate::Remove {
            // The failure that led here is the one to tell.
            let _ = rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

fn write_all(file: &OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match rustix::io::retry_on_intr(|| rustix::io::write(file, rest))? {
            0 => return Err(Errno::IO),
            count => done += count,
        }
    }
    Ok(())
}

fn explain(path: &Path, errno: Errno) -> CommandFailure {
    let at = path.display();
    match errno {
        Errno::EXIST => {
            CommandFailure::refused(format!("{at}: exists already, and is not overwritten"))
                .of_kind(FailureKind::Exists)
                .next("Give another name, or remove that file first. Nothing was changed.")
        }
        Errno::NOENT | Errno::NOTDIR => {
            CommandFailure::refused(format!("{at}: there is no such directory"))
                .next("Make the directory first. Nothing was changed.")
        }
        errno => CommandFailure::system(format!("{at}: cannot be written: {errno}"))
            .next("Choose another place. Nothing was changed."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_failure::ExitStatus;
    use crate::scratch_directory::ScratchDirectory;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    /// A file with this text.
    fn create(path: &Path, bytes: &[u8]) -> Result<PrivateFile, CommandFailure> {
        let made = PrivateFile::reserve(path)?;
        made.write(bytes)?;
        Ok(made)
    }

    #[test]
    fn a_kept_file_is_complete_and_private() {
        let scratch = ScratchDirectory::new();
        let path = scratch.join("file");
        create(&path, b"text").unwrap().keep();
        assert_eq!(std::fs::read(&path).unwrap(), b"text");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn a_file_that_is_not_kept_is_gone() {
        let scratch = ScratchDirectory::new();
        let path = scratch.join("file");
        let file = create(&path, b"text").unwrap();
        assert!(path.exists() && file.path() == path);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn nothing_that_exists_is_written_to() {
        let directory = ScratchDirectory::new();
        let (old, link) = (directory.join("old"), directory.join("link"));
        std::fs::write(&old, "old").unwrap();
        symlink(directory.join("nowhere"), &link).unwrap();
        for path in [&old, &link] {
            let failure = create(path, b"new").err().unwrap();
            assert_eq!(failure.exit, ExitStatus::Refused);
            assert!(
                failure
                    .what
                    .ends_with("exists already, and is not overwritten")
            );
        }
        assert_eq!(std::fs::read(&old).unwrap(), b"old");
        assert!(!directory.join("nowhere").exists());
    }

    #[test]
    fn a_directory_is_no_file_and_is_not_made() {
        let directory = ScratchDirectory::new();
        let missing = create(&directory.join("a/b"), b"").err().unwrap();
        assert_eq!(missing.exit, ExitStatus::Refused);
        let unnamed = create(Path::new("/"), b"").err().unwrap();
        assert_eq!(unnamed.exit, ExitStatus::Usage);
    }
}
