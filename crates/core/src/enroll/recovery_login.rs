//! A login with a recovery or bypass code, whose user may set up a new device in the same transaction.

use crate::device::CredentialId;
use crate::policy::Policy;
use crate::record::UserRecord;
use crate::recovery::CodeScope;
use crate::verify::Credential;

/// The code of such a login, and the factor of its user at that moment. It says nothing of any other moment: where devices or codes
/// were changed since, it permits nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryLogin {
    kind: RecoveryKind,
    devices: Vec<CredentialId>,
    recovery: Option<CredentialId>,
    bypass: Option<CredentialId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecoveryKind {
    /// One of the user's own codes.
    RecoveryCode,
    /// A code with which an administrator has permitted a new device.
    NewDeviceBypass,
}

impl RecoveryLogin {
    /// The recovery login of an accepted code. `None` for a code of a device, and for a bypass code that permits no new device.
    #[must_use]
    pub fn of(record: &UserRecord, by: &Credential) -> Option<Self> {
        let bypass = record.bypass.as_ref();
        let kind = match by {
            Credential::RecoveryCode { .. } => RecoveryKind::RecoveryCode,
            Credential::Bypass if bypass?.scope == CodeScope::NewDevice => {
                RecoveryKind::NewDeviceBypass
            }
            Credential::Bypass | Credential::Device { .. } => return None,
        };
        Some(Self {
            kind,
            devices: ids(record),
            recovery: record.recovery.as_ref().map(|set| set.id),
            bypass: bypass.map(|code| code.id),
        })
    }

    /// True if the policy lets the user change the factor after this login. Where a device needs an invitation, a recovery code is none;
    /// a bypass code for a new device is the administrator's own word.
    #[must_use]
    pub const fn is_permitted(&self, policy: &Policy) -> bool {
        match self.kind {
            RecoveryKind::RecoveryCode => policy.self_service.manage && !policy.enroll_needs_invite,
            RecoveryKind::NewDeviceBypass => true,
        }
    }

    /// True if devices and codes of the user are those of the login, apart from what this transaction has changed.
    #[must_use]
    pub fn holds_in(&self, record: &UserRecord) -> bool {
        let set = record.recovery.as_ref().map(|set| set.id);
        self.devices == ids(record)
            // The first set of codes comes with a device.
            && (self.recovery.is_none() || self.recovery == set)
            && self.bypass == record.bypass.as_ref().map(|code| code.id)
    }

    /// Takes in a device that this transaction has added.
    pub fn added(&mut self, device: CredentialId) {
        self.devices.push(device);
    }

    /// Takes in that this transaction has put another device in the place of one.
    pub fn replaced(&mut self, old: CredentialId, new: CredentialId) {
        if let Some(place) = self.devices.iter_mut().find(|id| **id == old) {
            *place = new;
        }
    }

    /// Takes in a device that this transaction has removed.
    pub fn removed(&mut self, device: CredentialId) {
        self.devices.retain(|id| *id != device);
    }
}

fn ids(record: &UserRecord) -> Vec<CredentialId> {
    record.devices.iter().map(|device| device.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Device, DeviceName, OtpKind};
    use crate::otp::{Algorithm, Digits};
    use crate::recovery::{OneTimeCode, RecoverySet};
    use crate::secret::Secret;

    const RECOVERY: Credential = Credential::RecoveryCode { left: 3 };

    fn record(scope: CodeScope) -> UserRecord {
        let mut record = UserRecord::new("alice".into(), 1000);
        record.recovery = Some(RecoverySet::generate(1).unwrap().0);
        let bypass = OneTimeCode::generate(7).unwrap().0;
        record.bypass = Some(bypass.with_scope(scope));
        record
    }

    fn device() -> Device {
        Device {
            id: CredentialId::from_number(7).unwrap(),
            name: DeviceName::first(),
            kind: OtpKind::Hotp,
            algorithm: Algorithm::Sha1,
            digits: Digits::SIX,
            secret: Secret::from_bytes(vec![7; 20].into()).unwrap(),
            created: 1,
        }
    }

    fn permitted(policy: &str, scope: CodeScope, by: &Credential) -> bool {
        let policy = policy.parse().unwrap();
        RecoveryLogin::of(&record(scope), by).is_some_and(|login| login.is_permitted(&policy))
    }

    #[test]
    fn a_new_device_takes_a_code_that_permits_it() {
        let device = Credential::Device {
            name: "phone".into(),
            offset: 0,
        };
        let on = "enabled = true\n";
        let invite = "enabled = true\nenroll_needs_invite = true\n";
        let unmanaged = "enabled = true\n[self_service]\nmanage = false\n";
        for (policy, scope, by, expected) in [
            (on, CodeScope::Login, &RECOVERY, true),
            (on, CodeScope::Login, &Credential::Bypass, false),
            (on, CodeScope::NewDevice, &Credential::Bypass, true),
            (on, CodeScope::NewDevice, &device, false),
            (on, CodeScope::ThisHost, &Credential::Bypass, false),
            (invite, CodeScope::NewDevice, &RECOVERY, false),
            (invite, CodeScope::NewDevice, &Credential::Bypass, true),
            (invite, CodeScope::Login, &Credential::Bypass, false),
            (unmanaged, CodeScope::Login, &RECOVERY, false),
            (unmanaged, CodeScope::NewDevice, &Credential::Bypass, true),
        ] {
            assert_eq!(
                permitted(policy, scope, by),
                expected,
                "{policy} {scope:?} {by:?}"
            );
        }
    }

    #[test]
    fn a_change_by_others_ends_it() {
        let record = record(CodeScope::Login);
        let login = RecoveryLogin::of(&record, &RECOVERY).unwrap();
        assert!(login.holds_in(&record));
        for change in [
            (|it| it.recovery = Some(RecoverySet::generate(2).unwrap().0)) as fn(&mut UserRecord),
            |it| it.recovery = None,
            |it| it.devices.push(device()),
            |it| it.bypass = None,
            |it| it.bypass = Some(OneTimeCode::generate(8).unwrap().0),
        ] {
            let mut changed = record.clone();
            change(&mut changed);
            assert!(!login.holds_in(&changed));
        }
    }

    #[test]
    fn own_changes_do_not_end_it() {
        let [one, two, three] = [1, 2, 3].map(|number| CredentialId::from_number(number).unwrap());
        let mut record = record(CodeScope::Login);
        record.recovery = None;
        let mut login = RecoveryLogin::of(&record, &RECOVERY).unwrap();
        let holds = |login: &RecoveryLogin, ids: &[CredentialId]| login.devices == ids;
        login.added(one);
        login.added(two);
        assert!(holds(&login, &[one, two]) && !login.holds_in(&record));
        login.replaced(one, three);
        assert!(holds(&login, &[three, two]));
        login.removed(three);
        assert!(holds(&login, &[two]));
        login.removed(two);
        record.recovery = Some(RecoverySet::generate(2).unwrap().0);
        assert!(login.holds_in(&record));
    }
}
