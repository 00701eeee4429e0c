//! A user with devices and codes that are the same in every run.

use twofactor_core::device::{CredentialId, Device, OtpKind};
use twofactor_core::otp::{Algorithm, Digits};
use twofactor_core::policy::Policy;
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::{CodeForm, RecoverySet, hash};
use twofactor_core::secret::Secret;
use twofactor_core::state::{DeviceState, UserState};

/// The recovery codes of [`Someone`].
pub const RECOVERY: [&str; 2] = ["ABCDEFGHIJKLMNOP", "Q2R3S4T5U6V7WXYZ"];

/// A user with a counter of six, seven and eight digits each, and recovery codes.
pub struct Someone {
    pub policy: Policy,
    pub record: UserRecord,
    pub state: UserState,
    /// Every code that would be accepted, longest first, and the device it belongs to.
    pub codes: Vec<(String, String)>,
}

impl Default for Someone {
    fn default() -> Self {
        let mut record = UserRecord::new("alice".into(), 1000);
        let mut state = UserState::new(1000);
        let mut codes = Vec::new();
        for digits in [8, 7, 6] {
            let device = counter(digits);
            state.devices.push(DeviceState {
                id: device.id,
                next: 0,
                drift: 0,
                last_used: 0,
                committed: true,
            });
            let name = device.name.to_string();
            codes.extend(
                (0..=10).map(|counter| (device.code(counter).reveal().to_string(), name.clone())),
            );
            record.devices.push(device);
        }
        let salt = [7; 16];
        record.recovery = Some(RecoverySet {
            id: id(99),
            form: CodeForm::Base32,
            salt,
            hashes: RECOVERY
                .iter()
                .map(|code| hash(&salt, code.as_bytes()))
                .collect(),
            created: 0,
        });
        Self {
            policy: Policy::default(),
            record,
            state,
            codes,
        }
    }
}

fn counter(digits: u8) -> Device {
    Device {
        id: id(digits.into()),
        name: format!("token{digits}").parse().unwrap(),
        kind: OtpKind::Hotp,
        algorithm: Algorithm::Sha1,
        digits: Digits::new(digits).unwrap(),
        secret: Secret::from_bytes(vec![digits; 20].into()).unwrap(),
        created: 0,
    }
}

fn id(number: u64) -> CredentialId {
    CredentialId::from_number(number).unwrap()
}
