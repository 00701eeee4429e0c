//! The effect of a policy on logins, for those who change it or look at it: the part of doctor that matters there.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use twofactor_core::policy::Policy;
use twofactor_store::sys::{accounts, clock};

use super::finding::{DoctorFinding, FindingLevel};
use super::installed_system::InstalledSystem;
use super::logins::{LoginForecast, LoginReason, LoginResult};
use super::machine;
use super::pam_services::PamServices;
use super::table::LoginTable;
use super::user_findings;
use crate::context::Context;

/// sshd's service.
const SSHD: &str = "sshd";

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

/// The effect of a change of the policy. `named` is true of services that the change names.
pub fn of_change(
    context: &Context,
    before: Option<&Policy>,
    after: &Policy,
    named: &dyn Fn(&str) -> bool,
) -> LoginEffect {
    let world = InstalledSystem::look();
    let survey = PamServices::of(&world);
    let mut effect = LoginEffect {
        used: survey.used(),
        ..LoginEffect::default()
    };
    if !after.enabled {
        return effect;
    }
    let nowhere = machine::nowhere_used(Some(after), &effect.used);
    let missing: Vec<DoctorFinding> = match nowhere {
        Some(finding) => vec![finding],
        None => survey
            .check(context, &world, Some(after))
            .into_iter()
            .filter(|finding| finding.check == "module-not-in-stack" && named(&finding.subject))
            .filter(|finding| finding.level == FindingLevel::Problem)
            .collect(),
    };
    effect.warnings.extend(missing.iter().map(text));
    let known = before.map(|policy| shut(context, &world, &survey, policy));
    let known: BTreeSet<(String, String)> = known.unwrap_or_default().0.into_iter().collect();
    let (shut, cures) = shut(context, &world, &survey, after);
    let mut by_service: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (service, user) in shut.into_iter().filter(|one| !known.contains(one)) {
        by_service.entry(service).or_default().push(user);
    }
    for (service, users) in by_service {
        let users = crate::impact::names(&users);
        effect.dangers.push(format!(
            "{service} would refuse {users}: it cannot ask for a code, and would send the password as the code"
        ));
    }
    if !effect.dangers.is_empty() {
        effect.cures = cures;
    }
    effect
}

/// The effect of the policy as it is. sshd is asked for its settings for one user with a device.
pub fn of_policy(context: &Context, policy: &Policy) -> LoginEffect {
    let world = InstalledSystem::look();
    let survey = PamServices::of(&world);
    let used = survey.used();
    let mut warnings: Vec<String> = machine::nowhere_used(Some(policy), &used)
        .iter()
        .map(text)
        .collect();
    let asks = policy.enabled && policy.service_on(SSHD) && used.iter().any(|name| name == SSHD);
    if let Some(user) = asks.then(|| some_user(context)).flatten() {
        let preview = super::preview::MachinePreview::of(world);
        match preview.sshd_problems(&BTreeMap::new(), &user) {
            Ok(problems) => warnings.extend(problems.iter().map(text)),
            Err(error) => warnings.push(format!("sshd does not tell its settings: {error}")),
        }
    }
    LoginEffect {
        used,
        warnings,
        ..LoginEffect::default()
    }
}

/// A user with a device. What keeps them from being listed is told elsewhere.
fn some_user(context: &Context) -> Option<String> {
    let names = context.store().ok()??.users().ok()?;
    names
        .into_iter()
        .find(|name| matches!(accounts::by_name(name), Ok(Some(_))))
}

/// Users who cannot log in with a password at a service, since the password would be sent as the code; and the fix for
/// that.
fn shut(
    context: &Context,
    world: &InstalledSystem,
    survey: &PamServices,
    policy: &Policy,
) -> (Vec<(String, String)>, Vec<String>) {
    let (Ok(store), Ok(now)) = (context.store(), clock::now()) else {
        // Doctor and the change itself tell what is wrong with them.
        return (Vec::new(), Vec::new());
    };
    let (users, _) = user_findings::check(store.as_ref(), &policy.throttle, None, now);
    let table = LoginTable::of(world, survey, Some(policy), &users);
    let logins = table.logins.into_iter().filter(is_shut);
    let cures = table.findings.into_iter();
    (
        logins.map(|login| (login.service, login.user)).collect(),
        cures
            .filter(|finding| finding.level == FindingLevel::Problem)
            .map(|finding| finding.fix)
            .collect(),
    )
}

fn is_shut(login: &LoginForecast) -> bool {
    let as_code = |why: Option<LoginReason>| why == Some(LoginReason::PasswordAsCode);
    let asks = login.ways.iter().any(|way| {
        way.result == LoginResult::In && way.asks.iter().any(|ask| ask.contains("code"))
    });
    !asks && login.ways.iter().any(|way| as_code(way.why))
}

fn text(finding: &DoctorFinding) -> String {
    format!("{}. Cure: {}", finding.cause, finding.fix)
}
