//! Everything in the state directory, to begin each fault from the same.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use twofactor_core::STATE_DIR;
use twofactor_core::account::Account;
use twofactor_store::{FactorStore, RecordHolder};

#[derive(Debug, Clone, PartialEq, Eq)]
enum KeptEntry {
    File(Vec<u8>),
    Directory,
}

/// Records, index entries, states with their generations, and temporary files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFiles(BTreeMap<PathBuf, KeptEntry>);

impl KeptFiles {
    pub fn look() -> Self {
        let mut entries = BTreeMap::new();
        let mut waiting = parts().to_vec();
        while let Some(directory) = waiting.pop() {
            for found in fs::read_dir(directory).unwrap() {
                let path = found.unwrap().path();
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                let entry = if kind.is_dir() {
                    KeptEntry::Directory
                } else {
                    KeptEntry::File(fs::read(&path).unwrap())
                };
                if entry == KeptEntry::Directory {
                    waiting.push(path.clone());
                }
                entries.insert(path, entry);
            }
        }
        Self(entries)
    }

    /// Makes everything as it was.
    pub fn restore(&self) {
        let present = Self::look().0;
        // The content of a directory comes before it.
        for (path, entry) in present.iter().rev() {
            if self.0.get(path) == Some(entry) {
                continue;
            }
            match entry {
                KeptEntry::Directory => fs::remove_dir(path).unwrap(),
                _ => fs::remove_file(path).unwrap(),
            }
        }
        for (path, entry) in &self.0 {
            if present.get(path) == Some(entry) {
                continue;
            }
            match entry {
                KeptEntry::File(content) => {
                    fs::write(path, content).unwrap();
                    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
                }
                KeptEntry::Directory => DirBuilder::new().mode(0o700).create(path).unwrap(),
            }
        }
    }

    /// The content of a file.
    pub fn content(&self, path: &Path) -> Option<&[u8]> {
        match self.0.get(path) {
            Some(KeptEntry::File(content)) => Some(content),
            _ => None,
        }
    }
}

fn parts() -> [PathBuf; 2] {
    ["users", "state"].map(|part| Path::new(STATE_DIR).join(part))
}

pub fn open_store() -> FactorStore {
    FactorStore::open(Path::new(STATE_DIR), Path::new(twofactor_core::POLICY_FILE)).unwrap()
}

/// The user whose record counts for an account; the reason why neither it nor its absence is proven. By another name of
/// the same uid the same is found.
pub fn holder(account: &Account) -> Result<RecordHolder, String> {
    let store = open_store();
    let found = store.holder(account).map_err(|error| error.to_string())?;
    let alias = Account {
        name: "alias".to_owned(),
        ..account.clone()
    };
    let by_uid = store
        .holder(&alias)
        .map_err(|error| format!("by uid: {error}"))?;
    if found.record.is_some() == by_uid.record.is_some() {
        Ok(found)
    } else {
        Err("it is found by name or by uid only".to_owned())
    }
}
