//! The effect of a change of the policy on people, before it is made.

use serde::Serialize;
use twofactor_core::otp::Algorithm;
use twofactor_core::policy::{
    DeviceRequirement, EnrollAtLogin, ExemptionScope, LoginProspect, Policy,
};
use twofactor_core::record::EnrollmentStatus;

use crate::roster::AccountRole;

pub mod affected_users;
mod device_deadlines;
mod risk_views;
mod shut_out_risk;

pub use device_deadlines::{DeviceDeadline, deadline};
pub use risk_views::{NewRisk, RiskViews};
pub use shut_out_risk::{ShutOutRisk, newly_asking};

use risk_views::EndedExemptions;

#[cfg(test)]
mod tests;

/// Names listed before "and N more".
const LISTED: usize = 12;
/// Widest window that needs no warning.
const USUAL_WINDOW: u8 = 3;

/// A user who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffectedUser {
    /// Login name.
    pub name: String,
    /// The name under which the record is kept: another one where the user was renamed, or the name is an alias.
    pub kept_as: String,
    /// Progress of the enrollment.
    pub enrollment: EnrollmentStatus,
    /// Role of the person: whether the person could repair things.
    pub role: AccountRole,
    /// Exemption of this person everywhere by the changed policy.
    pub exemption: ExemptionScope,
    /// Services at which it exempts this person, from wherever the login comes.
    pub exempt_at: Vec<String>,
    /// Requirement of `[[require]]` on this person; none on one who has a device or is exempt everywhere.
    pub requirement: DeviceRequirement,
    /// Locked at logins until `unlock`, by the limit of the changed policy.
    pub is_locked: bool,
    /// Record or state that cannot be used: refused wherever a code is asked for.
    pub is_damaged: bool,
    /// False if neither a password nor a key lets this person in, whatever the policy says. Only of administrators it is looked up.
    pub can_log_in: bool,
}

/// A policy, and the users as it meets them: exemptions, requirements and locks are those that it makes.
#[derive(Clone, Copy)]
pub struct PolicyView<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The users.
    pub people: &'a [AffectedUser],
}

impl AffectedUser {
    /// End of this person's next login by a policy, at a service that is on.
    fn prospect(&self, policy: &Policy) -> LoginProspect {
        let whole =
            LoginProspect::of_user(policy, self.exemption, self.enrollment, self.requirement);
        match whole {
            LoginProspect::NotAsked => LoginProspect::NotAsked,
            _ if self.is_damaged => LoginProspect::Refused,
            asked => asked,
        }
    }
}

/// Effect of the change on each user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyImpact {
    /// Will be asked for a code.
    pub asked: Vec<String>,
    /// Will log in without a code.
    pub not_asked: Vec<String>,
    /// Will have to enroll at the next login with a password, or be refused.
    pub must_enroll: Vec<String>,
    /// Were asked before, and will not be where something is switched off.
    pub no_longer_asked: Vec<String>,
    /// The services that are switched off; empty when all are, by the global switch.
    #[serde(skip)]
    off: Vec<String>,
    /// Will be refused.
    pub refused: Vec<String>,
    /// Will need a device from a later day on.
    pub required_later: Vec<DeviceDeadline>,
    /// Things to think about before.
    pub warnings: Vec<String>,
    /// Reasons that would lock people out: refused.
    pub dangers: Vec<String>,
    /// Risks of the policy after the change, also those that it had before.
    #[serde(skip)]
    risks: RiskViews,
    /// Services that exempted an administrator before, and exempt none after.
    #[serde(skip)]
    ended_exemptions: EndedExemptions,
}

