//! Properties of everything that an import reads, whatever the format.

use twofactor_command::fuzzing::{ImportMoment, ParsedSource};
use twofactor_core::device::{DeviceName, OtpKind};

/// The moment of every import here, in the third minute of 2026.
pub const MOMENT: ImportMoment = ImportMoment {
    now: 1_767_225_780,
    window: 1,
};

/// Runs `parse` and checks what it found: devices that can be stored, and reasons that give nothing away.
pub fn reads(bytes: &[u8], parse: impl Fn(&[u8]) -> ParsedSource) {
    let parsed = parse(bytes);
    let lines = bytes.split(|byte| *byte == b'\n').count();
    for item in &parsed.items {
        assert!((1..=lines).contains(&item.place.line));
        // A number fits after it.
        assert!(
            format!("{}-99", item.name).parse::<DeviceName>().is_ok(),
            "{:?}",
            item.name
        );
        assert!((10..=128).contains(&item.token.secret.as_bytes().len()));
        assert!(item.next < u64::MAX - 1 || matches!(item.token.kind, OtpKind::Totp { .. }));
        assert!(item.drift.unsigned_abs() <= MOMENT.window + 2);
        for code in &item.scratch {
            assert!(code.len() == 8 && code.bytes().all(|byte| byte.is_ascii_digit()));
        }
        // Names may hold anything, also what happens to be the key.
        let debug = format!("{:?}", item.token);
        assert!(!debug.contains(item.token.secret.to_base32().as_str()));
    }
    for refused in &parsed.refused {
        assert!((1..=lines).contains(&refused.place.line));
        is_harmless(&refused.reason);
    }
}

/// The shortest key has 16 characters, a scratch code eight digits: no reason holds so much of a file. The skew that is
/// too large to be taken over is no secret.
fn is_harmless(reason: &str) {
    assert!(
        reason.len() < 300 && !reason.chars().any(char::is_control),
        "{reason:?}"
    );
    let skew = reason.starts_with("its clock is off by ");
    for word in reason.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
        let number = word.bytes().all(|byte| byte.is_ascii_digit());
        let most = if number { 7 } else { 15 };
        assert!(
            word.len() <= most || number && skew,
            "{word:?} in {reason:?}"
        );
    }
}
