//! The status of a user from account, record and state.

use twofactor_core::record::EnrollmentStatus;
use twofactor_core::verify;
use twofactor_store::{FactorSnapshot, LoadedPolicy};

use super::lock_status::{DaemonStatus, LockStatus};
use super::user_status::UserStatus;
use super::{change_status, grace_periods};
use crate::command_failure::{CommandFailure, for_user};
use crate::device_info::DeviceInfo;
use crate::failure_kind::FailureKind;
use crate::formatting::ReportedTime;
use crate::roster::{ListedUser, RosterEntry};
use crate::suggested_command;

impl UserStatus {
    /// The status of a name of the roster at the time `now`. What the policy says of it is added later.
    pub fn of(entry: RosterEntry, loaded: &LoadedPolicy, now: u64) -> Self {
        let user = match entry {
            RosterEntry::Listed(user) => *user,
            RosterEntry::Vanished(name) => {
                let step = format!(
                    "To remove it: {}",
                    suggested_command::twofactor("unset", &[&name], &[])
                );
                let gone = CommandFailure::refused("no such user any more")
                    .of_kind(FailureKind::UnknownUser)
                    .next(step);
                return refused(name, &gone);
            }
            RosterEntry::Unanswered(name, error) => return refused(name, &error.into()),
        };
        let ListedUser {
            name,
            account,
            full_name,
            factor,
            home: _,
        } = user;
        let status = match factor {
            Ok(None) => Self {
                enrolled: Some(false),
                enrollment: Some(EnrollmentStatus::NotEnrolled),
                uid: Some(account.uid),
                ..Self::empty(name)
            },
            Ok(Some(found)) => with_factor(name, account.uid, &found, loaded, now),
            Err(error) => {
                let failure = for_user(error, &name);
                refused(name, &failure)
            }
        };
        Self {
            full_name,
            account: Some(account),
            ..status
        }
    }
}

fn refused(name: String, failure: &CommandFailure) -> UserStatus {
    UserStatus {
        error: Some(failure.to_string().replace('\n', ". ")),
        kind: Some(failure.kind),
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
    let enrollment = EnrollmentStatus::of(record, state, now);
    let devices: Vec<DeviceInfo> = record
        .devices
        .iter()
        .map(|device| DeviceInfo::new(device, Some(state)))
        .collect();
    let used = record.devices.iter().filter_map(|device| {
        let entry = state.device(device.id)?;
        (entry.last_used > 0).then_some(entry.last_used)
    });
    let last_used_at = used.max();
    UserStatus {
        uid: Some(uid),
        last_used_at,
        last_used: last_used_at.map(ReportedTime),
        enrolled: Some(enrollment.has_device()),
        enrollment: Some(enrollment),
        devices,
        recovery_codes_left: verify::recovery_codes_left(record, state),
        bypass_until: record
            .bypass
            .as_ref()
            .filter(|bypass| state.bypass != Some(bypass.id) && bypass.is_running(now))
            .map(|bypass| ReportedTime(bypass.expires)),
        invited_until: record
            .invite
            .as_ref()
            .filter(|invite| invite.is_running(now))
            .map(|invite| ReportedTime(invite.expires)),
        failures: state.failures,
        lock: LockStatus::new(verify::gate(&loaded.policy.throttle, state, now)),
        daemon: DaemonStatus {
            failures: state.daemon.in_a_row,
            failures_in_30_days: Some(state.daemon.total(now)),
            lock: LockStatus::new(verify::daemon_gate(&loaded.policy.throttle, state, now)),
        },
        grace: grace_periods::running(state, loaded, now),
        changes: change_status::told(record, now),
        grace_sessions: grace_periods::sessions(state, loaded, now),
        ..UserStatus::empty(name)
    }
}
