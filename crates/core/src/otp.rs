//! One-time codes: HOTP (RFC 4226) and TOTP (RFC 6238), and the terms they are made of.

use std::fmt::{self, Write};
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::secret::Secret;

/// The hash under the HMAC (RFC 6238 section 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA-1: what every authenticator app supports.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    /// Length of the hash in bytes, which is also the length of a new secret.
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The name used in the policy, in records and in otpauth URIs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The word is none of the known algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown algorithm; allowed: SHA1, SHA256, SHA512")
    }
}

impl std::error::Error for UnknownAlgorithm {}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        [Self::Sha1, Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.name() == word)
            .ok_or(UnknownAlgorithm)
    }
}

/// Number of digits of a code, 6 to 8 (RFC 4226 section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digits(u8);

impl Digits {
    /// The usual number.
    pub const SIX: Self = Self(6);

    /// `None` unless `digits` is 6, 7 or 8.
    #[must_use]
    pub const fn new(digits: u8) -> Option<Self> {
        match digits {
            6..=8 => Some(Self(digits)),
            _ => None,
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// Length of a TOTP step in seconds, 5 to 3600 (the "time step X" of RFC 6238 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(u32);

impl Interval {
    /// The usual interval.
    pub const THIRTY: Self = Self(30);

    /// `None` unless `seconds` is between 5 and 3600.
    #[must_use]
    pub const fn new(seconds: u32) -> Option<Self> {
        match seconds {
            5..=3600 => Some(Self(seconds)),
            _ => None,
        }
    }

    /// The length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// The step that `now` (seconds since 1970-01-01 UTC) lies in: T of RFC 6238 section 4.2.
    #[must_use]
    pub const fn step(self, now: u64) -> u64 {
        // An `Interval` is at least 5.
        now / self.0 as u64
    }
}

/// Longest code in bytes.
const MAX_DIGITS: usize = 8;

/// One code as it is typed: 6 to 8 ASCII digits. Wiped on drop, compared in constant time, shown only on purpose.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Code {
    text: [u8; MAX_DIGITS],
    len: usize,
}

impl Code {
    /// Reads typed digits; `None` unless they are 6 to 8 ASCII digits and nothing else.
    #[must_use]
    pub fn from_digits(typed: &[u8]) -> Option<Self> {
        let len = typed.len();
        if !(6..=MAX_DIGITS).contains(&len) || !typed.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut text = [0; MAX_DIGITS];
        text.iter_mut()
            .zip(typed)
            .for_each(|(to, from)| *to = *from);
        Some(Self { text, len })
    }

    /// The digits, for showing a code on purpose.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let digits = self.text.iter().take(self.len);
        Zeroizing::new(digits.map(|digit| char::from(*digit)).collect())
    }

    fn empty() -> Self {
        Self {
            text: [0; MAX_DIGITS],
            len: 0,
        }
    }
}

impl ConstantTimeEq for Code {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.text.ct_eq(&other.text) & self.len.ct_eq(&other.len)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(redacted)")
    }
}

impl Write for Code {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            *self.text.get_mut(self.len).ok_or(fmt::Error)? = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// Makes the codes of one TOTP device (RFC 6238).
pub struct TotpGenerator {
    inner: totp_rs::Totp,
    interval: Interval,
}

impl TotpGenerator {
    /// Codes of `digits` digits from `secret`.
    #[must_use]
    pub fn new(secret: &Secret, algorithm: Algorithm, digits: Digits, interval: Interval) -> Self {
        let algorithm = match algorithm {
            Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
            Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
            Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
        };
        let inner = totp_rs::Builder::new()
            .with_secret(totp_rs::Secret::new(secret.as_bytes().into()))
            .with_algorithm(algorithm)
            .with_digits(digits.value())
            .with_step_duration(u64::from(interval.seconds()))
            // The checked constructor refuses the 80-bit secrets that imports may bring; the types of the
            // arguments have already ruled out what would make code generation panic.
            .build_noncompliant();
        Self { inner, interval }
    }

