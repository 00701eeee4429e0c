//! Devices from other programs: pure parsers, one for each format, then a plan, then the change.

mod app_backup;
mod base32;
pub mod file_source;
pub mod google_authenticator;
pub mod google_export;
pub mod import_report;
pub mod oath_users;
mod otpauth_uri;
pub mod path_pattern;
pub mod record_draft;
pub mod unlisted_users;
pub mod uri_list;
pub mod user_import;

use std::borrow::Cow;
use std::sync::Arc;

use twofactor_core::device::OtpKind;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::secret::{MAX_LEN, MIN_LEN, Secret};
use zeroize::Zeroizing;

/// Mark of UTF-8 in files of Windows programs.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
/// Longest device name that is made, so that a number still fits after it.
const NAME: usize = 28;

/// Time and policy of an import.
#[derive(Clone, Copy, Debug)]
pub struct ImportMoment {
    /// Seconds since 1970-01-01 UTC.
    pub now: u64,
    /// The policy's window.
    pub window: u8,
}

impl ImportMoment {
    /// The first step that cannot have been used before now, not even at a server that accepts codes `ahead` steps early.
    fn first_unused(self, interval: Interval, ahead: u64) -> u64 {
        interval
            .step(self.now)
            .saturating_add(ahead)
            .saturating_add(1)
    }
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The file, as it is reported.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
}

/// Secret and parameters that codes are computed from.
#[derive(Clone, Debug)]
pub struct ImportedToken {
    /// TOTP or HOTP.
    pub kind: OtpKind,
    /// The hash.
    pub algorithm: Algorithm,
    /// Digits of a code.
    pub digits: Digits,
    /// The key.
    pub secret: Secret,
}

/// A device as a file describes it.
#[derive(Clone, Debug)]
pub struct ImportedDevice {
    /// Place in the source.
    pub place: SourceLine,
    /// The user, as the file says.
    pub user: String,
    /// A legal device name, of at most [`NAME`] characters.
    pub name: String,
    /// The device.
    pub token: ImportedToken,
    /// Smallest step or counter that was not used there.
    pub next: u64,
    /// Distance of its clock, in steps.
    pub drift: i8,
    /// Unused scratch codes, eight digits each.
    pub scratch: Vec<Zeroizing<String>>,
    /// Notes for the administrator.
    pub notes: Vec<ImportNote>,
}

/// Note for the administrator about a device.
pub type ImportNote = Cow<'static, str>;

/// Something that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEntry {
    /// Place in the source.
    pub place: SourceLine,
    /// The user, where known.
    pub user: Option<String>,
    /// The reason. Never quotes a secret.
    pub reason: String,
}

/// Content of a file.
#[derive(Clone, Debug, Default)]
pub struct ParsedSource {
    /// Devices, in the order of the file.
    pub items: Vec<ImportedDevice>,
    /// The rest.
    pub refused: Vec<RefusedEntry>,
}

#[cfg(test)]
impl ParsedSource {
    /// The only device of a source in which nothing was refused.
    fn only_device(mut self, text: &str) -> ImportedDevice {
        assert_eq!(self.refused, [], "{text}");
        assert_eq!(self.items.len(), 1, "{text}");
        self.items.remove(0)
    }

    /// The reason for the only refusal of a source without a device.
    fn only_refusal(mut self, text: &str) -> String {
        assert!(self.items.is_empty(), "{text}");
        assert_eq!(self.refused.len(), 1, "{text}");
        self.refused.remove(0).reason
    }
}

impl ParsedSource {
    /// Nothing of a file is taken, for one reason.
    fn nothing(file: Arc<str>, user: Option<&str>, reason: String) -> Self {
        let refused = RefusedEntry {
            place: SourceLine { file, line: 1 },
            user: user.map(str::to_owned),
            reason,
        };
        Self {
            items: Vec::new(),
            refused: vec![refused],
        }
    }
}

/// The text after a byte order mark, where there is one; or what the file is instead of a list of keys.
fn content(bytes: &[u8]) -> Result<&[u8], String> {
    let text = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
    app_backup::explain(text).map_or(Ok(text), Err)
}

