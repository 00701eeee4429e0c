//! The account and session lines of a service whose auth lines name the module.

use twofactor_core::policy::decision::{self, PolicyDecision};
use twofactor_core::policy::{DeviceRequirement, LOGIN_SERVICES, Policy};

use super::super::doctor_finding::{DoctorFinding, FindingLevel};
use super::super::module_facts::OURS;
use super::super::pam::{HandlerType, ServiceStacks, StackHandler};
use super::account_stack::{AccountFault, AccountStack};
use super::{CheckedService, describe, names_module};

/// The check of account lines.
pub const ACCOUNT_LINE: &str = "account-line";
/// The account line that the examples have, and its place.
const LINE: &str =
    "account [success=ok ignore=ignore module_unknown=ignore default=die] pam_twofactor.so";
const FIRST: &str = "Before the other account lines";
/// The module that begins the audit session.
const LOGINUID: &str = "pam_loginuid.so";

/// The lines that are missing in them, and account lines that do not bind.
pub(super) fn check(
    service: &CheckedService<'_>,
    file: &str,
    stacks: &ServiceStacks,
    policy: Option<&Policy>,
) -> Vec<DoctorFinding> {
    let name = service.name;
    let account = if names_module(&stacks.account) {
        let stack = AccountStack::of(stacks, service.found);
        let fault = stack.fault();
        fault.map(|fault| idle_account_line(name, &stack, &fault, policy))
    } else {
        Some(no_account_line(name, file, policy))
    };
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

/// True if the policy refuses users there unless they enroll, which the account line sees to.
fn demands_enrollment(name: &str, policy: Option<&Policy>) -> bool {
    policy.is_some_and(|policy| {
        decision::switched_off(policy, name).is_none()
            && decision::decide_without_device(policy, strictest(policy))
                == PolicyDecision::EnrollmentRequired
    })
}

/// A finding on the account lines: a problem where users are let in for it.
fn account_line(name: &str, cause: String, fix: String, lets_in: bool) -> DoctorFinding {
    let found = DoctorFinding::warning(ACCOUNT_LINE, name, cause, fix);
    DoctorFinding {
        level: if lets_in {
            FindingLevel::Problem
        } else {
            found.level
        },
        ..found
    }
}

/// No user can enroll there, and a user who has to is let in all the same.
fn no_account_line(name: &str, file: &str, policy: Option<&Policy>) -> DoctorFinding {
    let lets_in = demands_enrollment(name, policy);
    let mut effect = "where enrollment at login takes place".to_owned();
    if LOGIN_SERVICES.contains(&name) {
        effect += ", and where a new device is offered after a recovery code";
    }
    if lets_in {
        effect += ": users who have to enroll are let in without a device";
    }
    let cause =
        format!("{file} names {OURS} in its auth lines but not in its account lines, {effect}");
    account_line(name, cause, format!("{FIRST}: {LINE}"), lets_in)
}

/// The account lines name the module, and let in users that it refuses.
fn idle_account_line(
    name: &str,
    stack: &AccountStack<'_>,
    fault: &AccountFault,
    policy: Option<&Policy>,
) -> DoctorFinding {
    let place = |at: &usize| describe(stack.account(), *at);
    let is_certain = !matches!(fault, AccountFault::Depends { .. });
    let lets_in = is_certain && demands_enrollment(name, policy);
    let (cause, fix) = match fault {
        AccountFault::OtherFiles { auth } => (
            format!(
                "{} uses another policy or state directory than the account lines that name {OURS}",
                describe(stack.auth(), *auth)
            ),
            "Give both lines the same policy= and state=, or none.".to_owned(),
        ),
        AccountFault::Ignored { line } => (
            format!("what {} refuses is let in all the same", place(line)),
            format!("In its place: {LINE}"),
        ),
        AccountFault::Skipped { line, by } => (
            format!(
                "a login passes without {}: {} ends the check or jumps before it",
                place(line),
                by.as_ref()
                    .map_or_else(|| "a line before it".to_owned(), place)
            ),
            format!("{FIRST}: {LINE}"),
        ),
        AccountFault::Depends { line, on } => (
            format!(
                "whether {} is reached depends on {}, and doctor cannot tell what that answers",
                place(line),
                place(on)
            ),
            format!(
                "If that is meant, nothing. If not, {}: {LINE}",
                FIRST.to_lowercase()
            ),
        ),
    };
    let effect = match (is_certain, lets_in) {
        (true, true) => ": users who have to enroll are let in without a device",
        (true, false) => ": where users have to enroll, they are let in without a device",
        (false, _) => "",
    };
    account_line(name, format!("{cause}{effect}"), fix, lets_in)
}
