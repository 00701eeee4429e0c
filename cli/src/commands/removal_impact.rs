//! The effect of the removal of devices on their user and on all users, before it is made.

use twofactor_core::policy::decision::{self, PolicyDecision};
use twofactor_core::policy::{DeviceRequirement, Policy};
use twofactor_core::record::{EnrollmentStatus, UserRecord};
use twofactor_core::state::UserState;
use twofactor_store::FactorStore;
use twofactor_store::account_rules::KnownGroups;
use twofactor_store::sys::accounts;

use super::policy_change::DangerDecision;
use crate::command_failure::CommandFailure;
use crate::context::CommandContext;
use crate::failure_kind::FailureKind;
use crate::impact::affected_users::ListedUsers;
use crate::impact::{self, AffectedUser, ExemptionScope, PolicyView};
use crate::suggested_command;

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
    pub fn without(record: &UserRecord, state: &UserState, gone: &str) -> Self {
        let rest = record.devices.iter();
        let rest: Vec<_> = rest.filter(|device| device.name.as_str() != gone).collect();
        Self {
            enrollment: EnrollmentStatus::of_devices(rest.iter().copied(), state),
            names: rest.iter().map(|device| device.name.to_string()).collect(),
        }
    }
}

/// Effect of a removal.
pub struct RemovalEffect {
    /// The factor that remains for the user, in a sentence.
    text: String,
    /// The user's next login: `code`, `no-code`, `enroll` or `refused`; `None` where no policy says it.
    pub next_login: Option<&'static str>,
    /// Reasons for which it would lock users out.
    pub dangers: Vec<String>,
}

impl RemovalEffect {
    /// Nothing is known of it, and nothing speaks against it.
    pub const UNKNOWN: Self = Self {
        text: String::new(),
        next_login: None,
        dangers: Vec::new(),
    };

    /// The effect on the user and on all users.
    ///
    /// With [`DangerDecision::Accept`] no other user's files are read: it must work while they cannot be used.
    ///
    /// # Errors
    /// When the files of the users cannot be looked at.
    pub fn of(
        context: &CommandContext,
        store: &FactorStore,
        user: &str,
        left: &RemainingDevices,
        danger: DangerDecision,
    ) -> Result<Self, CommandFailure> {
        // Without a policy that can be used, all users are refused whatever is removed.
        let Ok(loaded) = context.policy.load() else {
            return Ok(Self::UNKNOWN);
        };
        let policy = loaded.policy;
        let people = match danger {
            DangerDecision::Refuse if policy.enabled => {
                let listed = ListedUsers::read(store)?;
                listed.under(&policy, context.policy_time()).0
            }
            _ => Vec::new(),
        };
        let person = people.iter().find(|person| person.kept_as == user);
        let exemption = person.map_or_else(|| exemption(&policy, user), |person| person.exemption);
        let requirement = requirement(context, &policy, user);
        let risks = |people: &[AffectedUser]| {
            impact::shut_outs(PolicyView {
                policy: &policy,
                people,
            })
        };
        let before = risks(&people);
        let after = risks(&changed(people, user, left, requirement));
        let new = impact::new_risks(&before, &after).into_iter();
        let dangers = new.map(|danger| danger.when_removed().to_owned());
        Ok(Self {
            text: remains(&policy, user, left, (exemption, requirement)),
            next_login: Some(next_login(&policy, left, (exemption, requirement))),
            dangers: dangers.collect(),
        })
    }

    /// The sentence about the user, and a line for each danger.
    pub fn preview(&self) -> String {
        let dangers = self.dangers.iter();
        let lines: String = dangers.map(|it| format!("Danger: {it}\n")).collect();
        format!("{}{lines}", self.text)
    }

    /// Says what remains for the user, and refuses what would lock out all users, as `enable` does.
    ///
    /// # Errors
    /// That refusal.
    pub fn announce(
        &self,
        context: &CommandContext,
        user: &str,
        danger: DangerDecision,
    ) -> Result<(), CommandFailure> {
        context.terminal.prose(&self.text)?;
        match (danger, self.dangers.as_slice()) {
            (DangerDecision::Accept | DangerDecision::Unchecked, _) | (_, []) => Ok(()),
            (DangerDecision::Refuse, reasons) => Err(CommandFailure::refused(format!(
                "not done: {}",
                reasons.join("; ")
            ))
            .of_kind(FailureKind::WouldLockOut)
            .next(format!(
                "To replace a device: {}\n\
                             To ask for no codes at all: twofactor disable\n\
                             To remove it all the same: --force",
                suggested_command::twofactor("renew", &[user], &[])
            ))),
        }
    }
}

/// The word for the user's next login.
fn next_login(
    policy: &Policy,
    left: &RemainingDevices,
    (exemption, requirement): (ExemptionScope, DeviceRequirement),
) -> &'static str {
    if !policy.enabled || exemption == ExemptionScope::Everywhere {
        return "no-code";
    }
    if !left.names.is_empty() {
        return "code";
    }
    match decision::decide_without_device(policy, requirement) {
        PolicyDecision::DeviceRequired => "refused",
        PolicyDecision::EnrollmentRequired if policy.enroll_needs_invite => "refused",
        PolicyDecision::EnrollmentRequired => "enroll",
        _ => "no-code",
    }
}

/// The exemption of one user, without a look at others. One who cannot be looked up has none.
fn exemption(policy: &Policy, user: &str) -> ExemptionScope {
    let Ok(Some(account)) = accounts::by_name(user) else {
        return ExemptionScope::No;
    };
    let mut groups = KnownGroups::default();
    let mut own = groups.of(Some(&account));
    ExemptionScope::of(policy, &account, &mut |group| own.include(group)).0
}

/// The requirement on the user once no device is left. One who cannot be looked up is taken for one that an entry names.
fn requirement(context: &CommandContext, policy: &Policy, user: &str) -> DeviceRequirement {
    let account = accounts::by_name(user).ok().flatten();
    let time = context.policy_time();
    KnownGroups::default().requirement(policy, time, account.as_ref())
}

fn changed(
    mut people: Vec<AffectedUser>,
    user: &str,
    left: &RemainingDevices,
    requirement: DeviceRequirement,
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
    (exemption, requirement): (ExemptionScope, DeviceRequirement),
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
