//! A device that waits for a code of it: it lives in its connection, and ends with it.

use std::time::Duration;

use twofactor_core::account::Account;
use twofactor_core::device::Id;
use twofactor_core::enroll::PendingDevice;
use twofactor_store::sys::clock;

/// Time limit for the code of a new device.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A new device, or the successor of one, with the proof that was given for it.
pub struct PendingChange {
    /// The device.
    pub device: PendingDevice,
    /// The account, with the name under which its record is kept.
    pub account: Account,
    /// The device in whose place it comes; `None` where it is one more.
    pub replaces: Option<Id>,
    /// The proof.
    pub proof: ChangeProof,
    /// When it ends ([`clock::since_boot`]): a machine that sleeps meanwhile lets it grow old.
    pub end: u64,
}

/// A proof that was given for a change, as far as it has to hold when the change is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeProof {
    /// A login of a user without a device: the audit session whose ticket is taken when the change is made.
    Login(u32),
    /// The invitation whose code a user without a device gave.
    Invitation(Id),
    /// A code of a user with devices.
    Code {
        /// The devices at that time.
        devices: Vec<Id>,
        /// The set of recovery codes at that time.
        recovery: Option<Id>,
        /// The audit session whose ticket is taken besides.
        session: Option<u32>,
    },
}

impl ChangeProof {
    /// The audit session whose ticket is taken.
    pub const fn session(&self) -> Option<u32> {
        match self {
            Self::Login(session) => Some(*session),
            Self::Invitation(_) => None,
            Self::Code { session, .. } => *session,
        }
    }
}

/// The memory of a connection from one call to the next.
#[derive(Default)]
pub struct Conversation {
    /// The device of the last `Begin` or `Renew`.
    pub pending: Option<PendingChange>,
}

impl Conversation {
    /// How long the next message may be waited for; `patience` where no device waits.
    pub fn patience(&self, patience: Duration) -> Duration {
        self.pending.as_ref().map_or(patience, |pending| {
            let left = pending.end.saturating_sub(clock::since_boot());
            patience.max(Duration::from_secs(left))
        })
    }
}
