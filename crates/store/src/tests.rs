//! Real files in a directory of their own: what is accepted, what is refused, and what is on the disk afterwards.
#![forbid(unsafe_code)]

mod bulk;
mod directories;
mod files;
mod identity;
pub(crate) mod limits;
pub(crate) mod locks;
mod policy;
mod power;
mod rebuild;
mod replace;
mod slots;
mod takeover;
mod takeover_model;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::device::{Device, Id, Kind};
use crate::otp::{Algorithm, Digits, Interval};
use crate::secret::Secret;
use crate::state::{DeviceState, State, Stored, decode_file};

/// A directory for one test, gone when it ends.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests need root: run `make test`, which uses sudo"
        );
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("twofactor-test-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }

    /// Where the test may do what it likes.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The store in it.
    pub(crate) fn store(&self) -> Store {
        Store::initialize(&self.top(), &self.policy(), Disagreement::Settle)
            .unwrap()
            .0
    }

    /// The policy beside which its id stands; there need be no such file.
    pub(crate) fn policy(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    pub(crate) fn top(&self) -> PathBuf {
        self.0.join("twofactor")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.top().join("users/alice.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.top().join("state/alice")
    }

    /// What the state file holds.
    pub(crate) fn stored(&self) -> Stored {
        decode_file(&fs::read(self.state()).unwrap()).unwrap()
    }

    /// All files of the store but the index, temporary ones as well.
    fn listing(&self) -> Vec<String> {
        let mut names = self.everything();
        names.retain(|name| !name.starts_with("users/+"));
        names
    }

    /// All files of the store.
    fn everything(&self) -> Vec<String> {
        let mut names = Vec::new();
        for part in ["users", "state"] {
            for entry in fs::read_dir(self.top().join(part)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                names.push(format!("{part}/{name}"));
            }
        }
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A test that failed may have left anything; what it says counts.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn alice() -> Account {
    account("alice", 1000)
}

fn account(name: &str, uid: u32) -> Account {
    let name = name.into();
    Account {
        name,
        uid,
        gid: uid,
    }
}

pub(crate) fn device(name: &str, number: u64, kind: Kind) -> Device {
    Device {
        id: Id::from_number(number).unwrap(),
        name: name.parse().unwrap(),
        kind,
        algorithm: Algorithm::Sha1,
        digits: Digits::SIX,
        secret: Secret::from_bytes(vec![number as u8; 20].into()).unwrap(),
        created: 1,
    }
}

pub(crate) fn phone() -> Device {
    let interval = Interval::THIRTY;
    device("phone", 1, Kind::Totp { interval })
}

fn token() -> Device {
    device("token", 2, Kind::Hotp)
}

pub(crate) fn record_of(account: &Account, devices: &[Device]) -> Record {
    let mut record = Record::new(account.name.clone(), account.uid);
    record.devices = devices.to_vec();
    record
}

pub(crate) fn fresh(device: &Device) -> DeviceState {
    DeviceState {
        id: device.id,
        next: 0,
        drift: 0,
        last_used: 0,
        committed: true,
    }
}

/// The entry of a device whose record is not in place.
pub(crate) fn unused(device: &Device) -> DeviceState {
    DeviceState {
        committed: false,
        ..fresh(device)
    }
}

/// Enrols an account with these devices.
pub(crate) fn enrol(store: &Store, account: &Account, devices: &[Device]) {
    let entries: Vec<DeviceState> = devices.iter().map(fresh).collect();
    let record = record_of(account, devices);
    let mut locked = store.lock_for_change(account).unwrap();
    locked.replace_record(&record, &entries).unwrap();
}

/// A store in which alice has a phone.
fn enrolled() -> (Scratch, Store) {
    let scratch = Scratch::new();
    let store = scratch.store();
    enrol(&store, &alice(), &[phone()]);
    (scratch, store)
}

pub(crate) fn error_at(path: &Path, cause: Cause) -> Error {
    let path = path.to_owned();
    Error { path, cause }
}

fn unusable(path: &Path, why: FileError) -> Error {
    error_at(path, Cause::File(why))
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Names of the devices in a record.
fn device_names(record: &Record) -> Vec<&str> {
    record.devices.iter().map(|d| d.name.as_str()).collect()
}

/// Waits until this process has the file open twice: by who holds its lock, and by who waits for it.
pub(crate) fn until_somebody_waits(path: &Path) {
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
    panic!("nobody waits for {}", path.display());
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
