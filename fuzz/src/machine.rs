//! Real files of one user, below the directory for temporary files, which `fuzz/run` removes: libFuzzer ends without
//! running destructors.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use twofactor_core::account::Account;
use twofactor_core::device::{CredentialId, Device, OtpKind};
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::policy;
use twofactor_core::record::UserRecord;
use twofactor_core::secret::Secret;
use twofactor_core::state::{DeviceState, StoredState, UserState, decode_file, encode_file};
use twofactor_core::verify::AnswerForm;
use twofactor_store::attempt::{
    AttemptFailure, AttemptResult, KnownFactor, LoginAttempt, SessionRole,
};
use twofactor_store::sys::clock::BeforeEpoch;
use twofactor_store::{FactorStore, PolicyFile};

use crate::store;

const STEP: u64 = 54_000_000;
const POLICY: &str = "enabled = true\nwindow = 2\ngrace = 60\n[throttle]\nattempts = 5\n";

/// One of the three files.
#[derive(Clone, Copy)]
pub enum Part {
    Policy,
    Record,
    State,
}

/// A machine on which alice has a phone.
pub struct FuzzMachine {
    directory: PathBuf,
    /// As they are when nothing is damaged, in the order of [`Part`].
    whole: [Vec<u8>; 3],
    now: [Vec<u8>; 3],
    phone: Device,
    store: FactorStore,
}

impl FuzzMachine {
    /// Needs root: files of others are refused.
    #[must_use]
    pub fn new() -> Self {
        let directory = store::make_top();
        let phone = Device {
            id: CredentialId::from_number(1).unwrap(),
            name: "phone".parse().unwrap(),
            kind: OtpKind::Totp {
                interval: Interval::THIRTY,
            },
            algorithm: Algorithm::Sha1,
            digits: Digits::SIX,
            secret: Secret::from_bytes(b"12345678901234567890".to_vec().into()).unwrap(),
            created: 0,
        };
        let mut record = UserRecord::new("alice".into(), 1000);
        record.devices.push(phone.clone());
        let mut state = UserState::new(1000);
        state.devices.push(DeviceState {
            id: phone.id,
            next: 0,
            drift: 0,
            last_used: 0,
            committed: true,
        });
        let whole = [
            POLICY.as_bytes().to_vec(),
            record.to_toml().as_bytes().to_vec(),
            encode_file(&state),
        ];
        let store = FactorStore::initialize(
            &directory.join("store"),
            &directory.join("policy.toml"),
            twofactor_store::MarkDisagreement::Settle,
        )
        .unwrap()
        .0;
        let now = whole.clone();
        Self {
            directory,
            whole,
            now,
            phone,
            store,
        }
    }

    /// Undoes all patches.
    pub fn restore(&mut self) {
        self.now.clone_from(&self.whole);
    }

    /// Puts a byte at a place, or after the end.
    pub fn patch(&mut self, part: Part, place: usize, byte: u8) {
        let content = &mut self.now[part as usize];
        match content.get_mut(place) {
            Some(old) => *old = byte,
            None => content.push(byte),
        }
    }

    /// Puts the files on the disk.
    pub fn write(&self) {
        for (path, content) in self.paths().iter().zip(&self.now) {
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            std::io::Write::write_all(&mut options.open(path).unwrap(), content).unwrap();
        }
    }

    /// True if each file can be read for itself, and they are of one uid. A record that says another name is on its way
    /// to that one, and counts.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let text = |part: Part| std::str::from_utf8(&self.now[part as usize]).ok();
        let policy = text(Part::Policy).and_then(|text| policy::parse(text).ok());
        let record = text(Part::Record).and_then(|text| UserRecord::parse(text).ok());
        let state = decode_file(&self.now[Part::State as usize]).ok();
        let (Some(_), Some(record), Some(stored)) = (policy, record, state) else {
            return false;
        };
        let known = |device: &Device| stored.state.device(device.id).is_some();
        let same = record.uid == 1000 && stored.state.uid == 1000;
        same && record.devices.iter().all(known)
    }

    /// One login with this one code.
    ///
    /// # Errors
    /// The obstacle.
    pub fn types(&self, code: &str) -> Result<AttemptResult, AttemptFailure> {
        let file = PolicyFile::new(&self.paths()[0]);
        let account = Account {
            name: "alice".into(),
            uid: 1000,
            gid: 1000,
        };
        let loaded = file.load()?;
        let mut session = LoginAttempt {
            file: &file,
            loaded,
            store: &self.store,
            holder: &account,
            service: "sshd",
            address: Some([192, 0, 2, 7].into()),
            role: SessionRole::Apart,
            clock,
            known: KnownFactor::default(),
        };
        session.before()?;
        session.attempt(code.as_bytes(), AnswerForm::Code)
    }

    /// The code that the phone shows.
    #[must_use]
    pub fn code(&self) -> String {
        self.phone.code(STEP).reveal().to_string()
    }

    /// The state on the disk.
    #[must_use]
    pub fn stored(&self) -> StoredState {
        decode_file(&fs::read(&self.paths()[2]).unwrap()).unwrap()
    }

    fn paths(&self) -> [PathBuf; 3] {
        ["policy", "store/users/alice.toml", "store/state/alice"]
            .map(|name| self.directory.join(name))
    }
}

impl Default for FuzzMachine {
    fn default() -> Self {
        Self::new()
    }
}

fn clock() -> Result<u64, BeforeEpoch> {
    Ok(STEP * 30)
}
