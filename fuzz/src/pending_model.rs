//! A device that waits for a code of it, in the rules of the protocol.

use twofactor_core::device::{CredentialId, Device, OtpKind};
use twofactor_core::otp::{Algorithm, Digits};
use twofactor_core::secret::Secret;

/// Digits of every device here.
pub const DIGITS: u8 = 6;
/// Seconds for which it waits.
const PATIENCE: u64 = 600;

/// The proof that a new device was begun with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingProof {
    /// A login in this session.
    Login(u32),
    /// The invitation of this number.
    Invitation(u64),
    /// A code, for these devices and this set of recovery codes.
    Code(Vec<u64>, u64),
}

/// A device that waits for a code of it.
pub struct PendingModel {
    pub device: Device,
    pub name: String,
    pub replaces: Option<u64>,
    pub proof: PendingProof,
    end: u64,
    tries: u32,
}

impl PendingModel {
    pub fn new(
        key: &str,
        name: &str,
        proof: PendingProof,
        replaces: Option<u64>,
        now: u64,
    ) -> Self {
        Self {
            device: Device {
                id: CredentialId::from_number(1).expect("a number"),
                name: name.parse().expect("a name"),
                kind: OtpKind::Hotp,
                algorithm: Algorithm::Sha1,
                digits: Digits::new(DIGITS).expect("digits"),
                secret: Secret::from_base32(key).expect("a key"),
                created: 0,
            },
            name: name.to_owned(),
            replaces,
            proof,
            end: now + PATIENCE,
            tries: 5,
        }
    }

    pub fn waits(&self, now: u64) -> bool {
        now < self.end
    }

    /// One more code: the counter after it if it is right, otherwise the number of tries that are left.
    pub fn confirm(&mut self, code: &str) -> Result<i64, u32> {
        self.tries -= 1;
        let hits: Vec<i64> = (0..=10)
            .filter(|counter| code_of(&self.device, *counter) == code)
            .collect();
        hits.first().map(|counter| counter + 1).ok_or(self.tries)
    }
}

/// The code of a device at a counter.
pub fn code_of(device: &Device, counter: i64) -> String {
    device.code(counter as u64).reveal().to_string()
}
