//! A device as a line of a users file of the OATH toolkit (pam_oath).

use data_encoding::HEXLOWER;
use twofactor_core::device::{Device, OtpKind};
use twofactor_core::otp::Algorithm;
use twofactor_core::state::{COUNTER_UNKNOWN, UserState};
use twofactor_store::sys::local_time;
use zeroize::Zeroizing;

/// Reason why a token is left out whose counter is not known.
pub const COUNTER_LOST: &str = "its counter is not known; twofactor resync finds it";

/// The smallest step or counter that may still be used. `None` where a counter was lost.
pub fn next(device: &Device, state: &UserState) -> Option<u64> {
    let next = state.device(device.id).map_or(0, |entry| entry.next);
    (device.kind != OtpKind::Hotp || next != COUNTER_UNKNOWN).then_some(next)
}

/// The line, with the last code, which pam_oath refuses from then on; or what pam_oath cannot do.
pub fn line(user: &str, device: &Device, state: &UserState) -> Result<Zeroizing<String>, String> {
    if device.algorithm != Algorithm::Sha1 {
        return Err(format!("pam_oath does not know {}", device.algorithm));
    }
    if user.contains(char::is_whitespace) || user.starts_with('#') {
        return Err("a users file has no room for such a user name".to_owned());
    }
    let factor = match device.kind {
        OtpKind::Hotp => "E".to_owned(),
        OtpKind::Totp { interval } if [30, 60].contains(&interval.seconds()) => {
            format!("T{}", interval.seconds())
        }
        OtpKind::Totp { interval } => {
            let seconds = interval.seconds();
            return Err(format!(
                "pam_oath knows 30 and 60 seconds only, not {seconds}"
            ));
        }
    };
    let next = next(device, state).ok_or(COUNTER_LOST)?;
    let key = Zeroizing::new(HEXLOWER.encode(device.secret.as_bytes()));
    let digits = device.digits.value();
    let mut line = Zeroizing::new(format!("HOTP/{factor}/{digits}\t{user}\t-\t"));
    line.push_str(&key);
    let Some(last) = next.checked_sub(1) else {
        return Ok(line);
    };
    // pam_oath keeps the counter of the last code, and none for a clock.
    let counter = if device.kind == OtpKind::Hotp {
        last
    } else {
        0
    };
    let used = state.device(device.id).map_or(0, |entry| entry.last_used);
    // One that was used elsewhere only: when its last code was shown is near enough.
    let used = match device.kind {
        OtpKind::Totp { interval } if used == 0 => {
            last.saturating_mul(u64::from(interval.seconds()))
        }
        _ => used,
    };
    let code = device.code(last).reveal();
    line.push_str(&format!("\t{counter}\t{}\t{}", *code, local(used)));
    Ok(line)
}

/// As pam_oath writes a time.
fn local(seconds: u64) -> String {
    let [year, month, day, hour, minute, second] =
        local_time::from_unix(seconds).unwrap_or([1970, 1, 1, 0, 0, 0]);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}L")
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::device::CredentialId;
    use twofactor_core::otp::{Digits, Interval};
    use twofactor_core::secret::Secret;
    use twofactor_core::state::DeviceState;

    fn device(kind: OtpKind) -> Device {
        Device {
            id: CredentialId::from_number(1).unwrap(),
            name: "phone".parse().unwrap(),
            kind,
            algorithm: Algorithm::Sha1,
            digits: Digits::SIX,
            secret: Secret::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap(),
            created: 0,
        }
    }

    fn clock(seconds: u32) -> OtpKind {
        let interval = Interval::new(seconds).unwrap();
        OtpKind::Totp { interval }
    }

    fn state(next: u64) -> UserState {
        let mut state = UserState::new(1);
        state.devices.push(DeviceState {
            id: CredentialId::from_number(1).unwrap(),
            next,
            drift: 0,
            last_used: 86_400 * 365,
            committed: true,
        });
        state
    }

    const KEY: &str = "3132333435363738393031323334353637383930";

    #[test]
    fn a_line_names_the_last_code_as_pam_oath_does() {
        let text = |kind, next| {
            line("alice", &device(kind), &state(next))
                .unwrap()
                .to_string()
        };
        assert_eq!(text(OtpKind::Hotp, 0), format!("HOTP/E/6\talice\t-\t{KEY}"));
        assert_eq!(text(clock(60), 0), format!("HOTP/T60/6\talice\t-\t{KEY}"));
        // RFC 4226 appendix D: counter 7.
        let used = text(OtpKind::Hotp, 8);
        assert!(
            used.starts_with(&format!("HOTP/E/6\talice\t-\t{KEY}\t7\t162583\t19")),
            "{used}"
        );
        let used = text(clock(30), 8);
        assert!(
            used.starts_with(&format!("HOTP/T30/6\talice\t-\t{KEY}\t0\t162583\t19")),
            "{used}"
        );
        assert!(used.ends_with('L'));
        let mut elsewhere = state(58_907_521);
        elsewhere.devices[0].last_used = 0;
        let text = line("alice", &device(clock(30)), &elsewhere).unwrap();
        let time = local(58_907_520 * 30);
        assert!(text.ends_with(&time) && time.starts_with("202"), "{text:?}");
    }

    #[test]
    fn what_pam_oath_cannot_do_is_told() {
        let why = |user: &str, device: &Device, next| line(user, device, &state(next)).unwrap_err();
        assert!(why("alice", &device(clock(45)), 0).contains("not 45"));
        let mut other = device(clock(30));
        other.algorithm = Algorithm::Sha256;
        assert!(why("alice", &other, 0).contains("SHA256"));
        assert_eq!(
            why("alice", &device(OtpKind::Hotp), COUNTER_UNKNOWN),
            COUNTER_LOST
        );
        assert!(why("two words", &device(clock(30)), 0).contains("user name"));
    }
}
