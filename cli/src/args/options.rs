//! The options of the subcommands that concern one user.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use twofactor_core::qr::QrGlyphs;

use super::policy_options::PreviewOptions;
use crate::duration;
use crate::qr_files::QrFileOptions;

/// `enroll`.
#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// Login name; without it, the caller's
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Name of the device
    #[arg(long, value_name = "NAME", default_value = "phone")]
    pub device: String,
    /// Digits of a code: 6, 7 or 8 [default: from the policy]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(6..=8))]
    pub digits: Option<u8>,
    /// Seconds for which a code is shown: 5 to 3600 [default: from the policy]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(5..=3600))]
    pub interval: Option<u32>,
    /// Hash [default: from the policy]
    #[arg(long, value_name = "HASH", value_enum, ignore_case = true)]
    pub algorithm: Option<HashChoice>,
    /// A token with a button and a counter (HOTP) instead of a clock
    #[arg(long, conflicts_with = "interval")]
    pub hotp: bool,
    /// Style of the QR code
    #[arg(long, value_name = "STYLE", value_enum, default_value = "auto", num_args = 0..=1, default_missing_value = "auto")]
    pub qr: QrStyle,
    /// The QR code as files
    #[command(flatten)]
    pub files: QrFileOptions,
    /// Write the recovery codes of a first device to this new file, to be printed, instead of showing them
    #[arg(long, value_name = "FILE")]
    pub recovery_file: Option<PathBuf>,
    /// Store the device at once, without asking for a code
    #[arg(long)]
    pub no_confirm: bool,
    /// Talk with a program: a JSON object a line on standard output, answers on standard input
    #[arg(long, value_name = "FORM", value_enum, conflicts_with_all = ["no_confirm", "qr", "png", "svg", "recovery_file"])]
    pub dialogue: Option<DialogueForm>,
}

/// `renew`.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// Login name; without it, the caller's
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Name of the device; needed when there are several
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Style of the QR code
    #[arg(long, value_name = "STYLE", value_enum, default_value = "auto", num_args = 0..=1, default_missing_value = "auto")]
    pub qr: QrStyle,
    /// The QR code as files
    #[command(flatten)]
    pub files: QrFileOptions,
    /// Store the new secret at once, without asking for a code
    #[arg(long)]
    pub no_confirm: bool,
    /// Talk with a program: a JSON object a line on standard output, answers on standard input
    #[arg(long, value_name = "FORM", value_enum, conflicts_with_all = ["no_confirm", "qr", "png", "svg"])]
    pub dialogue: Option<DialogueForm>,
}

/// `unset`.
#[derive(Debug, Args)]
pub struct UnsetArgs {
    /// Login name; without it, the caller's
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Only this device
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Proceed despite lock-outs
    #[arg(long)]
    pub force: bool,
    /// Looking at it before.
    #[command(flatten)]
    pub preview: PreviewOptions,
    /// Remove nothing unless the user still has the devices with this hash, from a dry run
    #[arg(long, value_name = "HASH")]
    pub if_devices: Option<String>,
}

/// `rename`.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// The old login name
    #[arg(value_hint = ValueHint::Username)]
    pub old: String,
    /// The new login name
    #[arg(value_hint = ValueHint::Username)]
    pub new: String,
}

/// `adopt`.
#[derive(Debug, Args)]
pub struct AdoptArgs {
    /// Login name
    #[arg(value_hint = ValueHint::Username)]
    pub user: String,
    /// Name under which the devices are kept, where it is another one
    #[arg(long, value_name = "OLD", value_hint = ValueHint::Username)]
    pub from: Option<String>,
    /// Proceed without a code of the device
    #[arg(long)]
    pub force: bool,
    /// With `--force`, say that this machine's clock is right, by which a missing state is made anew
    #[arg(long, requires = "force")]
    pub clock_is_right: bool,
}

/// `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Login name; without it, the caller's
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Only this device
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Reveal the key
    #[arg(long, group = "reveal")]
    pub secret: bool,
    /// Reveal the otpauth:// URI
    #[arg(long, group = "reveal")]
    pub uri: bool,
    /// Reveal the QR code
    #[arg(long, value_name = "STYLE", value_enum, group = "reveal", num_args = 0..=1, default_missing_value = "auto")]
    pub qr: Option<QrStyle>,
    /// The QR code as files
    #[command(flatten)]
    pub files: QrFileOptions,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Login name; without it, the caller's
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,
}

