//! The options of the subcommands that concern the machine.

use std::ffi::OsString;

use clap::{Args, ValueEnum, ValueHint};

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Accept the directory although its mark is missing or another one
    #[arg(long)]
    pub force: bool,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Login name; without it, all users with a record
    #[arg(value_hint = ValueHint::Username, group = "listed")]
    pub user: Option<String>,
    /// List the users without a device
    #[arg(long, group = "listed")]
    pub missing: bool,
    /// List the users who are locked out
    #[arg(long, group = "listed")]
    pub locked: bool,
    /// List all users: local accounts, and users with a record
    #[arg(long, group = "listed")]
    pub all: bool,
    /// Print figures for Prometheus, without the name of any user
    #[arg(long, group = "listed")]
    pub prometheus: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Look at this user only, and at the machine
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Name all users of the table, however many there are
    #[arg(long, conflicts_with = "user")]
    pub users: bool,
}

/// `setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// PAM services that will ask for a code, such as sshd and sudo
    #[arg(value_name = "SERVICE", required_unless_present_any = ["everywhere", "undo"])]
    pub services: Vec<String>,
    /// Put the module into the files that all services share (on Debian and Ubuntu with pam-auth-update): every service asks but those
    /// that the policy switches off
    #[arg(long)]
    pub everywhere: bool,
    /// User who tries a code afterwards; without it, the user who runs the command
    #[arg(long, value_name = "USER", value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// Show every change and make none
    #[arg(long)]
    pub dry_run: bool,
    /// Undo the changes of setup
    #[arg(long, conflicts_with_all = ["services", "everywhere", "user", "force"])]
    pub undo: bool,
    /// With --undo: leave the files as they are, and forget their old text
    #[arg(long, requires = "undo", conflicts_with = "dry_run")]
    pub forget: bool,
    /// Proceed despite lock-outs
    #[arg(long)]
    pub force: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    pub shell: ShellName,
}

/// `complete`.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// Name of the shell
    #[arg(value_enum)]
    pub shell: ShellName,
    /// The words after the command, the last one as far as it is typed; for bash the line and what Readline replaces
    #[arg(last = true)]
    pub words: Vec<OsString>,
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
