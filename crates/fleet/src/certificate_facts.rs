//! The facts of a certificate on which the connection to the store depends: its end, and a CN. RFC 5280, section 4.1.

use std::fmt;

use ureq::tls::{PemItem, parse_pem};

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Explicit tag 0: the version.
const VERSION: u8 = 0xa0;
/// 2.5.4.3, the common name.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// The facts of one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The last second at which it is valid, since 1970-01-01 UTC.
    pub not_after: u64,
    /// True if its subject has a CN, which etcd takes for the name of a user.
    pub has_common_name: bool,
}

/// The error that a file holds no certificate, or one that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableCertificate;

/// The facts of all certificates of a file in PEM, at least one, in their order.
///
/// # Errors
/// [`UnreadableCertificate`].
pub fn of_pem(pem: &[u8]) -> Result<Vec<CertificateFacts>, UnreadableCertificate> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| UnreadableCertificate)? {
            found.push(of_der(certificate.der()).ok_or(UnreadableCertificate)?);
        }
    }
    if found.is_empty() {
        return Err(UnreadableCertificate);
    }
    Ok(found)
}

/// The facts of one certificate; `None` where it cannot be read.
#[must_use]
pub fn of_der(der: &[u8]) -> Option<CertificateFacts> {
    let mut certificate = DerReader(der).inside(SEQUENCE)?;
    let mut fields = certificate.inside(SEQUENCE)?;
    if fields.0.first() == Some(&VERSION) {
        fields.inside(VERSION)?;
    }
    fields.inside(INTEGER)?;
    // The algorithm and the issuer.
    fields.inside(SEQUENCE)?;
    fields.inside(SEQUENCE)?;
    let mut validity = fields.inside(SEQUENCE)?;
    validity.next()?;
    let (tag, text) = validity.next()?;
    Some(CertificateFacts {
        not_after: seconds(tag, text)?,
        has_common_name: has_common_name(fields.inside(SEQUENCE)?)?,
    })
}

fn has_common_name(mut subject: DerReader<'_>) -> Option<bool> {
    while !subject.0.is_empty() {
        let mut attributes = subject.inside(SET)?;
        while !attributes.0.is_empty() {
            let (tag, name) = attributes.inside(SEQUENCE)?.next()?;
            if tag == OBJECT_IDENTIFIER && name == COMMON_NAME {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// Values in DER, one after the other.
struct DerReader<'a>(&'a [u8]);

impl<'a> DerReader<'a> {
    /// The next value: its tag and its bytes.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let mut length = usize::from(*first);
        if *first >= 0x80 {
            let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.is_empty() || bytes.len() > 3 {
                return None;
            }
            length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            rest = after;
        }
        let (value, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((*tag, value))
    }

    /// The inside of the next value, which has this tag.
    fn inside(&mut self, wanted: u8) -> Option<Self> {
        let (tag, value) = self.next()?;
        (tag == wanted).then_some(Self(value))
    }
}

/// YYMMDDHHMMSSZ of the years 1950 to 2049, or YYYYMMDDHHMMSSZ. What is before 1970 is 0.
fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let digits = text.strip_suffix(b"Z")?;
    let (century, digits) = match (tag, digits.len()) {
        (UTC_TIME, 12) => (None, digits),
        (GENERALIZED_TIME, 14) => {
            let (century, digits) = digits.split_at_checked(2)?;
            (Some(century), digits)
        }
        _ => return None,
    };
    let mut numbers = [0_u64; 6];
    for (number, pair) in numbers.iter_mut().zip(digits.chunks_exact(2)) {
        *number = two_digits(pair)?;
    }
    let [year, month, day, hour, minute, second] = numbers;
    let year = match century {
        Some(century) => two_digits(century)? * 100 + year,
        None if year >= 50 => 1900 + year,
        None => 2000 + year,
    };
    let is_time = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_time || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_since_1970(year, month, day);
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn two_digits(pair: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(pair).ok()?;
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Days of the Gregorian calendar; a year begins in March here, so that its last day is the leap day.
const fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.saturating_sub(1), month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    days.saturating_sub(719_468)
}

impl fmt::Display for UnreadableCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no certificate in PEM that can be read")
    }
}

impl std::error::Error for UnreadableCertificate {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (tag, text, time) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "260228235959Z", Some(1_772_323_199)),
            (UTC_TIME, "240229000000Z", Some(1_709_164_800)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(0)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "500101000000Z", None),
            (UTC_TIME, "261301000000Z", None),
            (UTC_TIME, "26010100000Z", None),
            (UTC_TIME, "2601010000+1Z", None),
            (UTC_TIME, "260101000000", None),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), time, "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for pem in [
            "",
            "x",
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(of_pem(pem.as_bytes()), Err(UnreadableCertificate), "{pem}");
        }
    }
}
