//! The options of `import`, `export`, `backup` and `restore`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};

use crate::import_formats::path_pattern::PathPattern;

/// `import …`.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// State files of google-authenticator (libpam-google-authenticator)
    ///
    /// Used codes stay used, and unused scratch codes go on working, once each.
    #[command(after_help = "\
EXAMPLES
  twofactor import google-authenticator --all --dry-run      preview of all users
  twofactor import google-authenticator --all
  twofactor import google-authenticator --all --secret '/srv/ga/${USER}'
  twofactor import google-authenticator --user alice         from alice's home directory
  twofactor import google-authenticator ./backup --user alice")]
    GoogleAuthenticator(GoogleImportArgs),
    /// A users file of the OATH toolkit (pam_oath)
    ///
    /// Used codes stay used. A PIN that pam_oath needs in front of the code is not imported.
    #[command(after_help = "\
EXAMPLES
  twofactor import users-oath /etc/users.oath --dry-run
  twofactor import users-oath /etc/users.oath")]
    UsersOath(OathImportArgs),
    /// otpauth:// URIs and exports of Google Authenticator (otpauth-migration://), one a line
    ///
    /// From a file or standard input: on the command line other users could see the keys. For a backup of an app, which is no
    /// list of URIs, it explains how that app exports text.
    #[command(after_help = "\
EXAMPLES
  twofactor import uri ./uris --user alice
  zbarimg --raw -q export.png | twofactor import uri - --user alice --yes
  twofactor import uri ./all                     each for the user that its label names")]
    Uri(UriImportArgs),
}

/// `import google-authenticator`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["user", "all"])))]
pub struct GoogleImportArgs {
    /// State file, `-` for standard input; without it, the user's own
    #[arg(requires = "user", conflicts_with_all = ["all", "secret"])]
    pub file: Option<PathBuf>,
    /// User of the device
    #[arg(long, value_name = "USER", value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Every user that the passwd database lists
    #[arg(long)]
    pub all: bool,
    /// Path of the users' files, as in secret= of pam_google_authenticator: ~, ${HOME}, %h, ${USER}, %u
    #[arg(long, value_name = "PATH", default_value = "~/.google_authenticator")]
    pub secret: PathPattern,
    /// Options of every import
    #[command(flatten)]
    pub flags: ImportFlags,
}

/// `import users-oath`.
#[derive(Debug, Args)]
pub struct OathImportArgs {
    /// Users file; `-` for standard input
    pub file: PathBuf,
    /// Options of every import
    #[command(flatten)]
    pub flags: ImportFlags,
}

/// `import uri`.
#[derive(Debug, Args)]
pub struct UriImportArgs {
    /// File; `-` or nothing for standard input
    pub file: Option<PathBuf>,
    /// User of the devices; without it, the users that the labels name
    #[arg(long, value_name = "USER", value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Options of every import
    #[command(flatten)]
    pub flags: ImportFlags,
}

/// Options of every import.
#[derive(Debug, Args)]
pub struct ImportFlags {
    /// Show what would be imported, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Replace devices of the same name or key by imported ones
    #[arg(long)]
    pub replace: bool,
}

/// `export …`.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// A users file of the OATH toolkit (pam_oath)
    ///
    /// pam_oath knows SHA1 and intervals of 30 and 60 seconds only; other devices are left out and named.
    #[command(after_help = "\
EXAMPLES
  twofactor export users-oath --all --output /root/users.oath
  twofactor export users-oath --user alice")]
    UsersOath(ExportArgs),
    /// otpauth:// URIs, one a line
    #[command(after_help = "\
EXAMPLES
  twofactor export uri --all --output /root/uris
  twofactor export uri --all --yes | gpg -e -r backup >uris.gpg
  twofactor export uri --user alice")]
    Uri(ExportArgs),
}

/// Options of every export.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["user", "all"])))]
pub struct ExportArgs {
    /// This user's devices
    #[arg(long, value_name = "USER", value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// The devices of all users
    #[arg(long)]
    pub all: bool,
    /// File to write, closed to others, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// New file to write, closed to others; without it, or with `-`, standard output, which must be no terminal
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A file of `twofactor backup`; `-` for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Show what would be restored, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Overwrite records that are there; their recovery codes stay
    #[arg(long)]
    pub replace: bool,
    /// Give each record to the account of its name, also where the user id is another one
    #[arg(long)]
    pub adopt: bool,
    /// Recovery codes, bypass codes and invitations that may have been used since the backup
    #[arg(long, value_name = "WHAT", value_enum, default_value = "drop")]
    pub one_time_codes: RestoredCodes,
}

/// Treatment of one-time codes of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RestoredCodes {
    /// They end, unless this machine knows which were used
    Drop,
    /// They work; on paper, one that was used since the backup works once more
    Keep,
}
