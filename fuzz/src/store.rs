//! A state directory whose files the target writes itself, below the directory for temporary files.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use twofactor_store::{FactorStore, MarkDisagreement};

/// Makes the directory of this process below the one for temporary files.
pub(super) fn make_top() -> PathBuf {
    let name = format!("twofactor-fuzz-{}", std::process::id());
    let top = std::env::temp_dir().join(name);
    fs::DirBuilder::new().mode(0o700).create(&top).unwrap();
    top
}

/// A state directory that is marked.
pub struct FuzzDirectory {
    path: PathBuf,
    pub store: FactorStore,
}

impl FuzzDirectory {
    /// Needs root: files of others are refused.
    #[must_use]
    pub fn new() -> Self {
        let top = make_top();
        let path = top.join("store");
        let policy = top.join("policy.toml");
        let made = FactorStore::initialize(&path, &policy, MarkDisagreement::Settle);
        Self {
            path,
            store: made.unwrap().0,
        }
    }

    /// Removes all records, index entries and states.
    pub fn empty(&self) {
        for part in ["users", "state"] {
            for entry in fs::read_dir(self.path.join(part)).unwrap() {
                let path = entry.unwrap().path();
                if fs::symlink_metadata(&path).unwrap().is_dir() {
                    fs::remove_dir_all(path).unwrap();
                } else {
                    fs::remove_file(path).unwrap();
                }
            }
        }
    }

    /// Writes a file, as `users/alice.toml`.
    pub fn write(&self, name: impl AsRef<Path>, content: &[u8]) {
        let path = self.path.join(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        std::io::Write::write_all(&mut options.open(path).unwrap(), content).unwrap();
    }

    /// Makes a small file that holds one line.
    pub fn line(&self, name: impl AsRef<Path>, value: &str) {
        self.write(name, format!("{value}\n").as_bytes());
    }

    /// Makes a directory of generations.
    pub fn directory(&self, name: impl AsRef<Path>) {
        let path = self.path.join(name);
        fs::DirBuilder::new().mode(0o700).create(path).unwrap();
    }
}

impl Default for FuzzDirectory {
    fn default() -> Self {
        Self::new()
    }
}
