//! A copy of a text for an editor, in a directory that only root can enter.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::command_failure::CommandFailure;

/// Directory in which the directory is made.
const PARENT: &str = "/tmp";
/// Number of names that are tried.
const NAMES: u32 = 100;

/// The copy; it goes when this is dropped, unless it is kept.
pub struct PrivateCopy {
    directory: PathBuf,
    file: PathBuf,
    kept: bool,
}

impl PrivateCopy {
    /// Writes the text into a new file of that name, in a new directory. Both are made, never opened: a name that is there
    /// already, whatever it is, is left alone.
    ///
    /// # Errors
    /// A system error.
    pub fn new(name: &str, text: &str) -> Result<Self, CommandFailure> {
        let directory = directory().map_err(|error| failed(Path::new(PARENT), &error))?;
        let copy = Self {
            file: directory.join(name),
            directory,
            kept: false,
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&copy.file);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| failed(&copy.file, &error))?;
        Ok(copy)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// True if it has this text. What cannot be read counts as another.
    pub fn is_text(&self, text: &str) -> bool {
        std::fs::read(&self.file).is_ok_and(|now| now == text.as_bytes())
    }

    /// True if the editor has put no file beside it.
    pub fn is_alone(&self) -> bool {
        std::fs::read_dir(&self.directory).is_ok_and(|files| files.count() == 1)
    }

    /// The directory that it has for itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Leaves it there.
    pub const fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for PrivateCopy {
    fn drop(&mut self) {
        if !self.kept {
            // With what the editor has put beside it. What cannot be removed holds no secret.
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

fn directory() -> io::Result<PathBuf> {
    let process = std::process::id();
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for number in 0..NAMES {
        let path = Path::new(PARENT).join(format!("twofactor-edit-{process}-{number}"));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn failed(path: &Path, error: &io::Error) -> CommandFailure {
    CommandFailure::system(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_copy_is_private_and_goes() {
        let mut copy = PrivateCopy::new("a.toml", "text").unwrap();
        let other = PrivateCopy::new("a.toml", "other").unwrap();
        assert_ne!(copy.path(), other.path());
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let path = copy.path().to_owned();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        copy.keep();
        assert!(copy.is_text("text") && copy.is_alone());
        drop(copy);
        assert!(path.exists());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        let gone = other.path().to_owned();
        drop(other);
        assert!(!gone.parent().unwrap().exists());
    }
}
