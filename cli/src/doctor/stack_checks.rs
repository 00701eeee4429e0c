//! Faults of the stacks of a service that names the module, or should.

use twofactor_core::policy::Policy;

use super::doctor_finding::{DoctorFinding, FindingLevel};
use super::module_facts::{OURS, unknown_argument};
use super::pam::{ConfigError, HandlerType, ModuleCall, ReturnCode, ServiceStacks, StackHandler};
use super::stack_simulation::{SimulatedLogin, StackSimulation, TypedPassword};
use crate::example_files;
use crate::suggested_command;

mod account_session;
mod account_stack;

pub use account_session::ACCOUNT_LINE;

/// The line that the examples have.
const LINE: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so";

/// Faults for which no login, or no user with a device, gets in once the policy is on.
pub const REFUSING: [&str; 2] = ["nobody-passes", "code-twice"];

/// Answers of the module when something is wrong, none of which may let any user in.
const FAILURES: [(ReturnCode, &str); 6] = [
    (
        ReturnCode::AUTHINFO_UNAVAIL,
        "the policy or a record cannot be read",
    ),
    (ReturnCode::MODULE_UNKNOWN, "the module is missing"),
    (ReturnCode::CONV_ERR, "the client cannot answer questions"),
    (
        ReturnCode::SERVICE_ERR,
        "an argument of the module is wrong",
    ),
    (ReturnCode::ABORT, "the module fails altogether"),
    (ReturnCode::MAXTRIES, "the user is locked out"),
];

/// A service, with what libpam makes of its files.
pub struct CheckedService<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its stacks.
    pub stacks: &'a Result<ServiceStacks, ConfigError>,
    /// True if libpam finds a module.
    pub found: &'a dyn Fn(&ModuleCall) -> bool,
}

/// Everything that is wrong with it. `policy` is `None` when it cannot be used.
pub fn check(service: &CheckedService<'_>, policy: Option<&Policy>) -> Vec<DoctorFinding> {
    let name = service.name;
    let stacks = match service.stacks {
        Ok(stacks) => stacks,
        Err(broken) => return vec![refused(name, broken)],
    };
    let simulation = StackSimulation {
        handlers: &stacks.auth,
        facts: None,
        found: service.found,
    };
    let ours = simulation.ours();
    let mut findings = Vec::new();
    let file = stacks.file.as_deref().unwrap_or("/etc/pam.d/other");
    let Some(first) = ours.first().copied() else {
        findings.extend(
            policy
                .filter(|policy| is_named_on(policy, name))
                .map(|_| missing(name, file, stacks)),
        );
        return findings;
    };
    if stacks.file.is_none() && policy.is_some_and(|policy| is_named_on(policy, name)) {
        findings.push(DoctorFinding::warning(
            "no-pam-file",
            name,
            format!("the policy is on for {name}, but there is no PAM file of that name; {file} would be used, which names {OURS}"),
            format!("If the name is wrong: {}. If not, nothing.", switch("disable", name)),
        ));
    }
    findings.extend(unusable_lines(name, &stacks.auth));
    findings.extend(
        ours.iter()
            .filter_map(|at| arguments(&simulation, name, *at)),
    );
    findings.extend(order(&simulation, name, first));
    findings.extend(control(&simulation, name, first));
    findings.extend(twice(&simulation, name, policy));
    findings.extend(by_passes(&simulation, name));
    findings.extend(account_session::check(service, file, stacks, policy));
    // If the policy names the service, that is meant.
    let left_out = |policy: &Policy| {
        policy.enabled && !policy.service_on(name) && !policy.services.named.contains_key(name)
    };
    if policy.is_some_and(left_out) {
        findings.push(DoctorFinding::warning(
            "service-off",
            name,
            format!(
                "{file} names {OURS}, but the policy is off for {name}: no user is asked there"
            ),
            switch("enable", name),
        ));
    }
    findings
}

/// `twofactor enable --service NAME`, or `disable`.
fn switch(command: &str, service: &str) -> String {
    suggested_command::twofactor(command, &[], &[("--service", service)])
}

/// True if a stack names the module at all.
pub fn names_module(handlers: &[StackHandler]) -> bool {
    handlers
        .iter()
        .any(|handler| matches!(&handler.run, HandlerType::Module(module) if module.name() == OURS))
}

/// True if the policy switches a service on by its name, or by that of its sibling.
pub fn is_named_on(policy: &Policy, service: &str) -> bool {
    policy.enabled && policy.own_services().get(service) == Some(&true)
}

fn refused(name: &str, broken: &ConfigError) -> DoctorFinding {
    let place = broken
        .place
        .as_ref()
        .map(|place| format!("{place}: "))
        .unwrap_or_default();
    let cause = format!("PAM refuses every login at {name}: {place}{}", broken.why);
    DoctorFinding::problem("stack-unusable", name, cause, "Correct that line or file.")
}

