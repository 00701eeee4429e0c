//! The facts of a certificate on which the connection to the store depends: its end, and a CN. RFC 5280, section 4.1.

use std::fmt;

use ureq::tls::{PemItem, parse_pem};
use x509_cert::certificate::{CertificateInner, Profile};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{self, Decode};
use x509_cert::serial_number::SerialNumber;

/// The facts of one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The last second at which it is valid, since 1970-01-01 UTC.
    pub not_after: u64,
    /// True if its subject has a CN, which etcd takes for the name of a user.
    pub has_common_name: bool,
}

/// Certificates as TLS libraries read them: what an authority numbers by more than 20 octets is a certificate all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct LenientProfile;

impl Profile for LenientProfile {
    fn check_serial_number(_: &SerialNumber<Self>) -> der::Result<()> {
        Ok(())
    }
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
    let certificate = CertificateInner::<LenientProfile>::from_der(der).ok()?;
    let signed = certificate.tbs_certificate();
    let mut attributes = signed.subject().iter();
    Some(CertificateFacts {
        not_after: signed.validity().not_after.to_unix_duration().as_secs(),
        has_common_name: attributes.any(|attribute| attribute.oid == COMMON_NAME),
    })
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

    /// A value in DER of at most 65,535 bytes.
    fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let inside = parts.concat();
        let length = u16::try_from(inside.len()).unwrap().to_be_bytes();
        let mut made = vec![tag];
        match length {
            [0, short @ ..=0x7f] => made.push(short),
            [0, long] => made.extend([0x81, long]),
            long => made.extend([[0x82].as_slice(), &long].concat()),
        }
        made.extend(inside);
        made
    }

    const SEQUENCE: u8 = 0x30;
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;

    /// A name with one attribute of X.520, whose last number is this one, or with none.
    fn name(attribute: Option<u8>) -> Vec<u8> {
        let set = attribute.map(|number| {
            let oid = value(0x06, &[&[0x55, 0x04, number]]);
            let pair = value(SEQUENCE, &[&oid, &value(0x0c, &[b"etcd"])]);
            value(0x31, &[&pair])
        });
        value(SEQUENCE, &[&set.unwrap_or_default()])
    }

    /// A certificate of version 3 that ends at this time.
    fn certificate(end: (u8, &str), subject: Option<u8>) -> Vec<u8> {
        numbered(&[1], end, subject)
    }

    /// A certificate with this serial number.
    fn numbered(serial: &[u8], (tag, end): (u8, &str), subject: Option<u8>) -> Vec<u8> {
        let bits = value(0x03, &[&[0, 1, 2, 3]]);
        // Ed25519.
        let algorithm = value(SEQUENCE, &[&value(0x06, &[&[0x2b, 0x65, 0x70]])]);
        let begin = value(UTC_TIME, &[b"700101000000Z"]);
        let signed = value(
            SEQUENCE,
            &[
                &value(0xa0, &[&value(0x02, &[&[2]])]),
                &value(0x02, &[serial]),
                &algorithm,
                &name(Some(3)),
                &value(SEQUENCE, &[&begin, &value(tag, &[end.as_bytes()])]),
                &name(subject),
                &value(SEQUENCE, &[&algorithm, &bits]),
            ],
        );
        value(SEQUENCE, &[&signed, &algorithm, &bits])
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (tag, text, time) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "260228235959Z", Some(1_772_323_199)),
            (UTC_TIME, "240229000000Z", Some(1_709_164_800)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "500101000000Z", None),
            (UTC_TIME, "261301000000Z", None),
            (UTC_TIME, "26010100000Z", None),
            (UTC_TIME, "2601010000+1Z", None),
            (UTC_TIME, "260101000000", None),
        ] {
            let facts = of_der(&certificate((tag, text), None));
            assert_eq!(facts.map(|facts| facts.not_after), time, "{text}");
        }
    }

    #[test]
    fn the_common_name_of_the_subject_is_found() {
        let end = (UTC_TIME, "260101000000Z");
        for (subject, is_found) in [(None, false), (Some(10), false), (Some(3), true)] {
            let facts = of_der(&certificate(end, subject)).unwrap();
            assert_eq!(facts.has_common_name, is_found, "{subject:?}");
        }
    }

    /// RFC 5280 has 20 octets at most, and no TLS library holds authorities to that.
    #[test]
    fn a_long_serial_number_is_no_fault() {
        let end = (UTC_TIME, "700101000000Z");
        for length in [1, 20, 21, 22, 64] {
            let facts = of_der(&numbered(&vec![7; length], end, None));
            assert_eq!(facts.map(|facts| facts.not_after), Some(0), "{length}");
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
