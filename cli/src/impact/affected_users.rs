//! The users that a change of the policy affects, with what the policy says of each.

use twofactor_core::account::Account;
use twofactor_core::policy::{DeviceRequirement, ExemptionScope, Policy, PolicyTime};
use twofactor_core::record::EnrollmentStatus;
use twofactor_core::state::UserState;
use twofactor_core::verify::{self, ThrottleStatus};
use twofactor_store::FactorStore;
use twofactor_store::account_rules::{KnownGroups, UnansweredName};
use twofactor_store::sys::accounts::LookupFailed;
use twofactor_store::sys::clock;

use super::AffectedUser;
use crate::command_failure::CommandFailure;
use crate::roster::{
    self, AccountRole, AdministratorGroups, ListedUser, PasswordLocks, RosterEntry, RosterNames,
    UserRoster,
};
use crate::suggested_command;

/// The users who can be listed, before a policy judges them.
pub struct ListedUsers {
    pub(super) users: Vec<KnownUser>,
    /// One for each name or file that is unusable.
    pub(super) warnings: Vec<String>,
}

/// A user whose files can be used.
pub(super) struct KnownUser {
    pub(super) account: Account,
    pub(super) kept_as: String,
    pub(super) role: AccountRole,
    pub(super) enrollment: EnrollmentStatus,
    /// `None` where there is no record.
    pub(super) state: Option<UserState>,
    /// Record or state that cannot be used.
    pub(super) is_damaged: bool,
    /// As of [`AffectedUser`].
    pub(super) can_log_in: bool,
}

impl ListedUsers {
    /// Reads the files of all of them.
    ///
    /// # Errors
    /// A listing that cannot be read, and a user database that does not answer.
    pub fn read(store: &FactorStore) -> Result<Self, CommandFailure> {
        let names = RosterNames::read(Some(store))?;
        let roster = UserRoster::new(Some(store), names.all());
        let now = clock::now()?;
        let administrators = AdministratorGroups::look_up();
        let locks = PasswordLocks::read();
        let found = roster.look_up(|entry| match entry {
            RosterEntry::Listed(user) => {
                let (user, warning) = status(*user, &administrators, &locks, now);
                Ok((Some(user), warning))
            }
            RosterEntry::Vanished(name) => Ok((None, Some(vanished(&name)))),
            RosterEntry::Unanswered(_, error) => Err(error),
        });
        let found = found
            .into_iter()
            .collect::<Result<Vec<_>, LookupFailed>>()?;
        let found = roster::once_each(found, |(user, _)| user.as_ref().map(|user| &user.account));
        let (mut users, mut warnings) = (Vec::new(), Vec::new());
        for (user, warning) in found {
            users.extend(user);
            warnings.extend(warning);
        }
        // A renamed user is listed under both names.
        warnings.dedup();
        Ok(Self { users, warnings })
    }

    /// The users as a policy meets them at this time, and a warning for each name or file that is unusable.
    pub fn under(&self, policy: &Policy, time: PolicyTime) -> (Vec<AffectedUser>, Vec<String>) {
        let mut groups = KnownGroups::for_many();
        let judge = |user: &KnownUser| {
            let mut own = groups.of(Some(&user.account));
            let (exemption, exempt_at) =
                ExemptionScope::of(policy, &user.account, &mut |group| own.include(group));
            // A user with a device, or one who is not asked, does not depend on it.
            let depends = !user.enrollment.has_device()
                && !user.is_damaged
                && exemption == ExemptionScope::No;
            let requirement = if policy.enabled && depends {
                groups.requirement(policy, time, Some(&user.account))
            } else {
                DeviceRequirement::None
            };
            AffectedUser {
                name: user.account.name.clone(),
                kept_as: user.kept_as.clone(),
                enrollment: user.enrollment,
                role: user.role,
                exemption,
                exempt_at,
                requirement,
                is_locked: user.is_locked(policy, time),
                is_damaged: user.is_damaged,
                can_log_in: user.can_log_in,
            }
        };
        let people = self.users.iter().map(judge).collect();
        let unanswered = groups.unanswered().iter().map(unanswered);
        let warnings = self.warnings.iter().cloned().chain(unanswered);
        (people, warnings.collect())
    }
}

impl KnownUser {
    /// True if the policy locks the user at logins until `unlock`.
    fn is_locked(&self, policy: &Policy, time: PolicyTime) -> bool {
        let now = time.now.unwrap_or_default();
        self.state.as_ref().is_some_and(|state| {
            verify::gate(&policy.throttle, state, now) == ThrottleStatus::LockedUntilUnlock
        })
    }
}

/// The user with the status at `now` (seconds since 1970-01-01 UTC); a warning if the files are unusable.
fn status(
    user: ListedUser,
    administrators: &AdministratorGroups,
    locks: &PasswordLocks,
    now: u64,
) -> (KnownUser, Option<String>) {
    let account = user.account;
    let role = administrators.role(&account);
    let known = KnownUser {
        can_log_in: role == AccountRole::User || locks.can_log_in(&account.name, &user.home),
        kept_as: account.name.clone(),
        account,
        role,
        enrollment: EnrollmentStatus::NotEnrolled,
        state: None,
        is_damaged: false,
    };
    match user.factor {
        Ok(None) => (known, None),
        Ok(Some(found)) => {
            let known = KnownUser {
                enrollment: EnrollmentStatus::of(&found.record, &found.state, now),
                kept_as: found.account.name,
                state: Some(found.state),
                ..known
            };
            (known, None)
        }
        Err(error) => {
            let warning = format!("{} will be refused: {error}", known.account.name);
            let known = KnownUser {
                is_damaged: true,
                ..known
            };
            (known, Some(warning))
        }
    }
}

fn unanswered(name: &UnansweredName) -> String {
    format!(
        "[[require]] names the {} {}, which cannot be looked up ({}): all users without a device count as named by it",
        name.kind, name.name, name.error
    )
}

fn vanished(name: &str) -> String {
    format!(
        "there is a record of {name}, but no such user: {}",
        suggested_command::twofactor("unset", &[name], &[])
    )
}

/// All users with a record, by the names of the files alone. No file is read, no lock is taken, and no account or group is looked
/// up, which may be slow or fail. An invited user counts as enrolled, and no user as a member of a group.
///
/// # Errors
/// A directory that cannot be read.
pub fn recorded(policy: &Policy, store: &FactorStore) -> Result<Vec<AffectedUser>, CommandFailure> {
    let of_file = |name: String| {
        // The name alone: no condition looks at the numbers.
        let account = Account {
            name,
            uid: u32::MAX,
            gid: u32::MAX,
        };
        let (exemption, exempt_at) = ExemptionScope::of(policy, &account, &mut |_| false);
        AffectedUser {
            enrollment: EnrollmentStatus::Unverified,
            role: AccountRole::User,
            exemption,
            exempt_at,
            requirement: DeviceRequirement::None,
            is_locked: false,
            is_damaged: false,
            can_log_in: true,
            kept_as: account.name.clone(),
            name: account.name,
        }
    };
    Ok(store.users()?.into_iter().map(of_file).collect())
}
