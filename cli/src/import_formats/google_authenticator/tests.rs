//! State files as google-authenticator writes them, and as an attacker writes them.

use super::*;

const NOW: u64 = 58_907_530 * 30;
const MOMENT: ImportMoment = ImportMoment {
    now: NOW,
    window: 1,
};
const KEY: &str = "S3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J";

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/data/", $name))
    };
}

fn read(bytes: &[u8]) -> ParsedSource {
    parse(bytes, "f", "alice", MOMENT)
}

fn one(text: &str) -> ImportedDevice {
    let mut parsed = read(text.as_bytes());
    assert_eq!(parsed.refused, [], "{text}");
    assert_eq!(parsed.items.len(), 1);
    parsed.items.remove(0)
}

/// Line and reason of a file that gives nothing.
fn problem(text: &str) -> LineProblem {
    let mut parsed = read(text.as_bytes());
    assert!(parsed.items.is_empty(), "{text}");
    assert_eq!(parsed.refused.len(), 1);
    let refused = parsed.refused.remove(0);
    assert_eq!(refused.user.as_deref(), Some("alice"));
    assert!(!refused.reason.contains(KEY));
    (refused.place.line, refused.reason)
}

fn codes(item: &ImportedDevice) -> Vec<&str> {
    item.scratch.iter().map(|code| code.as_str()).collect()
}

fn interval(seconds: u32) -> OtpKind {
    let interval = Interval::new(seconds).unwrap();
    OtpKind::Totp { interval }
}

#[test]
fn the_file_of_debians_version_is_read() {
    let item = read(sample!("google-authenticator-1.08.state"))
        .items
        .remove(0);
    assert_eq!(item.token.kind, interval(30));
    assert_eq!(*item.token.secret.to_base32(), "32PKK5JXRDR6VQ2TFIMAQYZ4RI");
    assert_eq!((item.next, item.drift), (0, 0));
    assert_eq!(codes(&item), ["19472836"]);
    assert_eq!(item.notes, [RATE]);
    assert_eq!(item.name, "google-authenticator");
}

#[test]
fn the_newest_versions_file_is_read_after_logins() {
    let item = read(sample!("google-authenticator-1.11.state"))
        .items
        .remove(0);
    assert_eq!((item.next, item.drift), (58_907_521, 0));
    assert_eq!(
        codes(&item),
        ["55178222", "32205544", "20458289", "96736220"]
    );
    assert_eq!(item.notes, [RATE]);
}

#[test]
fn the_file_of_a_counter_is_read() {
    let item = read(sample!("google-authenticator-hotp.state"))
        .items
        .remove(0);
    assert_eq!((item.token.kind, item.next), (OtpKind::Hotp, 1));
    assert_eq!(codes(&item), ["28017485", "53516520"]);
}

#[test]
fn the_file_of_another_interval_is_read() {
    let item = read(sample!("google-authenticator-step60.state"))
        .items
        .remove(0);
    assert_eq!(item.token.kind, interval(60));
    // Reuse was not forbidden, and codes up to eight steps ahead were accepted.
    assert_eq!(item.next, NOW / 60 + 8 + 1);
    assert_eq!(item.notes, [WINDOW, REUSE]);
}

#[test]
fn the_newest_used_code_uses_older_ones_up() {
    let file = |steps: &str| format!("{KEY}\n\" DISALLOW_REUSE {steps}\n\" TOTP_AUTH\n");
    assert_eq!(one(&file("58907529 58907531 58907530")).next, 58_907_532);
    assert_eq!(one(&file("")).next, 0);
    assert_eq!(one(&file("58907532")).next, 58_907_533);
    let (line, reason) = problem(&file("58907533"));
    assert_eq!((line, reason.contains("future")), (2, true));
    for bad in ["x", "-5", "99999999999999999999", "1,2"] {
        assert_eq!(
            problem(&file(bad)),
            (2, "DISALLOW_REUSE needs numbers".to_owned())
        );
    }
}

