//! The account and session lines of a service whose auth lines name the module.

use twofactor_core::policy::decision::{self, PolicyDecision};
use twofactor_core::policy::{DeviceRequirement, LOGIN_SERVICES, Policy};

use super::super::doctor_finding::{DoctorFinding, FindingLevel};
use super::super::module_facts::OURS;
use super::super::pam::{HandlerType, ServiceStacks, StackHandler, StackOrigin};
use super::account_stack::{AccountFault, AccountStack};
use super::{CheckedService, describe, names_module};

/// The check of account lines.
pub const ACCOUNT_LINE: &str = "account-line";
/// The account line that the examples have, and its place.
const LINE: &str =
    "account [success=ok ignore=ignore module_unknown=ignore default=die] pam_twofactor.so";
const FIRST: &str = "Before the other account lines";
/// Takes in the account lines of `other`, as libpam does where a file has none.
const OF_OTHER: &str = "account include other";
/// Checks accounts where `other` lets no user in.
const OF_ACCOUNTS: &str = "account required pam_unix.so";
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
    let stack = AccountStack::of(stacks, service.found);
    let first = line_first(stacks, &stack);
    let account = if names_module(&stacks.account) {
        let fault = stack.fault();
        fault.map(|fault| idle_account_line(name, (&stack, &first), &fault, policy))
    } else {
        Some(no_account_line(name, file, first, policy))
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
    let is_wanted =
        policy.grace_session > 0 && LOGIN_SERVICES.contains(&name) && policy.asks_at(name);
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
        policy.asks_at(name)
            && decision::decide_without_device(policy, strictest(policy))
                == PolicyDecision::EnrollmentRequired
    })
}

/// The fix for a line that is missing, or comes too late. With a first account line of its own, a file loses the account lines of
/// `other`, and this module's line alone would let no user in.
fn line_first(stacks: &ServiceStacks, stack: &AccountStack<'_>) -> String {
    let rest = match (stacks.account_of, &stacks.file) {
        (StackOrigin::Other, _) if !stack.lets_in() => OF_ACCOUNTS,
        (StackOrigin::Other, Some(_)) => OF_OTHER,
        (StackOrigin::Other, None) | (StackOrigin::Own, _) => return format!("{FIRST}: {LINE}"),
    };
    format!(
        "Add two lines, since libpam ignores the account lines of other once the file has its own: {LINE}, and after it: {rest}"
    )
}

/// A finding on the account lines: a problem where users are let in for it, or none is.
fn account_line(name: &str, cause: String, fix: String, is_problem: bool) -> DoctorFinding {
    let found = DoctorFinding::warning(ACCOUNT_LINE, name, cause, fix);
    DoctorFinding {
        level: if is_problem {
            FindingLevel::Problem
        } else {
            found.level
        },
        ..found
    }
}

/// No user can enroll there, and a user who has to is let in all the same.
fn no_account_line(
    name: &str,
    file: &str,
    first: String,
    policy: Option<&Policy>,
) -> DoctorFinding {
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
    account_line(name, cause, first, lets_in)
}

/// The account lines name the module, and let in users that it refuses, or no user at all.
fn idle_account_line(
    name: &str,
    (stack, first): (&AccountStack<'_>, &str),
    fault: &AccountFault,
    policy: Option<&Policy>,
) -> DoctorFinding {
    let (cause, fix) = cause_and_cure(name, (stack, first), fault);
    let demands = demands_enrollment(name, policy);
    let (effect, is_problem) = match (fault, demands) {
        (AccountFault::NoneLetsIn, _) => ("", true),
        (AccountFault::Depends { .. }, _) => ("", false),
        (_, true) => (
            ": users who have to enroll are let in without a device",
            true,
        ),
        (_, false) => (
            ": where users have to enroll, they are let in without a device",
            false,
        ),
    };
    account_line(name, format!("{cause}{effect}"), fix, is_problem)
}

/// The words for a fault, and what cures it.
fn cause_and_cure(
    name: &str,
    (stack, first): (&AccountStack<'_>, &str),
    fault: &AccountFault,
) -> (String, String) {
    let place = |at: &usize| describe(stack.account(), *at);
    match fault {
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
            first.to_owned(),
        ),
        AccountFault::Depends { line, on } => (
            format!(
                "whether {} is reached depends on {}, and doctor cannot tell what that answers",
                place(line),
                place(on)
            ),
            format!("If that is meant, nothing. If not: {first}"),
        ),
        AccountFault::NoneLetsIn => (
            format!(
                "no login passes the account lines of {name}: {OURS} leaves it to the other lines to let users in, and none does"
            ),
            format!("After the account line of {OURS}: {OF_OTHER}, or {OF_ACCOUNTS}"),
        ),
    }
}
