//! Risks of a policy that shuts out all users who could repair the machine.
//!
//! A risk does not stop a change if the policy and the users before the change had it already, at the same service and no weaker.

use twofactor_core::policy::{LoginProspect, Policy, decision};
use twofactor_core::record::EnrollmentStatus;

use super::{AffectedUser, PolicyView, without_device};

/// The service that people far from the console depend on.
const SSHD: &str = "sshd";

/// Risk that keeps out all users who could repair things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutOutRisk {
    /// sshd asks for codes, and no device has shown that it gives right ones.
    Sshd,
    /// An administrator can log in only by enrolling a device at the login.
    AdministratorsEnroll,
    /// No administrator can log in, as far as devices have shown.
    AdministratorsRefused,
}

impl ShutOutRisk {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::Sshd,
        Self::AdministratorsEnroll,
        Self::AdministratorsRefused,
    ];

    /// True if it concerns one of these services.
    pub(super) fn is_at_any(self, services: &[String]) -> bool {
        match self {
            Self::Sshd => services.iter().any(|service| service == SSHD),
            Self::AdministratorsEnroll | Self::AdministratorsRefused => !services.is_empty(),
        }
    }

    /// True if it is the other one, or a stronger one of the same kind.
    fn covers(self, other: Self) -> bool {
        self == other
            || (self == Self::AdministratorsRefused && other == Self::AdministratorsEnroll)
    }

    /// Reason why it is not switched on.
    pub(super) const fn when_switched_on(self) -> &'static str {
        match self {
            Self::Sshd => {
                "sshd would ask for codes, but no device on this machine has ever given a right one"
            }
            Self::AdministratorsEnroll => {
                "no administrator (root, or a member of sudo or wheel) could log in without enrolling a device first: \
                 none who is not locked has one that has ever given a right code"
            }
            Self::AdministratorsRefused => {
                "no administrator (root, or a member of sudo or wheel) could log in: none is let in without a code, \
                 and none who is not locked has a device that has ever given a right one"
            }
        }
    }

    /// The risk of the policy as it is.
    pub(super) const fn once_stored(self) -> &'static str {
        match self {
            Self::Sshd => {
                "sshd asks for codes, and no device on this machine has ever given a right one"
            }
            Self::AdministratorsEnroll | Self::AdministratorsRefused => {
                "no administrator (root, or a member of sudo or wheel) is let in without a code, and no device of one \
                 who is not locked has ever given a right one"
            }
        }
    }

    /// Reason why a device is not removed.
    pub(super) const fn when_removed(self) -> &'static str {
        match self {
            Self::Sshd => {
                "sshd asks for codes, and no other device on this machine has ever given a right one"
            }
            Self::AdministratorsEnroll | Self::AdministratorsRefused => {
                "no administrator (root, or a member of sudo or wheel) is let in without a code, and no other device \
                 of one who is not locked has ever given a right one"
            }
        }
    }
}

/// Means of a user to get in and repair things, from the worst to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RepairAccess {
    /// None, or a code of a device that never gave a right one.
    Refused,
    /// Enrolling a device.
    Enrolls,
    /// A login.
    LogsIn,
}

impl RepairAccess {
    fn of(policy: &Policy, person: &AffectedUser) -> Self {
        match person.prospect(policy) {
            LoginProspect::CodeAsked if !is_verified(person) || person.is_locked => Self::Refused,
            prospect => Self::by(prospect),
        }
    }

    /// By a login that ends so, where a device gives right codes.
    const fn by(prospect: LoginProspect) -> Self {
        match prospect {
            LoginProspect::Refused | LoginProspect::RefusedUninvited => Self::Refused,
            LoginProspect::MustEnroll => Self::Enrolls,
            LoginProspect::NotAsked
            | LoginProspect::CodeAsked
            | LoginProspect::LetIn
            | LoginProspect::MayEnroll
            | LoginProspect::LetInUninvited => Self::LogsIn,
        }
    }
}

/// The risks of a policy that is on, where these administrators count.
pub(super) fn shut_outs(
    view: PolicyView<'_>,
    administrators: &[&AffectedUser],
) -> Vec<ShutOutRisk> {
    let PolicyView { policy, people } = view;
    if !policy.enabled {
        return Vec::new();
    }
    let sshd = policy.service_on(SSHD) && !people.iter().any(is_verified);
    let access = administrators
        .iter()
        .map(|person| RepairAccess::of(policy, person));
    // An administrator that no list names has no device, and no requirement that is known.
    let best = access
        .max()
        .unwrap_or_else(|| RepairAccess::by(without_device(policy)));
    let repair = match best {
        RepairAccess::Refused => Some(ShutOutRisk::AdministratorsRefused),
        RepairAccess::Enrolls => Some(ShutOutRisk::AdministratorsEnroll),
        RepairAccess::LogsIn => None,
    };
    let sshd = sshd.then_some(ShutOutRisk::Sshd);
    sshd.into_iter().chain(repair).collect()
}

/// The risks after a change that were none before, or weaker ones.
pub(super) fn new_risks(before: &[ShutOutRisk], after: &[ShutOutRisk]) -> Vec<ShutOutRisk> {
    let is_known = |risk: ShutOutRisk| before.iter().any(|known| known.covers(risk));
    let after = after.iter().copied();
    after.filter(|risk| !is_known(*risk)).collect()
}

/// The services among these that ask for codes only by the new policy.
pub fn newly_asking(before: Option<&Policy>, after: &Policy, services: &[String]) -> Vec<String> {
    let asks = |policy: &Policy, service| decision::switched_off(policy, service).is_none();
    let asked = |service| before.is_some_and(|before| asks(before, service));
    let services = services.iter();
    let new = services.filter(|service| asks(after, service) && !asked(service));
    new.cloned().collect()
}

fn is_verified(person: &AffectedUser) -> bool {
    person.enrollment == EnrollmentStatus::Verified
}
