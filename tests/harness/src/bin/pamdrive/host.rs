//! Things that a module must leave as it found them: descriptors, environment, identity, signals, threads.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::system;

/// The state of this process.
pub struct Host {
    files: Vec<(OsString, PathBuf)>,
    environment: Vec<(OsString, OsString)>,
    identity: String,
    threads: u32,
    umask: u32,
    directory: Option<PathBuf>,
    signals: Vec<(usize, i32, Vec<i32>)>,
    limits: String,
}

impl Host {
    /// Looks at it now.
    pub fn look() -> Self {
        Self {
            files: open_files(),
            environment: std::env::vars_os().collect(),
            identity: identity(),
            threads: threads(),
            umask: system::umask(),
            directory: std::env::current_dir().ok(),
            signals: system::signals(),
            limits: std::fs::read_to_string("/proc/self/limits").unwrap_or_default(),
        }
    }

    /// Things that are different now, and stay so: the kernel counts a thread for a moment after it was joined.
    pub fn changed(&self) -> Vec<&'static str> {
        for _ in 0..100 {
            if self.differences() != ["threads"] {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.differences()
    }

    fn differences(&self) -> Vec<&'static str> {
        let now = Self::look();
        let differences = [
            ("descriptors", self.files != now.files),
            ("environment", self.environment != now.environment),
            ("identity", self.identity != now.identity),
            // Fewer are those that were still counted before.
            ("threads", self.threads < now.threads),
            ("umask", self.umask != now.umask),
            ("directory", self.directory != now.directory),
            ("signals", self.signals != now.signals),
            ("limits", self.limits != now.limits),
        ];
        differences
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| name)
            .collect()
    }
}

/// The open descriptors and what they refer to.
pub fn open_files() -> Vec<(OsString, PathBuf)> {
    let listing = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<_> = listing
        // The descriptor of this very listing cannot be read any more or is the last one.
        .map(|entry| {
            (
                entry.file_name(),
                std::fs::read_link(entry.path()).unwrap_or_default(),
            )
        })
        .filter(|(_, target)| !(target.starts_with("/proc") && target.ends_with("fd")))
        .collect();
    files.sort();
    files
}

fn threads() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"));
    number
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

/// All uids and gids, groups and capabilities, as the kernel prints them.
fn identity() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kept = ["Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:"];
    status
        .lines()
        .filter(|line| kept.iter().any(|start| line.starts_with(start)))
        .collect::<Vec<_>>()
        .join("\n")
}
