//! The effect of the removal of devices on their user and on all users, before it is made.

use twofactor_core::policy::decision::{self, PolicyDecision};
use twofactor_core::policy::{Policy, Requirement};
use twofactor_core::record::Record;
use twofactor_core::state::State;
use twofactor_store::Store;
use twofactor_store::attempt::KnownGroups;
use twofactor_store::sys::accounts;

use super::change::LockoutGuard;
use crate::context::Context;
use crate::error::Failure;
use crate::failure_kind::FailureKind;
use crate::impact::{self, AffectedUser, ExemptionScope, users};
use crate::roster::EnrollmentStatus;
use crate::shell;

/// The devices that stay.
pub struct RemainingDevices {
    names: Vec<String>,
    enrollment: EnrollmentStatus,
}

impl RemainingDevices {
    /// None of them.
    pub const NOTHING: Self = Self {
        names: Vec::new(),
        enrollment: EnrollmentStatus::NotEnrolled,
    };

    /// The devices of a record but one, with what the state knows of them.
    pub fn without(record: &Record, state: &State, gone: &str) -> Self {
        let rest = record.devices.iter();
        let rest: Vec<_> = rest.filter(|device| device.name.as_str() != gone).collect();
        Self {
            enrollment: EnrollmentStatus::of_devices(rest.iter().copied(), state),
            names: rest.iter().map(|device| device.name.to_string()).collect(),
        }
    }
}

/// Says what remains for the user, and refuses what would lock out all users, as `enable` does.
///
/// With [`LockoutGuard::Accept`] no other user's files are read: it must work while they cannot be used.
pub fn announce(
    context: &Context,
    store: &Store,
    user: &str,
    left: &RemainingDevices,
    danger: LockoutGuard,
) -> Result<(), Failure> {
    // Without a policy that can be used, all users are refused whatever is removed.
    let Ok(loaded) = context.policy.load() else {
        return Ok(());
    };
    let policy = loaded.policy;
    let people = match danger {
        LockoutGuard::Refuse if policy.enabled => {
            users::all(&policy, context.policy_time(), store)?.0
        }
        _ => Vec::new(),
    };
    let person = people.iter().find(|person| person.kept_as == user);
    let exemption = person.map_or(ExemptionScope::No, |person| person.exemption);
    let requirement = requirement(context, &policy, user);
    context
        .terminal
        .prose(&remains(&policy, user, left, (exemption, requirement)))?;
    let before = impact::lock_outs(&policy, &people);
    let mut new = impact::lock_outs(&policy, &changed(people, user, left, requirement));
    new.retain(|danger| !before.contains(danger));
    let reasons: Vec<&str> = new.iter().map(|danger| danger.when_removed()).collect();
    match (danger, reasons.as_slice()) {
        (LockoutGuard::Accept | LockoutGuard::Off, _) | (_, []) => Ok(()),
        (LockoutGuard::Refuse, reasons) => Err(Failure::refused(format!(
            "not done: {}",
            reasons.join("; ")
        ))
        .of_kind(FailureKind::WouldLockOut)
        .next(format!(
            "To replace a device: {}\n\
             To ask for no codes at all: twofactor disable\n\
             To remove it all the same: --force",
            shell::twofactor("renew", &[user], &[])
        ))),
    }
}

/// The requirement on the user once no device is left. One who cannot be looked up is taken for one that an entry names.
fn requirement(context: &Context, policy: &Policy, user: &str) -> Requirement {
    let account = accounts::by_name(user).ok().flatten();
    let time = context.policy_time();
    KnownGroups::default().requirement(policy, time, account.as_ref())
}

fn changed(
    mut people: Vec<AffectedUser>,
    user: &str,
    left: &RemainingDevices,
    requirement: Requirement,
) -> Vec<AffectedUser> {
    // All names of one record.
    for person in people.iter_mut().filter(|person| person.kept_as == user) {
        person.enrollment = left.enrollment;
        person.requirement = requirement;
    }
    people
}

fn remains(
    policy: &Policy,
    user: &str,
    left: &RemainingDevices,
    (exemption, requirement): (ExemptionScope, Requirement),
) -> String {
    match (left.names.as_slice(), policy.enabled, exemption) {
        ([], true, ExemptionScope::No) => format!(
            "{user} will have no device left. From then on {user} {}.\n",
            match decision::decide_without_device(policy, requirement) {
                PolicyDecision::DeviceRequired => {
                    "is refused wherever a code is asked for, until a device is enrolled"
                }
                // An invitation is used up by then.
                PolicyDecision::EnrollmentRequired if policy.enroll_needs_invite =>
                    "is refused wherever a code is asked for, until invited (twofactor invite) or enrolled",
                PolicyDecision::EnrollmentRequired =>
                    "has to enroll a device at the next login with a password",
                _ => "logs in without a code",
            }
        ),
        ([], true, ExemptionScope::Everywhere) => {
            format!(
                "{user} will have no device left. {user} is exempt and not asked in any case.\n"
            )
        }
        ([], false, _) => format!(
            "{user} will have no device left. Nothing changes at logins while two-factor login is switched off.\n"
        ),
        (names, ..) => format!(
            "{user} keeps: {}. The recovery codes stay, too.\n",
            names.join(", ")
        ),
    }
}
