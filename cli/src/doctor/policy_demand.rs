//! What the policy demands of a user, from its decision and the user's files.

use twofactor_core::policy::Policy;
use twofactor_core::policy::decision::PolicyDecision;
use twofactor_core::record::EnrollmentStatus;

use super::login_forecast::{LoginReason, LoginResult, PolicyDemand};
use super::user_findings::{ExaminedUser, FactorStatus};

/// The demand. What is wrong with the files of a user counts where a code is asked for.
pub fn demand_on(policy: &Policy, user: &ExaminedUser, decision: PolicyDecision) -> PolicyDemand {
    // A user who is not invited is told of no device, and refused where one is demanded.
    let uninvited = policy.enroll_needs_invite
        && user.factor == FactorStatus::Usable(EnrollmentStatus::NotEnrolled);
    match (decision, user.factor) {
        (PolicyDecision::Disabled, _) => PolicyDemand::Nothing(LoginReason::Disabled),
        (PolicyDecision::ServiceOff, _) => PolicyDemand::Nothing(LoginReason::ServiceOff),
        (PolicyDecision::Exempt(_), _) => PolicyDemand::Nothing(LoginReason::Exempt),
        (PolicyDecision::NotRequired, _) if policy.uniform_prompt => {
            PolicyDemand::Uniform(LoginResult::In)
        }
        (PolicyDecision::DeviceRequired, _) if policy.uniform_prompt => {
            PolicyDemand::Uniform(LoginResult::Refused)
        }
        (PolicyDecision::EnrollmentRequired, _) if policy.uniform_prompt && uninvited => {
            PolicyDemand::Uniform(LoginResult::Refused)
        }
        (PolicyDecision::EnrollmentOffered | PolicyDecision::EnrollmentRequired, _)
            if policy.uniform_prompt =>
        {
            PolicyDemand::Uniform(LoginResult::In)
        }
        (PolicyDecision::NotRequired, _) => PolicyDemand::Nothing(LoginReason::NoDevice),
        (PolicyDecision::EnrollmentOffered, _) if uninvited => {
            PolicyDemand::Nothing(LoginReason::NotInvited)
        }
        (PolicyDecision::EnrollmentRequired, _) if uninvited => {
            PolicyDemand::Refused(LoginReason::NotInvited)
        }
        (PolicyDecision::EnrollmentOffered, _) => PolicyDemand::Nothing(LoginReason::MayEnroll),
        (PolicyDecision::EnrollmentRequired, _) => PolicyDemand::Nothing(LoginReason::MustEnroll),
        (PolicyDecision::DeviceRequired, _) => PolicyDemand::Refused(LoginReason::NoDevice),
        (PolicyDecision::CodeRequired, FactorStatus::LockedOut) => {
            PolicyDemand::Refused(LoginReason::LockedOut)
        }
        (PolicyDecision::CodeRequired, FactorStatus::Unusable) => {
            PolicyDemand::Refused(LoginReason::Unusable)
        }
        (PolicyDecision::CodeRequired, _) => PolicyDemand::Code,
    }
}
