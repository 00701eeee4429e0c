//! Effects of a change of the policy on users and services.

use std::collections::BTreeSet;

use twofactor_core::policy::{self, Policy, PolicyTime};
use twofactor_core::spelling_suggestion;
use twofactor_store::FactorStore;
use twofactor_store::sys::clock::{self, ClockStatus};

use super::{DangerDecision, PolicySetting};
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::doctor::{self, InstalledSystem};
use crate::impact::affected_users::{self, ListedUsers};
use crate::impact::{self, AffectedUser, PolicyImpact, PolicyView};
use crate::unmatched_name::{self, UnmatchedName};

/// The state directory. Switching off works without it: that ends the lock-out of all users by a broken one.
pub(super) fn store_for(
    context: &CommandContext,
    danger: DangerDecision,
    after: &Policy,
) -> Result<Option<FactorStore>, CommandFailure> {
    match context.existing_store() {
        Err(_) if danger == DangerDecision::Unchecked || !after.enabled => Ok(None),
        other => other.map(Some),
    }
}

/// Names of the new policy by which an entry applies to no user. Switching off needs none of that, and must not depend on it.
pub(super) fn unmatched_names(after: &Policy, danger: DangerDecision) -> Vec<UnmatchedName> {
    if !after.enabled || danger == DangerDecision::Unchecked {
        return Vec::new();
    }
    unmatched_name::find(after)
}

pub(super) fn assess(
    store: Option<&FactorStore>,
    before: Option<&Policy>,
    after: &Policy,
    danger: DangerDecision,
    unmatched: &[UnmatchedName],
) -> Result<PolicyImpact, CommandFailure> {
    // The file is written now.
    let now = clock::now().ok();
    let time = PolicyTime {
        now,
        changed: now.unwrap_or_default(),
    };
    let listed = store.map(|store| UsersOfChange::list(store, before, after, (danger, time)));
    let UsersOfChange {
        before: known,
        after: people,
        mut warnings,
    } = match listed.transpose() {
        // Switching off changes the same for all users, and must work also while accounts cannot be looked up.
        Err(_) if danger == DangerDecision::Unchecked || !after.enabled => UsersOfChange::default(),
        other => other?.unwrap_or_default(),
    };
    let view = |policy, people| PolicyView { policy, people };
    let before_view = before.map(|policy| view(policy, &known));
    let mut impact = impact::assess(before_view, view(after, &people));
    impact.tell_days_left(now);
    if after.enabled {
        let already = before.is_some_and(|policy| policy.enabled);
        if !already && clock::synchronization() != ClockStatus::Synchronized {
            warnings.push(
                "the clock is not synchronized, and codes depend on it. Set up NTP \
                 (chrony or systemd-timesyncd)"
                    .to_owned(),
            );
        }
        impact.warnings.append(&mut warnings);
    }
    impact
        .warnings
        .extend(unmatched.iter().map(UnmatchedName::warning));
    if before.and_then(|before| before.notify.as_ref()) != after.notify.as_ref() {
        impact.warnings.extend(program_warnings(after));
    }
    Ok(impact)
}

/// The users as the policies before and after a change meet them.
#[derive(Default)]
struct UsersOfChange {
    before: Vec<AffectedUser>,
    after: Vec<AffectedUser>,
    /// One for each name or file that is unusable.
    warnings: Vec<String>,
}

impl UsersOfChange {
    fn list(
        store: &FactorStore,
        before: Option<&Policy>,
        after: &Policy,
        (danger, time): (DangerDecision, PolicyTime),
    ) -> Result<Self, CommandFailure> {
        // The policy under which users are asked decides who is exempt.
        let asking = match before {
            Some(before) if !after.enabled => before,
            _ => after,
        };
        if danger == DangerDecision::Unchecked {
            let people = affected_users::recorded(asking, store)?;
            return Ok(Self {
                before: people.clone(),
                after: people,
                warnings: Vec::new(),
            });
        }
        let listed = ListedUsers::read(store)?;
        let (after, warnings) = listed.under(asking, time);
        let before = match before {
            Some(before) if !meets_users_alike(before, asking) => listed.under(before, time).0,
            _ => after.clone(),
        };
        Ok(Self {
            before,
            after,
            warnings,
        })
    }
}

/// True if exemptions, requirements and locks are the same.
fn meets_users_alike(one: &Policy, other: &Policy) -> bool {
    one.exempt == other.exempt && one.require == other.require && one.throttle == other.throttle
}

/// Effects of a program that the policy names newly.
fn program_warnings(after: &Policy) -> Vec<String> {
    let Some(program) = &after.notify else {
        return Vec::new();
    };
    let runs = format!("{program} is run with root's rights after each change of a user's factor");
    let fault = doctor::notify_program::check(Some(after));
    let fault = fault.map(|finding| format!("{}. {}", finding.cause, finding.fix));
    [runs].into_iter().chain(fault).collect()
}

/// The services that the settings name, and those whose switch differs.
pub(super) fn switched_services(
    before: Option<&Policy>,
    after: &Policy,
    settings: &[PolicySetting],
) -> BTreeSet<String> {
    let old = before.map(|policy| &policy.services.named);
    let differs = |name: &str, on: bool| old.and_then(|old| old.get(name)) != Some(&on);
    let switched = after.services.named.iter();
    switched
        .filter(|(name, on)| differs(name, **on))
        .map(|(name, _)| name.clone())
        .chain(settings.iter().filter_map(PolicySetting::service))
        .collect()
}

/// Services among these that the policy switches on and libpam has no stack for: they are misspelt, or not installed.
pub(super) fn unknown_services(after: &Policy, services: &BTreeSet<String>) -> Vec<String> {
    let system = InstalledSystem::look();
    let names = system.names();
    let unknown = |service: &&String| {
        // A program that is called by one name only has one stack.
        let known = names.contains(*service)
            || policy::sibling(service).is_some_and(|sibling| names.contains(sibling));
        after.services.named.get(*service) == Some(&true) && !known
    };
    let danger = |service: &String| {
        let missing = system.service_files(service).next().unwrap_or_default();
        let near = spelling_suggestion::closest(service, names.iter().map(String::as_str));
        let hint = near.map_or_else(String::new, |near| format!(". Did you mean {near}?"));
        format!(
            "there is no PAM file of the service {service}: {}{hint}",
            missing.display()
        )
    };
    services.iter().filter(unknown).map(danger).collect()
}
