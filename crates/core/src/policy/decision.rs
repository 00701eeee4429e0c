//! Whether a login is asked for a code at all: the policy's rows, in their order, as a pure function.

use crate::policy::{Enforcement, EnrollAtLogin, Policy, Subject};
use crate::record::Record;

/// Whether the user has a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolment {
    /// At least one.
    Enrolled,
    /// None.
    Unenrolled,
}

impl Enrolment {
    /// What a record says; `None` where there is none.
    #[must_use]
    pub fn of(record: Option<&Record>) -> Self {
        match record.is_some_and(Record::is_enrolled) {
            true => Self::Enrolled,
            false => Self::Unenrolled,
        }
    }
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
    /// Nothing, but a device is offered after the password.
    MayEnrol,
    /// That the user gets a device after the password; the login is refused otherwise.
    MustEnrol,
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
    use EnrollAtLogin::{Off, Offer, Require};
    match (enrolment, policy.enroll_at_login, policy.enforcement) {
        (Enrolment::Enrolled, ..) => Demand::Code,
        (Enrolment::Unenrolled, Off, Enforcement::Optional) => Demand::Nothing,
        (Enrolment::Unenrolled, Off, Enforcement::Mandatory) => Demand::Device,
        (Enrolment::Unenrolled, Offer, Enforcement::Optional) => Demand::MayEnrol,
        (Enrolment::Unenrolled, Offer, Enforcement::Mandatory)
        | (Enrolment::Unenrolled, Require, _) => Demand::MustEnrol,
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

    #[test]
    fn what_cannot_be_skipped_is_what_the_policy_wants_of_everybody() {
        for (at_login, enforcement, demand) in [
            ("off", "optional", Demand::Nothing),
            ("off", "mandatory", Demand::Device),
            ("offer", "optional", Demand::MayEnrol),
            ("offer", "mandatory", Demand::MustEnrol),
            ("require", "optional", Demand::MustEnrol),
            ("require", "mandatory", Demand::MustEnrol),
        ] {
            let policy = format!(
                "enabled = true\nenforcement = \"{enforcement}\"\nenroll_at_login = \"{at_login}\""
            );
            assert_eq!(ask(&policy, "login", Enrolment::Unenrolled), demand);
            assert_eq!(ask(&policy, "login", Enrolment::Enrolled), Demand::Code);
        }
    }

    /// R14, R15, R16, R26: on and enrolled: asked; on and not enrolled: let through, unless mandatory.
    #[test]
    fn r14_r15_enrolled_users_are_asked_and_others_are_not() {
        let on = "enabled = true";
        assert_eq!(ask(on, "login", Enrolment::Enrolled), Demand::Code);
        assert_eq!(ask(on, "login", Enrolment::Unenrolled), Demand::Nothing);
    }
}
