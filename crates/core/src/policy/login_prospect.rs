//! Forecast of a user's next login from policy and devices, for reports and warnings.

use super::decision::{PolicyDecision, decide_without_device};
use super::{DeviceRequirement, ExemptionScope, Policy};
use crate::record::EnrollmentStatus;

/// End of a user's next login with the right password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginProspect {
    /// Let in: two-factor login is switched off there, or the user is exempt.
    NotAsked,
    /// A code is asked for.
    CodeAsked,
    /// Let in without a device.
    LetIn,
    /// Let in, and offered a device.
    MayEnroll,
    /// Let in; a device is offered to users with an invitation, and this one has none.
    LetInUninvited,
    /// Let in once a device is enrolled.
    MustEnroll,
    /// Refused: a device has to be enrolled with an invitation, and there is none.
    RefusedUninvited,
    /// Refused: a device is needed, and none is given out at logins.
    Refused,
}

impl LoginProspect {
    /// The end of a login on which the policy decides so, of a user who is enrolled so far.
    #[must_use]
    pub const fn of(
        policy: &Policy,
        decision: PolicyDecision,
        enrollment: EnrollmentStatus,
    ) -> Self {
        let may_enroll =
            !policy.enroll_needs_invite || matches!(enrollment, EnrollmentStatus::Invited);
        match (decision, may_enroll) {
            (
                PolicyDecision::Disabled | PolicyDecision::ServiceOff | PolicyDecision::Exempt(_),
                _,
            ) => Self::NotAsked,
            (PolicyDecision::CodeRequired, _) => Self::CodeAsked,
            (PolicyDecision::NotRequired, _) => Self::LetIn,
            (PolicyDecision::EnrollmentOffered, true) => Self::MayEnroll,
            (PolicyDecision::EnrollmentOffered, false) => Self::LetInUninvited,
            (PolicyDecision::EnrollmentRequired, true) => Self::MustEnroll,
            (PolicyDecision::EnrollmentRequired, false) => Self::RefusedUninvited,
            (PolicyDecision::DeviceRequired, _) => Self::Refused,
        }
    }

    /// The end of a login that is neither switched off nor exempt, of a user with this requirement of `[[require]]`.
    #[must_use]
    pub const fn where_asked(
        policy: &Policy,
        enrollment: EnrollmentStatus,
        requirement: DeviceRequirement,
    ) -> Self {
        let decision = if enrollment.has_device() {
            PolicyDecision::CodeRequired
        } else {
            decide_without_device(policy, requirement)
        };
        Self::of(policy, decision, enrollment)
    }

    /// The end of a login at a service that is switched on, of a user with this requirement of `[[require]]`.
    #[must_use]
    pub const fn of_user(
        policy: &Policy,
        exemption: ExemptionScope,
        enrollment: EnrollmentStatus,
        requirement: DeviceRequirement,
    ) -> Self {
        match (policy.enabled, exemption) {
            (false, _) | (_, ExemptionScope::Everywhere) => Self::NotAsked,
            (true, _) => Self::where_asked(policy, enrollment, requirement),
        }
    }

    /// True if the user is not let in without enrolling a device, or not at all.
    #[must_use]
    pub const fn demands_device(self) -> bool {
        matches!(
            self,
            Self::MustEnroll | Self::RefusedUninvited | Self::Refused
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EnrollmentStatus::{Invited, NotEnrolled, Unverified, Verified};
    use LoginProspect::{
        CodeAsked, LetIn, LetInUninvited, MayEnroll, MustEnroll, NotAsked, Refused,
        RefusedUninvited,
    };

    fn policy(keys: &str) -> Policy {
        crate::policy::parse(&format!("enabled = true\n{keys}")).unwrap()
    }

    /// Each decision, with the ends without `enroll_needs_invite`, and with it for users who are not invited and who are.
    #[test]
    fn each_decision_has_its_end() {
        let free = policy("");
        let invites = policy("enroll_needs_invite = true");
        for (decision, always, uninvited, invited) in [
            (PolicyDecision::Disabled, NotAsked, NotAsked, NotAsked),
            (PolicyDecision::ServiceOff, NotAsked, NotAsked, NotAsked),
            (PolicyDecision::Exempt(3), NotAsked, NotAsked, NotAsked),
            (
                PolicyDecision::CodeRequired,
                CodeAsked,
                CodeAsked,
                CodeAsked,
            ),
            (PolicyDecision::NotRequired, LetIn, LetIn, LetIn),
            (
                PolicyDecision::EnrollmentOffered,
                MayEnroll,
                LetInUninvited,
                MayEnroll,
            ),
            (
                PolicyDecision::EnrollmentRequired,
                MustEnroll,
                RefusedUninvited,
                MustEnroll,
            ),
            (PolicyDecision::DeviceRequired, Refused, Refused, Refused),
        ] {
            for status in [NotEnrolled, Invited] {
                assert_eq!(LoginProspect::of(&free, decision, status), always);
            }
            let end = |status| LoginProspect::of(&invites, decision, status);
            assert_eq!((end(NotEnrolled), end(Invited)), (uninvited, invited));
        }
    }

    #[test]
    fn where_codes_are_asked_for_policy_and_device_decide() {
        let (none, in_force) = (DeviceRequirement::None, DeviceRequirement::InForce);
        for (keys, requirement, uninvited, invited) in [
            ("", none, LetIn, LetIn),
            ("", in_force, Refused, Refused),
            ("enforcement = \"mandatory\"", none, Refused, Refused),
            ("enroll_at_login = \"offer\"", none, MayEnroll, MayEnroll),
            (
                "enroll_at_login = \"offer\"",
                in_force,
                MustEnroll,
                MustEnroll,
            ),
            (
                "enroll_at_login = \"require\"",
                none,
                MustEnroll,
                MustEnroll,
            ),
            (
                "enroll_at_login = \"offer\"\nenroll_needs_invite = true",
                none,
                LetInUninvited,
                MayEnroll,
            ),
            (
                "enroll_at_login = \"require\"\nenroll_needs_invite = true",
                none,
                RefusedUninvited,
                MustEnroll,
            ),
        ] {
            let policy = policy(keys);
            let end = |status| LoginProspect::where_asked(&policy, status, requirement);
            assert_eq!(
                (end(NotEnrolled), end(Invited)),
                (uninvited, invited),
                "{keys}"
            );
            assert_eq!((end(Unverified), end(Verified)), (CodeAsked, CodeAsked));
        }
    }

    #[test]
    fn an_exemption_everywhere_and_the_switch_end_it() {
        use ExemptionScope::{Everywhere, No};
        let end = |policy: &Policy, exemption| {
            LoginProspect::of_user(policy, exemption, Verified, DeviceRequirement::None)
        };
        let on = policy("");
        let off = Policy {
            enabled: false,
            ..on.clone()
        };
        assert_eq!((end(&on, No), end(&on, Everywhere)), (CodeAsked, NotAsked));
        assert_eq!((end(&off, No), end(&off, Everywhere)), (NotAsked, NotAsked));
    }

    #[test]
    fn a_device_is_demanded_where_none_lets_in() {
        let demanding = [MustEnroll, RefusedUninvited, Refused];
        let others = [NotAsked, CodeAsked, LetIn, MayEnroll, LetInUninvited];
        assert!(demanding.into_iter().all(LoginProspect::demands_device));
        assert!(!others.into_iter().any(LoginProspect::demands_device));
    }
}
