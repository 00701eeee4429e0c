//! Actions through the daemon without root: users change their own factor, and some accounts have codes of others judged.

use std::fmt;

use super::{DeviceRequirement, LoginProspect, Policy};
use crate::record::EnrollmentStatus;

/// The rights of users and accounts at the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfService {
    /// True if they may add, renew and unset devices, and get new recovery codes.
    pub manage: bool,
    /// The proof for the first device, as far as the policy file says. [`Policy::first_device`] is what counts.
    pub first_device: FirstDevice,
    /// True if they may remove the last device. [`Policy::allows_unset_last`] is what counts.
    pub unset_last: bool,
    /// Accounts that may have codes of other users judged, such as that of a database server, and change nothing. Never root: its
    /// programs read the files.
    pub verifiers: Vec<String>,
}

/// Proof with which a user without a device gets the first one through the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstDevice {
    /// A login with the password within the last minutes, or an invitation.
    Login,
    /// An administrator's invitation.
    Invite,
    /// None is enough.
    Off,
}

impl Default for SelfService {
    fn default() -> Self {
        Self {
            manage: true,
            first_device: FirstDevice::Login,
            unset_last: true,
            verifiers: Vec::new(),
        }
    }
}

/// The word of the policy file.
impl fmt::Display for FirstDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FirstDevice {
    /// The word of the policy file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Invite => "invite",
            Self::Off => "off",
        }
    }
}

impl Policy {
    /// The proof for the first device. Where enrollment at login needs an invitation, so does this.
    #[must_use]
    pub fn first_device(&self) -> FirstDevice {
        match self.self_service.first_device {
            _ if !self.self_service.manage => FirstDevice::Off,
            FirstDevice::Login if self.enroll_needs_invite => FirstDevice::Invite,
            other => other,
        }
    }

    /// True if a user may remove the last device without root. Never where a login without a device is refused, be it
    /// later; `requirement` is that of `[[require]]` on this user.
    #[must_use]
    pub fn allows_unset_last(&self, requirement: DeviceRequirement) -> bool {
        let some_day = match requirement {
            DeviceRequirement::None => DeviceRequirement::None,
            DeviceRequirement::Later(_) | DeviceRequirement::InForce => DeviceRequirement::InForce,
        };
        let then = LoginProspect::where_asked(self, EnrollmentStatus::NotEnrolled, some_day);
        self.self_service.manage && self.self_service.unset_last && !then.demands_device()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rest: &str) -> Policy {
        format!("enabled = true\n{rest}").parse().unwrap()
    }

    #[test]
    fn the_first_device_needs_what_enrollment_needs() {
        for (rest, first) in [
            ("", FirstDevice::Login),
            ("enroll_needs_invite = true", FirstDevice::Invite),
            (
                "enroll_needs_invite = true\n[self_service]\nfirst_device = \"login\"",
                FirstDevice::Invite,
            ),
            (
                "enroll_needs_invite = true\n[self_service]\nfirst_device = \"off\"",
                FirstDevice::Off,
            ),
            (
                "[self_service]\nfirst_device = \"invite\"",
                FirstDevice::Invite,
            ),
            ("[self_service]\nmanage = false", FirstDevice::Off),
        ] {
            assert_eq!(policy(rest).first_device(), first, "{rest}");
        }
    }

    #[test]
    fn the_proof_is_shown_by_its_word() {
        for word in ["login", "invite", "off"] {
            let policy = policy(&format!("[self_service]\nfirst_device = \"{word}\""));
            assert_eq!(policy.first_device().to_string(), word);
        }
    }

    #[test]
    fn a_mandatory_device_is_never_unset() {
        for (rest, allowed) in [
            ("", true),
            ("enforcement = \"mandatory\"", false),
            ("enroll_at_login = \"require\"", false),
            ("enroll_at_login = \"offer\"", true),
            ("[[require]]\nusers = [\"bob\"]", true),
            ("[self_service]\nunset_last = false", false),
            ("[self_service]\nmanage = false", false),
            (
                "enforcement = \"mandatory\"\n[self_service]\nunset_last = true",
                false,
            ),
        ] {
            let policy = policy(rest);
            let allows = |requirement| policy.allows_unset_last(requirement);
            assert_eq!(allows(DeviceRequirement::None), allowed, "{rest}");
            assert!(!allows(DeviceRequirement::InForce), "{rest}");
        }
        let later = "[[require]]\nusers = [\"bob\"]\nfrom = 2027-03-01";
        let later = policy(later);
        let day = later.require[0].from().unwrap();
        assert!(!later.allows_unset_last(DeviceRequirement::Later(day)));
    }

    #[test]
    fn what_the_table_does_not_know_is_an_error() {
        for (table, wrong) in [
            ("first_device = \"password\"", "\"login\", \"invite\""),
            ("manage = 1", "true or false"),
            ("verifier = []", "verifier"),
            ("verifiers = \"postgres\"", "verifiers"),
            ("verifiers = [\"\"]", "verifiers"),
            ("verifiers = [\"root\"]", "root"),
        ] {
            let text = format!("enabled = true\n[self_service]\n{table}");
            let error = crate::policy::parse(&text).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
