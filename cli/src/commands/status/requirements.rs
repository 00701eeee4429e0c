//! The requirement of the policy on users without a device.

use twofactor_core::policy::Requirement;
use twofactor_core::policy::decision::{PolicyDecision, decide_without_device};
use twofactor_store::LoadedPolicy;
use twofactor_store::attempt::KnownGroups;

use super::overview::{RequirementStatus, UserStatus};
use crate::impact::{self, users};

/// Adds it to each user with an account and without a device, unless the policy is off or exempts the user everywhere.
pub fn add(listed: &mut [UserStatus], loaded: &LoadedPolicy, now: u64) {
    if !loaded.policy.enabled {
        return;
    }
    let mut groups = KnownGroups::default();
    let unenrolled = listed
        .iter_mut()
        .filter(|user| user.devices.is_empty() && user.error.is_none());
    for user in unenrolled {
        if let Some(account) = &user.account {
            let mut own = groups.of(Some(account));
            if users::is_never_asked(&loaded.policy, account, &mut |group| own.include(group)) {
                continue;
            }
            let time = loaded.time(Ok(now));
            let requirement = groups.requirement(&loaded.policy, time, Some(account));
            user.requirement = status(loaded, requirement, now);
        }
    }
}

fn status(loaded: &LoadedPolicy, requirement: Requirement, now: u64) -> RequirementStatus {
    let required = matches!(
        decide_without_device(&loaded.policy, requirement),
        PolicyDecision::DeviceRequired | PolicyDecision::EnrollmentRequired
    );
    let later = match requirement {
        Requirement::Later(day) => Some(day),
        Requirement::None | Requirement::InForce => None,
    };
    let note = match (required, later) {
        (true, _) => Some("required".to_owned()),
        (false, Some(day)) => Some(format!("required {}", impact::deadline(day, now))),
        (false, None) => None,
    };
    RequirementStatus {
        required,
        required_from: later.map(|day| day.to_string()),
        note,
    }
}
