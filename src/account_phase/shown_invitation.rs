//! The permission to enroll, and what is left of it when a device is stored.

use twofactor_core::device::CredentialId;
use twofactor_core::policy::{EnrollAtLogin, Policy};
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::OneTimeCode;
use twofactor_store::LockedFactor;
use twofactor_store::attempt::LoginAttempt;
use twofactor_store::operations::ChangeSteps;

use super::{EnrollmentAbort, EnrollmentPermission};

/// Conditions that must still hold when a device is stored: everything is read anew, under the lock.
pub(super) struct StillAllowed<'s, 'a> {
    pub(super) attempt: &'s mut LoginAttempt<'a>,
    /// The invitation whose code was typed.
    pub(super) invite: Option<CredentialId>,
    /// Result of that; `None` before the first device.
    pub(super) shown: Option<ShownInvitation>,
}

impl ChangeSteps for StillAllowed<'_, '_> {
    type Error = EnrollmentAbort;

    fn permit(
        &mut self,
        _: &mut LockedFactor<'_>,
        record: Option<&UserRecord>,
    ) -> Result<(), EnrollmentAbort> {
        let open = record.and_then(|record| record.invite.as_ref());
        let invite = self.invite;
        let shown = *self
            .shown
            .get_or_insert_with(|| ShownInvitation::of(invite, open));
        let (service, clock) = (self.attempt.service, self.attempt.clock);
        let policy = self.attempt.current_policy()?;
        still_allowed(policy, service, shown, clock()?).map_err(EnrollmentAbort::Withdrawn)
    }
}

/// Permission that a person has shown, by the time a device is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShownInvitation {
    /// No invitation: none was asked for.
    NotAsked,
    /// An invitation that counts until then, in seconds since 1970-01-01 UTC.
    Until(u64),
    /// An invitation that is no longer there, or was replaced.
    Gone,
}

impl ShownInvitation {
    /// The permission by the invitation that was shown, and the one that is in the record.
    pub(super) fn of(shown: Option<CredentialId>, open: Option<&OneTimeCode>) -> Self {
        match (shown, open) {
            (None, _) => Self::NotAsked,
            (Some(id), Some(open)) if id == open.id => Self::Until(open.expires),
            (Some(_), _) => Self::Gone,
        }
    }
}

/// Checks that an enrollment that began may still be stored at `now` (seconds since 1970-01-01 UTC). The error is the permission
/// that is gone. A user who is exempt by now does no harm with a device.
fn still_allowed(
    policy: &Policy,
    service: &str,
    shown: ShownInvitation,
    now: u64,
) -> Result<(), EnrollmentPermission> {
    let off = !policy.asks_at(service) || policy.enroll_at_login == EnrollAtLogin::Off;
    match shown {
        _ if off => Err(EnrollmentPermission::Policy),
        _ if !policy.enroll_needs_invite => Ok(()),
        ShownInvitation::NotAsked => Err(EnrollmentPermission::Policy),
        ShownInvitation::Until(expires) if now < expires => Ok(()),
        ShownInvitation::Until(_) | ShownInvitation::Gone => Err(EnrollmentPermission::Invitation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the first device and at the second.
    #[test]
    fn an_enrollment_lasts_as_long_as_its_permission() {
        let allowed = |lines: &str, shown| {
            let policy = format!("enabled = true\n{lines}").parse().unwrap();
            still_allowed(&policy, "login", shown, 100)
        };
        let offer = "enroll_at_login = \"offer\"\n";
        let invited = "enroll_at_login = \"offer\"\nenroll_needs_invite = true\n";
        let (policy, invitation) = (
            Err(EnrollmentPermission::Policy),
            Err(EnrollmentPermission::Invitation),
        );
        for (lines, shown, expected) in [
            (offer, ShownInvitation::NotAsked, Ok(())),
            (offer, ShownInvitation::Gone, Ok(())),
            (invited, ShownInvitation::Until(101), Ok(())),
            (invited, ShownInvitation::Until(100), invitation),
            (invited, ShownInvitation::Until(99), invitation),
            (invited, ShownInvitation::Gone, invitation),
            (invited, ShownInvitation::NotAsked, policy),
            ("", ShownInvitation::NotAsked, policy),
            ("", ShownInvitation::Until(101), policy),
        ] {
            assert_eq!(allowed(lines, shown), expected, "{lines}{shown:?}");
        }
        let off = format!("{offer}[services]\nlogin = false\n");
        assert_eq!(allowed(&off, ShownInvitation::NotAsked), policy);
        assert_eq!(
            allowed(
                &format!("{offer}[services]\nsshd = true\n"),
                ShownInvitation::NotAsked
            ),
            Ok(())
        );
    }

    #[test]
    fn an_invitation_is_the_one_that_was_shown() {
        let (open, _) = OneTimeCode::generate(7).unwrap();
        let (other, _) = OneTimeCode::generate(8).unwrap();
        assert_eq!(
            ShownInvitation::of(None, Some(&open)),
            ShownInvitation::NotAsked
        );
        assert_eq!(
            ShownInvitation::of(Some(open.id), Some(&open)),
            ShownInvitation::Until(7)
        );
        assert_eq!(
            ShownInvitation::of(Some(open.id), Some(&other)),
            ShownInvitation::Gone
        );
        assert_eq!(
            ShownInvitation::of(Some(open.id), None),
            ShownInvitation::Gone
        );
    }
}
