//! The faults of PAM stacks by which a change of the policy does not do what it says.

use twofactor_core::policy::Policy;

use super::doctor_finding::{DoctorFinding, FindingLevel};
use super::installed_system::InstalledSystem;
use super::pam_services::PamServices;
use super::planned_change::{ChangeFaults, PlannedChange};
use super::stack_checks::REFUSING;

/// Faults of stacks without the module, or that libpam cannot use, which are told of services that the change names.
const UNUSED: [&str; 2] = ["module-not-in-stack", "stack-unusable"];

/// The faults of the services that ask for codes after the change: those that it names, and those without this fault before.
/// `planned` are the services after it.
pub fn of_change(
    change: &PlannedChange<'_>,
    planned: &PamServices,
    named: &dyn Fn(&str) -> bool,
) -> ChangeFaults {
    let asking = |policy: &&Policy| policy.enabled;
    let known = change.before.filter(asking).map(|policy| {
        let services = PamServices::of(change.system);
        StackProblems::of(&services, change.system, policy).asking
    });
    let known = known.unwrap_or_default();
    let is_known = |problem: &DoctorFinding| known.iter().any(|other| is_same(other, problem));
    let StackProblems { asking, unused } = StackProblems::of(planned, change.planned, change.after);
    let mut faults = ChangeFaults::default();
    for problem in asking {
        match (is_known(&problem), named(&problem.subject)) {
            (false, _) if REFUSING.contains(&problem.check) => faults.dangers.push(problem),
            (false, _) | (true, true) => faults.warnings.push(problem),
            (true, false) => {}
        }
    }
    let unused = unused.into_iter();
    faults
        .warnings
        .extend(unused.filter(|problem| named(&problem.subject)));
    faults
}

/// Problems of stacks under a policy.
struct StackProblems {
    /// Problems of services that name the module and that the policy has on.
    asking: Vec<DoctorFinding>,
    /// Problems of other services.
    unused: Vec<DoctorFinding>,
}

impl StackProblems {
    fn of(services: &PamServices, system: &InstalledSystem, policy: &Policy) -> Self {
        let used = services.used();
        let findings = services.stack_findings(system, Some(policy)).into_iter();
        let problems = findings.filter(|finding| finding.level == FindingLevel::Problem);
        let (asking, others): (Vec<_>, Vec<_>) = problems
            .filter(|problem| policy.service_on(&problem.subject))
            .partition(|problem| used.contains(&problem.subject));
        let unused = others.into_iter();
        Self {
            asking,
            unused: unused
                .filter(|problem| UNUSED.contains(&problem.check))
                .collect(),
        }
    }
}

/// True if both are the same fault of the same service. Its text may name other lines, or another policy.
fn is_same(one: &DoctorFinding, other: &DoctorFinding) -> bool {
    (one.check, &one.subject) == (other.check, &other.subject)
}
