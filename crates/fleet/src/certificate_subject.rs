//! The name in the certificate of a host. etcd's gateway refuses every request of a client whose certificate has a common name (CN), once
//! there are users.

use ureq::tls::Certificate;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
/// 2.5.4.3, commonName, of X.520.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// True if the first certificate of a text in PEM has a common name. `None` where it cannot be read.
#[must_use]
pub fn has_common_name(pem: &[u8]) -> Option<bool> {
    has_name(Certificate::from_pem(pem).ok()?.der())
}

/// The same for one in DER (RFC 5280 section 4.1).
fn has_name(der: &[u8]) -> Option<bool> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut body, _) = element(certificate, SEQUENCE)?;
    if body.first() == Some(&VERSION) {
        body = element(body, VERSION)?.1;
    }
    // Serial number, algorithm, issuer, validity.
    body = element(body, INTEGER)?.1;
    for _ in 0..3 {
        body = element(body, SEQUENCE)?.1;
    }
    let (subject, _) = element(body, SEQUENCE)?;
    let mut parts = subject.windows(COMMON_NAME.len());
    Some(parts.any(|part| part == COMMON_NAME))
}

/// The content of the element at the beginning, which has this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        let add = |length, digit: &u8| (length << 8) | usize::from(*digit);
        (digits.iter().fold(0, add), rest)
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn certificate(subject: &str) -> Vec<u8> {
        let done = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args([
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-keyout",
                "/dev/null",
            ])
            .args(["-days", "1", "-subj", subject])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        done.stdout
    }

    #[test]
    fn a_common_name_is_found_in_the_subject() {
        assert_eq!(has_common_name(&certificate("/O=fleet")), Some(false));
        assert_eq!(
            has_common_name(&certificate("/O=fleet/CN=web1")),
            Some(true)
        );
        assert_eq!(has_common_name(b"no certificate"), None);
        let named = Certificate::from_pem(&certificate("/CN=web1")).unwrap();
        let der = named.der();
        for length in 0..der.len() / 2 {
            assert_ne!(has_name(&der[..length]), Some(false), "{length}");
        }
    }
}
