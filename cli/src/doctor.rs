//! `doctor`: the faults of this machine, their fixes, and the questions of the next login of each user.
//!
//! `pam` reads stacks as libpam does, and `stack_simulation` logs in without calling a module. `stack_checks`, `other_service`,
//! `sshd`, `user_findings`, `record_owners` and `machine_checks` find problems. `login_table` has the questions to each user, and
//! `installed_system` reads the machine.

mod daemon_check;
mod doctor_finding;
mod doctor_report;
mod fleet_checks;
mod fleet_members;
mod fleet_store;
mod fleet_switch;
pub mod installed_system;
pub mod login_effect;
mod login_forecast;
mod login_groups;
mod login_table;
mod machine_checks;
mod module_facts;
pub mod notify_program;
mod other_service;
pub mod pam;
mod pam_programs;
mod pam_services;
mod planned_change;
mod policy_demand;
mod polkit_sandbox;
mod program_limits;
pub mod record_owners;
pub mod sshd;
mod stack_change_faults;
mod stack_checks;
pub mod stack_preview;
mod stack_simulation;
mod user_findings;

use std::collections::BTreeSet;
use std::process::ExitCode;

use twofactor_core::policy::{Policy, ThrottlePolicy};
use twofactor_store::sys::clock::{self, ClockStatus};

use crate::args::DoctorArgs;
use crate::command_context::CommandContext;
use crate::command_failure::{CommandFailure, ExitStatus};
pub use doctor_finding::DoctorFinding;
use doctor_finding::FindingLevel;
use doctor_report::DoctorReport;
pub use installed_system::InstalledSystem;
use pam_services::PamServices;
pub use pam_services::is_service;
pub use planned_change::PlannedChange;

/// Users of a group who are named in any case.
const FEW: usize = 3;

/// Runs it. Problems are no errors of the command, but of the machine: exit code 1.
pub fn run(context: &CommandContext, args: &DoctorArgs) -> Result<ExitCode, CommandFailure> {
    let only = args
        .user
        .as_deref()
        .map(|user| context.account(user))
        .transpose()?;
    let system = InstalledSystem::look();
    let pam_services = PamServices::of(&system);
    let used = pam_services.used();
    let (policy, mut findings) = machine_checks::policy(context, &used);
    let synchronization = clock::synchronization();
    let now = clock::now()?;
    let machine = (&system, synchronization, now);
    findings.extend(machine_findings(
        context,
        machine,
        &pam_services,
        policy.as_ref(),
    ));
    // A directory that cannot be opened was told above; no user has a device then, as far as can be seen.
    let store = context.store().ok().flatten();
    let throttle = policy.as_ref().map_or_else(
        || Policy::default().throttle,
        |policy| -> ThrottlePolicy { policy.throttle },
    );
    let (people, found) = user_findings::check(store.as_ref(), &throttle, only.as_ref(), now);
    findings.extend(pam_services.check(context, &system, policy.as_ref()));
    let time = context.policy_time();
    let mut table =
        login_table::LoginTable::of(&system, &pam_services, (policy.as_ref(), time), &people);
    findings.extend(table.findings);
    findings.extend(found);
    if let (Some(store), None) = (&store, &only) {
        let other = record_owners::check(store);
        findings.extend(not_told(&findings, other));
    }
    findings.sort_by_key(|finding| finding.level);
    if !args.users {
        leave_names_out(&mut table.groups);
    }
    let report = DoctorReport {
        policy: context.policy_path().display().to_string(),
        enabled: policy.as_ref().map(|policy| policy.enabled),
        clock: synchronization.word(),
        problems: count_of(FindingLevel::Problem, &findings),
        warnings: count_of(FindingLevel::Warning, &findings),
        findings,
        logins: table.logins,
        users_left_out: table.left_out,
        login_groups: table.groups,
        width: context.terminal.width(),
    };
    context.write(&report)?;
    Ok(match report.problems {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(ExitStatus::Refused as u8),
    })
}

/// Three names say more than their number.
fn leave_names_out(groups: &mut [login_groups::LoginGroup]) {
    for group in groups.iter_mut().filter(|group| group.count > FEW) {
        group.users = None;
    }
}

fn count_of(level: FindingLevel, findings: &[DoctorFinding]) -> usize {
    let of_level = |finding: &&DoctorFinding| finding.level == level;
    findings.iter().filter(of_level).count()
}

/// The faults of the machine under this policy: names, services, files, clock and fleet.
fn machine_findings(
    context: &CommandContext,
    (system, synchronization, now): (&InstalledSystem, ClockStatus, u64),
    pam_services: &PamServices,
    policy: Option<&Policy>,
) -> Vec<DoctorFinding> {
    let mut findings = machine_checks::named_users(policy);
    findings.extend(notify_program::check(policy));
    findings.extend(machine_checks::policy_time(context, policy));
    findings.extend(machine_checks::nowhere_used(policy, &pam_services.used()));
    findings.extend(machine_checks::state_directory(context, policy));
    findings.extend(
        pam_services
            .files()
            .iter()
            .filter_map(machine_checks::pam_file),
    );
    for (path, services) in pam_services.modules(system) {
        findings.extend(machine_checks::module_file(&path, &services));
    }
    findings.extend(machine_checks::clock(synchronization));
    let files = (context.policy_path(), context.state_path());
    findings.extend(fleet_checks::check(policy, files, now));
    findings
}

/// The findings of `others` whose subject has no problem among `findings`: a fault of a user is reported once.
fn not_told(findings: &[DoctorFinding], others: Vec<DoctorFinding>) -> Vec<DoctorFinding> {
    let problems = findings
        .iter()
        .filter(|finding| finding.level == FindingLevel::Problem);
    let told: BTreeSet<&str> = problems.map(|finding| finding.subject.as_str()).collect();
    let is_new = |finding: &DoctorFinding| !told.contains(finding.subject.as_str());
    others.into_iter().filter(is_new).collect()
}

/// Services whose programs cannot ask for a code and would refuse under a policy, each with its cure. Those that did so
/// `before` are left out, unless the change names them.
pub fn refusing_programs(
    before: Option<&Policy>,
    after: &Policy,
    named: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let system = InstalledSystem::look();
    let change = PlannedChange {
        system: &system,
        planned: &system,
        before,
        after,
    };
    newly_refusing_programs(&change, named)
}

/// As [`refusing_programs`], also for a change of PAM files.
pub fn newly_refusing_programs(
    change: &PlannedChange<'_>,
    named: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let refusing = |system: &InstalledSystem, policy: &Policy| {
        PamServices::of(system).refusing(system, policy)
    };
    let known = change.before.map(|policy| refusing(change.system, policy));
    let known = known.unwrap_or_default();
    let is_new = |finding: &DoctorFinding| named(&finding.subject) || !known.contains(finding);
    let new = refusing(change.planned, change.after)
        .into_iter()
        .filter(is_new);
    new.map(|finding| format!("{}. Cure: {}", finding.cause, finding.fix))
        .collect()
}

/// The lines of these services by which another module asks for a code, each once, with the module.
pub fn other_code_lines(system: &InstalledSystem, services: &[String]) -> Vec<String> {
    PamServices::of(system).other_code_lines(services)
}

/// The lines of PAM files that name one of these modules, each once, with the module: `/etc/pam.d/sshd line 3 (pam_oath.so)`.
pub fn lines_of_modules(modules: &[&str]) -> Vec<String> {
    PamServices::of(&InstalledSystem::look()).lines_of(modules)
}
