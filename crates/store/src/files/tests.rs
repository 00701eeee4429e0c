//! Real files in a directory of their own: what is accepted, what is refused, and what is on the disk afterwards.

mod bulk;
mod directories;
mod files;
mod forced;
mod identity;
pub(crate) mod limits;
pub(crate) mod locks;
mod policy;
mod power;
mod rebuild;
mod relocate;
mod removal;
mod replace;
mod second_look;
mod slots;
mod snapshots;
mod takeover;
mod takeover_model;
mod unusable_policy;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

use super::*;
use crate::testing::*;
use twofactor_core::device::{Device, OtpKind};
use twofactor_core::otp::Interval;
use twofactor_core::record::UserRecord;
use twofactor_core::state::{DeviceState, UserState, decode_file};

/// A store in which alice has a phone.
fn enrolled() -> (ScratchStore, FactorStore) {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    enroll_devices(&store, &alice(), &[phone()]);
    (scratch, store)
}

pub(crate) fn error_at(path: &Path, cause: FileFault) -> StoreError {
    let path = path.to_owned();
    StoreError { path, cause }
}

fn unusable(path: &Path, why: FileError) -> StoreError {
    error_at(path, FileFault::File(why))
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Names of the devices in a record.
fn device_names(record: &UserRecord) -> Vec<&str> {
    record.devices.iter().map(|d| d.name.as_str()).collect()
}

/// Waits until this process has the file open twice: by who holds its lock, and by who waits for it.
pub(crate) fn until_a_process_waits(path: &Path) {
    let file = fs::metadata(path).unwrap();
    let is_open = |entry: std::io::Result<fs::DirEntry>| {
        let meta = fs::metadata(entry.unwrap().path());
        meta.is_ok_and(|meta| (meta.dev(), meta.ino()) == (file.dev(), file.ino()))
    };
    let open = || fs::read_dir("/proc/self/fd").unwrap().map(is_open);
    for _ in 0..30_000 {
        if open().filter(|is_open| *is_open).count() >= 2 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("no process waits for {}", path.display());
}

/// For tests that change what belongs to the whole process, such as its limits: runs the test of that name alone in
/// a process of its own, and returns whether this is that process.
pub(crate) fn in_own_process(test: &str) -> bool {
    if std::env::args().any(|argument| argument == "--exact") {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{:?}: {text}", output.status);
    assert!(text.contains("1 passed"), "no test of that name: {text}");
    false
}