/// Compares the policy before (`None`: there was no valid one) and after a change.
pub fn assess(before: Option<PolicyView<'_>>, view: PolicyView<'_>) -> PolicyImpact {
    let PolicyView {
        policy: after,
        people,
    } = view;
    let mut impact = PolicyImpact::default();
    // A warning tells of each whose files are damaged. The lists are about devices.
    for person in people.iter().filter(|person| !person.is_damaged) {
        let list = match person.prospect(after) {
            LoginProspect::CodeAsked => &mut impact.asked,
            LoginProspect::Refused | LoginProspect::RefusedUninvited => &mut impact.refused,
            LoginProspect::MustEnroll => &mut impact.must_enroll,
            LoginProspect::NotAsked
            | LoginProspect::LetIn
            | LoginProspect::MayEnroll
            | LoginProspect::LetInUninvited => &mut impact.not_asked,
        };
        list.push(person.name.clone());
    }
    if after.enabled {
        impact.required_later = device_deadlines::of(people);
    }
    if let Some(before) = before.filter(|before| before.policy.enabled) {
        let off = switched_off(before.policy, after);
        impact.no_longer_asked = names_of(people, |person| {
            person.enrollment.has_device()
                && !person.is_damaged
                && person.exemption == ExemptionScope::No
                && off
                    .iter()
                    .any(|service| !person.exempt_at.contains(service))
        });
        if after.enabled {
            impact.off = off;
        }
    }
    impact.risks = RiskViews::of(view);
    let known = before.map(RiskViews::of).unwrap_or_default();
    add_dangers(&mut impact.dangers, impact.risks.new_since(&known));
    if let Some(before) = before {
        impact.ended_exemptions = EndedExemptions::of(before, view);
    }
    let warnings =
        |view: PolicyView<'_>| [warnings(view.policy), device_deadlines::shut_outs(view)].concat();
    let known = before.map(warnings).unwrap_or_default();
    impact.warnings = warnings(view);
    impact.warnings.retain(|warning| !known.contains(warning));
    impact
}

impl PolicyImpact {
    /// Adds the risks at services that ask for codes only from now on: the policy may have had them before, but there they
    /// shut out no user.
    pub fn add_risks_at(&mut self, newly_asking: &[String]) {
        add_dangers(&mut self.dangers, self.risks.at(newly_asking));
    }

    /// Adds the risks at those of these services whose exemptions of administrators end. `used` are the services that ask for codes.
    pub fn add_risks_of_ended_exemptions(&mut self, used: &[String]) {
        let ended = self.risks.at_ended(&self.ended_exemptions, used);
        add_dangers(&mut self.dangers, ended);
    }

    /// True if a device that has given a right code would make it harmless.
    pub fn needs_device(&self) -> bool {
        let of_devices = ShutOutRisk::ALL.map(ShutOutRisk::when_switched_on);
        self.dangers
            .iter()
            .any(|danger| of_devices.iter().any(|text| danger.starts_with(text)))
    }

    /// The lists for people, one line each. `used` are the services whose PAM files name the module.
    pub fn text(&self, after: &Policy, used: &[String]) -> String {
        let mut lines = Vec::new();
        if after.enabled {
            lines.push(format!("  Services         {}", services(after, used)));
            lines.push(format!("  Asked for a code {}", names(&self.asked)));
            lines.push(format!("  Not asked        {}", names(&self.not_asked)));
            match without_device(after) {
                LoginProspect::Refused => lines.push(format!(
                    "  Refused          all users without a device{}",
                    such_as(&self.refused)
                )),
                LoginProspect::RefusedUninvited => {
                    lines.push(format!(
                        "  Must enroll      {}, at the next login with a password and the code of the invitation",
                        names(&self.must_enroll)
                    ));
                    lines.push(format!(
                        "  Refused          all users with neither a device nor an invitation{}; to invite: twofactor invite USER",
                        such_as(&self.refused)
                    ));
                }
                LoginProspect::MustEnroll => lines.push(format!(
                    "  Must enroll      all users without a device{}, at the next login with a password",
                    such_as(&self.must_enroll)
                )),
                LoginProspect::LetInUninvited => lines.push(
                    "  May enroll       invited users without a device, at each login with a password"
                        .to_owned(),
                ),
                LoginProspect::MayEnroll => lines.push(
                    "  May enroll       all users without a device, at each login with a password"
                        .to_owned(),
                ),
                _ => {}
            }
            lines.extend(self.requirements(after));
        } else {
            lines.push("  No user is asked for a code, whatever else the policy says.".to_owned());
        }
        if !self.no_longer_asked.is_empty() {
            let place = match self.off.as_slice() {
                [] => String::new(),
                services => format!(" (at {})", services.join(", ")),
            };
            let people = names(&self.no_longer_asked);
            lines.push(format!("  No longer asked  {people}{place}"));
        }
        for warning in &self.warnings {
            lines.push(format!("Warning: {warning}"));
        }
        lines.join("\n") + "\n"
    }
}

