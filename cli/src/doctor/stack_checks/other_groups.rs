//! The account and session lines of a service whose auth lines name the module.

use twofactor_core::policy::decision::{self, PolicyDecision};
use twofactor_core::policy::{DeviceRequirement, LOGIN_SERVICES, Policy};

use super::super::doctor_finding::{DoctorFinding, FindingLevel};
use super::super::module_facts::OURS;
use super::super::pam::{HandlerType, ServiceStacks, StackHandler};
use super::names_module;

/// The module that begins the audit session.
const LOGINUID: &str = "pam_loginuid.so";

/// The lines that are missing in them.
pub(super) fn check(
    name: &str,
    file: &str,
    stacks: &ServiceStacks,
    policy: Option<&Policy>,
) -> Vec<DoctorFinding> {
    let account = (!names_module(&stacks.account)).then(|| no_account_line(name, file, policy));
    let session = policy.and_then(|policy| session_line(name, file, &stacks.session, policy));
    account.into_iter().chain(session).collect()
}

/// Without the line, or before there is an audit session, no login begins the grace that the policy gives.
fn session_line(
    name: &str,
    file: &str,
    session: &[StackHandler],
    policy: &Policy,
) -> Option<DoctorFinding> {
    let is_wanted = policy.grace_session > 0
        && LOGIN_SERVICES.contains(&name)
        && decision::switched_off(policy, name).is_none();
    let begun = session.iter().position(|line| names(line, LOGINUID));
    let claimed = session.iter().rposition(|line| names(line, OURS));
    let lack = match (begun, claimed) {
        (_, None) => format!("do not name {OURS}"),
        (Some(begun), Some(claimed)) if begun < claimed => return None,
        (_, Some(_)) => format!("do not name {LOGINUID} before {OURS}"),
    };
    is_wanted.then(|| {
        DoctorFinding::warning(
            "session-line",
            name,
            format!(
                "the session lines of {file} {lack}: grace_session of the policy has no effect on logins there, and sudo asks them for another code"
            ),
            format!("After the line of {LOGINUID}: session optional {OURS}"),
        )
    })
}

fn names(line: &StackHandler, wanted: &str) -> bool {
    matches!(&line.run, HandlerType::Module(module) if module.name() == wanted)
}

/// The requirement on the users that `[[require]]` names, by now or some day.
const fn strictest(policy: &Policy) -> DeviceRequirement {
    if policy.require.is_empty() {
        DeviceRequirement::None
    } else {
        DeviceRequirement::InForce
    }
}

/// No user can enroll there, and a user who has to is let in all the same.
fn no_account_line(name: &str, file: &str, policy: Option<&Policy>) -> DoctorFinding {
    let lets_in = policy.is_some_and(|policy| {
        decision::switched_off(policy, name).is_none()
            && decision::decide_without_device(policy, strictest(policy))
                == PolicyDecision::EnrollmentRequired
    });
    let mut effect = "where enrollment at login takes place".to_owned();
    if LOGIN_SERVICES.contains(&name) {
        effect += ", and where a new device is offered after a recovery code";
    }
    if lets_in {
        effect += ": users who have to enroll are let in without a device";
    }
    let found = DoctorFinding::warning(
        "account-line",
        name,
        format!("{file} names {OURS} in its auth lines but not in its account lines, {effect}"),
        format!(
            "Before the other account lines: account [success=ok ignore=ignore module_unknown=ignore default=die] {OURS}"
        ),
    );
    DoctorFinding {
        level: if lets_in {
            FindingLevel::Problem
        } else {
            found.level
        },
        ..found
    }
}
