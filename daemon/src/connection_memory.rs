//! A device that waits for a code of it: it lives in its connection, and ends with it.

use std::time::Duration;

use twofactor_core::account::Account;
use twofactor_core::device::CredentialId;
use twofactor_core::enroll::PendingDevice;
#[cfg(doc)]
use twofactor_store::sys::clock;
use twofactor_store::sys::peer_process::PeerOrigin;

/// Time limit for the code of a new device.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A new device, or the successor of one, with the proof that was given for it.
pub struct PendingChange {
    /// The device.
    pub device: PendingDevice,
    /// The account, with the name under which its record is kept.
    pub account: Account,
    /// The device in whose place it comes; `None` where it is one more.
    pub replaces: Option<CredentialId>,
    /// The proof.
    pub proof: ChangeProof,
    /// Time of its end ([`clock::since_boot`], which also counts while the machine sleeps).
    pub end: u64,
}

impl PendingChange {
    /// True if a code of the device may still be given for this account; `now` is [`clock::since_boot`].
    pub fn is_waiting(&self, account: &Account, now: u64) -> bool {
        now < self.end && self.account == *account
    }
}

/// A proof that was given for a change, as far as it has to hold when the change is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeProof {
    /// A login of a user without a device: the audit session whose ticket is taken when the change is made.
    Login(u32),
    /// The invitation whose code a user without a device gave.
    Invitation(CredentialId),
    /// A code of a user with devices.
    Code {
        /// The devices at that time.
        devices: Vec<CredentialId>,
        /// The set of recovery codes at that time.
        recovery: Option<CredentialId>,
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
pub struct ConnectionMemory {
    /// The device of the last `Begin` or `Renew`.
    pub pending: Option<PendingChange>,
    origin: Option<ConnectionOrigin>,
}

/// The origin of the process that connected, which only changes depend on.
enum ConnectionOrigin {
    /// Not looked up yet.
    Unread(Box<dyn FnOnce() -> PeerOrigin>),
    /// As it was at the first change.
    Known(PeerOrigin),
}

impl ConnectionMemory {
    /// Nothing but a way to look up where the client works from, which is done once, at the first change. It must be proven to be about the
    /// process that connected.
    pub fn with_origin(look_up: impl FnOnce() -> PeerOrigin + 'static) -> Self {
        Self {
            pending: None,
            origin: Some(ConnectionOrigin::Unread(Box::new(look_up))),
        }
    }

    /// Audit session and terminal of the client; `None` if they are not known.
    pub fn origin(&mut self) -> Option<PeerOrigin> {
        let origin = match self.origin.take()? {
            ConnectionOrigin::Known(origin) => origin,
            ConnectionOrigin::Unread(look_up) => look_up(),
        };
        self.origin = Some(ConnectionOrigin::Known(origin));
        Some(origin)
    }

    /// The time to wait for the next message; `patience` where no device waits. `now` is [`clock::since_boot`].
    pub fn patience(&self, patience: Duration, now: u64) -> Duration {
        self.pending.as_ref().map_or(patience, |pending| {
            let left = pending.end.saturating_sub(now);
            patience.max(Duration::from_secs(left))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::device::{DeviceName, OtpKind};
    use twofactor_core::otp::Interval;
    use twofactor_core::policy::Policy;

    fn account(name: &str) -> Account {
        Account {
            name: name.to_owned(),
            uid: 1000,
            gid: 1000,
        }
    }

    #[test]
    fn an_origin_is_looked_up_once_and_on_demand_only() {
        let found = PeerOrigin {
            session: Some(3),
            terminal: None,
        };
        let looks = std::rc::Rc::new(std::cell::Cell::new(0));
        let counted = std::rc::Rc::clone(&looks);
        let mut memory = ConnectionMemory::with_origin(move || {
            counted.set(counted.get() + 1);
            found
        });
        assert_eq!(looks.get(), 0);
        assert_eq!([memory.origin(), memory.origin()], [Some(found); 2]);
        assert_eq!(looks.get(), 1);
        assert_eq!(ConnectionMemory::default().origin(), None);
    }

    #[test]
    fn a_device_waits_ten_minutes_for_its_code() {
        let began = 7_000;
        let kind = OtpKind::Totp {
            interval: Interval::THIRTY,
        };
        let settings = Policy::default().new_devices;
        let device = PendingDevice::generate(DeviceName::first(), kind, settings, 1).unwrap();
        let pending = PendingChange {
            device,
            account: account("alice"),
            replaces: None,
            proof: ChangeProof::Login(3),
            end: began + PATIENCE.as_secs(),
        };
        for (passed, waits) in [(0, true), (599, true), (600, false), (86_400, false)] {
            let waiting = pending.is_waiting(&account("alice"), began + passed);
            assert_eq!(waiting, waits, "{passed}");
        }
        assert!(!pending.is_waiting(&account("bob"), began));
        let memory = ConnectionMemory {
            pending: Some(pending),
            origin: None,
        };
        let seconds = |passed| {
            let patience = memory.patience(Duration::from_secs(5), began + passed);
            patience.as_secs()
        };
        assert_eq!([0, 590, 597, 600, 601].map(seconds), [600, 10, 5, 5, 5]);
        let none = ConnectionMemory::default();
        assert_eq!(
            none.patience(Duration::from_secs(5), began),
            Duration::from_secs(5)
        );
    }
}