#[test]
fn a_skew_becomes_drift_where_it_fits() {
    let file = |skew: &str| {
        format!("{KEY}\n\" DISALLOW_REUSE 58907520\n\" TIME_SKEW {skew}\n\" TOTP_AUTH\n")
    };
    assert_eq!(one(&file("-3")).drift, -3);
    assert_eq!(one(&file("3")).drift, 3);
    let (line, reason) = problem(&file("4"));
    assert_eq!(
        (line, reason.contains("off by 4 codes, more than the 3")),
        (3, true)
    );
    for skew in [
        "-1000",
        "200",
        "9223372036854775807",
        "-9223372036854775808",
    ] {
        assert_eq!(problem(&file(skew)).0, 3);
    }
    for bad in ["", "x", "9999999999999999999999"] {
        assert_eq!(
            problem(&file(bad)),
            (3, "TIME_SKEW needs one number".to_owned())
        );
    }
    // The code that taught the skew is not on the list, and may be one of those that come.
    let taught = one(&format!(
        "{KEY}\n\" TIME_SKEW 2\n\" DISALLOW_REUSE\n\" TOTP_AUTH\n"
    ));
    assert_eq!((taught.next, taught.drift), (58_907_530 + 3 + 1, 2));
}

#[test]
fn limits_are_told_with_their_line() {
    let file = |option: &str| format!("{KEY}\n\" TOTP_AUTH\n\" {option}\n12345678\n");
    for (option, reason) in [
        ("STEP_SIZE 4", "the interval is not 5 to 3600 seconds"),
        (
            "STEP_SIZE 99999999999",
            "the interval is not 5 to 3600 seconds",
        ),
        ("STEP_SIZE", "STEP_SIZE needs one number"),
        ("STEP_SIZE 30 30", "STEP_SIZE needs one number"),
        ("WINDOW_SIZE 0", "WINDOW_SIZE is not 1 to 100"),
        ("WINDOW_SIZE 101", "WINDOW_SIZE is not 1 to 100"),
        ("WINDOW_SIZE x", "WINDOW_SIZE needs one number"),
        (
            "HOTP_COUNTER 99999999999999999999",
            "HOTP_COUNTER needs one number",
        ),
        (
            "HOTP_COUNTER 9223372036854775808",
            "the counter is impossibly high",
        ),
    ] {
        assert_eq!(problem(&file(option)), (3, reason.to_owned()), "{option}");
    }
    assert_eq!(
        problem("GEZDGNBVGY3TQOI\n\" TOTP_AUTH\n"),
        (1, "the key has 9 bytes; allowed are 10 to 128".to_owned())
    );
    let long = "A".repeat(208);
    assert_eq!(
        problem(&format!("{long}\n\" TOTP_AUTH\n")),
        (1, "the key has 130 bytes; allowed are 10 to 128".to_owned())
    );
}

#[test]
fn the_file_decides_between_counter_and_clock() {
    let both = one(&format!("{KEY}\n\" HOTP_COUNTER 7\n\" TOTP_AUTH\n"));
    assert_eq!((both.token.kind, both.next), (OtpKind::Hotp, 7));
    let clock = one(&format!(
        "{KEY}\n\" HOTP_COUNTER 0\n\" TOTP_AUTH\n\" DISALLOW_REUSE\n"
    ));
    assert_eq!((clock.token.kind, clock.next), (interval(30), 0));
    assert_eq!(problem(&format!("{KEY}\n\" HOTP_COUNTER 0\n")).0, 2);
    assert!(
        problem(&format!("{KEY}\n12345678\n"))
            .1
            .contains("neither TOTP_AUTH")
    );
    assert_eq!(
        one(&format!("{KEY}\n\" HOTP_COUNTER 3\n\" HOTP_COUNTER 9\n")).next,
        3
    );
}

