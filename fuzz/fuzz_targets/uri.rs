//! URIs that are given out: whatever the names, they are read back as what they were made of.
//!
//! Input: kind and lengths in the first bytes, then the key, then issuer and account, with a newline between them.
#![no_main]

use fuzz::import::MOMENT;
use libfuzzer_sys::fuzz_target;
use twofactor_command::fuzzing::uri_list;
use twofactor_core::device::OtpKind;
use twofactor_core::otp::Algorithm;
use twofactor_core::otpauth::{KeyUri, UriKind};
use twofactor_core::secret::Secret;

fuzz_target!(|bytes: &[u8]| {
    let Some((head, rest)) = bytes.split_first_chunk::<12>() else {
        return;
    };
    let [kind, digits, algorithm, key_len, number @ ..] = *head;
    let Some((key, names)) = rest.split_at_checked(usize::from(key_len)) else {
        return;
    };
    let Some(secret) = Secret::from_bytes(key.to_vec().into()) else {
        return;
    };
    let names = String::from_utf8_lossy(names);
    let (issuer, account) = names.split_once('\n').unwrap_or(("", &names));

    let number = u64::from_le_bytes(number);
    let kind = match kind % 2 {
        0 => UriKind::Totp {
            interval: 5 + (number % 3596) as u32,
        },
        _ => UriKind::Hotp {
            counter: number >> 1,
        },
    };
    let algorithms = [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];
    let algorithm = algorithms[usize::from(algorithm) % 3];
    let digits = 6 + digits % 3;
    let built = KeyUri {
        kind,
        algorithm: algorithm.name(),
        digits,
        secret_base32: &secret.to_base32(),
        issuer,
        account,
    }
    .build();
    assert!(
        built.bytes().all(|byte| byte.is_ascii_graphic()),
        "{}",
        *built
    );

    let read = uri_list::parse(built.as_bytes(), "file", MOMENT);
    assert_eq!(read.refused, [], "{}", *built);
    let [item] = &read.items[..] else {
        panic!("one URI, one device: {}", *built)
    };
    assert_eq!(item.token.secret.as_bytes(), key);
    assert_eq!(item.token.digits.value(), digits);
    assert_eq!(item.token.algorithm, algorithm);
    match (kind, item.token.kind) {
        (UriKind::Totp { interval }, OtpKind::Totp { interval: read }) => {
            assert_eq!(read.seconds(), interval)
        }
        (UriKind::Hotp { counter }, OtpKind::Hotp) => assert_eq!(item.next, counter),
        _ => panic!("another kind: {}", *built),
    }
    // Without an issuer, a colon in the account says who asks.
    if !issuer.is_empty() || !account.contains(':') {
        assert_eq!(item.user, account.trim());
    }
});
