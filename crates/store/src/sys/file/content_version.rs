//! The content of a file, told from a later one by what the kernel says of the file.

use rustix::fs::Stat;

/// Seconds after which a change has a time of its own. The kernel's clock for that moves every few milliseconds, and some
/// file systems keep whole seconds.
const SETTLED: u64 = 2;

/// The content that a file had: another one has another inode, size or time of change.
#[derive(Debug, Clone, Copy)]
pub struct ContentVersion(Stat);

impl ContentVersion {
    /// The content of a file with these attributes, which is read after `now`, in seconds since 1970-01-01 UTC. `None` for a
    /// file that was changed moments before: a further change could get the same time.
    #[must_use]
    pub fn settled(opened: &Stat, now: u64) -> Option<Self> {
        let changed = u64::try_from(opened.st_ctime).ok()?;
        let age = now.checked_sub(changed)?;
        (age >= SETTLED).then_some(Self(*opened))
    }

    /// True if a file that was opened now, with these attributes, still has that content.
    #[must_use]
    pub fn is_of(&self, opened: &Stat) -> bool {
        let known = |stat: &Stat| {
            let file = (stat.st_dev, stat.st_ino, stat.st_size);
            (file, stat.st_ctime, stat.st_ctime_nsec)
        };
        known(&self.0) == known(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt as _;
    use std::thread;
    use std::time::Duration;

    use rustix::fs::fstat;

    use crate::testing::ScratchStore;

    #[test]
    fn a_change_gives_a_file_another_version() {
        let directory = ScratchStore::new();
        let path = directory.path().join("file");
        fs::write(&path, "one").unwrap();
        let stat = || fstat(File::open(&path).unwrap()).unwrap();
        let version = ContentVersion(stat());
        assert!(version.is_of(&stat()));
        let changed = || {
            let metadata = fs::metadata(&path).unwrap();
            (metadata.ctime(), metadata.ctime_nsec())
        };
        let before = changed();
        // Until the clock for changes has moved on, which takes a second where whole seconds are kept.
        for _ in 0..1000 {
            fs::write(&path, "two").unwrap();
            if changed() != before {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        assert!(!version.is_of(&stat()), "in place");
        let version = ContentVersion(stat());
        let other = directory.path().join("other");
        fs::write(&other, "new").unwrap();
        fs::rename(&other, &path).unwrap();
        assert!(!version.is_of(&stat()), "replaced");
    }

    #[test]
    fn a_file_that_was_just_changed_has_no_version() {
        let directory = ScratchStore::new();
        let path = directory.path().join("file");
        fs::write(&path, "one").unwrap();
        let stat = fstat(File::open(&path).unwrap()).unwrap();
        let changed = u64::try_from(stat.st_ctime).unwrap();
        let is_settled = |now| ContentVersion::settled(&stat, now).is_some();
        assert!(is_settled(changed + SETTLED));
        for now in [changed + SETTLED - 1, changed, changed - 1, 0] {
            assert!(!is_settled(now), "{now}");
        }
    }
}