/// A key within the limits.
fn secret(bytes: Zeroizing<Vec<u8>>) -> Result<Secret, String> {
    let length = bytes.len();
    Secret::from_bytes(bytes)
        .ok_or_else(|| format!("the key has {length} bytes; allowed are {MIN_LEN} to {MAX_LEN}"))
}

fn interval(seconds: u64) -> Result<Interval, String> {
    let interval = u32::try_from(seconds).ok().and_then(Interval::new);
    interval.ok_or_else(|| "the interval is not 5 to 3600 seconds".to_owned())
}

fn digits(number: u64) -> Result<Digits, String> {
    let digits = u8::try_from(number).ok().and_then(Digits::new);
    digits.ok_or_else(|| "the codes do not have 6, 7 or 8 digits".to_owned())
}

/// A counter that leaves room above it: the highest ones are marks in the state.
fn counter(number: u64) -> Result<u64, String> {
    match i64::try_from(number) {
        Ok(_) => Ok(number),
        Err(_) => Err("the counter is impossibly high".to_owned()),
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The lines of a file that can be read, with their numbers; the others are refused.
fn lines<'t>(
    bytes: &'t [u8],
    file: &Arc<str>,
    refused: &mut Vec<RefusedEntry>,
) -> Vec<(SourceLine, &'t str)> {
    let mut found = Vec::new();
    for (position, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let place = SourceLine {
            file: file.clone(),
            line: position + 1,
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match std::str::from_utf8(line) {
            Ok(text) if !text.contains('\0') => found.push((place, text)),
            _ => refused.push(RefusedEntry {
                place,
                user: None,
                reason: "is not text (UTF-8)".to_owned(),
            }),
        }
    }
    found
}

/// A device name out of any text; `or` where nothing of it can be used.
fn device_name(text: &str, or: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        let allowed = letter.is_ascii_alphanumeric() || ".-_".contains(letter);
        if name.len() >= NAME {
            break;
        }
        if allowed {
            name.push(letter);
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { or } else { name }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::device::DeviceName;

    #[test]
    fn names_are_legal_whatever_they_are_made_of() {
        for (text, name) in [
            ("Example Org", "Example-Org"),
            ("  Käse & Co: 100%", "K-se-Co-100"),
            ("日本", "oath"),
            ("", "oath"),
            ("---", "---"),
            ("a\n\0b", "a-b"),
            (&"x".repeat(500), &"x".repeat(NAME)),
        ] {
            let made = device_name(text, "oath");
            if name != "---" {
                assert_eq!(made, name);
            }
            assert!(made.parse::<DeviceName>().is_ok(), "{made}");
            assert!(format!("{made}-7").parse::<DeviceName>().is_ok());
        }
    }

    #[test]
    fn numbers_are_digits_and_fit() {
        assert_eq!(number("0007"), Some(7));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        for bad in [
            "",
            "-1",
            "+1",
            " 1",
            "1 ",
            "0x1",
            "18446744073709551616",
            "١",
        ] {
            assert_eq!(number(bad), None, "{bad}");
        }
        assert!(counter(u64::MAX).is_err() && counter(1 << 62).is_ok());
        assert!(interval(4).is_err() && interval(1 << 40).is_err() && interval(3600).is_ok());
        assert!(digits(5).is_err() && digits(262).is_err() && digits(8).is_ok());
    }

    #[test]
    fn lines_that_are_no_text_are_refused_alone() {
        let mut refused = Vec::new();
        let file: Arc<str> = "f".into();
        let found = lines(b"one\r\n\xff\ntwo\0\nfour", &file, &mut refused);
        let numbers: Vec<(usize, &str)> = found.iter().map(|(p, text)| (p.line, *text)).collect();
        assert_eq!(numbers, [(1, "one"), (4, "four")]);
        let numbers: Vec<usize> = refused.iter().map(|one| one.place.line).collect();
        assert_eq!(numbers, [2, 3]);
    }
}
