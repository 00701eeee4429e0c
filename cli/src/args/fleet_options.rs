//! The options of `fleet`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// `fleet …`.
#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Found a fleet: make its key, and bring the users of this host to the store
    ///
    /// For the first host alone. The key goes into the file that the settings name, and has to be copied to the other hosts. Refused
    /// where the store has a fleet already. After an interruption the same call goes on.
    #[command(after_help = "\
EXAMPLES
  twofactor fleet init --dry-run
  twofactor fleet init")]
    Init(FleetRunArgs),
    /// Join a fleet with the file of its key
    ///
    /// Brings the users that the fleet does not know, and gets the others. Overwrites nothing: while a user has another record here
    /// than in the fleet, all such users are listed and the host does not join. Exit code 1 then.
    #[command(after_help = "\
EXAMPLES
  twofactor fleet join /root/twofactor-fleet.key --dry-run
  twofactor fleet join /root/twofactor-fleet.key")]
    Join(FleetJoinArgs),
    /// Show the fleet as this host sees it; exit code 1 where the store cannot be used
    #[command(after_help = "\
EXAMPLES
  twofactor fleet status
  twofactor fleet status --json")]
    Status,
    /// Leave the fleet; the users stay enrolled on this host
    ///
    /// Refused while this host lacks a record of the fleet, and while the policy has the fleet enabled. A code that was used on another host can be used here from then on.
    #[command(after_help = "\
EXAMPLES
  twofactor fleet leave --dry-run
  twofactor fleet leave
  twofactor fleet leave --without-store           the store is gone for good
  twofactor fleet leave --host web3-0a1b2c3d      another host, which is lost")]
    Leave(FleetLeaveArgs),
    /// After a backup of the store was restored: bring back what the hosts know, and begin a new epoch
    ///
    /// Until then no host uses the restored store, since it may take used codes for unused. The other hosts bring what they know
    /// within a minute by themselves, then the same call completes it. Codes of apps work again after some minutes. With --without,
    /// HOTP tokens need twofactor resync, and recovery and bypass codes stop working. Exit code 1 while hosts are missing.
    #[command(after_help = "\
EXAMPLES
  twofactor fleet after-restore --dry-run
  twofactor fleet after-restore
  twofactor fleet after-restore --without web3-0a1b2c3d   a host that is lost
  twofactor fleet after-restore --without unknown         hosts that joined after the backup")]
    AfterRestore(FleetRestoreArgs),
    /// Replace the key of the fleet, as after a host was compromised
    ///
    /// Seals everything in the store anew. From the first moment on the other hosts cannot use the store, until each of them joined
    /// with the new file. The secrets of devices are no others: renew them, too. After an interruption the same call goes on.
    #[command(after_help = "\
EXAMPLES
  twofactor fleet rotate-key --dry-run
  twofactor fleet rotate-key")]
    RotateKey(FleetRunArgs),
}

/// `fleet after-restore`.
#[derive(Debug, Args)]
pub struct FleetRestoreArgs {
    /// Host that will not bring what it knows; may be repeated
    #[arg(long, value_name = "HOST")]
    pub without: Vec<String>,
    /// Show what it would do, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `fleet leave`.
#[derive(Debug, Args)]
pub struct FleetLeaveArgs {
    /// Leave though the store cannot be asked: the fleet goes on counting this host
    #[arg(long, conflicts_with = "host")]
    pub without_store: bool,
    /// Take another host out of the fleet, one that is lost or left without the store
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Show what it would do, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `fleet init`, `fleet rotate-key`.
#[derive(Debug, Args)]
pub struct FleetRunArgs {
    /// Show what it would do, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `fleet join`.
#[derive(Debug, Args)]
pub struct FleetJoinArgs {
    /// File with the key of the fleet, from its first host
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Show what it would do, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}
