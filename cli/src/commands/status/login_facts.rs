//! The policy applied to each user: exempt, asked at which services, obliged to have a device.

use std::sync::Arc;

use twofactor_core::account::Account;
use twofactor_core::policy::{DeviceRequirement, ExemptionScope, LoginProspect};
use twofactor_core::record::EnrollmentStatus;
use twofactor_store::LoadedPolicy;
use twofactor_store::account_rules::KnownGroups;

use super::user_status::{RequirementStatus, UserStatus};
use crate::impact;
use crate::roster::{AccountRole, AdministratorGroups};

/// Adds these facts to each user with an account. `used` are the services whose PAM files name the module; `now` is in seconds
/// since 1970-01-01 UTC.
pub fn add(listed: &mut [UserStatus], loaded: &LoadedPolicy, used: &[String], now: u64) {
    let policy = &loaded.policy;
    let on: Vec<&String> = used.iter().filter(|name| policy.service_on(name)).collect();
    let administrators = AdministratorGroups::look_up();
    let mut groups = KnownGroups::for_many();
    let mut last = Arc::default();
    for user in listed {
        let Some(account) = user.account.clone() else {
            continue;
        };
        user.administrator = administrators.role(&account) == AccountRole::Administrator;
        if !policy.enabled {
            continue;
        }
        let mut own = groups.of(Some(&account));
        let (scope, exempt_at) =
            ExemptionScope::of(policy, &account, &mut |group| own.include(group));
        user.exempt = scope == ExemptionScope::Everywhere;
        if user.enrolled == Some(true) && !user.exempt {
            let asking = on.iter().filter(|name| !exempt_at.contains(name));
            user.asked_by = shared(&mut last, asking.map(|name| (*name).clone()).collect());
        }
        if user.enrolled == Some(false) && !user.exempt {
            user.requirement = requirement(loaded, &account, &mut groups, now);
        }
    }
}

/// One list for many users: the list of the user before, if it is equal.
fn shared(last: &mut Arc<Vec<String>>, services: Vec<String>) -> Arc<Vec<String>> {
    if **last != services {
        *last = Arc::new(services);
    }
    Arc::clone(last)
}

/// The requirement at `now` (seconds since 1970-01-01 UTC) on a user without a device who is not exempt.
fn requirement(
    loaded: &LoadedPolicy,
    account: &Account,
    groups: &mut KnownGroups,
    now: u64,
) -> RequirementStatus {
    let requirement = groups.requirement(&loaded.policy, loaded.time(Ok(now)), Some(account));
    let prospect =
        LoginProspect::where_asked(&loaded.policy, EnrollmentStatus::NotEnrolled, requirement);
    let required = prospect.demands_device();
    let later = match requirement {
        DeviceRequirement::Later(day) => Some(day),
        DeviceRequirement::None | DeviceRequirement::InForce => None,
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