/// `unlock`.
#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// Login name
    #[arg(value_hint = ValueHint::Username)]
    pub user: String,
    /// Say that this machine's clock is right, and was ahead if the last code is of a later time
    #[arg(long)]
    pub clock_is_right: bool,
}

/// `recovery-codes`.
#[derive(Debug, Args)]
pub struct RecoveryCodesArgs {
    /// Login name; without it, the caller's
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Write the codes to this new file, to be printed, instead of showing them
    #[arg(long, value_name = "FILE")]
    pub recovery_file: Option<PathBuf>,
}

/// `invite`.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// Login names
    #[arg(value_name = "USER", value_hint = ValueHint::Username, required_unless_present = "groups")]
    pub users: Vec<String>,
    /// All members of this group, too; can be given several times
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// Validity of the codes: a number with s, m, h or d, at most 30d; 0 withdraws them
    #[arg(long = "for", value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub duration: u64,
    /// Write the codes to this new file, one page for each user, instead of showing them: text, or HTML if the name ends in .html
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub sheets: Option<PathBuf>,
    /// Replace invitations that still work; without it they are kept, and their codes go on working
    #[arg(long)]
    pub replace: bool,
}

/// `bypass`.
#[derive(Debug, Args)]
pub struct BypassArgs {
    /// Login name
    #[arg(value_hint = ValueHint::Username)]
    pub user: String,
    /// Validity of the code: a number with s, m, h or d, at most 30d; 0 withdraws it
    #[arg(long = "for", value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub duration: u64,
    /// Let the user set up a new device in the login with the code, for a phone that is lost
    #[arg(long)]
    pub new_device: bool,
    /// On a host that is cut off from its fleet: the code works here alone, until the host meets the store again
    #[arg(long, conflicts_with = "new_device")]
    pub this_host: bool,
}

/// `resync`.
#[derive(Debug, Args)]
pub struct ResyncArgs {
    /// Login name; without it, the caller's
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Name of the device; without it, the only one
    pub device: Option<String>,
    /// A code of the device
    pub code1: Option<String>,
    /// The code after it
    pub code2: Option<String>,
}

/// Two codes that follow each other.
pub type CodePair<'a> = (&'a str, &'a str);

impl ResyncArgs {
    /// The name of the device and the two codes, as far as they were given. Two numbers after the user are codes of the
    /// only device.
    ///
    /// # Errors
    /// The usage error: one code alone is not enough.
    pub fn device_and_codes(&self) -> Result<(Option<&str>, Option<CodePair<'_>>), &'static str> {
        let is_number = |word: &str| !word.contains(|it: char| !it.is_ascii_digit());
        match (&self.device, &self.code1, &self.code2) {
            (device, Some(first), Some(second)) => Ok((device.as_deref(), Some((first, second)))),
            (Some(first), Some(second), None) if is_number(first) => {
                Ok((None, Some((first, second))))
            }
            (_, Some(_), None) => Err("two codes that follow each other are needed"),
            (device, ..) => Ok((device.as_deref(), None)),
        }
    }
}

/// Form of a dialogue with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DialogueForm {
    /// One object a line
    Json,
}

/// Style in which a QR code is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QrStyle {
    /// Half blocks, plain characters where the terminal does not show UTF-8
    Auto,
    /// Half blocks
    Utf8,
    /// Plain characters, twice as large
    Ascii,
    /// None
    None,
}

impl QrStyle {
    /// The characters to draw it with, if it is to be drawn, where the terminal shows these.
    pub const fn glyphs(self, shown: QrGlyphs) -> Option<QrGlyphs> {
        match self {
            Self::Auto => Some(shown),
            Self::Utf8 => Some(QrGlyphs::Utf8),
            Self::Ascii => Some(QrGlyphs::Ascii),
            Self::None => None,
        }
    }
}

/// Hash of a device's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HashChoice {
    /// Every app supports it
    #[value(name = "SHA1")]
    Sha1,
    /// Not every app supports it
    #[value(name = "SHA256")]
    Sha256,
    /// Not every app supports it
    #[value(name = "SHA512")]
    Sha512,
}