fn missing(name: &str, file: &str, stacks: &ServiceStacks) -> DoctorFinding {
    match &stacks.file {
        None => DoctorFinding::problem(
            "no-pam-file",
            name,
            format!(
                "the policy is on for {name}, but there is no PAM file of that name; {file} would be used, which does not name {OURS}"
            ),
            format!(
                "If the name is wrong: {}. If not, make {} with: {LINE}",
                switch("disable", name),
                suggested_command::quoted(format!("/etc/pam.d/{name}"))
            ),
        ),
        Some(_) => DoctorFinding::problem(
            "module-not-in-stack",
            name,
            format!(
                "the policy is on for {name}, but the auth lines of {file} do not name {OURS}: no user is asked for a code"
            ),
            format!(
                "{}. By hand: after the line that checks the password: {LINE}. The examples in {} show where",
                suggested_command::twofactor("setup", &[name], &[]),
                example_files::directory()
            ),
        ),
    }
}

fn unusable_lines(name: &str, handlers: &[StackHandler]) -> Vec<DoctorFinding> {
    let broken = handlers.iter().filter_map(|handler| match &handler.run {
        HandlerType::Fails(why) => Some((handler, *why)),
        _ => None,
    });
    broken
        .map(|(handler, why)| {
            let cause = format!(
                "{} cannot be used: {why}. PAM takes it as a refusal",
                handler.place
            );
            DoctorFinding::problem("line-unusable", name, cause, "Correct or remove that line.")
        })
        .collect()
}

fn arguments(simulation: &StackSimulation<'_>, name: &str, at: usize) -> Option<DoctorFinding> {
    let (handler, module) = (simulation.handlers.get(at)?, simulation.module(at)?);
    let argument = unknown_argument(module)?;
    Some(DoctorFinding::problem(
        "argument",
        name,
        format!(
            "{}: the argument {argument} is unknown, not complete or given twice, so {OURS} refuses all users",
            handler.place
        ),
        "Known are forward_pass, try_first_pass or use_first_pass, debug, policy=/FILE, state=/DIRECTORY; or authfail, alone.",
    ))
}

/// Checks that the code comes after the right password, and only there.
fn order(simulation: &StackSimulation<'_>, name: &str, first: usize) -> Vec<DoctorFinding> {
    let place = |at: usize| describe(simulation, at);
    let mut findings = Vec::new();
    let mut passes = false;
    for way in simulation.ways() {
        let walk = simulation.walk(SimulatedLogin::new(way, ReturnCode::SUCCESS));
        if walk.status != ReturnCode::SUCCESS {
            continue;
        }
        passes = true;
        let asked = walk.called.iter().any(|at| simulation.ours().contains(at));
        let culprit = walk.called.iter().rev().find(|at| **at < first);
        if !asked {
            let by = culprit.map_or_else(|| "a line before it".to_owned(), |at| place(*at));
            findings.push(DoctorFinding::problem(
                "code-skipped",
                name,
                format!("a login passes without a code: {by} ends the check or jumps before {}", place(first)),
                format!("Let that line skip only the lines that refuse, as in [success=1 default=ignore]; where a file with `sufficient` is taken in, write `substack` instead of `include`. Then, after it: {LINE}"),
            ));
        }
    }
    if !passes {
        findings.push(DoctorFinding::problem(
            "nobody-passes",
            name,
            format!("no login passes the auth lines of {name}, whatever is typed"),
            format!(
                "Compare them with the examples in {}",
                example_files::directory()
            ),
        ));
        return findings;
    }
    // If no code is asked for after the right password, one after a wrong password matters to no user.
    let all_asked = findings.is_empty();
    let more = password(simulation, name, first);
    findings.extend(more.filter(|finding| all_asked || finding.level == FindingLevel::Problem));
    findings
}

fn password(simulation: &StackSimulation<'_>, name: &str, first: usize) -> Option<DoctorFinding> {
    let place = describe(simulation, first);
    let earliest = *simulation.passwords().first()?;
    let wrong = simulation.walk(SimulatedLogin::new(
        TypedPassword::Wrong,
        ReturnCode::SUCCESS,
    ));
    let one_field = simulation
        .module(first)
        .is_some_and(|module| module.has("forward_pass"));
    if wrong.status == ReturnCode::SUCCESS {
        return Some(DoctorFinding::problem(
            "code-without-password",
            name,
            format!("a right code is enough, also with a wrong password: {place}"),
            format!("After the line that checks the password: {LINE}"),
        ));
    }
    if one_field {
        return None;
    }
    if first < earliest {
        return Some(DoctorFinding::problem(
            "code-before-password",
            name,
            format!(
                "the code is asked for before the password: {place} stands before {}. A person who knows a name can lock that user out with wrong codes",
                describe(simulation, earliest)
            ),
            format!("Move it after the line that checks the password: {LINE}"),
        ));
    }
    wrong.called.contains(&first).then(|| {
        DoctorFinding::warning(
            "code-after-wrong-password",
            name,
            format!("the code is asked for also after a wrong password, by {place}: a person who knows a name can lock that user out with wrong codes"),
            "Let a wrong password end the login: `requisite` instead of `required`, `@include` or `include` instead of `substack`.",
        )
    })
}

