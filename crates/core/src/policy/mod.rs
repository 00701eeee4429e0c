//! The policy: what the global file may say, and what it means for one login.
//!
//! Nothing here opens a file, reads a clock or asks a database: the caller brings the text, the
//! address and the answers about group membership.

mod comments;
pub mod decision;
mod exempt;
mod exemption_scope;
mod fleet_policy;
mod hex_digest;
mod login_prospect;
mod policy_error;
mod policy_keys;
mod require;
mod self_service;
mod services;
mod start_day;
mod toml_table;

use std::fmt;
use std::str::FromStr;

use self::decision::LoginRequest;
use crate::otp::{Algorithm, Digits, Interval};

pub use exempt::{ExemptEntry, rhost_address};
pub use exemption_scope::ExemptionScope;
pub use fleet_policy::{FleetPolicy, OutageRule};
pub use hex_digest::hex_digest;
pub use login_prospect::LoginProspect;
pub use policy_error::PolicyError;
pub use require::{DeviceRequirement, RequireEntry};
pub use self_service::{FirstDevice, SelfService};
pub use services::{LOGIN_SERVICES, ServiceTable, sibling};
pub use start_day::{PolicyTime, StartDay};

/// The policy file as it is installed: every key at its default, explained, and switched off.
pub const DEFAULT_POLICY: &str = include_str!("default.toml");

/// The widest `window`.
pub const MAX_WINDOW: u8 = 10;

/// A legal policy. Ranges and defaults are those of [`DEFAULT_POLICY`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The global switch: `false` asks no user.
    pub enabled: bool,
    /// Treatment of users without a confirmed device.
    pub enforcement: Enforcement,
    /// Enrollment of users without a device in the login dialogue: whether they may or must get one.
    pub enroll_at_login: EnrollAtLogin,
    /// True if that takes an administrator's one-time code (`twofactor invite`), so that a stolen password is not enough.
    pub enroll_needs_invite: bool,
    /// Steps before and after the current one that are accepted (RFC 6238 5.2), 0..=[`MAX_WINDOW`].
    pub window: u8,
    /// Number of times that the code is asked for in one login, 1..=10.
    pub tries: u8,
    /// The prompt for the code: 1..=200 bytes, no control characters.
    pub prompt: String,
    /// Visibility of the code while it is typed.
    pub echo: EchoMode,
    /// The issuer in provisioning URIs: 1..=64 characters, no colon or control character.
    /// `None` is the host name.
    pub issuer: Option<String>,
    /// Seconds during which the same user from the same address is not asked again, 0..=86400;
    /// 0 is never.
    pub grace: u32,
    /// Seconds after a login with a code during which local services of the same login session do not ask, 0..=86400; 0 is never.
    pub grace_session: u32,
    /// True if unenrolled users are asked as well, so that the prompt does not tell them apart.
    pub uniform_prompt: bool,
    /// Properties of new devices.
    pub new_devices: NewDevices,
    /// The PAM services that ask for a code.
    pub services: ServiceTable,
    /// Limits on guessing.
    pub throttle: ThrottlePolicy,
    /// Changes that users make themselves through the daemon.
    pub self_service: SelfService,
    /// Part of this host in a fleet.
    pub fleet: FleetPolicy,
    /// Logins that are never asked; the entries are alternatives.
    pub exempt: Vec<ExemptEntry>,
    /// Program of root's that command and daemon run after each change of a user's factor: an absolute path. No login runs it.
    pub notify: Option<String>,
    /// Users who need a device, whatever `enforcement` says; the entries are alternatives.
    pub require: Vec<RequireEntry>,
}

/// Treatment of users without a confirmed device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// They log in without a code.
    Optional,
    /// They are refused, or have to enroll where the policy lets them do so at login.
    Mandatory,
}

/// Enrollment in the login dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrollAtLogin {
    /// None.
    Off,
    /// Enrollment is offered, and can be skipped unless a device is mandatory.
    Offer,
    /// A login without it is refused.
    Require,
}

/// Visibility of the code while it is typed. In the file: `echo = true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EchoMode {
    /// PAM_PROMPT_ECHO_OFF.
    Hidden,
    /// PAM_PROMPT_ECHO_ON.
    Shown,
}

/// Default properties of new devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewDevices {
    /// Length of a code.
    pub digits: Digits,
    /// Life of a code.
    pub interval: Interval,
    /// Hash of the HMAC.
    pub algorithm: Algorithm,
}

/// Limits on guessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottlePolicy {
    /// Consecutive wrong codes before the first lock-out, 1..=1000.
    pub attempts: u32,
    /// Seconds of the first lock-out, 1..=86400; doubles with each further wrong code.
    pub lockout: u32,
    /// Seconds of the longest lock-out, `lockout`..=604800.
    pub max_lockout: u32,
    /// Consecutive wrong codes after which only an administrator's unlock helps (NIST SP 800-63B
    /// 5.2.2), `attempts`..=1000000; 0 is no limit.
    pub max_failures: u32,
    /// Seconds that libpam is asked to wait after a wrong code (pam_fail_delay(3)), 0..=30.
    pub delay: u32,
}

