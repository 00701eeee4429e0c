//! A new device: made, described for its owner, and confirmed by a code. The same for the command and for enrollment in
//! a login dialogue. Stores nothing.

mod pending;
mod recovery_login;

use zeroize::Zeroizing;

use crate::account::Account;
use crate::device::{CredentialId, Device, DeviceName, OtpKind};
use crate::otpauth::{KeyUri, UriKind};
use crate::policy::{NewDevices, Policy};
use crate::record::UserRecord;
use crate::secret::Secret;
use crate::state::{COUNTER_UNKNOWN, DeviceState, UserState};
use crate::verify::{self, AnswerForm, CodeOutcome, CodeRejection, TypedAnswer};

pub use pending::{ConfirmedDevice, PendingDevice, UnconfirmedCode};
pub use recovery_login::RecoveryLogin;

/// Number of times that a code of a new device is asked for.
pub const TRIES: u32 = 5;

/// A device with a new secret.
///
/// `now` is in seconds since 1970-01-01 UTC.
///
/// # Errors
/// When the kernel gives no randomness.
pub fn new_device(
    name: DeviceName,
    kind: OtpKind,
    settings: NewDevices,
    now: u64,
) -> Result<Device, getrandom::Error> {
    Ok(Device {
        id: CredentialId::generate()?,
        name,
        kind,
        algorithm: settings.algorithm,
        digits: settings.digits,
        secret: Secret::generate(settings.algorithm.output_len())?,
        created: now,
    })
}

/// The state of a device of which no code was accepted yet.
#[must_use]
pub const fn unused(device: &Device) -> DeviceState {
    DeviceState {
        id: device.id,
        next: 0,
        drift: 0,
        last_used: 0,
        committed: false,
    }
}

/// The URI that an app reads, in forms for more and more narrow screens: whole; with the issuer in one place; with the
/// short host name where the host name is the issuer. `host` is the host name, `next` the counter of a HOTP device.
#[must_use]
pub fn uris(
    device: &Device,
    account: &str,
    policy: &Policy,
    host_name: &str,
    next: u64,
) -> Vec<Zeroizing<String>> {
    let issuer = policy.issuer.as_deref().unwrap_or(host_name);
    let mut forms = vec![
        key_uri(device, account, issuer, next, |uri| uri.build()),
        key_uri(device, account, issuer, next, |uri| uri.build_shorter()),
    ];
    let short = host_name.split('.').next().unwrap_or(host_name);
    if policy.issuer.is_none() && !short.is_empty() && short != host_name {
        let form = key_uri(device, account, short, next, |uri| uri.build_shorter());
        forms.push(form);
    }
    forms
}

/// The URI that an app reads; `issuer` is the name that the app shows, `next` the counter of a HOTP device.
#[must_use]
pub fn uri(device: &Device, account: &str, issuer: &str, next: u64) -> Zeroizing<String> {
    key_uri(device, account, issuer, next, |uri| uri.build())
}

