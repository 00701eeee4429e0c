//! The effect of a policy on logins, for those who change it or look at it: the part of doctor that matters there.

use std::collections::{BTreeMap, BTreeSet};

use twofactor_core::account::Account;
use twofactor_core::policy::Policy;
use twofactor_store::sys::clock;

use super::doctor_finding::{DoctorFinding, FindingLevel};
use super::fleet_switch;
use super::installed_system::InstalledSystem;
use super::login_forecast::{LoginPath, LoginReason, LoginResult};
use super::login_table::LoginTable;
use super::machine_checks;
use super::pam::read;
use super::pam_services::PamServices;
use super::planned_change::{ChangeFaults, PlannedChange};
use super::sshd::{SSHD, SshdDialogue, SshdUserSettings, UNREADABLE};
use super::stack_change_faults;
use super::user_findings;
use crate::command_context::CommandContext;
use crate::command_failure::CommandFailure;
use crate::roster::AccountLookup;

/// Effect on logins.
#[derive(Debug, Default)]
pub struct LoginEffect {
    /// The services whose PAM files name the module.
    pub used: Vec<String>,
    /// Things to think about.
    pub warnings: Vec<String>,
    /// Reasons that refuse users who were not refused before.
    pub dangers: Vec<String>,
    /// Steps that fix the dangers.
    pub cures: Vec<String>,
}

impl LoginEffect {
    fn add(&mut self, faults: ChangeFaults) {
        self.warnings
            .extend(faults.warnings.iter().map(DoctorFinding::text));
        for danger in faults.dangers {
            self.dangers.push(danger.cause);
            self.cures.push(danger.fix);
        }
    }
}

/// The effect of a change of the policy alone. `named` is true of services that the change names.
pub fn of_change(
    context: &CommandContext,
    before: Option<&Policy>,
    after: &Policy,
    named: &dyn Fn(&str) -> bool,
) -> LoginEffect {
    let system = InstalledSystem::look();
    let change = PlannedChange {
        system: &system,
        planned: &system,
        before,
        after,
    };
    of_plan(context, &change, named)
}

/// The effect of a change. `named` is true of services that it names.
pub fn of_plan(
    context: &CommandContext,
    change: &PlannedChange<'_>,
    named: &dyn Fn(&str) -> bool,
) -> LoginEffect {
    let PlannedChange {
        system,
        planned,
        before,
        after,
    } = *change;
    let pam_services = PamServices::of(planned);
    let mut effect = LoginEffect {
        used: pam_services.used(),
        ..LoginEffect::default()
    };
    if !after.enabled {
        return effect;
    }
    effect.add(fleet_switch::of_change(change, context.state_path()));
    match machine_checks::nowhere_used(Some(after), &effect.used) {
        Some(finding) => effect.warnings.push(finding.text()),
        None => effect.add(stack_change_faults::of_change(change, &pam_services, named)),
    }
    // What cannot be told of the machine as it is, keeps no danger from being told.
    let known = before
        .map(|policy| shut(context, system, &PamServices::of(system), policy))
        .and_then(Result::ok)
        .unwrap_or_default();
    match shut(context, planned, &pam_services, after) {
        Ok(shut) => {
            let dangers = shut.new_dangers(&known);
            if !dangers.is_empty() {
                effect.cures.extend(shut.cures);
            }
            effect.dangers.extend(dangers);
        }
        Err(failure) => {
            effect
                .dangers
                .push(format!("the users cannot be listed: {}", failure.what));
            effect.cures.extend(failure.next);
        }
    }
    effect
}

/// The effect of the policy as it is. sshd is asked for its settings for all users with a device.
pub fn of_policy(context: &CommandContext, policy: &Policy) -> LoginEffect {
    let system = InstalledSystem::look();
    let pam_services = PamServices::of(&system);
    let used = pam_services.used();
    let mut warnings: Vec<String> = machine_checks::nowhere_used(Some(policy), &used)
        .iter()
        .map(DoctorFinding::text)
        .collect();
    if policy.asks_at(SSHD) && used.iter().any(|name| name == SSHD) {
        warnings.extend(sshd_warnings(context, &system));
    }
    LoginEffect {
        used,
        warnings,
        ..LoginEffect::default()
    }
}

