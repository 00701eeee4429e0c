//! The options of the subcommands that change or show the policy.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

/// Looking at a change before it is made.
#[derive(Clone, Debug, Default, Args)]
pub struct PreviewOptions {
    /// Show what would change, for which users, and the hash of the policy; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Change nothing unless the policy still has this hash, from a dry run or sha256sum (`none` without a file)
    #[arg(long, value_name = "HASH")]
    pub if_policy: Option<String>,
}

/// `enable`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("named").multiple(true).args(["services", "more_services"])))]
pub struct EnableArgs {
    /// PAM services to switch on. With su, sudo or runuser also su-l, sudo-i, runuser-l, and the other way round
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// SERVICE as an option; may be repeated
    #[arg(long = "service", value_name = "SERVICE")]
    pub more_services: Vec<String>,
    /// Switch all other services off, also those that the policy does not name
    #[arg(long, requires = "named")]
    pub only: bool,
    /// Proceed despite lock-outs
    #[arg(long)]
    pub force: bool,
    /// Looking at it before.
    #[command(flatten)]
    pub preview: PreviewOptions,
}

/// `disable`.
#[derive(Debug, Args)]
pub struct DisableArgs {
    /// PAM services to switch off. With su, sudo or runuser also su-l, sudo-i, runuser-l, and the other way round
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// SERVICE as an option; may be repeated
    #[arg(long = "service", value_name = "SERVICE")]
    pub more_services: Vec<String>,
    /// Looking at it before.
    #[command(flatten)]
    pub preview: PreviewOptions,
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
    /// Change settings, all or none of them; comments and order of the file are kept
    #[command(after_help = "\
EXAMPLES
  twofactor policy set window 2
  twofactor policy set window 2 new_devices.digits 8
  twofactor policy set window 2 --dry-run    show what it would change
  twofactor policy set enforcement mandatory
  twofactor policy set services.sshd true
  twofactor policy set throttle.attempts 10")]
    Set(PolicySetArgs),
    /// Change the policy in an editor; checked before it is used
    ///
    /// The editor is that of SUDO_EDITOR, VISUAL or EDITOR, else `editor` or vi, and gets a copy. A policy with an error, or
    /// one that would lock people out, is never put into use: it can be edited again or discarded. Where it ends in another way, such
    /// as by Ctrl-C, it says where the text is kept. An editor that ends with an error, as vim does by `:cq`, discards it, unless the
    /// connection was lost.
    #[command(
        after_help = "EXAMPLES\n  twofactor policy edit\n  EDITOR='vim -u NONE' twofactor policy edit"
    )]
    Edit(PolicyEditArgs),
    /// Check a policy file and name the place of an error
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
    /// Proceed despite lock-outs
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
    /// Further settings, each with its value; all or none are changed
    #[arg(value_name = "KEY VALUE", allow_negative_numbers = true)]
    pub more: Vec<String>,
    /// Proceed despite lock-outs
    #[arg(long)]
    pub force: bool,
    /// Looking at it before.
    #[command(flatten)]
    pub preview: PreviewOptions,
}
