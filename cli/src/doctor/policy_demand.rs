//! The policy's demand on a user, from its decision and the user's files.

use twofactor_core::policy::decision::PolicyDecision;
use twofactor_core::policy::{LoginProspect, Policy};
use twofactor_core::record::EnrollmentStatus;

use super::login_forecast::{LoginReason, LoginResult, PolicyDemand};
use super::user_findings::{ExaminedUser, FactorStatus};

/// The demand. What is wrong with the files of a user counts where a code is asked for.
pub fn demand_on(policy: &Policy, user: &ExaminedUser, decision: PolicyDecision) -> PolicyDemand {
    // Only users without a device depend on how far they are enrolled.
    let enrollment = match user.factor {
        FactorStatus::Usable(status) => status,
        FactorStatus::LockedOut | FactorStatus::Unusable => EnrollmentStatus::Unverified,
    };
    let prospect = LoginProspect::of(policy, decision, enrollment);
    let is_uniform = policy.uniform_prompt;
    match prospect {
        LoginProspect::NotAsked => PolicyDemand::Nothing(match decision {
            PolicyDecision::ServiceOff => LoginReason::ServiceOff,
            PolicyDecision::Exempt(_) => LoginReason::Exempt,
            _ => LoginReason::Disabled,
        }),
        LoginProspect::CodeAsked => match user.factor {
            FactorStatus::LockedOut => PolicyDemand::Refused(LoginReason::LockedOut),
            FactorStatus::Unusable => PolicyDemand::Refused(LoginReason::Unusable),
            FactorStatus::Usable(_) => PolicyDemand::Code,
        },
        LoginProspect::Refused | LoginProspect::RefusedUninvited if is_uniform => {
            PolicyDemand::Uniform(LoginResult::Refused)
        }
        _ if is_uniform => PolicyDemand::Uniform(LoginResult::In),
        LoginProspect::LetIn => PolicyDemand::Nothing(LoginReason::NoDevice),
        // A user who is not invited is told of no device, and refused where one is demanded.
        LoginProspect::LetInUninvited => PolicyDemand::Nothing(LoginReason::NotInvited),
        LoginProspect::RefusedUninvited => PolicyDemand::Refused(LoginReason::NotInvited),
        LoginProspect::MayEnroll => PolicyDemand::Nothing(LoginReason::MayEnroll),
        LoginProspect::MustEnroll => PolicyDemand::Nothing(LoginReason::MustEnroll),
        LoginProspect::Refused => PolicyDemand::Refused(LoginReason::NoDevice),
    }
}