/// The settings that keep sshd from asking any user with a device; each once.
fn sshd_warnings(context: &CommandContext, system: &InstalledSystem) -> Vec<String> {
    let users = match users_with_record(context) {
        Ok(users) => users,
        Err(failure) => return vec![format!("the users cannot be listed: {}", failure.what)],
    };
    let answers = SshdUserSettings::ask(&system.sshd, &users);
    let mut warnings: Vec<String> = Vec::new();
    for settings in answers.settings() {
        let stacks = read(system, settings.service());
        let problems = settings.check(SshdDialogue::of(&stacks)).into_iter();
        let problems = problems.filter(|finding| finding.level == FindingLevel::Problem);
        for warning in problems.map(|finding| finding.text()) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    let error = answers.error();
    warnings.extend(error.map(|error| format!("sshd does not print its settings: {error}")));
    warnings
}

/// The users with a record who have an account. Names whose account cannot be told are asked about, too.
fn users_with_record(context: &CommandContext) -> Result<Vec<Account>, CommandFailure> {
    let Some(store) = context.store()? else {
        return Ok(Vec::new());
    };
    let names = store.users()?;
    let accounts = AccountLookup::for_names(names.len());
    let account = |name: String| match accounts.find(&name) {
        Ok(account) => account,
        Err(_) => Some(Account {
            name,
            uid: u32::MAX,
            gid: u32::MAX,
        }),
    };
    Ok(names.into_iter().filter_map(account).collect())
}

/// Logins that are shut out.
#[derive(Default)]
struct ShutLogins {
    /// Service and user: the password would be sent as the code.
    logins: BTreeSet<(String, String)>,
    /// The reason why sshd's settings are not known, where they matter.
    unknown: Vec<String>,
    cures: Vec<String>,
}

impl ShutLogins {
    /// The texts about those that were not shut out before.
    fn new_dangers(&self, known: &Self) -> Vec<String> {
        let mut by_service: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (service, user) in self.logins.difference(&known.logins) {
            by_service.entry(service).or_default().push(user.clone());
        }
        let shut = by_service.into_iter().map(|(service, users)| {
            let users = crate::impact::names(&users);
            format!(
                "{service} would refuse {users}: it cannot ask for a code, and would send the password as the code"
            )
        });
        let unknown = self
            .unknown
            .iter()
            .filter(|one| !known.unknown.contains(one));
        shut.chain(unknown.cloned()).collect()
    }
}

/// Users who cannot log in with a password at a service, since the password would be sent as the code; and the fix for
/// that.
fn shut(
    context: &CommandContext,
    system: &InstalledSystem,
    pam_services: &PamServices,
    policy: &Policy,
) -> Result<ShutLogins, CommandFailure> {
    let (store, now) = (context.store()?, clock::now()?);
    let (users, _) = user_findings::check(store.as_ref(), &policy.throttle, None, now);
    let policy_now = (Some(policy), context.policy_time());
    let table = LoginTable::of(system, pam_services, policy_now, &users);
    let asks = policy.asks_at(SSHD) && pam_services.used().iter().any(|service| service == SSHD);
    let groups = table.groups.into_iter();
    let shut = groups.filter(|group| is_shut(&group.ways));
    let logins = shut.flat_map(|group| {
        let users = group.users.unwrap_or_default();
        let of_service = |service: String| {
            let login = |user: &String| (service.clone(), user.clone());
            users.iter().map(login).collect::<Vec<_>>()
        };
        group
            .services
            .into_iter()
            .flat_map(of_service)
            .collect::<Vec<_>>()
    });
    let problems: Vec<DoctorFinding> = table
        .findings
        .into_iter()
        .filter(|finding| finding.level == FindingLevel::Problem)
        .collect();
    let unknown = problems
        .iter()
        .filter(|finding| asks && finding.check == UNREADABLE);
    Ok(ShutLogins {
        logins: logins.collect(),
        unknown: unknown.map(|finding| finding.cause.clone()).collect(),
        cures: problems.into_iter().map(|finding| finding.fix).collect(),
    })
}

fn is_shut(ways: &[LoginPath]) -> bool {
    let as_code = |why: Option<LoginReason>| why == Some(LoginReason::PasswordAsCode);
    let asks = ways.iter().any(|way| {
        way.result == LoginResult::In && way.asks.iter().any(|ask| ask.contains("code"))
    });
    !asks && ways.iter().any(|way| as_code(way.why))
}
