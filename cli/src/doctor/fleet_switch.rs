//! The effect on logins of a change of the policy that switches the fleet of this host on or off, or removes the last way in
//! during an outage.

use std::path::Path;

use twofactor_core::policy::Policy;

use super::doctor_finding::DoctorFinding;
use super::fleet_checks;
use super::planned_change::{ChangeFaults, PlannedChange};

/// The faults of the switch with this state directory; none where the policy has it as before.
pub fn of_change(change: &PlannedChange<'_>, state: &Path) -> ChangeFaults {
    let asks = |policy: &Policy| policy.enabled && policy.fleet.enabled;
    let mut faults = ChangeFaults::default();
    match (change.before.is_some_and(asks), asks(change.after)) {
        (false, true) => faults.dangers.extend(not_joined(state)),
        (true, false) if change.after.enabled => {
            faults.warnings.extend(fleet_checks::unused(state));
        }
        _ => {}
    }
    let is_shut = |policy: &Policy| {
        asks(policy)
            .then(|| fleet_checks::shut_out(policy))
            .flatten()
    };
    if change.before.and_then(is_shut).is_none() {
        faults.dangers.extend(is_shut(change.after));
    }
    faults
}

/// A host without a fleet has no store that could judge, and may not judge by itself, since it never met one.
fn not_joined(state: &Path) -> Option<DoctorFinding> {
    let subject = state.display().to_string();
    let join = "Join the fleet first: twofactor fleet join FILE; or found it: twofactor fleet init";
    match fleet_checks::place(state) {
        Ok(_) => None,
        Err(error) if error.is_not_joined() => Some(DoctorFinding::problem(
            "fleet-off",
            subject,
            "this host is in no fleet, so fleet.enabled would refuse every code, and all users without a device, but at local_services",
            join,
        )),
        Err(error) => Some(DoctorFinding::of("fleet-off", subject, error.into(), join)),
    }
}
