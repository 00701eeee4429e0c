//! The part of one user's data that logins change.

mod codec;
mod daemon_failures;
pub mod graced_sessions;
mod outage_mark;

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::device::{CredentialId, MAX_DEVICES};
use graced_sessions::SessionGrace;

pub use codec::{
    FILE_LEN, MOVED, MOVED_OFFSET, SLOT_LEN, SLOT_STRIDE, SlotStanding, StateError, StateSlot,
    StoredState, decode_file, encode, encode_file, encode_moved, encode_provisional,
    encode_settled,
};
pub use daemon_failures::{DaemonFailures, PERIODS};
pub use outage_mark::{OutageId, OutageName};

/// Most devices one state can describe.
pub const CAPACITY: usize = MAX_DEVICES + 1;
/// Most addresses remembered for `grace`.
pub const MAX_GRACE: usize = 4;
/// Most refused answers remembered.
pub const MAX_REFUSED: usize = 3;
/// Bytes of the format for the mark of an outage.
pub const RESERVE_LEN: usize = 14;
/// Bytes of a time.
const TIME_LEN: usize = 5;
/// `next` of a HOTP device whose counter was lost: no counter is accepted until `twofactor resync`.
pub const COUNTER_UNKNOWN: u64 = u64::MAX;

/// Steps that a learned drift may exceed the window by.
pub const DRIFT_BEYOND_WINDOW: u8 = 2;

/// The most steps that an accepted code can be ahead of now, with the largest drift.
#[must_use]
pub fn furthest_ahead(window: u8) -> u64 {
    2 * u64::from(window) + u64::from(DRIFT_BEYOND_WINDOW)
}

/// The changing part of one user's enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserState {
    /// Numeric user id, as in the record.
    pub uid: u32,
    /// Consecutive failures that throttling counts; attempts under way included.
    pub failures: u32,
    /// Wrong codes since the last success, to be told to the user.
    pub unreported: u32,
    /// Time of the last charged failure, in seconds since 1970-01-01 UTC; 0 if there is none.
    pub last_failure: u64,
    /// At most [`CAPACITY`].
    pub devices: Vec<DeviceState>,
    /// The recovery codes that are spent.
    pub recovery: SpentCodes,
    /// The bypass code that was used, if any.
    pub bypass: Option<CredentialId>,
    /// Addresses with a running grace period, at most [`MAX_GRACE`].
    pub grace: Vec<GracePeriod>,
    /// Grace within login sessions.
    pub session_grace: SessionGrace,
    /// Fingerprint of the policy under which grace was granted.
    pub grace_policy: u64,
    /// The answers that were refused last.
    pub refused: RefusedAnswers,
    /// Wrong codes through the daemon.
    pub daemon: DaemonFailures,
    /// Bytes that a later version of the format 2 may use; kept as they are.
    pub reserve: [u8; RESERVE_LEN],
}

/// The last answers that were compared and refused, as keyed hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefusedAnswers {
    /// Key of the hashes, random.
    pub key: [u8; 8],
    /// The hashes, oldest first, at most [`MAX_REFUSED`]. No hash is all zero.
    pub hashes: Vec<[u8; 8]>,
}

/// The part of one device's data that logins change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceState {
    /// The device in the record.
    pub id: CredentialId,
    /// Smallest moving factor (step or counter) that is still accepted: one more than the last used.
    pub next: u64,
    /// Learned offset of the device's clock, in steps.
    pub drift: i8,
    /// Time at which a code of it was last accepted, in seconds since 1970-01-01 UTC; 0 for never.
    pub last_used: u64,
    /// True once the record with the device is in place, false again before it is removed. A device that is committed
    /// and has no record was lost, not removed.
    pub committed: bool,
}

/// Spent marks of a set of recovery codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpentCodes {
    /// The set they belong to; marks of another set mean nothing.
    pub set: Option<CredentialId>,
    /// Bit n: code n is spent.
    pub bits: u32,
}

/// One address from which a user is not asked again for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracePeriod {
    /// `PAM_RHOST` of the login that was accepted.
    pub address: IpAddr,
    /// Fingerprint of the service ([`service_fingerprint`]).
    pub service: u32,
    /// Time at which the code was accepted, in seconds since 1970-01-01 UTC.
    pub since: u64,
}

