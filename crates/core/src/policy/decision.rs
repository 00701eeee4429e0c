//! The decision on a login: the policy's rows, in their order, as a pure function.

use std::net::IpAddr;

use crate::account::Account;
use crate::policy::{Enforcement, EnrollAtLogin, Policy};
use crate::record::Record;

/// The user's enrollment, as far as the policy asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserEnrollment {
    /// At least one device.
    Enrolled,
    /// No device.
    Unenrolled,
}

impl UserEnrollment {
    /// The status that a record shows; `None` where there is none.
    #[must_use]
    pub fn of(record: Option<&Record>) -> Self {
        if record.is_some_and(Record::is_enrolled) {
            Self::Enrolled
        } else {
            Self::Unenrolled
        }
    }
}

/// The decision of the policy on one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyDecision {
    /// Two-factor login is switched off.
    Disabled,
    /// It is switched off for this service.
    ServiceOff,
    /// An `[[exempt]]` entry matches: which one, counted from 0.
    Exempt(usize),
    /// A code is asked for.
    CodeRequired,
    /// Nothing is asked: the user has no device, and the policy leaves that open.
    NotRequired,
    /// Nothing is asked, but a device is offered after the password.
    EnrollmentOffered,
    /// The user has to get a device after the password; the login is refused otherwise.
    EnrollmentRequired,
    /// The login is refused: the user needs a device, and has none.
    DeviceRequired,
}

/// One login, as far as the policy looks at it.
#[derive(Debug, Clone, Copy)]
pub struct LoginRequest<'a> {
    /// The account that logs in; `None` for a name that no account has.
    pub account: Option<&'a Account>,
    /// PAM service name; empty where it cannot be read, which follows the policy's default.
    pub service: &'a str,
    /// `PAM_RHOST` as an address ([`super::rhost_address`]); `None` matches no network.
    pub address: Option<IpAddr>,
}

impl LoginRequest<'_> {
    /// Canonical login name; empty for a name that no account has.
    pub(super) fn user(&self) -> &str {
        self.account.map_or("", |account| &account.name)
    }
}

/// The decision on a login. `member` tells the groups of the account; it is asked only where a group decides.
#[must_use]
pub fn decide(
    policy: &Policy,
    request: &LoginRequest<'_>,
    member: &mut dyn FnMut(&str) -> bool,
    enrollment: UserEnrollment,
) -> PolicyDecision {
    decide_before_enrollment(policy, request, member)
        .unwrap_or_else(|| decide_by_enrollment(policy, enrollment))
}

/// The part that depends on the policy's switches alone, `None` when they are on.
#[must_use]
pub fn switched_off(policy: &Policy, service: &str) -> Option<PolicyDecision> {
    match (policy.enabled, policy.service_on(service)) {
        (false, _) => Some(PolicyDecision::Disabled),
        (true, false) => Some(PolicyDecision::ServiceOff),
        (true, true) => None,
    }
}

/// The part that does not depend on the user's enrollment, `None` when that decides.
#[must_use]
pub fn decide_before_enrollment(
    policy: &Policy,
    request: &LoginRequest<'_>,
    member: &mut dyn FnMut(&str) -> bool,
) -> Option<PolicyDecision> {
    switched_off(policy, request.service).or_else(|| {
        policy
            .exemption(request, member)
            .map(PolicyDecision::Exempt)
    })
}

/// The part that depends on it alone.
#[must_use]
pub const fn decide_by_enrollment(policy: &Policy, enrollment: UserEnrollment) -> PolicyDecision {
    use EnrollAtLogin::{Off, Offer, Require};
    match (enrollment, policy.enroll_at_login, policy.enforcement) {
        (UserEnrollment::Enrolled, ..) => PolicyDecision::CodeRequired,
        (UserEnrollment::Unenrolled, Off, Enforcement::Optional) => PolicyDecision::NotRequired,
        (UserEnrollment::Unenrolled, Off, Enforcement::Mandatory) => PolicyDecision::DeviceRequired,
        (UserEnrollment::Unenrolled, Offer, Enforcement::Optional) => {
            PolicyDecision::EnrollmentOffered
        }
        (UserEnrollment::Unenrolled, Offer, Enforcement::Mandatory)
        | (UserEnrollment::Unenrolled, Require, _) => PolicyDecision::EnrollmentRequired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(policy: &str, service: &str, enrollment: UserEnrollment) -> PolicyDecision {
        let alice = Account {
            name: "alice".to_owned(),
            uid: 1000,
            gid: 1000,
        };
        let request = LoginRequest {
            account: Some(&alice),
            service,
            address: None,
        };
        let policy = crate::policy::parse(policy).unwrap();
        decide(&policy, &request, &mut |_| false, enrollment)
    }

    #[test]
    fn the_first_row_that_holds_decides() {
        use UserEnrollment::{Enrolled, Unenrolled};
        let off = "enabled = false\nenforcement = \"mandatory\"";
        assert_eq!(ask(off, "login", Enrolled), PolicyDecision::Disabled);
        assert_eq!(ask(off, "login", Unenrolled), PolicyDecision::Disabled);
        let service = "enabled = true\nenforcement = \"mandatory\"\n[services]\nlogin = false";
        assert_eq!(
            ask(service, "login", Unenrolled),
            PolicyDecision::ServiceOff
        );
        assert_eq!(
            ask(service, "su", Unenrolled),
            PolicyDecision::DeviceRequired
        );
        assert_eq!(ask(service, "su", Enrolled), PolicyDecision::CodeRequired);
        let exempt = "enabled = true\nenforcement = \"mandatory\"\n[[exempt]]\nusers = [\"bob\"]\n[[exempt]]\nusers = [\"alice\"]";
        assert_eq!(ask(exempt, "su", Enrolled), PolicyDecision::Exempt(1));
    }

    #[test]
    fn enforcement_and_offer_decide_what_can_be_skipped() {
        for (at_login, enforcement, decision) in [
            ("off", "optional", PolicyDecision::NotRequired),
            ("off", "mandatory", PolicyDecision::DeviceRequired),
            ("offer", "optional", PolicyDecision::EnrollmentOffered),
            ("offer", "mandatory", PolicyDecision::EnrollmentRequired),
            ("require", "optional", PolicyDecision::EnrollmentRequired),
            ("require", "mandatory", PolicyDecision::EnrollmentRequired),
        ] {
            let policy = format!(
                "enabled = true\nenforcement = \"{enforcement}\"\nenroll_at_login = \"{at_login}\""
            );
            assert_eq!(ask(&policy, "login", UserEnrollment::Unenrolled), decision);
            assert_eq!(
                ask(&policy, "login", UserEnrollment::Enrolled),
                PolicyDecision::CodeRequired
            );
        }
    }

    /// R14, R15, R16, R26: on and enrolled: asked; on and not enrolled: let through, unless mandatory.
    #[test]
    fn r14_r15_the_enrolled_are_asked_and_others_not() {
        let on = "enabled = true";
        assert_eq!(
            ask(on, "login", UserEnrollment::Enrolled),
            PolicyDecision::CodeRequired
        );
        assert_eq!(
            ask(on, "login", UserEnrollment::Unenrolled),
            PolicyDecision::NotRequired
        );
    }
}
