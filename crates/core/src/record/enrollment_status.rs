//! Progress of a user's enrollment, as record and state show it.

use super::UserRecord;
use crate::device::Device;
use crate::state::UserState;

/// Progress of a user's enrollment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrollmentStatus {
    /// No device.
    NotEnrolled,
    /// No device, but an invitation to enroll one that has not expired.
    Invited,
    /// A device, of which no code was ever accepted.
    Unverified,
    /// A device, and a code that was accepted at least once.
    Verified,
}

impl EnrollmentStatus {
    /// The status that record and state show at the time `now`, in seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn of(record: &UserRecord, state: &UserState, now: u64) -> Self {
        match Self::of_devices(&record.devices, state) {
            Self::NotEnrolled if record.is_invited(now) => Self::Invited,
            status => status,
        }
    }

    /// The status of a user with these devices and no invitation.
    pub fn of_devices<'d>(
        devices: impl IntoIterator<Item = &'d Device>,
        state: &UserState,
    ) -> Self {
        let mut status = Self::NotEnrolled;
        for device in devices {
            if state
                .device(device.id)
                .is_some_and(|entry| entry.last_used > 0)
            {
                return Self::Verified;
            }
            status = Self::Unverified;
        }
        status
    }

    /// True if the user has a device.
    #[must_use]
    pub const fn has_device(self) -> bool {
        matches!(self, Self::Unverified | Self::Verified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{CredentialId, OtpKind};
    use crate::otp::{Algorithm, Digits};
    use crate::recovery::OneTimeCode;
    use crate::secret::Secret;
    use crate::state::DeviceState;

    const NOW: u64 = 1_767_225_600;

    /// A record and a state with devices that were last used at these times.
    fn factor(last_used: &[u64]) -> (UserRecord, UserState) {
        let mut record = UserRecord::new("alice".to_owned(), 1000);
        let mut state = UserState::new(1000);
        for (number, last_used) in last_used.iter().enumerate() {
            let id = CredentialId::generate().unwrap();
            record.devices.push(Device {
                id,
                name: format!("device{number}").parse().unwrap(),
                kind: OtpKind::Hotp,
                algorithm: Algorithm::Sha1,
                digits: Digits::new(6).unwrap(),
                secret: Secret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap(),
                created: NOW,
            });
            state.devices.push(DeviceState {
                id,
                next: 0,
                drift: 0,
                last_used: *last_used,
                committed: true,
            });
        }
        (record, state)
    }

    #[test]
    fn a_status_needs_an_accepted_code_to_be_verified() {
        let status = |last_used: &[u64]| {
            let (record, state) = factor(last_used);
            EnrollmentStatus::of(&record, &state, NOW)
        };
        assert_eq!(status(&[]), EnrollmentStatus::NotEnrolled);
        assert_eq!(status(&[0, 0]), EnrollmentStatus::Unverified);
        assert_eq!(status(&[0, 1]), EnrollmentStatus::Verified);
    }

    #[test]
    fn an_invitation_counts_until_it_expires() {
        let (mut record, state) = factor(&[]);
        record.invite = Some(OneTimeCode::generate(NOW + 1).unwrap().0);
        let status = |now| EnrollmentStatus::of(&record, &state, now);
        assert_eq!(status(NOW), EnrollmentStatus::Invited);
        assert_eq!(status(NOW + 1), EnrollmentStatus::NotEnrolled);
    }
}