    /// The code of `step`.
    #[must_use]
    pub fn code(&self, step: u64) -> Code {
        let time = step.saturating_mul(u64::from(self.interval.seconds()));
        let mut code = Code::empty();
        match write!(code, "{}", self.inner.generate(time)) {
            Ok(()) => code,
            // Eight digits fit; an empty code equals nothing that can be typed.
            Err(fmt::Error) => Code::empty(),
        }
    }
}

/// The HOTP value of `counter` (RFC 4226 section 5.3).
#[must_use]
pub fn hotp(secret: &Secret, algorithm: Algorithm, digits: Digits, counter: u64) -> Code {
    let value = match algorithm {
        Algorithm::Sha1 => truncated::<Hmac<Sha1>>(secret, counter),
        Algorithm::Sha256 => truncated::<Hmac<Sha256>>(secret, counter),
        Algorithm::Sha512 => truncated::<Hmac<Sha512>>(secret, counter),
    };
    let mut code = Code::empty();
    let Some(value) = value else { return code };
    let digits = digits.value();
    let value = value % 10_u32.pow(u32::from(digits));
    match write!(code, "{value:0width$}", width = usize::from(digits)) {
        Ok(()) => code,
        // Eight digits fit; an empty code equals nothing that can be typed.
        Err(fmt::Error) => Code::empty(),
    }
}

/// Dynamic truncation (RFC 4226 section 5.3). `None` cannot happen: HMAC takes keys of any length, and the
/// offset, 0 to 15, lies within the shortest hash, 20 bytes.
fn truncated<H: Mac + KeyInit>(secret: &Secret, counter: u64) -> Option<u32> {
    let mut mac = <H as KeyInit>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(&counter.to_be_bytes());
    let mut hash = mac.finalize().into_bytes();
    let offset = usize::from(hash.last()? & 0x0f);
    let four = hash.get(offset..offset + 4)?;
    let value = u32::from_be_bytes(four.try_into().ok()?) & 0x7fff_ffff;
    hash.as_mut_slice().zeroize();
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(len: usize) -> Secret {
        let bytes = b"1234567890".iter().copied().cycle().take(len).collect();
        Secret::from_bytes(Zeroizing::new(bytes)).unwrap()
    }

    fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
        table
            .lines()
            .skip(1)
            .map(|line| line.split('\t').collect::<Vec<_>>())
    }

    /// RFC 4226 appendix D, whole.
    #[test]
    fn hotp_values_are_those_of_rfc_4226() {
        let table = include_str!("../../../tests/data/rfc4226.tsv");
        let mut count = 0;
        for row in rows(table) {
            let code = hotp(
                &secret(20),
                Algorithm::Sha1,
                Digits::SIX,
                row[0].parse().unwrap(),
            );
            assert_eq!(*code.reveal(), row[1]);
            count += 1;
        }
        assert_eq!(count, 10);
    }

    /// RFC 6238 appendix B, whole, through both implementations.
    #[test]
    fn totp_values_are_those_of_rfc_6238() {
        let table = include_str!("../../../tests/data/rfc6238.tsv");
        let digits = Digits::new(8).unwrap();
        let mut count = 0;
        for row in rows(table) {
            let algorithm: Algorithm = row[1].parse().unwrap();
            let secret = secret(algorithm.output_len());
            let step = Interval::THIRTY.step(row[0].parse().unwrap());
            let totp = TotpGenerator::new(&secret, algorithm, digits, Interval::THIRTY);
            assert_eq!(*totp.code(step).reveal(), row[2]);
            assert_eq!(*hotp(&secret, algorithm, digits, step).reveal(), row[2]);
            count += 1;
        }
        assert_eq!(count, 18);
    }

    #[test]
    fn both_implementations_agree() {
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
            for digits in 6..=8 {
                let digits = Digits::new(digits).unwrap();
                for interval in [5, 30, 59, 3600] {
                    let interval = Interval::new(interval).unwrap();
                    let secret = secret(10 + usize::from(digits.value()));
                    let totp = TotpGenerator::new(&secret, algorithm, digits, interval);
                    for step in (0..200).chain([1 << 32, 1 << 40]) {
                        let one = totp.code(step);
                        let two = hotp(&secret, algorithm, digits, step);
                        assert!(bool::from(one.ct_eq(&two)));
                        assert_eq!(one.reveal().len(), usize::from(digits.value()));
                    }
                }
            }
        }
    }

    #[test]
    fn digits_and_interval_have_limits() {
        assert!(Digits::new(5).is_none() && Digits::new(9).is_none());
        assert!(Interval::new(4).is_none() && Interval::new(3601).is_none());
        assert_eq!(Interval::new(5).unwrap().seconds(), 5);
        assert_eq!(Interval::new(3600).unwrap().seconds(), 3600);
        assert_eq!(Interval::THIRTY.step(59), 1);
        assert_eq!(Interval::THIRTY.step(60), 2);
    }

    #[test]
    fn only_six_to_eight_digits_are_a_code() {
        for bad in [
            "",
            "12345",
            "123456789",
            "12345a",
            "+12345",
            "12 456",
            "１２３４５６",
        ] {
            assert!(Code::from_digits(bad.as_bytes()).is_none(), "{bad}");
        }
        let six = Code::from_digits(b"012345").unwrap();
        let longer = Code::from_digits(b"0123450").unwrap();
        assert_eq!(*six.reveal(), "012345");
        assert!(!bool::from(six.ct_eq(&longer)));
        assert!(bool::from(
            six.ct_eq(&Code::from_digits(b"012345").unwrap())
        ));
        assert_eq!(format!("{six:?}"), "Code(redacted)");
    }

    #[test]
    fn algorithms_are_named_exactly() {
        assert_eq!("SHA256".parse(), Ok(Algorithm::Sha256));
        assert_eq!("sha256".parse::<Algorithm>(), Err(UnknownAlgorithm));
        let allowed = "unknown algorithm; allowed: SHA1, SHA256, SHA512";
        assert_eq!(UnknownAlgorithm.to_string(), allowed);
        assert_eq!(Algorithm::Sha512.to_string(), "SHA512");
    }
}