#[test]
fn keys_are_read_as_generously_as_there() {
    let text = "s3ej-gb7i 5ves akll k7k3 ruq6 7hom mv4j\r\n\" TOTP_AUTH\r\n\" DISALLOW_REUSE\r\n12345678\r\n";
    let item = one(text);
    assert_eq!(*item.token.secret.to_base32(), KEY);
    assert_eq!(codes(&item), ["12345678"]);
}

#[test]
fn scratch_codes_end_where_google_authenticator_stops() {
    let file = |rest: &str| format!("{KEY}\n\" TOTP_AUTH\n\" DISALLOW_REUSE\n{rest}");
    let item = one(&file(
        "11111111\n\n\" RATE_LIMIT 3 30\n22222222\n11111111\n",
    ));
    assert_eq!(codes(&item), ["11111111", "22222222"]);
    for bad in ["1234567", "123456789", "01234567", "abcdefgh", "11111111 "] {
        let parsed = read(file(&format!("33333333\n{bad}\n22222222\n")).as_bytes());
        assert_eq!(codes(&parsed.items[0]), ["33333333"], "{bad}");
        assert_eq!(parsed.refused.len(), 1);
        assert_eq!(parsed.refused[0].place.line, 5);
        assert!(!parsed.refused[0].reason.contains(bad));
    }
    let many: String = (10_000_000..10_100_000).map(|n| format!("{n}\n")).collect();
    let parsed = read(file(&many).as_bytes());
    assert_eq!(
        (parsed.items[0].scratch.len(), parsed.refused[0].place.line),
        (32, 36)
    );
}

#[test]
fn marks_of_windows_change_nothing() {
    for text in [
        format!("\u{feff}{KEY}\r\n\" TOTP_AUTH\r\n\" STEP_SIZE 60\r\n12345678\r\n87654321\r"),
        format!("\u{feff}{KEY}\n\" TOTP_AUTH\n\" STEP_SIZE 60\n12345678\n87654321\n"),
    ] {
        let item = one(&text);
        assert_eq!(item.token.kind, interval(60));
        assert_eq!(*item.token.secret.to_base32(), KEY);
        assert_eq!(codes(&item), ["12345678", "87654321"]);
    }
}

#[test]
fn a_backup_of_an_app_is_told_as_such() {
    let (line, reason) = problem("[{\"secret\":\"x\",\"thumbnail\":\"Default\"}]");
    assert_eq!(line, 1);
    assert!(reason.starts_with("is a backup of andOTP, "), "{reason}");
}

#[test]
fn other_files_are_refused_and_not_quoted() {
    for bytes in [
        &b""[..],
        b"\n",
        b"\xff\xfe\n\" TOTP_AUTH\n",
        b"S3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J\0\n\" TOTP_AUTH\n",
        b"root:$y$j9T$secret:19000:0:99999:7:::\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
        b"\" TOTP_AUTH\nS3EJGB7I5VESAKLLK7K3RUQ67HOMMV4J\n",
    ] {
        let parsed = read(bytes);
        assert!(parsed.items.is_empty() && parsed.refused.len() == 1);
        let reason = &parsed.refused[0].reason;
        let told = ["is not a state file", "the key has", "is text in UTF-16"];
        assert!(told.iter().any(|told| reason.starts_with(told)), "{reason}");
        assert!(!reason.contains("$y$") && !reason.contains("OPENSSH"));
    }
    // Cut off anywhere, it gives a device or a reason, and nothing else.
    let whole = sample!("google-authenticator-1.11.state");
    for length in 0..whole.len() {
        let parsed = read(&whole[..length]);
        assert!(parsed.items.len() + parsed.refused.len() >= 1, "{length}");
    }
    // As large as a file may be, of one line or of many.
    assert_eq!(read(&[b'A'; 64 * 1024]).refused.len(), 1);
    let many = format!("{KEY}\n{}", "\" LAST0 x 1\n".repeat(100_000));
    assert_eq!(read(many.as_bytes()).refused.len(), 1);
}
