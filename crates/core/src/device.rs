//! One authenticator of one user.

use std::fmt;
use std::str::FromStr;

use crate::otp::{Algorithm, Digits, Interval, TotpGenerator, hotp};
use crate::secret::Secret;

/// Most devices one user can have: the state has room for one more, so that a device can be replaced without a moment
/// in which either is unknown to it.
pub const MAX_DEVICES: usize = 7;

/// One authenticator: a phone app or a hardware token. A device that exists is confirmed: records hold no others.
#[derive(Debug, Clone)]
pub struct Device {
    /// Ties the device to its part of the state; a renewed device has a new one.
    pub id: CredentialId,
    /// Name that its owner gave it.
    pub name: DeviceName,
    /// Kind of its moving factor.
    pub kind: OtpKind,
    /// The hash under the HMAC.
    pub algorithm: Algorithm,
    /// Digits of a code.
    pub digits: Digits,
    /// The shared secret.
    pub secret: Secret,
    /// Time of enrollment, in seconds since 1970-01-01 UTC.
    pub created: u64,
}

impl Device {
    /// The code generator of a TOTP device, `None` for HOTP.
    #[must_use]
    pub fn totp(&self) -> Option<(TotpGenerator, Interval)> {
        match self.kind {
            OtpKind::Totp { interval } => {
                let totp = TotpGenerator::new(&self.secret, self.algorithm, self.digits, interval);
                Some((totp, interval))
            }
            OtpKind::Hotp => None,
        }
    }

    /// The code for a moving factor: a step (TOTP) or a counter (HOTP).
    #[must_use]
    pub fn code(&self, moving_factor: u64) -> crate::otp::Code {
        match self.totp() {
            Some((totp, _)) => totp.code(moving_factor),
            None => hotp(&self.secret, self.algorithm, self.digits, moving_factor),
        }
    }
}

/// Moving factor of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtpKind {
    /// Time steps (RFC 6238).
    Totp {
        /// Length of a step.
        interval: Interval,
    },
    /// Button presses (RFC 4226).
    Hotp,
}

/// Random, never zero; written as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialId(u64);

impl CredentialId {
    /// A new random id.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        loop {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes)?;
            if let Some(id) = Self::from_number(u64::from_be_bytes(bytes)) {
                return Ok(id);
            }
        }
    }

    /// `None` for zero, which the state file uses for "nothing".
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => None,
            _ => Some(Self(number)),
        }
    }

    /// The number in the state file.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedText(&'static str);

impl fmt::Display for MalformedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for MalformedText {}

impl FromStr for CredentialId {
    type Err = MalformedText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = MalformedText("an id is 16 hexadecimal digits, not all zero");
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(malformed);
        }
        u64::from_str_radix(text, 16)
            .ok()
            .and_then(Self::from_number)
            .ok_or(malformed)
    }
}

/// 1 to 32 characters out of `A-Z a-z 0-9 . _ -`, so that it needs no escaping anywhere it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceName(String);

impl DeviceName {
    /// Name of a user's first device where none is chosen.
    #[must_use]
    pub fn first() -> Self {
        Self("phone".to_owned())
    }

    /// Name of a user's second device.
    #[must_use]
    pub fn second() -> Self {
        Self("backup".to_owned())
    }

    /// Name of a device that is added to these: the first one's, or that with a number after it. One of `lately` is that of a
    /// device of before, which the new one would be taken for.
    #[must_use]
    pub fn next_to(devices: &[Device], lately: &[Self]) -> Self {
        let is_free = |name: &Self| {
            devices.iter().all(|device| device.name != *name) && !lately.contains(name)
        };
        let first = Self::first();
        let numbered = (2..).map(|number: u32| Self(format!("{first}-{number}")));
        // Of more names than there are others one is free.
        let others = devices.len() + lately.len();
        let mut names = std::iter::once(first.clone()).chain(numbered.take(others));
        names.find(is_free).unwrap_or(first)
    }

    /// True for the words that stand in the log in the place of a device: users who name their own devices cannot take them.
    #[must_use]
    pub fn is_word_of_log(&self) -> bool {
        ["all", "bypass", "recovery-code"].contains(&self.as_str())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DeviceName {
    type Err = MalformedText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if (1..=32).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MalformedText(
                "a device name is 1 to 32 characters out of A-Z a-z 0-9 . _ -",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_escaping() {
        for good in ["phone", "Yubi.Key_2-b", "x", &"a".repeat(32)] {
            assert_eq!(good.parse::<DeviceName>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\n", "é", "a/b", "a=b", "a%", &"a".repeat(33)] {
            assert!(bad.parse::<DeviceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_further_device_gets_the_next_free_name() {
        let after = |names: &[&str], lately: &[&str]| {
            let device = |name: &&str| Device {
                id: CredentialId::from_number(1).unwrap(),
                name: name.parse().unwrap(),
                kind: OtpKind::Hotp,
                algorithm: Algorithm::Sha1,
                digits: Digits::SIX,
                secret: Secret::generate(20).unwrap(),
                created: 0,
            };
            let devices: Vec<_> = names.iter().map(device).collect();
            let lately: Vec<DeviceName> = lately.iter().map(|name| name.parse().unwrap()).collect();
            DeviceName::next_to(&devices, &lately).to_string()
        };
        let named = |names| after(names, &[]);
        assert_eq!(named(&[]), "phone");
        assert_eq!(named(&["backup"]), "phone");
        assert_eq!(named(&["phone", "backup"]), "phone-2");
        assert_eq!(named(&["phone", "phone-2", "phone-4"]), "phone-3");
        assert_eq!(after(&["phone-2"], &["phone", "phone-2"]), "phone-3");
        assert_eq!(after(&["x"], &["phone", "phone", "phone-2"]), "phone-3");
        assert_eq!(after(&[], &["phone"]), "phone-2");
    }

    #[test]
    fn ids_round_trip_and_are_never_zero() {
        let id = CredentialId::generate().unwrap();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "0",
            "0000000000000000",
            "+00000000000000f",
            "00000000000000000f",
        ] {
            assert!(bad.parse::<CredentialId>().is_err(), "{bad}");
        }
    }
}
