//! URIs as apps write them, and as an attacker writes them.

use super::*;
use twofactor_core::device::OtpKind;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::otpauth::{KeyUri, UriKind};

const KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const MOMENT: ImportMoment = ImportMoment {
    now: 1_767_225_600,
    window: 1,
};

fn read(text: &[u8]) -> ParsedSource {
    parse(text, "-", MOMENT)
}

fn one(text: &str) -> ImportedDevice {
    read(text.as_bytes()).only_device(text)
}

fn reason(text: &str) -> String {
    let reason = read(text.as_bytes()).only_refusal(text);
    assert!(!reason.contains("GEZD"), "{reason}");
    reason
}

#[test]
fn the_usual_uri_is_read() {
    let item = one(&format!(
        "otpauth://totp/Example:alice?secret={KEY}&issuer=Example"
    ));
    let interval = Interval::THIRTY;
    assert_eq!(item.token.kind, OtpKind::Totp { interval });
    assert_eq!(
        (item.token.algorithm, item.token.digits),
        (Algorithm::Sha1, Digits::SIX)
    );
    assert_eq!(*item.token.secret.to_base32(), KEY);
    assert_eq!(
        (item.user.as_str(), item.name.as_str()),
        ("alice", "Example")
    );
    assert!(item.notes.is_empty());
}

#[test]
fn lenient_forms_of_keys_and_parameters_are_read() {
    for text in [
        format!("OTPAUTH://TOTP/alice?SECRET={KEY}"),
        format!("otpauth://totp/alice?secret={}", KEY.to_lowercase()),
        format!("otpauth://totp/alice?secret={KEY}===="),
        format!("otpauth://totp/alice?secret={KEY}%3D%3D"),
        format!("otpauth://totp/alice?&secret={KEY}&&issuer="),
        format!("  otpauth://totp/%61lice?secret={KEY}&algorithm=sha1&digits=6&period=30\r"),
        format!("otpauth://totp/alice?secret={KEY}&algorithm=HmacSHA1"),
    ] {
        let item = one(&text);
        assert_eq!(*item.token.secret.to_base32(), KEY, "{text}");
        assert_eq!((item.user.as_str(), item.name.as_str()), ("alice", "alice"));
    }
    let short = one("otpauth://totp/alice?secret=GEZDGNBVGY3TQOJQ");
    assert_eq!(short.token.secret.as_bytes(), b"1234567890");
    let noted = one(&format!(
        "otpauth://totp/alice?secret={KEY}&image=http%3A%2F%2Fx&color=1"
    ));
    assert_eq!(
        noted.notes,
        ["parameters that mean nothing here: color, image"]
    );
    // Text that may be a part of a key is not repeated.
    let noted = one(&format!(
        "otpauth://totp/alice?secret={KEY}&{KEY}&color=1&x%20=2"
    ));
    assert_eq!(
        noted.notes,
        ["parameters that mean nothing here: color, others"]
    );
}

#[test]
fn misspelt_parameters_are_refused_by_name() {
    for (parameter, told) in [
        ("digit=8", "has digit=, which is spelt digits="),
        ("Interval=60", "has interval=, which is spelt period="),
        ("algo=SHA256", "has algo=, which is spelt algorithm="),
    ] {
        let uri = format!("otpauth://totp/alice?secret={KEY}&{parameter}");
        assert_eq!(reason(&uri), told);
    }
    for and in ["&amp;", "&#38;"] {
        let uri = format!("otpauth://totp/alice?secret={KEY}{and}digits=8");
        assert!(reason(&uri).contains("a plain & belongs"));
    }
}

#[test]
fn marks_of_windows_and_pluses_for_spaces_are_read() {
    let text = format!(
        "\u{feff}otpauth://totp/alice?secret=GEZD+GNBV+GY3T+QOJQ\r\notpauth://totp/bob?secret={KEY}\r"
    );
    let parsed = read(text.as_bytes());
    assert_eq!(parsed.refused, []);
    let users: Vec<&str> = parsed.items.iter().map(|item| item.user.as_str()).collect();
    assert_eq!(users, ["alice", "bob"]);
    assert_eq!(parsed.items[0].token.secret.as_bytes(), b"1234567890");
}

#[test]
fn a_backup_of_an_app_is_one_refusal() {
    let backup = "{\n\"services\": [],\n\"schemaVersion\": 4\n}\n";
    let told = "is a backup of 2FAS, which exports no text. Aegis opens it and exports text: Settings, Import & Export";
    assert_eq!(reason(backup), told);
    assert_eq!(reason(&format!("\u{feff}{backup}")), told);
}

#[test]
fn labels_and_issuers_are_decoded() {
    for (label, issuer, user, name) in [
        (
            "Big%20Corp%3Aalice%40example.org",
            "",
            "alice@example.org",
            "Big-Corp",
        ),
        ("Big%20Corp:%20alice", "Bigger", "alice", "Bigger"),
        ("alice+ssh", "", "alice+ssh", "alice-ssh"),
        ("K%C3%A4se:alice", "", "alice", "K-se"),
        ("", "", "", "app"),
        ("a:b:c", "", "b:c", "a"),
    ] {
        let item = one(&format!(
            "otpauth://totp/{label}?secret={KEY}&issuer={issuer}"
        ));
        assert_eq!(
            (item.user.as_str(), item.name.as_str()),
            (user, name),
            "{label}"
        );
    }
}

