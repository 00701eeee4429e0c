//! Whether a login is asked for a code at all: the policy's rows, in their order, as a pure function.
#![forbid(unsafe_code)]

use crate::policy::{Enforcement, Policy, Subject};

/// Whether the user has a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolment {
    /// At least one.
    Enrolled,
    /// None.
    Unenrolled,
}

/// What the policy asks of one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Two-factor login is switched off.
    Disabled,
    /// It is switched off for this service.
    ServiceOff,
    /// An `[[exempt]]` entry matches: which one, counted from 0.
    Exempt(usize),
    /// A code.
    Code,
    /// Nothing, since the user has no device and the policy leaves that open.
    Nothing,
    /// A device, which the user does not have: the login is refused.
    Device,
}

/// The part that depends on the policy's switches alone, `None` when they are on.
#[must_use]
pub fn switched_off(policy: &Policy, service: &str) -> Option<Demand> {
    match (policy.enabled, policy.service_on(service)) {
        (false, _) => Some(Demand::Disabled),
        (true, false) => Some(Demand::ServiceOff),
        (true, true) => None,
    }
}

/// The part that does not depend on the user's enrolment, `None` when that decides.
#[must_use]
pub fn without_enrolment(
    policy: &Policy,
    subject: &Subject<'_>,
    member: &mut dyn FnMut(&str) -> bool,
) -> Option<Demand> {
    switched_off(policy, subject.service)
        .or_else(|| policy.exemption(subject, member).map(Demand::Exempt))
}

/// The part that does.
#[must_use]
pub const fn with_enrolment(policy: &Policy, enrolment: Enrolment) -> Demand {
    match (enrolment, policy.enforcement) {
        (Enrolment::Enrolled, _) => Demand::Code,
        (Enrolment::Unenrolled, Enforcement::Optional) => Demand::Nothing,
        (Enrolment::Unenrolled, Enforcement::Mandatory) => Demand::Device,
    }
}

/// Both parts.
#[must_use]
pub fn demand(
    policy: &Policy,
    subject: &Subject<'_>,
    member: &mut dyn FnMut(&str) -> bool,
    enrolment: Enrolment,
) -> Demand {
    without_enrolment(policy, subject, member).unwrap_or_else(|| with_enrolment(policy, enrolment))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(policy: &str, service: &str, enrolment: Enrolment) -> Demand {
        let subject = Subject {
            user: "alice",
            service,
            address: None,
        };
        let policy = crate::policy::parse(policy).unwrap();
        demand(&policy, &subject, &mut |_| false, enrolment)
    }

    #[test]
    fn the_first_row_that_holds_decides() {
        use Enrolment::{Enrolled, Unenrolled};
        let off = "enabled = false\nenforcement = \"mandatory\"";
        assert_eq!(ask(off, "login", Enrolled), Demand::Disabled);
        assert_eq!(ask(off, "login", Unenrolled), Demand::Disabled);
        let service = "enabled = true\nenforcement = \"mandatory\"\n[services]\nlogin = false";
        assert_eq!(ask(service, "login", Unenrolled), Demand::ServiceOff);
        assert_eq!(ask(service, "su", Unenrolled), Demand::Device);
        assert_eq!(ask(service, "su", Enrolled), Demand::Code);
        let exempt = "enabled = true\nenforcement = \"mandatory\"\n[[exempt]]\nusers = [\"bob\"]\n[[exempt]]\nusers = [\"alice\"]";
        assert_eq!(ask(exempt, "su", Enrolled), Demand::Exempt(1));
    }

    /// R14, R15, R16, R26: on and enrolled: asked; on and not enrolled: let through, unless mandatory.
    #[test]
    fn r14_r15_enrolled_users_are_asked_and_others_are_not() {
        let on = "enabled = true";
        assert_eq!(ask(on, "login", Enrolment::Enrolled), Demand::Code);
        assert_eq!(ask(on, "login", Enrolment::Unenrolled), Demand::Nothing);
    }
}