impl UserState {
    /// The state of a user who never logged in.
    #[must_use]
    pub const fn new(uid: u32) -> Self {
        Self {
            uid,
            failures: 0,
            unreported: 0,
            last_failure: 0,
            devices: Vec::new(),
            recovery: SpentCodes { set: None, bits: 0 },
            bypass: None,
            grace: Vec::new(),
            session_grace: SessionGrace::NONE,
            grace_policy: 0,
            refused: RefusedAnswers {
                key: [0; 8],
                hashes: Vec::new(),
            },
            daemon: DaemonFailures::NONE,
            reserve: [0; RESERVE_LEN],
        }
    }

    /// Ends all grace.
    pub fn end_grace(&mut self) {
        self.grace.clear();
        self.session_grace.clear();
    }

    /// True if a device of this state must have a record.
    #[must_use]
    pub fn has_committed(&self) -> bool {
        self.devices.iter().any(|device| device.committed)
    }

    /// The entry of a device.
    #[must_use]
    pub fn device(&self, id: CredentialId) -> Option<&DeviceState> {
        self.devices.iter().find(|device| device.id == id)
    }

    /// The entry of a device, to change it.
    pub fn device_mut(&mut self, id: CredentialId) -> Option<&mut DeviceState> {
        self.devices.iter_mut().find(|device| device.id == id)
    }

    /// True if code `position` of recovery set `set` is spent. Positions beyond the bits count as spent.
    #[must_use]
    pub fn is_spent(&self, set: CredentialId, position: usize) -> bool {
        let bit = bit(position);
        bit == 0 || (self.recovery.set == Some(set) && self.recovery.bits & bit != 0)
    }

    /// Marks code `position` of recovery set `set` as spent and forgets the marks of other sets.
    pub const fn spend(&mut self, set: CredentialId, position: usize) {
        let bits = match self.recovery.set {
            Some(current) if current.number() == set.number() => self.recovery.bits,
            _ => 0,
        };
        self.recovery = SpentCodes {
            set: Some(set),
            bits: bits | bit(position),
        };
    }
}

const fn bit(position: usize) -> u32 {
    if position < 32 { 1 << position } else { 0 }
}

/// A short hash of a service name, enough to tell one user's services apart.
#[must_use]
pub fn service_fingerprint(service: &str) -> u32 {
    let digest: [u8; 32] = Sha256::digest(service).into();
    let [a, b, c, d, ..] = digest;
    u32::from_be_bytes([a, b, c, d])
}

/// A hash of the policy's text.
#[must_use]
pub fn policy_fingerprint(text: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spent_marks_belong_to_one_set() {
        let (one, two) = (
            CredentialId::from_number(1).unwrap(),
            CredentialId::from_number(2).unwrap(),
        );
        let mut state = UserState::new(1);
        state.spend(one, 3);
        assert!(state.is_spent(one, 3) && !state.is_spent(one, 2) && !state.is_spent(two, 3));
        state.spend(one, 31);
        assert!(state.is_spent(one, 3) && state.is_spent(one, 31));
        state.spend(one, 3);
        assert!(state.is_spent(one, 3), "spent twice is spent");
        state.spend(two, 0);
        assert!(state.is_spent(two, 0) && !state.is_spent(two, 3));
        assert!(
            state.is_spent(two, 32),
            "what cannot be marked is never accepted"
        );
    }

    #[test]
    fn an_accepted_code_is_so_far_ahead_at_most() {
        assert_eq!([0, 1, 10].map(furthest_ahead), [2, 4, 22]);
    }

    #[test]
    fn one_committed_device_needs_a_record() {
        let entry = |number, committed| DeviceState {
            id: CredentialId::from_number(number).unwrap(),
            next: 0,
            drift: 0,
            last_used: 0,
            committed,
        };
        let mut state = UserState::new(1);
        assert!(!state.has_committed());
        state.devices.push(entry(1, false));
        assert!(!state.has_committed());
        state.devices.push(entry(2, true));
        assert!(state.has_committed());
    }

    /// The first bytes of SHA-256, as sha256sum(1) prints them.
    #[test]
    fn fingerprints_are_of_the_whole_text() {
        assert_eq!(service_fingerprint("sshd"), 0x8b51_ac5c);
        assert_eq!(policy_fingerprint("enabled = true"), 0xbbdd_5178_9d3f_78da);
    }
}
