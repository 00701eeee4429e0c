//! A device as it is reported: everything but its secret.

use serde::Serialize;
use twofactor_core::device::{Device, OtpKind};
use twofactor_core::enroll;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::policy::Policy;
use twofactor_core::state::UserState;
use twofactor_store::sys::host_name;
use zeroize::Zeroizing;

use crate::formatting::ReportedTime;

/// A device without its secret. The keys are part of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// Its name.
    pub name: String,
    /// `totp` or `hotp`.
    pub kind: &'static str,
    /// `SHA1`, `SHA256` or `SHA512`.
    pub algorithm: &'static str,
    /// Digits of a code.
    pub digits: u8,
    /// Seconds for which a code is shown; `null` for HOTP.
    pub interval: Option<u32>,
    /// Time of enrollment, ISO 8601 UTC.
    pub enrolled: ReportedTime,
    /// Time at which a code was last accepted, ISO 8601 UTC; `null` for never.
    pub last_used: Option<ReportedTime>,
}

impl DeviceInfo {
    /// Describes `device`, with what `state` knows of it.
    pub fn new(device: &Device, state: Option<&UserState>) -> Self {
        let (kind, interval) = match device.kind {
            OtpKind::Totp { interval } => ("totp", Some(interval.seconds())),
            OtpKind::Hotp => ("hotp", None),
        };
        let used = state
            .and_then(|state| state.device(device.id))
            .map(|entry| entry.last_used);
        Self {
            name: device.name.to_string(),
            kind,
            algorithm: device.algorithm.name(),
            digits: device.digits.value(),
            interval,
            enrolled: ReportedTime(device.created),
            last_used: used.filter(|used| *used > 0).map(ReportedTime),
        }
    }

    /// The minute of the last accepted code, or `never`.
    pub fn last_used_text(&self) -> String {
        self.last_used
            .map_or_else(|| "never".to_owned(), |used| used.to_string())
    }

    /// `TOTP SHA1, 6 digits, 30 s`.
    pub fn settings(&self) -> String {
        match self.interval {
            Some(seconds) => format!(
                "TOTP {}, {} digits, {seconds} s",
                self.algorithm, self.digits
            ),
            None => format!("HOTP {}, {} digits, counter", self.algorithm, self.digits),
        }
    }
}

/// The properties that Google Authenticator and the apps that imitate it cannot handle (`None`: all work).
pub fn app_warning(device: &Device) -> Option<&'static str> {
    let usual = device.digits == Digits::SIX
        && device.algorithm == Algorithm::Sha1
        && matches!(
            device.kind,
            OtpKind::Hotp
                | OtpKind::Totp {
                    interval: Interval::THIRTY
                }
        );
    (!usual).then_some(
        "Google Authenticator works with 6 digits, 30 seconds and SHA1 only, and other apps may ignore the settings \
         below without saying so. The code you are asked for shows whether yours understands them.",
    )
}

/// The URI that an app reads.
pub fn uri(
    device: &Device,
    account: &str,
    policy: &Policy,
    state: Option<&UserState>,
) -> Zeroizing<String> {
    enroll::uri(device, account, &issuer(policy), next(device, state))
}

/// The forms of that URI, the whole one first, for screens on which its QR code has no room.
pub fn uris(
    device: &Device,
    account: &str,
    policy: &Policy,
    state: Option<&UserState>,
) -> Vec<Zeroizing<String>> {
    enroll::uris(
        device,
        account,
        policy,
        &host_name::name(),
        next(device, state),
    )
}

fn next(device: &Device, state: Option<&UserState>) -> u64 {
    let entry = state.and_then(|state| state.device(device.id));
    entry.map_or(0, |entry| entry.next)
}

/// The policy's issuer; the host name where it has none.
fn issuer(policy: &Policy) -> String {
    policy.issuer.clone().unwrap_or_else(host_name::name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::device::CredentialId;
    use twofactor_core::secret::Secret;

    fn device(kind: OtpKind, digits: u8, algorithm: Algorithm) -> Device {
        Device {
            id: CredentialId::generate().unwrap(),
            name: "phone".parse().unwrap(),
            kind,
            algorithm,
            digits: Digits::new(digits).unwrap(),
            secret: Secret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap(),
            created: 0,
        }
    }

    const THIRTY: OtpKind = OtpKind::Totp {
        interval: Interval::THIRTY,
    };

    #[test]
    fn r05_settings_beyond_google_authenticator_warn() {
        let sixty = OtpKind::Totp {
            interval: Interval::new(60).unwrap(),
        };
        assert_eq!(app_warning(&device(THIRTY, 6, Algorithm::Sha1)), None);
        assert_eq!(
            app_warning(&device(OtpKind::Hotp, 6, Algorithm::Sha1)),
            None
        );
        assert!(app_warning(&device(sixty, 6, Algorithm::Sha1)).is_some());
        assert!(app_warning(&device(THIRTY, 8, Algorithm::Sha1)).is_some());
        assert!(app_warning(&device(THIRTY, 6, Algorithm::Sha256)).is_some());
    }

    #[test]
    fn the_uri_names_the_issuer_of_the_policy() {
        let policy: Policy = "enabled = true\nissuer = \"example.org\"".parse().unwrap();
        assert_eq!(
            *uri(&device(THIRTY, 6, Algorithm::Sha1), "alice", &policy, None),
            "otpauth://totp/example.org:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=example.org"
        );
    }

    #[test]
    fn a_report_has_no_secret_and_stable_keys() {
        let info = DeviceInfo::new(&device(THIRTY, 6, Algorithm::Sha1), None);
        assert_eq!(
            serde_json::to_string(&info).unwrap(),
            "{\"name\":\"phone\",\"kind\":\"totp\",\"algorithm\":\"SHA1\",\"digits\":6,\"interval\":30,\
             \"enrolled\":\"1970-01-01T00:00:00Z\",\"last_used\":null}"
        );
        assert_eq!(info.settings(), "TOTP SHA1, 6 digits, 30 s");
    }
}
