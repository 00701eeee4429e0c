//! A store in a directory of a test's own, and users to put into it: for the unit tests here and those of the module.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::new_without_default,
    reason = "tests only"
)]

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use twofactor_core::account::Account;
use twofactor_core::device::{CredentialId, Device, OtpKind};
use twofactor_core::log::audit_line::AuditEvent;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::record::UserRecord;
use twofactor_core::record::recent_changes::{ChangeChannel, ChangeOrigin};
use twofactor_core::secret::Secret;
use twofactor_core::state::{DeviceState, StoredState, decode_file};

use crate::files::{FactorStore, MarkDisagreement, RemovalResult, StoreError};
use crate::operations::AuditSink;

/// A directory for one test, gone when it ends.
pub struct ScratchStore(PathBuf);

impl ScratchStore {
    pub fn new() -> Self {
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

    /// Path at which the test may do what it likes.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The store in it.
    pub fn store(&self) -> FactorStore {
        FactorStore::initialize(&self.top(), &self.policy(), MarkDisagreement::Settle)
            .unwrap()
            .0
    }

    /// The policy beside which its id stands; there need be no such file.
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.toml")
    }

    pub fn top(&self) -> PathBuf {
        self.0.join("twofactor")
    }

    pub fn record(&self) -> PathBuf {
        self.top().join("users/alice.toml")
    }

    pub fn state(&self) -> PathBuf {
        self.top().join("state/alice")
    }

    /// Content of the state file.
    pub fn stored(&self) -> StoredState {
        decode_file(&fs::read(self.state()).unwrap()).unwrap()
    }

    /// All files of the store but the index, temporary ones as well.
    pub fn listing(&self) -> Vec<String> {
        let mut names = self.everything();
        names.retain(|name| !name.starts_with("users/+"));
        names
    }

    /// All files of the store.
    pub fn everything(&self) -> Vec<String> {
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

impl Drop for ScratchStore {
    fn drop(&mut self) {
        // A test that failed may have left anything; what it says counts.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Changes without a condition.
impl FactorStore {
    pub fn discard(&self, name: &str) -> Result<RemovalResult, StoreError> {
        self.discard_if(name, &|_| true, &mut false)
    }

    pub fn relocate(&self, from: &str, to: &Account) -> Result<(), StoreError> {
        self.relocate_if(from, to, |_| Ok(()))
    }
}

/// Root's log, which is kept nowhere.
pub struct SilentLog;

impl AuditSink for SilentLog {
    fn origin(&self) -> ChangeOrigin {
        ChangeOrigin {
            channel: ChangeChannel::Command,
            uid: 0,
            terminal: None,
            address: None,
        }
    }

    fn changed(&self, _: &AuditEvent<'_>) {}
}

pub fn alice() -> Account {
    account("alice", 1000)
}

pub fn account(name: &str, uid: u32) -> Account {
    let name = name.into();
    Account {
        name,
        uid,
        gid: uid,
    }
}

pub fn device(name: &str, number: u64, kind: OtpKind) -> Device {
    Device {
        id: CredentialId::from_number(number).unwrap(),
        name: name.parse().unwrap(),
        kind,
        algorithm: Algorithm::Sha1,
        digits: Digits::SIX,
        secret: Secret::from_bytes(vec![number as u8; 20].into()).unwrap(),
        created: 1,
    }
}

pub fn phone() -> Device {
    let interval = Interval::THIRTY;
    device("phone", 1, OtpKind::Totp { interval })
}

pub fn token() -> Device {
    device("token", 2, OtpKind::Hotp)
}

pub fn record_of(account: &Account, devices: &[Device]) -> UserRecord {
    let mut record = UserRecord::new(account.name.clone(), account.uid);
    record.devices = devices.to_vec();
    record
}

pub fn fresh(device: &Device) -> DeviceState {
    DeviceState {
        id: device.id,
        next: 0,
        drift: 0,
        last_used: 0,
        committed: true,
    }
}

/// The entry of a device whose record is not in place.
pub fn unused(device: &Device) -> DeviceState {
    DeviceState {
        committed: false,
        ..fresh(device)
    }
}

/// Enrolls an account with these devices.
pub fn enroll_devices(store: &FactorStore, account: &Account, devices: &[Device]) {
    let entries: Vec<DeviceState> = devices.iter().map(fresh).collect();
    let record = record_of(account, devices);
    let mut locked = store.lock_for_change(account).unwrap();
    locked.replace_record(&record, &entries).unwrap();
}
