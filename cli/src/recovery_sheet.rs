//! New recovery codes as a text for the screen, or as a file to print.

use std::fmt::Write as _;
use std::path::Path;

use twofactor_core::recovery::{self, PlainCode};
use twofactor_store::operations::ChangeSteps;
use twofactor_store::sys::host_name;
use zeroize::Zeroizing;

use crate::command_failure::CommandFailure;
use crate::escaping;
use crate::formatting::ReportedTime;
use crate::interrupt;
use crate::private_file::{PrivateFile, reader};
use crate::suggested_command;

/// Place of a new set of codes: one place only, so that a person who sees the screen or its log does not have them,
/// too.
pub enum RecoverySheet {
    /// To the screen, and into JSON.
    Screen,
    /// To a new file.
    File(PrivateFile),
}

impl RecoverySheet {
    /// Makes the file, empty, so that nothing is changed when it cannot be made. A signal does not leave it so.
    ///
    /// # Errors
    /// As [`interrupt::arm`] and [`PrivateFile::reserve`].
    pub fn new(file: Option<&Path>) -> Result<Self, CommandFailure> {
        match file {
            None => Ok(Self::Screen),
            Some(path) => {
                interrupt::arm()?;
                Ok(Self::File(PrivateFile::reserve(path)?))
            }
        }
    }

    /// Writes codes that were made at `now` (seconds since 1970-01-01 UTC) to the file, if there is one. This comes before they
    /// count, so that no code counts that no user has.
    ///
    /// # Errors
    /// As [`PrivateFile::write`].
    pub fn fill(&self, user: &str, codes: &[PlainCode], now: u64) -> Result<(), CommandFailure> {
        match self {
            Self::Screen => Ok(()),
            Self::File(file) => file.write(printable(user, codes, now).as_bytes()),
        }
    }

    /// The codes count: the file stays. What is left for the report.
    pub fn keep(self, codes: Vec<PlainCode>) -> DeliveredCodes {
        match self {
            Self::Screen => DeliveredCodes { codes, file: None },
            Self::File(file) => {
                let path = file.path().display().to_string();
                file.keep();
                DeliveredCodes {
                    codes: Vec::new(),
                    file: Some(path),
                }
            }
        }
    }
}

/// The hand-over of a new set of codes, before it counts.
pub struct SheetDelivery<'a> {
    sheet: &'a RecoverySheet,
    user: &'a str,
    now: u64,
}

impl<'a> SheetDelivery<'a> {
    /// Delivery of a user's codes, made at `now` (seconds since 1970-01-01 UTC).
    pub const fn new(sheet: &'a RecoverySheet, user: &'a str, now: u64) -> Self {
        Self { sheet, user, now }
    }
}

impl ChangeSteps for SheetDelivery<'_> {
    type Error = CommandFailure;

    fn deliver(&mut self, codes: &[PlainCode]) -> Result<(), CommandFailure> {
        self.sheet.fill(self.user, codes, self.now)
    }
}

/// Facts that the report tells of a new set.
pub struct DeliveredCodes {
    /// The codes, unless they are in a file.
    pub codes: Vec<PlainCode>,
    /// The file with the codes.
    pub file: Option<String>,
}

impl DeliveredCodes {
    /// None, as with a further device.
    pub const fn none() -> Self {
        Self {
            codes: Vec::new(),
            file: None,
        }
    }

    /// The codes, for JSON.
    pub fn list(&self) -> Vec<String> {
        let codes = self.codes.iter();
        codes.map(|code| code.grouped().to_string()).collect()
    }

    /// The text that shows them, the only time.
    pub fn text(&self) -> Zeroizing<String> {
        if let Some(file) = &self.file {
            return Zeroizing::new(format!(
                "Recovery codes, for when the device is not at hand: {file} (only {} can read it).\n\
                 Print it, keep it where the device is not, then remove the file.\n\n",
                reader()
            ));
        }
        if self.codes.is_empty() {
            return Zeroizing::default();
        }
        let mut text = Zeroizing::new(String::new());
        text.push_str(
            "Recovery codes, for when the device is not at hand. Each works once, instead of a code.\n\
             Keep them where the device is not; they are not shown again:\n\n",
        );
        text.push_str(&recovery::list(&self.codes));
        text.push('\n');
        text
    }
}

fn printable(user: &str, codes: &[PlainCode], now: u64) -> Zeroizing<String> {
    let host = host_name::name();
    let shown = escaping::value(user);
    let renewal = suggested_command::twofactor("recovery-codes", &[user], &[]);
    let mut text = Zeroizing::new(String::new());
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "Recovery codes for two-factor login\n\nUser: {shown}\nHost: {host}\nMade: {}\n\n",
        ReportedTime(now).with_zone()
    );
    text.push_str(&recovery::list(codes));
    let _ = write!(
        text,
        "\nEach works once. Type one where the code of your device is asked for, and cross it out.\n\
         Keep this sheet where the device is not. A person who has it needs only your password.\n\
         New codes, which end these: {renewal}\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofactor_core::recovery::RecoverySet;

    #[test]
    fn a_sheet_says_whose_it_is_and_what_to_do() {
        let (_, codes) = RecoverySet::generate(1).unwrap();
        for (user, shown, command) in [
            ("alice", "alice", "twofactor recovery-codes alice"),
            (
                "\u{1b} x",
                "\\u{1b} x",
                "twofactor recovery-codes \"$(printf '\\033')\"' x'",
            ),
        ] {
            let text = printable(user, &codes, 1_234_567_890);
            let made = ReportedTime(1_234_567_890).with_zone();
            assert!(text.contains(&format!("\nMade: {made}\n")), "{}", *text);
            assert!(text.contains(&format!("\nUser: {shown}\n")), "{}", *text);
            assert!(text.ends_with(&format!(": {command}\n")), "{}", *text);
            for code in &codes {
                assert_eq!(text.matches(code.grouped().as_str()).count(), 1);
            }
        }
    }
}