/// Reads a policy file.
///
/// # Errors
/// The first thing that is wrong, with its place and what is allowed there: TOML syntax, a
/// duplicate or unknown key, a wrong type, a value out of range, or no `enabled`.
pub fn parse(text: &str) -> Result<Policy, PolicyError> {
    let short = comments::left_out(text);
    // What is wrong is told with its place in the whole text.
    match short.and_then(|short| policy_keys::policy(&short).ok()) {
        Some(policy) => Ok(policy),
        None => policy_keys::policy(text).map_err(|fault| PolicyError::at(text, fault)),
    }
}

impl Policy {
    /// Names of all groups that exemptions mention, possibly repeated.
    pub fn exempt_groups(&self) -> impl Iterator<Item = &str> {
        self.exempt
            .iter()
            .flat_map(|entry| entry.groups())
            .map(String::as_str)
    }

    /// The index of the first exemption that covers a login.
    ///
    /// `member` says whether the user is in the group of that name; a group that is not found, or cannot
    /// be looked up right now, has no members. It is asked last, and only where all else matches.
    fn exemption(
        &self,
        request: &LoginRequest<'_>,
        member: &mut dyn FnMut(&str) -> bool,
    ) -> Option<usize> {
        self.exempt
            .iter()
            .position(|entry| entry.covers(request, member))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            enabled: false,
            enforcement: Enforcement::Optional,
            enroll_at_login: EnrollAtLogin::Off,
            enroll_needs_invite: false,
            window: 1,
            tries: 3,
            prompt: "Verification code: ".to_owned(),
            echo: EchoMode::Hidden,
            issuer: None,
            grace: 0,
            grace_session: 0,
            uniform_prompt: false,
            new_devices: NewDevices::default(),
            services: ServiceTable::default(),
            throttle: ThrottlePolicy::default(),
            self_service: SelfService::default(),
            fleet: FleetPolicy::default(),
            exempt: Vec::new(),
            notify: None,
            require: Vec::new(),
        }
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        parse(text)
    }
}

/// The word of the policy file.
impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Optional => "optional",
            Self::Mandatory => "mandatory",
        })
    }
}

/// The word of the policy file.
impl fmt::Display for EnrollAtLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Offer => "offer",
            Self::Require => "require",
        })
    }
}

impl Default for NewDevices {
    fn default() -> Self {
        Self {
            digits: Digits::SIX,
            interval: Interval::THIRTY,
            algorithm: Algorithm::Sha1,
        }
    }
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            lockout: 30,
            max_lockout: 900,
            max_failures: 100,
            delay: 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_file_holds_every_default_and_is_off() {
        let installed = parse(DEFAULT_POLICY).unwrap();
        assert_eq!(installed, Policy::default());
        assert_eq!(installed, "enabled = false".parse().unwrap());
        assert!("enabled = true".parse::<Policy>().unwrap().enabled);
        assert!(!installed.enabled);
        assert!(!installed.service_on("sshd"));
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let policy = parse("enabled = true").unwrap();
        assert!(policy.enabled);
        assert_eq!(policy.enforcement, Enforcement::Optional);
        assert_eq!(policy.enroll_at_login, EnrollAtLogin::Off);
        assert!(!policy.enroll_needs_invite);
        assert_eq!((policy.window, policy.tries, policy.grace), (1, 3, 0));
        assert_eq!(policy.prompt, "Verification code: ");
        assert_eq!(policy.echo, EchoMode::Hidden);
        assert_eq!(policy.issuer, None);
        assert!(!policy.uniform_prompt);
        let devices = policy.new_devices;
        assert_eq!(Some(devices.digits), Digits::new(6));
        assert_eq!(Some(devices.interval), Interval::new(30));
        assert_eq!(devices.algorithm, Algorithm::Sha1);
        let ThrottlePolicy {
            attempts,
            lockout,
            max_lockout,
            max_failures,
            delay,
        } = policy.throttle;
        assert_eq!(
            (attempts, lockout, max_lockout, max_failures, delay),
            (5, 30, 900, 100, 2)
        );
        assert!(policy.exempt.is_empty() && policy.require.is_empty());
    }

    #[test]
    fn words_display_as_in_the_file() {
        assert_eq!(Enforcement::Optional.to_string(), "optional");
        assert_eq!(Enforcement::Mandatory.to_string(), "mandatory");
        assert_eq!(EnrollAtLogin::Off.to_string(), "off");
        assert_eq!(EnrollAtLogin::Offer.to_string(), "offer");
        assert_eq!(EnrollAtLogin::Require.to_string(), "require");
    }
}
