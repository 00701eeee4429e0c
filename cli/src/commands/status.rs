//! `status`: what is switched on, and who has a device. Never a secret.

mod change_status;
mod enrollment_totals;
mod grace_periods;
mod lock_status;
mod login_facts;
mod prometheus;
mod status_lookup;
mod status_report;
mod user_selection;
mod user_status;
mod user_table;

use std::collections::BTreeSet;
use std::process::ExitCode;

use twofactor_store::sys::clock;
use twofactor_store::{FactorStore, LoadedPolicy};

use super::policy_change::policy_hash;
use crate::args::StatusArgs;
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus};
use crate::doctor::login_effect;
use crate::impact;
use crate::output::OutputFormat;
use crate::roster::{RosterNames, UserRoster};
pub use change_status::{ChangeStatus, lines as told_lines, told_by_daemon};
use enrollment_totals::EnrollmentTotals;
pub use lock_status::{DaemonStatus, LockStatus};
use prometheus::LoginFigures;
use status_report::{PolicyStatus, ServiceSwitches, StatusReport};
use user_selection::UserSelection;
use user_status::UserStatus;

/// Runs it. The exit code tells of an invalid policy or record, or of a user database that does not answer; the report names
/// each.
pub fn run(context: &CommandContext, args: &StatusArgs) -> Result<ExitCode, CommandFailure> {
    let (mut policy, loaded) = policy_status(context);
    let effect = login_effect::of_policy(context, &loaded.policy);
    policy.services = policy
        .services
        .map(|_| impact::services(&loaded.policy, &effect.used));
    let warnings = effect.warnings;
    let selection = UserSelection::of(args);
    if args.prometheus && context.format == OutputFormat::Json {
        return Err(CommandFailure::usage(
            "--prometheus has a format of its own; without it --json has the same figures as totals",
        ));
    }
    let users = listed(context, args.user.as_deref(), &loaded, &effect.used);
    if args.prometheus {
        let figures = LoginFigures {
            policy: &policy,
            clock: clock::synchronization(),
            warnings: warnings.len(),
            users: users.as_deref().ok(),
            services: &effect.used,
            loaded: &loaded.policy,
        };
        context.write(&figures.report())?;
        // What cannot be used or read is one of the figures: a file of figures that is not replaced would hide it.
        return Ok(ExitCode::SUCCESS);
    }
    let users = users?;
    let totals = (selection != UserSelection::One).then(|| EnrollmentTotals::of(&users));
    let mut users = users;
    users.retain(|user| selection.includes(user));
    let invalid = users
        .iter()
        .any(|user| user.error.is_some() && !user.is_unanswered());
    let invalid = invalid || policy.error.is_some();
    let unanswered = users.iter().any(UserStatus::is_unanswered);
    context.write(&StatusReport {
        policy,
        clock: clock::synchronization().word(),
        warnings,
        totals,
        users,
        selection,
        width: context.terminal.width(),
    })?;
    Ok(if invalid {
        ExitCode::from(ExitStatus::Invalid as u8)
    } else if unanswered {
        ExitCode::from(ExitStatus::System as u8)
    } else {
        ExitCode::SUCCESS
    })
}

/// All users who can be listed, or the one of that name. `used` are the services whose PAM files name the module.
fn listed(
    context: &CommandContext,
    user: Option<&str>,
    loaded: &LoadedPolicy,
    used: &[String],
) -> Result<Vec<UserStatus>, CommandFailure> {
    let store = context.store()?;
    let (recorded, names) = match user {
        Some(user) => {
            let recorded = store.as_ref().map(FactorStore::users).transpose()?;
            let name = match &store {
                Some(store) => context.shown_name(store, user)?,
                None => context.account(user)?.name,
            };
            let recorded = recorded.unwrap_or_default();
            (recorded.into_iter().collect(), BTreeSet::from([name]))
        }
        None => {
            let names = RosterNames::read(store.as_ref())?;
            let all = names.all();
            (names.recorded, all)
        }
    };
    let roster = UserRoster::new(store.as_ref(), names);
    let now = clock::now()?;
    let mut users = roster.look_up(|entry| UserStatus::of(entry, loaded, now));
    for user in &mut users {
        user.is_recorded = recorded.contains(&user.name);
    }
    let mut users = once_each(users);
    login_facts::add(&mut users, loaded, used, now);
    Ok(users)
}

/// Drops the second entry of a renamed user, who is listed under the old name, that of the record, and under the new one.
fn once_each(users: Vec<UserStatus>) -> Vec<UserStatus> {
    let new_name = |user: &UserStatus| {
        let account = user.account.as_ref()?;
        (account.name != user.name).then(|| account.name.clone())
    };
    let renamed: BTreeSet<String> = users.iter().filter_map(new_name).collect();
    let mut users = users;
    users.retain(|user| user.is_recorded || !renamed.contains(&user.name));
    users
}

/// The policy as far as it can be read; defaults stand in for one that cannot.
fn policy_status(context: &CommandContext) -> (PolicyStatus, LoadedPolicy) {
    let file = context.policy_path().display().to_string();
    match context.policy.load_if_present() {
        Ok(Some(loaded)) => {
            let policy = &loaded.policy;
            let missing = context.missing_store(policy).ok().flatten();
            let status = PolicyStatus {
                file,
                hash: policy_hash::current_hash(context),
                present: true,
                error: missing.map(|failure| failure.to_string().replace('\n', ". ")),
                enabled: Some(policy.enabled),
                enforcement: Some(policy.enforcement.to_string()),
                services: Some(impact::services(policy, &[])),
                services_on: Some(ServiceSwitches::new(policy)),
            };
            (status, loaded)
        }
        unusable => {
            let error = unusable.err();
            let status = PolicyStatus {
                file,
                hash: policy_hash::current_hash(context),
                present: error.is_some(),
                error: error.map(|error| error.to_string()),
                enabled: None,
                enforcement: None,
                services: None,
                services_on: None,
            };
            (status, LoadedPolicy::default())
        }
    }
}