/// Two lines ask twice, as with the profile of pam-auth-update and an example of pam.d at once.
fn twice(
    simulation: &StackSimulation<'_>,
    name: &str,
    policy: Option<&Policy>,
) -> Option<DoctorFinding> {
    let asked = simulation.ways().into_iter().find_map(|way| {
        let walk = simulation.walk(SimulatedLogin::new(way, ReturnCode::SUCCESS));
        let mut ours = walk
            .called
            .into_iter()
            .filter(|at| simulation.ours().contains(at));
        (walk.status == ReturnCode::SUCCESS).then(|| Some((ours.next()?, ours.next()?)))?
    });
    let (first, second) = asked?;
    let grace = if policy.is_some_and(|policy| policy.grace > 0) {
        " (but for a login from an address: its grace period begins with the first, and spares it the second)"
    } else {
        ""
    };
    Some(DoctorFinding::problem(
        "code-twice",
        name,
        format!(
            "the code is asked for twice, and the second time it is refused as used{grace}: {} and {}",
            describe(simulation, first),
            describe(simulation, second)
        ),
        format!(
            "Keep one of them. The line in common-auth is the profile of pam-auth-update (pam-auth-update --disable twofactor); another one is of the file for {name}."
        ),
    ))
}

/// Effect of the module's answers.
fn control(simulation: &StackSimulation<'_>, name: &str, first: usize) -> Vec<DoctorFinding> {
    let passes = |code| {
        simulation.ways().into_iter().any(|way| {
            let walk = simulation.walk(SimulatedLogin::new(way, code));
            walk.status == ReturnCode::SUCCESS && walk.called.contains(&first)
        })
    };
    let place = describe(simulation, first);
    let fix = format!("In its place: {LINE}");
    let mut findings = Vec::new();
    if passes(ReturnCode::AUTH_ERR) {
        let cause = format!("a wrong code lets in as well: {place} does not refuse");
        findings.push(DoctorFinding::problem("failure-ignored", name, cause, &fix));
    } else if let Some((_, when)) = FAILURES.iter().find(|(code, _)| passes(*code)) {
        let cause = format!(
            "all users are let in without a code when {when}: {place} does not refuse then"
        );
        findings.push(DoctorFinding::problem("error-ignored", name, cause, &fix));
    }
    if passes(ReturnCode::SUCCESS) && !passes(ReturnCode::IGNORE) {
        let cause = format!(
            "a user who needs no code is refused: {place}, or a line around it, turns \"nothing to ask\" into a refusal"
        );
        findings.push(DoctorFinding::problem("unasked-refused", name, cause, fix));
    }
    findings
}

/// Lines whose answer cannot be told, and that can make the code superfluous.
fn by_passes(simulation: &StackSimulation<'_>, name: &str) -> Vec<DoctorFinding> {
    let ours = simulation.ours();
    let skips = |login: SimulatedLogin| {
        let walk = simulation.walk(login);
        walk.status == ReturnCode::SUCCESS && !walk.called.iter().any(|at| ours.contains(at))
    };
    let mut tries = simulation.ways();
    tries.push(TypedPassword::Wrong);
    let usual = |way: &TypedPassword| SimulatedLogin::new(*way, ReturnCode::SUCCESS);
    let open = simulation.open().into_iter().filter(|at| {
        [ReturnCode::SUCCESS, ReturnCode::AUTH_ERR]
            .iter()
            .any(|code| {
                tries
                    .iter()
                    .any(|way| !skips(usual(way)) && skips(usual(way).but(*at, *code)))
            })
    });
    open.map(|at| {
        DoctorFinding::warning(
            "code-skippable",
            name,
            format!("whether a code is asked for depends on {}, and doctor cannot tell what that answers", describe(simulation, at)),
            "If that is meant, nothing. If not, put the line after the one for the code.",
        )
    })
    .collect()
}

/// `/etc/pam.d/sshd line 3 (sufficient pam_unix.so)`.
fn describe(simulation: &StackSimulation<'_>, at: usize) -> String {
    let module = simulation.module(at).map(|module| module.path.as_str());
    match simulation.handlers.get(at) {
        Some(handler) => format!(
            "{} ({} {})",
            handler.place,
            handler.control,
            module.unwrap_or("no module")
        ),
        None => "no line".to_owned(),
    }
}

#[cfg(test)]
mod tests;