fn key_uri(
    device: &Device,
    account: &str,
    issuer: &str,
    next: u64,
    build: fn(&KeyUri<'_>) -> Zeroizing<String>,
) -> Zeroizing<String> {
    let kind = match device.kind {
        OtpKind::Totp { interval } => UriKind::Totp {
            interval: interval.seconds(),
        },
        OtpKind::Hotp if next == COUNTER_UNKNOWN => UriKind::Hotp { counter: 0 },
        OtpKind::Hotp => UriKind::Hotp { counter: next },
    };
    build(&KeyUri {
        kind,
        algorithm: device.algorithm.name(),
        digits: device.digits.value(),
        secret_base32: &device.secret.to_base32(),
        issuer,
        account,
    })
}

/// A key in groups of four, for typing it in.
#[must_use]
pub fn in_fours(key: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for (position, letter) in key.chars().enumerate() {
        if position > 0 && position % 4 == 0 {
            text.push(' ');
        }
        text.push(letter);
    }
    text
}

/// The verdict of a login at `now` (seconds since 1970-01-01 UTC), for a record that holds nothing but the new device. Returns
/// the state of the device if `typed` is a code of it, which is used up then.
///
/// # Errors
/// The reason why `typed` is not accepted.
pub fn confirm(
    policy: &Policy,
    account: &Account,
    device: &Device,
    typed: &[u8],
    now: u64,
) -> Result<DeviceState, CodeRejection> {
    let mut record = UserRecord::new(account.name.clone(), account.uid);
    record.devices.push(device.clone());
    let mut state = UserState::new(account.uid);
    state.devices.push(unused(device));
    let answer = TypedAnswer::read(typed, AnswerForm::Code, &[device.digits]);
    // A state without failures is never locked out.
    let charged =
        verify::charge(&policy.throttle, &state, now).map_err(|_| CodeRejection::Wrong)?;
    let verdict = verify::verdict(policy, &record, &charged, &answer, now);
    match verdict.outcome {
        CodeOutcome::Accepted(_) => verdict
            .state
            .device(device.id)
            .copied()
            .ok_or(CodeRejection::Wrong),
        CodeOutcome::Rejected(why) => Err(why),
    }
}

/// The number of digits that a code of `device` has, where what was typed is no such code at any moment: it has more or
/// fewer digits, or something else in it.
#[must_use]
pub fn digits_missed(device: &Device, typed: &[u8]) -> Option<u8> {
    let is_separator = |byte: &&u8| !byte.is_ascii_whitespace() && **byte != b'-';
    let typed = typed.iter().filter(is_separator);
    let digits = device.digits.value();
    let (count, only_digits) = typed.fold((0, true), |(count, only), byte| {
        (count + 1, only && byte.is_ascii_digit())
    });
    (!only_digits || count != usize::from(digits)).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otp::{Algorithm, Digits, Interval};

    const NOW: u64 = 1_234_567_890;
    const THIRTY: OtpKind = OtpKind::Totp {
        interval: Interval::THIRTY,
    };

    fn device(kind: OtpKind) -> Device {
        Device {
            id: CredentialId::generate().unwrap(),
            name: "phone".parse().unwrap(),
            kind,
            algorithm: Algorithm::Sha1,
            digits: Digits::SIX,
            secret: Secret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap(),
            created: NOW,
        }
    }

    fn check(device: &Device, typed: &str, now: u64) -> Result<DeviceState, CodeRejection> {
        let account = Account {
            name: "alice".into(),
            uid: 1000,
            gid: 1000,
        };
        confirm(&Policy::default(), &account, device, typed.as_bytes(), now)
    }

    #[test]
    fn r08_the_confirming_code_is_used_up() {
        // RFC 6238 appendix B: 89005924 at 1234567890, cut to six digits.
        let entry = check(&device(THIRTY), "005 924", NOW).unwrap();
        assert_eq!((entry.next, entry.last_used), (NOW / 30 + 1, NOW));
    }

    #[test]
    fn a_hotp_device_is_confirmed_by_its_first_code() {
        // RFC 4226 appendix D, counter 0.
        let entry = check(&device(OtpKind::Hotp), "755224", NOW).unwrap();
        assert_eq!(entry.next, 1);
    }

    #[test]
    fn shorter_uris_shorten_the_host_name_last() {
        let forms = |policy: &str, host_name: &str| -> Vec<String> {
            let policy: Policy = policy.parse().unwrap();
            let forms = uris(&device(THIRTY), "alice", &policy, host_name, 0);
            let behind =
                |uri: &Zeroizing<String>| uri.strip_prefix("otpauth://totp/").map(str::to_owned);
            forms.iter().filter_map(behind).collect()
        };
        let key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let whole = format!("web.example.org:alice?secret={key}&issuer=web.example.org");
        let once = format!("web.example.org:alice?secret={key}");
        let short = format!("web:alice?secret={key}");
        let off = "enabled = false";
        assert_eq!(
            forms(off, "web.example.org"),
            [whole.clone(), once.clone(), short.clone()]
        );
        assert_eq!(forms(off, "web"), [format!("{short}&issuer=web"), short]);
        // The name that an administrator chose stays.
        let chosen = "enabled = false\nissuer = \"web.example.org\"";
        assert_eq!(forms(chosen, "other.example.org"), [whole, once]);
    }

    #[test]
    fn a_wrong_code_confirms_nothing() {
        let device = device(THIRTY);
        assert_eq!(check(&device, "005925", NOW), Err(CodeRejection::Wrong));
        assert_eq!(check(&device, "", NOW), Err(CodeRejection::Wrong));
    }

    #[test]
    fn what_is_no_code_is_told_from_a_wrong_one() {
        let device = device(THIRTY);
        for (typed, missed) in [
            ("005925", None),
            ("005 925\n", None),
            ("005-925", None),
            ("12", Some(6)),
            ("0059250", Some(6)),
            ("00592x", Some(6)),
            ("", Some(6)),
            ("yes", Some(6)),
            ("\u{661}\u{662}\u{663}", Some(6)),
        ] {
            assert_eq!(digits_missed(&device, typed.as_bytes()), missed, "{typed}");
        }
    }

    #[test]
    fn a_wrong_clock_is_told_from_a_wrong_code() {
        let why = check(&device(THIRTY), "005924", NOW + 150).unwrap_err();
        assert!(matches!(why, CodeRejection::ClockDiffers { steps: -5, .. }));
    }

    #[test]
    fn the_uri_names_issuer_account_and_counter() {
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(
            *uri(&device(THIRTY), "alice", "example.org", 7),
            format!("otpauth://totp/example.org:alice?secret={secret}&issuer=example.org")
        );
        let hotp = device(OtpKind::Hotp);
        let counter = |next| {
            uri(&hotp, "alice", "", next)
                .rsplit('=')
                .next()
                .map(str::to_owned)
        };
        assert_eq!(counter(7).as_deref(), Some("7"));
        assert_eq!(counter(COUNTER_UNKNOWN).as_deref(), Some("0"));
    }

    #[test]
    fn keys_are_grouped() {
        assert_eq!(*in_fours("ABCDEFGHIJ"), "ABCD EFGH IJ");
        assert_eq!(*in_fours(""), "");
    }

    #[test]
    fn new_devices_have_secrets_as_long_as_their_hash() {
        let settings = NewDevices {
            algorithm: Algorithm::Sha256,
            ..NewDevices::default()
        };
        let name: DeviceName = "phone".parse().unwrap();
        let one = new_device(name.clone(), THIRTY, settings, NOW).unwrap();
        let two = new_device(name, THIRTY, settings, NOW).unwrap();
        assert_eq!(one.secret.as_bytes().len(), 32);
        assert_ne!(one.secret.as_bytes(), two.secret.as_bytes());
        assert_eq!((one.created, one.kind), (NOW, THIRTY));
    }
}
