//! `status`: what is switched on, and who has a device. Never a secret.

mod grace_periods;
mod overview;
mod requirements;

use std::process::ExitCode;

use twofactor_core::verify;
use twofactor_store::sys::clock;
use twofactor_store::{FactorSnapshot, LoadedPolicy};

use crate::args::StatusArgs;
use crate::context::Context;
use crate::device_info::DeviceInfo;
use crate::doctor::effect;
use crate::error::{ExitStatus, Failure, for_user};
use crate::formatting::utc;
use crate::impact;
use crate::roster::{Roster, RosterEntry};
use crate::shell;
use overview::{
    DaemonStatus, LockStatus, PolicyStatus, ServiceSwitches, StatusDetail, StatusReport, UserStatus,
};

/// Runs it. The exit code tells of an invalid policy or record, which the report names.
pub fn run(context: &Context, args: &StatusArgs) -> Result<ExitCode, Failure> {
    let (mut policy, loaded) = policy_status(context);
    let effect = effect::of_policy(context, &loaded.policy);
    policy.services = policy
        .services
        .map(|_| impact::services(&loaded.policy, &effect.used));
    let warnings = effect.warnings;
    let store = context.store()?;
    let roster = match (&args.user, &store) {
        (Some(user), Some(store)) => Roster::new(Some(store), [context.shown_name(store, user)?]),
        (Some(user), None) => Roster::new(None, [context.account(user)?.name]),
        (None, store) => Roster::recorded(store.as_ref())?,
    };
    let now = clock::now()?;
    let mut users = roster.look_up(|entry| user_status(entry, &loaded, now));
    requirements::add(&mut users, &loaded, now);
    let invalid = policy.error.is_some() || users.iter().any(|user| user.error.is_some());
    let clock = clock::synchronization().word();
    context.write(&StatusReport {
        policy,
        clock,
        warnings,
        users,
        detail: match args.user {
            Some(_) => StatusDetail::OneUser,
            None => StatusDetail::Table,
        },
    })?;
    Ok(if invalid {
        ExitCode::from(ExitStatus::Invalid as u8)
    } else {
        ExitCode::SUCCESS
    })
}

/// The policy as far as it can be read; defaults stand in for one that cannot.
fn policy_status(context: &Context) -> (PolicyStatus, LoadedPolicy) {
    let file = context.policy_path().display().to_string();
    match context.policy.load_if_present() {
        Ok(Some(loaded)) => {
            let policy = &loaded.policy;
            let missing = context.missing_store(policy).ok().flatten();
            let status = PolicyStatus {
                file,
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

fn user_status(entry: RosterEntry, loaded: &LoadedPolicy, now: u64) -> UserStatus {
    let user = match entry {
        RosterEntry::Listed(user) => user,
        RosterEntry::Vanished(name) => {
            let step = format!("To remove it: {}", shell::twofactor("unset", &[&name], &[]));
            return refused(name, Failure::refused("no such user any more").next(step));
        }
        RosterEntry::Unanswered(name, error) => return refused(name, error.into()),
    };
    let (name, uid) = (user.name, user.account.uid);
    match user.factor {
        Ok(None) => UserStatus {
            uid: Some(uid),
            account: Some(user.account),
            ..UserStatus::empty(name)
        },
        Ok(Some(found)) => UserStatus {
            account: Some(user.account),
            ..with_factor(name, uid, &found, loaded, now)
        },
        Err(error) => {
            let failure = for_user(error, &name);
            refused(name, failure)
        }
    }
}

fn refused(name: String, failure: Failure) -> UserStatus {
    UserStatus {
        error: Some(failure.to_string().replace('\n', ". ")),
        ..UserStatus::empty(name)
    }
}

fn with_factor(
    name: String,
    uid: u32,
    factor: &FactorSnapshot,
    loaded: &LoadedPolicy,
    now: u64,
) -> UserStatus {
    let FactorSnapshot { record, state, .. } = factor;
    UserStatus {
        uid: Some(uid),
        devices: record
            .devices
            .iter()
            .map(|device| DeviceInfo::new(device, Some(state)))
            .collect(),
        recovery_codes_left: verify::recovery_codes_left(record, state),
        bypass_until: record
            .bypass
            .as_ref()
            .filter(|bypass| state.bypass != Some(bypass.id) && now < bypass.expires)
            .map(|bypass| utc(bypass.expires)),
        invited_until: record
            .invite
            .as_ref()
            .filter(|invite| now < invite.expires)
            .map(|invite| utc(invite.expires)),
        failures: state.failures,
        lock: LockStatus::new(verify::gate(&loaded.policy.throttle, state, now)),
        daemon: DaemonStatus {
            failures: state.daemon.in_a_row,
            failures_in_30_days: state.daemon.total(now),
            lock: LockStatus::new(verify::daemon_gate(&loaded.policy.throttle, state, now)),
        },
        grace: grace_periods::running(state, loaded, now),
        ..UserStatus::empty(name)
    }
}
