//! The freezer of control groups (cgroup.freeze): unlike SIGSTOP, a process does not see it and its parent is not told.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longest time that the kernel may take to stop a process.
const LIMIT: Duration = Duration::from_secs(20);

/// Mount points of version 2: by itself, or beside version 1.
const TOPS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// A control group with one process.
pub(crate) struct Freezer {
    group: PathBuf,
}

/// True if a control group of version 2 can be made here.
#[must_use]
pub fn is_there() -> bool {
    Freezer::make("probe").is_ok()
}

impl Freezer {
    /// Puts a process into a group of its own that is frozen.
    pub(crate) fn around(pid: i32) -> io::Result<Self> {
        let freezer = Self::make(&pid.to_string())?;
        fs::write(freezer.group.join("cgroup.procs"), pid.to_string())?;
        fs::write(freezer.group.join("cgroup.freeze"), "1")?;
        Ok(freezer)
    }

    /// Until the process does not run any more.
    pub(crate) fn wait(&self) -> io::Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !fs::read_to_string(self.group.join("cgroup.events"))?.contains("frozen 1") {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    pub(crate) fn thaw(&self) -> io::Result<()> {
        fs::write(self.group.join("cgroup.freeze"), "0")
    }

    fn make(name: &str) -> io::Result<Self> {
        // /proc of a machine does not know this process, so that its mounts cannot be asked for.
        let mut tops = TOPS.map(PathBuf::from).into_iter();
        let top = tops.find(|top| top.join("cgroup.controllers").exists());
        let top = top.ok_or(io::ErrorKind::NotFound)?;
        let own = format!("twofactor-test-{}-{name}", std::process::id());
        let group = top.join(own);
        fs::create_dir(&group)?;
        let freezer = Self { group };
        // The topmost group, where a process may be, has none.
        fs::metadata(freezer.group.join("cgroup.freeze")).map(|_| freezer)
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        // A process that runs on is still in it: back to where the test is.
        let procs = fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        let top = self.group.with_file_name("cgroup.procs");
        fs::write(self.group.join("cgroup.freeze"), "0").ok();
        for pid in procs.lines() {
            fs::write(&top, pid).ok();
        }
        fs::remove_dir(&self.group).ok();
    }
}