/// Each kind of risk is told once, of all administrators if it is one of all.
fn add_dangers(dangers: &mut Vec<String>, risks: Vec<NewRisk<'_>>) {
    for risk in risks {
        let kind = risk.kind().when_switched_on();
        match dangers.iter_mut().find(|told| told.starts_with(kind)) {
            None => dangers.push(risk.when_switched_on()),
            Some(told) if risk.is_of_all() => *told = risk.when_switched_on(),
            Some(_) => {}
        }
    }
}

/// End of the next login of a user without device, invitation and requirement.
const fn without_device(policy: &Policy) -> LoginProspect {
    let enrollment = EnrollmentStatus::NotEnrolled;
    LoginProspect::where_asked(policy, enrollment, DeviceRequirement::None)
}

/// The lines about warnings for people.
pub fn warning_lines(warnings: &[String]) -> String {
    let lines = warnings.iter();
    lines.map(|it| format!("Warning: {it}\n")).collect()
}

/// `alice, bob and 7 more`, or `none`.
pub fn names(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
    match names.len().checked_sub(LISTED) {
        _ if names.is_empty() => "none".to_owned(),
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// ` (alice, bob and 7 more)`; nothing if there are none.
fn such_as(listed: &[String]) -> String {
    if listed.is_empty() {
        String::new()
    } else {
        format!(" ({})", names(listed))
    }
}

/// The switches of the services whose PAM files name the module, `used`: `sshd, sudo on; login off`. Where there are none,
/// or that was not looked at, those that the policy names: `sshd off, others on`.
pub fn services(policy: &Policy, used: &[String]) -> String {
    let word = |on: &bool| if *on { "on" } else { "off" };
    if used.is_empty() {
        let own = policy.own_services();
        let named = own.iter().map(|(name, on)| format!("{name} {}", word(on)));
        let others = format!("others {}", word(&policy.services.default));
        return named.chain([others]).collect::<Vec<_>>().join(", ");
    }
    let of = |wanted: bool| {
        let names: Vec<&str> = used
            .iter()
            .map(String::as_str)
            .filter(|name| policy.service_on(name) == wanted)
            .collect();
        (!names.is_empty()).then(|| format!("{} {}", names.join(", "), word(&wanted)))
    };
    let parts: Vec<String> = [of(true), of(false)].into_iter().flatten().collect();
    parts.join("; ")
}

/// The services that were on and will be off.
fn switched_off(before: &Policy, after: &Policy) -> Vec<String> {
    let stays = |on: bool| after.enabled && on;
    let mut services: Vec<String> = [before, after]
        .iter()
        .flat_map(|policy| policy.own_services().into_keys())
        .filter(|service| before.service_on(service) && !stays(after.service_on(service)))
        .collect();
    services.sort();
    services.dedup();
    if before.services.default && !stays(after.services.default) {
        services.push("services that the policy does not name".to_owned());
    }
    services
}

fn names_of(people: &[AffectedUser], which: impl Fn(&AffectedUser) -> bool) -> Vec<String> {
    let found = people.iter().filter(|person| which(person));
    found.map(|person| person.name.clone()).collect()
}

fn warnings(policy: &Policy) -> Vec<String> {
    let mut warnings = Vec::new();
    if policy.window > USUAL_WINDOW {
        let codes = 2 * u32::from(policy.window) + 1;
        warnings.push(format!(
            "a window of {} makes {codes} codes right at any time",
            policy.window
        ));
    }
    if policy.throttle.max_failures == 0 {
        warnings.push("without max_failures, guessing is slowed down but never stopped".to_owned());
    }
    if policy.grace > 0 {
        warnings.push(
            "during a grace period the password alone is enough from the same address".to_owned(),
        );
    }
    if policy.grace_session > 0 {
        warnings.push(format!(
            "for {} s after a login with a code, programs in the session need only the password for sudo",
            policy.grace_session
        ));
    }
    if policy.enroll_at_login != EnrollAtLogin::Off && !policy.enroll_needs_invite {
        warnings.push(
            "a person who knows the password of a user without a device can enroll one; enroll_needs_invite prevents it"
                .to_owned(),
        );
    }
    let new = policy.new_devices;
    if new.digits.value() != 6 || new.interval.seconds() != 30 || new.algorithm != Algorithm::Sha1 {
        warnings.push("new devices will not work with Google Authenticator: it needs 6 digits, 30 seconds, SHA1".into());
    }
    warnings
}
