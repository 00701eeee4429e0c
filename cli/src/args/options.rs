//! The options of each subcommand.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};
use twofactor_core::qr::Glyphs;

use crate::duration;
use crate::qr_files::QrFileOptions;

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Take the directory that is there for the right one, although its mark is missing or another one
    #[arg(long)]
    pub force: bool,
}

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
    /// How to draw the QR code
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
}

/// `renew`.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// Login name; without it, the caller's
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Which device; needed when there are several
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// How to draw the QR code
    #[arg(long, value_name = "STYLE", value_enum, default_value = "auto", num_args = 0..=1, default_missing_value = "auto")]
    pub qr: QrStyle,
    /// The QR code as files
    #[command(flatten)]
    pub files: QrFileOptions,
    /// Store the new secret at once, without asking for a code
    #[arg(long)]
    pub no_confirm: bool,
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
    /// Do it even if it locks people out
    #[arg(long)]
    pub force: bool,
}

/// `rename`.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// The old login name
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
    /// The name under which the devices are kept, where it is another one
    #[arg(long, value_name = "OLD")]
    pub from: Option<String>,
    /// Do it without a code of the device
    #[arg(long)]
    pub force: bool,
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

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Login name; without it, everybody
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Look at this user only, and at the machine
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    pub user: Option<String>,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Login name; without it, the caller's
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<String>,
}

/// Subcommands that take a user and nothing else.
#[derive(Debug, Args)]
pub struct UserArgs {
    /// Login name
    #[arg(value_hint = ValueHint::Username)]
    pub user: String,
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

/// `bypass` and `invite`.
#[derive(Debug, Args)]
pub struct BypassArgs {
    /// Login name
    #[arg(value_hint = ValueHint::Username)]
    pub user: String,
    /// How long the code works: a number with s, m, h or d, at most 30d; 0 withdraws it
    #[arg(long = "for", value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub duration: u64,
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
    /// What is wrong: one code alone means nothing.
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

/// `setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// PAM services that are to ask for a code, such as sshd and sudo
    #[arg(value_name = "SERVICE", required_unless_present_any = ["everywhere", "undo"])]
    pub services: Vec<String>,
    /// Put the module into what all services share (on Debian and Ubuntu with pam-auth-update): every service asks but those
    /// that the policy switches off
    #[arg(long)]
    pub everywhere: bool,
    /// Who tries a code afterwards; without it, the user who runs the command
    #[arg(long, value_name = "USER", value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Show every change, and make none
    #[arg(long)]
    pub dry_run: bool,
    /// Take back what setup has changed
    #[arg(long, conflicts_with_all = ["services", "everywhere", "user", "force"])]
    pub undo: bool,
    /// With --undo: leave the files as they are, and forget what they were before
    #[arg(long, requires = "undo", conflicts_with = "dry_run")]
    pub forget: bool,
    /// Do it even if it locks people out
    #[arg(long)]
    pub force: bool,
}

/// `enable`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("named").multiple(true).args(["services", "more_services"])))]
pub struct EnableArgs {
    /// PAM services to switch on. With su, sudo or runuser also su-l, sudo-i, runuser-l, and the other way round
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The same as an option; may be repeated
    #[arg(long = "service", value_name = "SERVICE")]
    pub more_services: Vec<String>,
    /// Switch all other services off, also those that the policy does not name
    #[arg(long, requires = "named")]
    pub only: bool,
    /// Do it even if it locks people out
    #[arg(long)]
    pub force: bool,
}

/// `disable`.
#[derive(Debug, Args)]
pub struct DisableArgs {
    /// PAM services to switch off. With su, sudo or runuser also su-l, sudo-i, runuser-l, and the other way round
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// The same as an option; may be repeated
    #[arg(long = "service", value_name = "SERVICE")]
    pub more_services: Vec<String>,
}

impl EnableArgs {
    /// Every service that was named.
    pub fn named(&self) -> Vec<String> {
        [self.services.as_slice(), &self.more_services].concat()
    }
}

impl DisableArgs {
    /// Every service that was named.
    pub fn named(&self) -> Vec<String> {
        [self.services.as_slice(), &self.more_services].concat()
    }
}

/// `policy …`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print the policy with all defaults filled in, or one setting
    #[command(
        alias = "get",
        after_help = "EXAMPLES\n  twofactor policy show\n  twofactor policy show window\n  twofactor policy show --json"
    )]
    Show {
        /// Setting, with dots for tables: window, services.sshd, throttle.attempts
        key: Option<String>,
    },
    /// Change one setting; comments and order of the file are kept
    #[command(after_help = "\
EXAMPLES
  twofactor policy set window 2
  twofactor policy set enforcement mandatory
  twofactor policy set services.sshd true
  twofactor policy set throttle.attempts 10")]
    Set(PolicySetArgs),
    /// Change the policy in an editor; checked before it is used
    ///
    /// The editor is that of SUDO_EDITOR, VISUAL or EDITOR, else `editor` or vi, and gets a copy. A policy with an error, or
    /// one that would lock people out, is never put into use: it can be edited again or discarded.
    #[command(
        after_help = "EXAMPLES\n  twofactor policy edit\n  EDITOR='vim -u NONE' twofactor policy edit"
    )]
    Edit(PolicyEditArgs),
    /// Check a policy file and say where it is wrong
    ///
    /// Needs no root, as `policy show`. A policy from standard input is checked alone: nothing of this machine is read.
    #[command(after_help = "\
EXAMPLES
  twofactor policy check
  twofactor policy check ./twofactor.toml
  git show HEAD:twofactor.toml | twofactor policy check -")]
    Check {
        /// The file, `-` for standard input; without it, the policy in use
        file: Option<PathBuf>,
    },
}

/// `policy edit`.
#[derive(Debug, Args)]
pub struct PolicyEditArgs {
    /// Do it even if it locks people out
    #[arg(long)]
    pub force: bool,
}

/// `policy set`.
#[derive(Debug, Args)]
pub struct PolicySetArgs {
    /// Setting, with dots for tables: window, services.sshd, throttle.attempts
    pub key: String,
    /// New value
    #[arg(allow_hyphen_values = true)]
    pub value: String,
    /// Do it even if it locks people out
    #[arg(long)]
    pub force: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: ShellName,
}

/// The shells whose command lines can be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    /// bash, with bash-completion
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
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
    /// Not at all
    None,
}

impl QrStyle {
    /// The characters to draw it with, if it is to be drawn, where the terminal shows these.
    pub const fn glyphs(self, shown: Glyphs) -> Option<Glyphs> {
        match self {
            Self::Auto => Some(shown),
            Self::Utf8 => Some(Glyphs::Utf8),
            Self::Ascii => Some(Glyphs::Ascii),
            Self::None => None,
        }
    }
}

/// Hash of a device's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HashChoice {
    /// What every app supports
    #[value(name = "SHA1")]
    Sha1,
    /// Not every app supports it
    #[value(name = "SHA256")]
    Sha256,
    /// Not every app supports it
    #[value(name = "SHA512")]
    Sha512,
}
