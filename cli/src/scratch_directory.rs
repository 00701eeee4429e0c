//! A directory for one unit test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A new directory, gone when this is dropped, also by a test that fails.
pub struct ScratchDirectory(PathBuf);

impl ScratchDirectory {
    /// Makes it.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("twofactor-command-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for ScratchDirectory {
    fn drop(&mut self) {
        // The result of the test counts.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn nothing_is_left_of_a_test_that_fails() {
    let mut path = PathBuf::new();
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let scratch = ScratchDirectory::new();
        scratch.path().clone_into(&mut path);
        std::fs::write(scratch.join("file"), "x").unwrap();
        panic!("as a test does");
    }));
    assert!(failed.is_err() && path.is_absolute() && !path.exists());
}
