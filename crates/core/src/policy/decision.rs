//! The decision on a login: the policy's rows, in their order, as a pure function.

use std::net::IpAddr;

use crate::account::Account;
use crate::policy::{DeviceRequirement, Enforcement, EnrollAtLogin, Policy};

/// The decision of the policy on one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyDecision {
    /// Two-factor login is switched off.
    Disabled,
    /// Two-factor login is switched off for this service.
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

/// A login that is neither switched off nor exempt: the user's device decides.
#[derive(Debug, Clone, Copy)]
pub struct AskedLogin<'p> {
    policy: &'p Policy,
}

impl AskedLogin<'_> {
    /// The decision on a user with a device. Nothing else is looked up for it.
    #[must_use]
    pub const fn with_device(self) -> PolicyDecision {
        PolicyDecision::CodeRequired
    }

    /// The decision on a user without a device with this requirement of `[[require]]`.
    #[must_use]
    pub const fn without_device(self, requirement: DeviceRequirement) -> PolicyDecision {
        decide_without_device(self.policy, requirement)
    }
}

/// The decision on a login: the first row that holds. The rows about the user's device follow in [`AskedLogin`], so that neither a record
/// nor the groups of `[[require]]` are looked at where the rows before them decide.
///
/// `member` says whether the account is in the group of that name. A group that is not found, or cannot be looked up right now, has no
/// members. It is called only where the group decides: its directory may be slow, or away.
///
/// # Errors
/// The decision, where the device does not matter.
pub fn decide<'p>(
    policy: &'p Policy,
    request: &LoginRequest<'_>,
    member: &mut dyn FnMut(&str) -> bool,
) -> Result<AskedLogin<'p>, PolicyDecision> {
    if let Some(decision) = switched_off(policy, request.service) {
        return Err(decision);
    }
    match policy.exemption(request, member) {
        Some(entry) => Err(PolicyDecision::Exempt(entry)),
        None => Ok(AskedLogin { policy }),
    }
}

/// The row that needs no account: that of the policy's switches; `None` when they are on.
#[must_use]
pub fn switched_off(policy: &Policy, service: &str) -> Option<PolicyDecision> {
    match (policy.enabled, policy.service_on(service)) {
        (false, _) => Some(PolicyDecision::Disabled),
        (true, false) => Some(PolicyDecision::ServiceOff),
        (true, true) => None,
    }
}

impl Policy {
    /// True if two-factor login is switched on for a service: a user who is not exempt is asked there.
    #[must_use]
    pub fn asks_at(&self, service: &str) -> bool {
        switched_off(self, service).is_none()
    }
}

/// The rows about a user without a device: the strictest of `enforcement`, `enroll_at_login` and `[[require]]`.
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

    #[derive(Clone, Copy)]
    enum StagedUser {
        Enrolled,
        Unenrolled,
    }
    use StagedUser::{Enrolled, Unenrolled};

    fn with_request<T>(service: &str, then: impl FnOnce(&LoginRequest<'_>) -> T) -> T {
        let alice = Account {
            name: "alice".to_owned(),
            uid: 1000,
            gid: 1000,
        };
        then(&LoginRequest {
            account: Some(&alice),
            service,
            address: None,
        })
    }

    fn ask(policy: &str, service: &str, user: StagedUser) -> PolicyDecision {
        let policy = crate::policy::parse(policy).unwrap();
        let decided = with_request(service, |request| decide(&policy, request, &mut |_| false));
        match (decided, user) {
            (Err(decision), _) => decision,
            (Ok(asked), Enrolled) => asked.with_device(),
            (Ok(asked), Unenrolled) => asked.without_device(DeviceRequirement::None),
        }
    }

    #[test]
    fn the_first_row_that_holds_decides() {
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
    fn a_policy_asks_where_it_and_the_service_are_on() {
        for (keys, asks) in [
            ("enabled = true", true),
            ("enabled = false", false),
            ("enabled = true\n[services]\nlogin = false", false),
        ] {
            let policy = crate::policy::parse(keys).unwrap();
            assert_eq!(policy.asks_at("login"), asks, "{keys}");
        }
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
            assert_eq!(ask(&policy, "login", Unenrolled), decision);
            assert_eq!(
                ask(&policy, "login", Enrolled),
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

    /// A group that cannot decide is not asked for: its directory may be slow, or away.
    #[test]
    fn groups_are_asked_for_where_they_decide() {
        use PolicyDecision::{Disabled, Exempt, ServiceOff};
        let group = "[[exempt]]\ngroups = [\"a\"]";
        for (policy, is_member, decision, asked) in [
            ("enabled = false", true, Some(Disabled), 0),
            (
                "enabled = true\n[services]\nsu = false",
                true,
                Some(ServiceOff),
                0,
            ),
            ("enabled = true", true, Some(Exempt(0)), 1),
            ("enabled = true", false, None, 1),
            (
                "enabled = true\n[[exempt]]\nusers = [\"alice\"]",
                true,
                Some(Exempt(0)),
                0,
            ),
        ] {
            let policy = crate::policy::parse(&format!("{policy}\n{group}")).unwrap();
            let mut count = 0;
            let mut member = |_: &str| {
                count += 1;
                is_member
            };
            let decided = with_request("su", |request| decide(&policy, request, &mut member));
            assert_eq!((decided.err(), count), (decision, asked), "{policy:?}");
        }
    }

    /// R14, R15, R16, R26: on and enrolled: asked; on and not enrolled: let through, unless mandatory.
    #[test]
    fn r14_r15_the_enrolled_are_asked_and_others_not() {
        let on = "enabled = true";
        assert_eq!(ask(on, "login", Enrolled), PolicyDecision::CodeRequired);
        assert_eq!(ask(on, "login", Unenrolled), PolicyDecision::NotRequired);
    }
}
