//! The users that a change of the policy affects, with what the policy says of each.

use twofactor_core::account::Account;
use twofactor_core::policy::{DeviceRequirement, Policy, PolicyTime};
use twofactor_store::FactorStore;
use twofactor_store::attempt::{KnownGroups, UnansweredName};
use twofactor_store::sys::accounts::LookupFailed;
use twofactor_store::sys::clock;

use super::{AffectedUser, ExemptionRules, ExemptionScope};
use crate::error::CommandFailure;
use crate::roster::{
    self, AccountRole, AdministratorGroups, EnrollmentStatus, ListedUser, RosterEntry, UserRoster,
};
use crate::suggested_command;

/// All users who can be listed, and a warning for each name or file that is unusable.
///
/// # Errors
/// A listing that cannot be read, and a user database that does not answer.
pub fn all(
    policy: &Policy,
    time: PolicyTime,
    store: &FactorStore,
) -> Result<(Vec<AffectedUser>, Vec<String>), CommandFailure> {
    let mut roster = UserRoster::recorded(Some(store))?;
    roster.add(roster::local_accounts()?.into_iter().map(|(name, _)| name));
    let now = clock::now()?;
    let found = roster.look_up(|entry| match entry {
        RosterEntry::Listed(user) => Ok(status(*user, now)),
        RosterEntry::Vanished(name) => Ok(Err(vanished(&name))),
        RosterEntry::Unanswered(_, error) => Err(error),
    });
    let found = found
        .into_iter()
        .collect::<Result<Vec<_>, LookupFailed>>()?;
    let found = roster::once_each(found, |user| user.as_ref().ok().map(|user| &user.account));
    let administrators = AdministratorGroups::look_up();
    let mut groups = KnownGroups::for_many();
    let rules = ExemptionRules::of(policy);
    let (mut users, mut warnings) = (Vec::new(), Vec::new());
    for user in found {
        let user = match user {
            Ok(user) => user,
            Err(warning) => {
                warnings.push(warning);
                continue;
            }
        };
        let name = user.account.name.clone();
        let mut own = groups.of(Some(&user.account));
        let (exemption, exempt_at) = rules.scope(&user.account, &mut |group| own.include(group));
        // A user with a device, or one who is not asked, does not depend on it.
        let depends = !user.enrollment.has_device() && exemption == ExemptionScope::No;
        let requirement = if policy.enabled && depends {
            groups.requirement(policy, time, Some(&user.account))
        } else {
            DeviceRequirement::None
        };
        users.push(AffectedUser {
            name,
            kept_as: user.kept_as,
            enrollment: user.enrollment,
            role: administrators.role(&user.account),
            exemption,
            exempt_at,
            requirement,
        });
    }
    // A renamed user is listed under both names.
    warnings.dedup();
    warnings.extend(groups.unanswered().iter().map(unanswered));
    Ok((users, warnings))
}

/// A user whose files can be used.
struct KnownUser {
    account: Account,
    kept_as: String,
    enrollment: EnrollmentStatus,
}

/// The user with the status; a warning where the files are unusable.
fn status(user: ListedUser, now: u64) -> Result<KnownUser, String> {
    let account = user.account;
    match user.factor {
        Ok(None) => Ok(KnownUser {
            kept_as: account.name.clone(),
            account,
            enrollment: EnrollmentStatus::NotEnrolled,
        }),
        Ok(Some(found)) => Ok(KnownUser {
            account,
            enrollment: EnrollmentStatus::of(&found.record, &found.state, now),
            kept_as: found.account.name,
        }),
        Err(error) => Err(format!("{} will be refused: {error}", account.name)),
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

/// All users with a record, by the names of the files alone: none of them is read, no lock is taken, and no account or group
/// is looked up, which may take its time or fail. An invited user counts as enrolled, and no user as a member of a group.
///
/// # Errors
/// A directory that cannot be read.
pub fn recorded(policy: &Policy, store: &FactorStore) -> Result<Vec<AffectedUser>, CommandFailure> {
    let rules = ExemptionRules::of(policy);
    let of_file = |name: String| {
        // The name alone: no condition looks at the numbers.
        let account = Account {
            name,
            uid: u32::MAX,
            gid: u32::MAX,
        };
        let (exemption, exempt_at) = rules.scope(&account, &mut |_| false);
        AffectedUser {
            enrollment: EnrollmentStatus::Unverified,
            role: AccountRole::User,
            exemption,
            exempt_at,
            requirement: DeviceRequirement::None,
            kept_as: account.name.clone(),
            name: account.name,
        }
    };
    Ok(store.users()?.into_iter().map(of_file).collect())
}
