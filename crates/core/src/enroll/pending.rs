//! A new device on its way: made in memory, confirmed by a code of it, and not stored here.

use crate::account::Account;
use crate::device::{Device, DeviceName, OtpKind};
use crate::policy::{NewDevices, Policy};
use crate::state::DeviceState;
use crate::verify::CodeRejection;

use super::{TRIES, confirm, new_device, unused};

/// A device of which no code was seen yet. It exists in memory only; its key is wiped when it goes, stored or not.
#[derive(Debug)]
pub struct PendingDevice {
    device: Device,
    /// Number of codes that may still be tried.
    tries_left: u32,
}

/// A device that may be stored.
#[derive(Debug)]
pub struct ConfirmedDevice {
    /// The device.
    pub device: Device,
    /// Its state: a code that was typed is used up in it.
    pub entry: DeviceState,
}

/// A code that does not confirm the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnconfirmedCode {
    /// Reason of the refusal.
    pub why: CodeRejection,
    /// Number of codes that may still be tried; 0 ends it.
    pub tries_left: u32,
}

impl ConfirmedDevice {
    /// True if a code of the device was given; false if an administrator vouched for it.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.entry != unused(&self.device)
    }
}

impl PendingDevice {
    /// A device with a new key. `now` is in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn generate(
        name: DeviceName,
        kind: OtpKind,
        settings: NewDevices,
        now: u64,
    ) -> Result<Self, getrandom::Error> {
        Ok(Self {
            device: new_device(name, kind, settings, now)?,
            tries_left: TRIES,
        })
    }

    /// The successor of a device, made at `now` (seconds since 1970-01-01 UTC): its name and settings, with a new key.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn renewal(old: &Device, now: u64) -> Result<Self, getrandom::Error> {
        let settings = NewDevices {
            algorithm: old.algorithm,
            digits: old.digits,
            ..NewDevices::default()
        };
        Self::generate(old.name.clone(), old.kind, settings, now)
    }

    /// The device, for showing it to its owner.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// Compares a code with the device, by the rules of a login at `now` (seconds since 1970-01-01 UTC). After [`TRIES`] wrong
    /// codes none is right.
    ///
    /// # Errors
    /// [`UnconfirmedCode`].
    pub fn confirm(
        &mut self,
        policy: &Policy,
        account: &Account,
        typed: &[u8],
        now: u64,
    ) -> Result<ConfirmedDevice, UnconfirmedCode> {
        let judged = match self.tries_left.checked_sub(1) {
            None => Err(CodeRejection::Wrong),
            Some(left) => {
                self.tries_left = left;
                confirm(policy, account, &self.device, typed, now)
            }
        };
        match judged {
            Ok(entry) => Ok(ConfirmedDevice {
                device: self.device.clone(),
                entry,
            }),
            Err(why) => Err(UnconfirmedCode {
                why,
                tries_left: self.tries_left,
            }),
        }
    }

    /// Takes the device without a code of it: an administrator vouches for it.
    #[must_use]
    pub fn vouched(self) -> ConfirmedDevice {
        ConfirmedDevice {
            entry: unused(&self.device),
            device: self.device,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otp::{Algorithm, Digits, Interval};

    const NOW: u64 = 1_234_567_890;
    const THIRTY: OtpKind = OtpKind::Totp {
        interval: Interval::THIRTY,
    };

    fn pending() -> PendingDevice {
        let name = "phone".parse().unwrap();
        PendingDevice::generate(name, THIRTY, NewDevices::default(), NOW).unwrap()
    }

    fn tried(pending: &mut PendingDevice, typed: &str) -> Result<ConfirmedDevice, UnconfirmedCode> {
        let account = Account {
            name: "alice".into(),
            uid: 1000,
            gid: 1000,
        };
        pending.confirm(&Policy::default(), &account, typed.as_bytes(), NOW)
    }

    #[test]
    fn a_right_code_confirms_and_is_used_up() {
        let mut pending = pending();
        let (id, code) = (pending.device().id, pending.device().code(NOW / 30));
        let confirmed = tried(&mut pending, &code.reveal()).unwrap();
        assert_eq!((confirmed.device.id, confirmed.entry.id), (id, id));
        assert_eq!(confirmed.entry.next, NOW / 30 + 1);
        assert!(!confirmed.entry.committed);
    }

    #[test]
    fn the_last_try_counts_and_none_after_it() {
        let mut pending = pending();
        let code = pending.device().code(NOW / 30).reveal().to_string();
        let mut wrong = |left| {
            let refused = tried(&mut pending, "x").unwrap_err();
            let why = CodeRejection::Wrong;
            let tries_left = left;
            assert_eq!(refused, UnconfirmedCode { why, tries_left });
        };
        (1..TRIES).rev().for_each(&mut wrong);
        assert!(tried(&mut pending, &code).is_ok());
        let refused = tried(&mut pending, &code).unwrap_err();
        assert_eq!((refused.why, refused.tries_left), (CodeRejection::Wrong, 0));
    }

    #[test]
    fn a_pending_key_is_not_shown_by_debug() {
        let pending = pending();
        let shown = format!("{pending:?}");
        assert!(shown.contains("Secret(redacted)"), "{shown}");
    }

    #[test]
    fn a_vouched_device_has_used_no_code() {
        let confirmed = pending().vouched();
        assert_eq!(confirmed.entry, unused(&confirmed.device));
    }

    #[test]
    fn a_renewal_keeps_all_but_the_key() {
        let settings = NewDevices {
            algorithm: Algorithm::Sha256,
            digits: Digits::new(8).unwrap(),
            ..NewDevices::default()
        };
        let minute = Interval::new(60).unwrap();
        let kinds = [OtpKind::Hotp, OtpKind::Totp { interval: minute }];
        for kind in kinds {
            let old = new_device("token".parse().unwrap(), kind, settings, 1).unwrap();
            let new = PendingDevice::renewal(&old, NOW).unwrap().device;
            assert_eq!((&new.name, new.kind), (&old.name, old.kind));
            assert_eq!((new.algorithm, new.digits), (old.algorithm, old.digits));
            assert_eq!(new.created, NOW);
            assert_ne!(new.id, old.id);
            assert_ne!(new.secret.as_bytes(), old.secret.as_bytes());
        }
    }
}
