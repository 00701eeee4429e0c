//! Users files as pam_oath writes them, and as an attacker writes them.

use super::*;

const KEY: &str = "3132333435363738393031323334353637383930";
const NOW: u64 = 1_767_225_600;
const MOMENT: ImportMoment = ImportMoment {
    now: NOW,
    window: 1,
};

fn read(bytes: &[u8]) -> ParsedSource {
    parse(bytes, "users.oath", MOMENT)
}

fn one(text: &str) -> ImportedDevice {
    read(text.as_bytes()).only_device(text)
}

fn reason(text: &str) -> String {
    let reason = read(text.as_bytes()).only_refusal(text);
    assert!(!reason.contains(KEY));
    reason
}

fn clock(seconds: u32) -> OtpKind {
    let interval = Interval::new(seconds).unwrap();
    OtpKind::Totp { interval }
}

fn code(step: u64) -> String {
    let secret = key(KEY).unwrap();
    let totp = TotpGenerator::new(&secret, Algorithm::Sha1, Digits::SIX, Interval::THIRTY);
    totp.code(step).reveal().to_string()
}

#[test]
fn a_file_as_pam_oath_writes_it() {
    let parsed = read(include_bytes!("../../../../tests/data/users.oath"));
    assert_eq!(parsed.refused, []);
    let found: Vec<(usize, &str, OtpKind, u8, u64, bool)> = parsed
        .items
        .iter()
        .map(|item| {
            let ImportedToken { kind, digits, .. } = item.token;
            let noted = !item.notes.is_empty();
            (
                item.place.line,
                item.user.as_str(),
                kind,
                digits.value(),
                item.next,
                noted,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (1, "alice", OtpKind::Hotp, 6, 0, false),
            // Its last code is none of the codes around NOW.
            (2, "bob", clock(30), 6, 0, true),
            (3, "carol", clock(60), 8, 0, false),
            (4, "dave", OtpKind::Hotp, 6, 8, false),
        ]
    );
    assert_eq!(
        parsed.items[0].token.secret.as_bytes(),
        b"12345678901234567890"
    );
    assert_eq!(parsed.items[1].notes, [PIN]);
}

#[test]
fn every_spelling_of_a_type_is_read() {
    for (text, expected, digits) in [
        ("HOTP", OtpKind::Hotp, 6),
        ("HOTP/E", OtpKind::Hotp, 6),
        ("HOTP/E/6", OtpKind::Hotp, 6),
        ("HOTP/E/7", OtpKind::Hotp, 7),
        ("HOTP/E/8", OtpKind::Hotp, 8),
        ("HOTP/T30", clock(30), 6),
        ("HOTP/T30/6", clock(30), 6),
        ("HOTP/T30/7", clock(30), 7),
        ("HOTP/T30/8", clock(30), 8),
        ("HOTP/T60", clock(60), 6),
        ("HOTP/T60/7", clock(60), 7),
    ] {
        let item = one(&format!("{text} alice - {KEY}"));
        assert_eq!(
            (item.token.kind, item.token.digits.value()),
            (expected, digits)
        );
    }
    for text in [
        "TOTP",
        "hotp",
        "HOTP/",
        "HOTP/X",
        "HOTP/T",
        "HOTP/T30/",
        "HOTP/T30/9",
        "HOTP/T30/6/7",
        "HOTP/T4",
        "HOTP/T3601",
        "HOTP/T99999999999999999999",
        "HOTP/T-30",
        "HOTP/E/06x",
    ] {
        reason(&format!("{text} alice - {KEY}"));
    }
}

#[test]
fn the_last_code_of_a_counter_is_used_up() {
    let line = |rest: &str| format!("HOTP/E/6 dave - {KEY} {rest}");
    assert_eq!(one(&line("")).next, 0);
    assert_eq!(one(&line("7")).next, 7);
    assert_eq!(one(&line("7 162583")).next, 8);
    assert_eq!(one(&line("7 162583 2026-11-20T08:00:00L")).next, 8);
    assert_eq!(one(&line("7 - -")).next, 7);
    for bad in [
        "x",
        "-1",
        "7 abc",
        "7 999999999",
        "7 162583 x more",
        "9223372036854775808",
    ] {
        reason(&line(bad));
    }
}

#[test]
fn the_last_code_is_used_up_in_every_time_zone() {
    let step = NOW / 30;
    let line = |code: &str, time: &str| format!("HOTP/T30 bob - {KEY} 0 {code} {time}");
    for used in [step - 12, step - 1, step, step + 1, step + 40] {
        for time in [
            "2026-01-01T00:00:00L",
            "2025-12-31T09:00:00L",
            "2026-01-02T00:00:00L",
            "",
            "x",
        ] {
            assert_eq!(one(&line(&code(used), time)).next, used + 1, "{time}");
        }
    }
    // So old that no window reaches it.
    assert_eq!(one(&line(&code(step - 13), "")).next, 0);
    assert_eq!(one(&line(&code(step), "2025-12-28T23:59:59L")).next, 0);
    assert_eq!(
        one(&line(&code(step), "2025-12-29T00:00:00L")).next,
        step + 1
    );
}

#[test]
fn days_are_counted_as_the_calendar_does() {
    for (time, expected) in [
        ("1970-01-01", Some(0)),
        ("2000-02-29T23:59:59L", Some(11_016)),
        ("2024-03-01T00:00:00L", Some(19_783)),
        ("2026-01-02", Some(20_455)),
        ("1969-12-31", None),
        ("2026-02-29", None),
        ("2026-00-01", None),
        ("2026-01", None),
        ("99999999999-01-01", None),
    ] {
        assert_eq!(days(time), expected, "{time}");
    }
}

#[test]
fn a_pin_is_told_and_the_rest_of_the_line_taken() {
    for (pin, notes) in [
        ("-", vec![]),
        ("+", vec![]),
        ("pw", vec![PIN]),
        ("1234", vec![PIN]),
    ] {
        assert_eq!(one(&format!("HOTP alice {pin} {KEY}")).notes, notes);
    }
}

#[test]
fn each_line_stands_for_itself() {
    let text = format!(
        "# comment\n\n  \t\nHOTP alice - {KEY}\nHOTP/T30\tbob\t-\t{KEY}\r\n HOTP carol - 12\nHOTP\nHOTP dave - \
         {KEY}x\n\u{0}\nHOTP erin - GEZDGNBV\n"
    );
    let parsed = read(text.as_bytes());
    let users: Vec<&str> = parsed.items.iter().map(|item| item.user.as_str()).collect();
    assert_eq!(users, ["alice", "bob"]);
    let mut lines: Vec<usize> = parsed.refused.iter().map(|one| one.place.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [6, 7, 8, 9, 10]);
    assert_eq!(
        parsed
            .refused
            .iter()
            .filter(|one| one.user.is_none())
            .count(),
        2
    );
}

#[test]
fn limits_of_the_key_are_told() {
    assert!(reason("HOTP a - 313233343536373839").contains("9 bytes; allowed are 10 to 128"));
    assert!(reason(&format!("HOTP a - {}", "00".repeat(129))).contains("129 bytes"));
    assert!(reason(&format!("HOTP a - {}", "0".repeat(41))).contains("not hexadecimal"));
    assert_eq!(
        one(&format!("HOTP a - {}", "AbcD".repeat(10)))
            .token
            .secret
            .as_bytes()
            .len(),
        20
    );
}

#[test]
fn a_huge_file_and_a_huge_line_are_read_to_their_end() {
    let many = format!("HOTP alice - {KEY}\n").repeat(100_000);
    assert_eq!(read(many.as_bytes()).items.len(), 100_000);
    let broken = "x\n".repeat(100_000);
    assert_eq!(read(broken.as_bytes()).refused.len(), 100_000);
    let mut line = b"HOTP alice - ".to_vec();
    line.resize(1 << 20, b'f');
    assert_eq!(read(&line).refused.len(), 1);
}

#[test]
fn marks_of_windows_change_nothing() {
    let text = format!("\u{feff}HOTP/T30\talice\t-\t{KEY}\r\nHOTP\tbob\t-\t{KEY}\r");
    let parsed = read(text.as_bytes());
    assert_eq!(parsed.refused, []);
    let users: Vec<&str> = parsed.items.iter().map(|item| item.user.as_str()).collect();
    assert_eq!(users, ["alice", "bob"]);
}

#[test]
fn a_backup_of_an_app_is_told_as_such() {
    let told = reason("{\n\"tokens\": [],\n\"tokenOrder\": []\n}\n");
    assert!(told.starts_with("is a backup of FreeOTP+. "), "{told}");
}
