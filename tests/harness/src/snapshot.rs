//! All files that were made or changed in a machine so far, to see that a login leaves every one of them as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The files of a machine by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, SeenFile>);

/// Owner, mode with type, time of the last change, and content of one file.
type SeenFile = (u32, u32, (i64, i64), Vec<u8>);

impl Snapshot {
    /// Looks now. /run is a machine's own, and below it lie the changes to all other directories that are not of
    /// the real system.
    pub fn take() -> Self {
        let mut found = BTreeMap::new();
        add(Path::new("/run"), &mut found);
        Self(found)
    }

    /// Names of the files that are new, gone, or different since.
    pub fn changed(&self) -> Vec<String> {
        let now = Self::take().0;
        let names: BTreeSet<&PathBuf> = self.0.keys().chain(now.keys()).collect();
        let differs = |path: &&PathBuf| self.0.get(*path) != now.get(*path);
        let changed = names.into_iter().filter(differs);
        changed.map(|path| path.display().to_string()).collect()
    }
}

/// Larger files are programs; their times tell of a change, too.
const READ_UP_TO: u64 = 1 << 20;

fn add(path: &Path, found: &mut BTreeMap<PathBuf, SeenFile>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let kind = metadata.file_type();
    let content = match () {
        () if kind.is_symlink() => fs::read_link(path)
            .unwrap()
            .into_os_string()
            .into_encoded_bytes(),
        () if kind.is_file() && metadata.len() <= READ_UP_TO => fs::read(path).unwrap(),
        () => Vec::new(),
    };
    let time = (metadata.ctime(), metadata.ctime_nsec());
    found.insert(
        path.to_owned(),
        (metadata.uid(), metadata.mode(), time, content),
    );
    if !kind.is_dir() {
        return;
    }
    for entry in fs::read_dir(path).unwrap() {
        let inner = entry.unwrap().path();
        let is_here = fs::symlink_metadata(&inner).unwrap().dev() == metadata.dev();
        // The kernel's own working directories of the overlays.
        if is_here && !inner.ends_with("work") {
            add(&inner, found);
        }
    }
}
