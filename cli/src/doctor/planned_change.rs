//! A change of the policy and of the machine that is not made yet, and the faults that come with it.

use twofactor_core::policy::Policy;

use super::doctor_finding::DoctorFinding;
use super::installed_system::InstalledSystem;

/// A change of the policy, and of PAM files and sshd's settings.
pub struct PlannedChange<'a> {
    /// The machine as it is.
    pub system: &'a InstalledSystem,
    /// The machine after the change.
    pub planned: &'a InstalledSystem,
    /// The policy as it is; `None` where there is none that can be used.
    pub before: Option<&'a Policy>,
    /// The policy after the change.
    pub after: &'a Policy,
}

/// Faults that matter for a change.
#[derive(Debug, Default)]
pub struct ChangeFaults {
    /// Faults by which less is asked than the policy says, and faults that were there before.
    pub warnings: Vec<DoctorFinding>,
    /// Faults that refuse users who were not refused before.
    pub dangers: Vec<DoctorFinding>,
}
