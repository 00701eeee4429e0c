//! The decision on a login: the policy's rows, in their order, as a pure function.

use std::net::IpAddr;

use crate::account::Account;
use crate::policy::{DeviceRequirement, Enforcement, EnrollAtLogin, Policy};
use crate::record::UserRecord;

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
    pub fn of(record: Option<&UserRecord>) -> Self {
        if record.is_some_and(UserRecord::is_enrolled) {
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

/// The decision on a login. `member` tells the groups of the account for `[[exempt]]`, `requirement` what `[[require]]`
/// asks of it. Each is called only where it decides: never for a user with a device.
#[must_use]
pub fn decide(
    policy: &Policy,
    request: &LoginRequest<'_>,
    member: &mut dyn FnMut(&str) -> bool,
    requirement: &mut dyn FnMut() -> DeviceRequirement,
    enrollment: UserEnrollment,
) -> PolicyDecision {
    decide_before_enrollment(policy, request, member)
        .unwrap_or_else(|| decide_by_enrollment(policy, requirement, enrollment))
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

/// The part that depends on the enrollment. `requirement` is called only for a user without a device.
#[must_use]
pub fn decide_by_enrollment(
    policy: &Policy,
    requirement: &mut dyn FnMut() -> DeviceRequirement,
    enrollment: UserEnrollment,
) -> PolicyDecision {
    match enrollment {
        UserEnrollment::Enrolled => PolicyDecision::CodeRequired,
        UserEnrollment::Unenrolled => decide_without_device(policy, requirement()),
    }
}

/// The part about a user without a device: the strictest of `enforcement`, `enroll_at_login` and `[[require]]`.
#[must_use]
pub const fn decide_without_device(
    policy: &Policy,
    requirement: DeviceRequirement,
) -> PolicyDecision {
    use EnrollAtLogin::{Off, Offer, Require};
    let enforcement = match requirement {
        DeviceRequirement::InForce => Enforcement::Mandatory,
        DeviceRequirement::None | DeviceRequirement::Later(_) => policy.enforcement,
    };
    match (policy.enroll_at_login, enforcement) {
        (Off, Enforcement::Optional) => PolicyDecision::NotRequired,
        (Off, Enforcement::Mandatory) => PolicyDecision::DeviceRequired,
        (Offer, Enforcement::Optional) => PolicyDecision::EnrollmentOffered,
        (Offer, Enforcement::Mandatory) | (Require, _) => PolicyDecision::EnrollmentRequired,
    }
}

/// True if no requirement can make [`decide_without_device`] stricter: `[[require]]` need not be looked at.
#[must_use]
pub fn is_strictest(policy: &Policy) -> bool {
    let decision = |requirement| decide_without_device(policy, requirement);
    decision(DeviceRequirement::None) == decision(DeviceRequirement::InForce)
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
        decide(
            &policy,
            &request,
            &mut |_| false,
            &mut || DeviceRequirement::None,
            enrollment,
        )
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

    /// R47: a requirement is as strict as `enforcement = "mandatory"`, and never less strict than the rest.
    #[test]
    fn r47_a_requirement_makes_a_device_mandatory() {
        use PolicyDecision::{DeviceRequired, EnrollmentOffered, EnrollmentRequired, NotRequired};
        let day = crate::policy::StartDay::new(2027, 3, 1).unwrap();
        for (lines, none, in_force) in [
            ("", NotRequired, DeviceRequired),
            (
                "enforcement = \"mandatory\"",
                DeviceRequired,
                DeviceRequired,
            ),
            (
                "enroll_at_login = \"offer\"",
                EnrollmentOffered,
                EnrollmentRequired,
            ),
            (
                "enroll_at_login = \"require\"",
                EnrollmentRequired,
                EnrollmentRequired,
            ),
        ] {
            let policy = crate::policy::parse(&format!("enabled = true\n{lines}")).unwrap();
            let decided = |requirement| decide_without_device(&policy, requirement);
            assert_eq!(decided(DeviceRequirement::None), none, "{lines}");
            assert_eq!(decided(DeviceRequirement::Later(day)), none, "{lines}");
            assert_eq!(decided(DeviceRequirement::InForce), in_force, "{lines}");
            assert_eq!(is_strictest(&policy), none == in_force, "{lines}");
        }
    }

    #[test]
    fn r47_a_requirement_comes_after_exemption_and_device() {
        let request = LoginRequest {
            account: None,
            service: "su",
            address: None,
        };
        let decided = |lines: &str, enrollment| {
            let policy = crate::policy::parse(lines).unwrap();
            let mut asked = false;
            let mut requirement = || {
                asked = true;
                DeviceRequirement::InForce
            };
            let member = &mut |_: &str| true;
            let decision = decide(&policy, &request, member, &mut requirement, enrollment);
            (decision, asked)
        };
        use UserEnrollment::{Enrolled, Unenrolled};
        let off = "enabled = false";
        assert_eq!(decided(off, Unenrolled), (PolicyDecision::Disabled, false));
        let service = "enabled = true\n[services]\nsu = false";
        assert_eq!(
            decided(service, Unenrolled),
            (PolicyDecision::ServiceOff, false)
        );
        let exempt = "enabled = true\n[[exempt]]\ngroups = [\"a\"]";
        assert_eq!(
            decided(exempt, Unenrolled),
            (PolicyDecision::Exempt(0), false)
        );
        let on = "enabled = true";
        assert_eq!(decided(on, Enrolled), (PolicyDecision::CodeRequired, false));
        assert_eq!(
            decided(on, Unenrolled),
            (PolicyDecision::DeviceRequired, true)
        );
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
