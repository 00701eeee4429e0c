//! The effect of the removal of devices on their user and on all users, before it is made.

use twofactor_core::policy::{DeviceRequirement, ExemptionScope, LoginProspect, Policy};
use twofactor_core::record::{EnrollmentStatus, UserRecord};
use twofactor_core::state::UserState;
use twofactor_store::FactorStore;
use twofactor_store::account_rules::KnownGroups;
use twofactor_store::sys::accounts;

use super::policy_change::DangerDecision;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::failure_kind::FailureKind;
use crate::impact::affected_users::ListedUsers;
use crate::impact::{AffectedUser, PolicyView, RiskViews};
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
            RiskViews::of(PolicyView {
                policy: &policy,
                people,
            })
        };
        let before = risks(&people);
        let after = risks(&changed(people, user, left, requirement));
        let new = after.new_since(&before).into_iter();
        let dangers = new.map(|danger| danger.when_removed());
        let prospect = LoginProspect::of_user(&policy, exemption, left.enrollment, requirement);
        Ok(Self {
            text: remains(&policy, user, left, prospect),
            next_login: Some(next_login(prospect)),
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
const fn next_login(prospect: LoginProspect) -> &'static str {
    match prospect {
        LoginProspect::CodeAsked => "code",
        // An invitation is used up by then.
        LoginProspect::Refused | LoginProspect::RefusedUninvited => "refused",
        LoginProspect::MustEnroll => "enroll",
        LoginProspect::NotAsked
        | LoginProspect::LetIn
        | LoginProspect::MayEnroll
        | LoginProspect::LetInUninvited => "no-code",
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
        person.is_damaged = false;
    }
    people
}

fn remains(
    policy: &Policy,
    user: &str,
    left: &RemainingDevices,
    prospect: LoginProspect,
) -> String {
    if !left.names.is_empty() {
        let names = left.names.join(", ");
        return format!("{user} keeps: {names}. The recovery codes stay, too.\n");
    }
    let consequence = match prospect {
        _ if !policy.enabled => {
            "Nothing changes at logins while two-factor login is switched off.".to_owned()
        }
        LoginProspect::NotAsked => format!("{user} is exempt and not asked in any case."),
        LoginProspect::Refused => format!(
            "From then on {user} is refused wherever a code is asked for, until a device is enrolled."
        ),
        LoginProspect::RefusedUninvited => format!(
            "From then on {user} is refused wherever a code is asked for, until invited (twofactor invite) or enrolled."
        ),
        LoginProspect::MustEnroll => {
            format!("From then on {user} has to enroll a device at the next login with a password.")
        }
        LoginProspect::CodeAsked
        | LoginProspect::LetIn
        | LoginProspect::MayEnroll
        | LoginProspect::LetInUninvited => format!("From then on {user} logs in without a code."),
    };
    format!("{user} will have no device left. {consequence}\n")
}
