//! The policy's answer about a user, from its decision and the user's files.

use twofactor_core::policy::Policy;
use twofactor_core::policy::decision::PolicyDecision;
use twofactor_core::record::EnrollmentStatus;

use super::login_forecast::{LoginReason, LoginResult, PolicyAnswer};
use super::user_findings::{ExaminedUser, FactorStatus};

/// The answer. What is wrong with the files of a user counts where a code is asked for.
pub fn answered(policy: &Policy, user: &ExaminedUser, decision: PolicyDecision) -> PolicyAnswer {
    // A user who is not invited is told of no device, and refused where one is demanded.
    let uninvited = policy.enroll_needs_invite
        && user.factor == FactorStatus::Usable(EnrollmentStatus::NotEnrolled);
    match (decision, user.factor) {
        (PolicyDecision::Disabled, _) => PolicyAnswer::Nothing(LoginReason::Disabled),
        (PolicyDecision::ServiceOff, _) => PolicyAnswer::Nothing(LoginReason::ServiceOff),
        (PolicyDecision::Exempt(_), _) => PolicyAnswer::Nothing(LoginReason::Exempt),
        (PolicyDecision::NotRequired, _) if policy.uniform_prompt => {
            PolicyAnswer::Uniform(LoginResult::In)
        }
        (PolicyDecision::DeviceRequired, _) if policy.uniform_prompt => {
            PolicyAnswer::Uniform(LoginResult::Refused)
        }
        (PolicyDecision::EnrollmentRequired, _) if policy.uniform_prompt && uninvited => {
            PolicyAnswer::Uniform(LoginResult::Refused)
        }
        (PolicyDecision::EnrollmentOffered | PolicyDecision::EnrollmentRequired, _)
            if policy.uniform_prompt =>
        {
            PolicyAnswer::Uniform(LoginResult::In)
        }
        (PolicyDecision::NotRequired, _) => PolicyAnswer::Nothing(LoginReason::NoDevice),
        (PolicyDecision::EnrollmentOffered, _) if uninvited => {
            PolicyAnswer::Nothing(LoginReason::NotInvited)
        }
        (PolicyDecision::EnrollmentRequired, _) if uninvited => {
            PolicyAnswer::Refused(LoginReason::NotInvited)
        }
        (PolicyDecision::EnrollmentOffered, _) => PolicyAnswer::Nothing(LoginReason::MayEnroll),
        (PolicyDecision::EnrollmentRequired, _) => PolicyAnswer::Nothing(LoginReason::MustEnroll),
        (PolicyDecision::DeviceRequired, _) => PolicyAnswer::Refused(LoginReason::NoDevice),
        (PolicyDecision::CodeRequired, FactorStatus::LockedOut) => {
            PolicyAnswer::Refused(LoginReason::LockedOut)
        }
        (PolicyDecision::CodeRequired, FactorStatus::Unusable) => {
            PolicyAnswer::Refused(LoginReason::Unusable)
        }
        (PolicyDecision::CodeRequired, _) => PolicyAnswer::Code,
    }
}