#[test]
fn counters_and_other_settings_are_read() {
    let item = one(&format!(
        "otpauth://hotp/alice?secret={KEY}&counter=42&digits=8&algorithm=SHA512"
    ));
    assert_eq!((item.token.kind, item.next), (OtpKind::Hotp, 42));
    assert_eq!(
        (item.token.algorithm, item.token.digits.value()),
        (Algorithm::Sha512, 8)
    );
    let item = one(&format!(
        "otpauth://totp/alice?secret={KEY}&period=60&algorithm=SHA-256"
    ));
    let interval = Interval::new(60).unwrap();
    assert_eq!(
        (item.token.kind, item.token.algorithm),
        (OtpKind::Totp { interval }, Algorithm::Sha256)
    );
}

#[test]
fn what_cannot_be_taken_says_why() {
    let with = |rest: &str| format!("otpauth://totp/alice?secret={KEY}{rest}");
    for (text, said) in [
        ("https://example.org/".to_owned(), "no otpauth://"),
        (KEY.to_owned(), "no otpauth://"),
        ("otpauth://totp/alice".to_owned(), "no parameters"),
        ("otpauth://totp/alice?issuer=x".to_owned(), "no secret"),
        ("otpauth://totp/alice?secret=".to_owned(), "0 bytes"),
        ("otpauth://totp/alice?secret=GEZD0".to_owned(), "not base32"),
        ("otpauth://totp/alice?secret=GEZDGNBV".to_owned(), "5 bytes"),
        (with(&format!("&secret={KEY}")), "two secrets"),
        (with("&digits=5"), "6, 7 or 8"),
        (
            with("&digits=99999999999999999999"),
            "digits is not a number",
        ),
        (with("&digits=-6"), "digits is not a number"),
        (with("&period=0"), "5 to 3600"),
        (with("&period=4294967326"), "5 to 3600"),
        (with("&algorithm=MD5"), "SHA512"),
        (with("&encoder=steam"), "encoder"),
        (with("&issuer=%zz"), "hexadecimal"),
        (with("&issuer=%4"), "hexadecimal"),
        (with("&issuer=%ff"), "UTF-8"),
        (
            format!("otpauth://yaotp/alice?secret={KEY}"),
            "neither of totp",
        ),
        (format!("otpauth://hotp/alice?secret={KEY}"), "no counter"),
        (
            format!("otpauth://hotp/alice?secret={KEY}&counter=18446744073709551615"),
            "impossibly high",
        ),
        (
            format!("otpauth://totp/{}?secret={KEY}", "x".repeat(70_000)),
            "longer than",
        ),
    ] {
        assert!(reason(&text).contains(said), "{text}: {}", reason(&text));
    }
}

#[test]
fn each_line_stands_for_itself() {
    let text = format!(
        "# mine\n\notpauth://totp/a?secret={KEY}\nnonsense\n\u{0}\notpauth://totp/b?secret={KEY}"
    );
    let parsed = read(text.as_bytes());
    let lines: Vec<usize> = parsed.items.iter().map(|item| item.place.line).collect();
    assert_eq!(lines, [3, 6]);
    let mut lines: Vec<usize> = parsed.refused.iter().map(|one| one.place.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [4, 5]);
    assert_eq!(
        read("x\n".repeat(100_000).as_bytes()).refused.len(),
        100_000
    );
    assert_eq!(read(b"\xff\xfe").refused.len(), 1);
    assert_eq!(read(b"").refused.len() + read(b"").items.len(), 0);
}

/// This program reads what it writes.
#[test]
fn our_own_uris_come_back() {
    for (kind, algorithm, digits, issuer, account) in [
        (
            UriKind::Totp { interval: 30 },
            "SHA1",
            6,
            "example.org",
            "alice",
        ),
        (
            UriKind::Totp { interval: 45 },
            "SHA256",
            7,
            "Käse & Co: 100%",
            "CORP\\alice",
        ),
        (
            UriKind::Hotp { counter: 7 },
            "SHA512",
            8,
            "",
            "a b@example.org",
        ),
    ] {
        let uri = KeyUri {
            kind,
            algorithm,
            digits,
            secret_base32: KEY,
            issuer,
            account,
        };
        let item = one(&uri.build());
        assert_eq!(item.user, account);
        assert_eq!(item.token.algorithm.name(), algorithm);
        assert_eq!(item.token.digits.value(), digits);
        assert_eq!(*item.token.secret.to_base32(), KEY);
        match kind {
            UriKind::Hotp { counter } => {
                assert_eq!((item.token.kind, item.next), (OtpKind::Hotp, counter))
            }
            UriKind::Totp { interval } => {
                let interval = Interval::new(interval).unwrap();
                assert_eq!(item.token.kind, OtpKind::Totp { interval });
            }
        }
    }
}
