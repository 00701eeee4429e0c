//! Everything the program asks of the operating system, each part in a file of its own.

pub mod accounts;
pub mod clock;
pub mod file;
pub mod group_listing;
pub mod host_name;
pub mod local_accounts;
mod local_groups;
pub mod local_time;
pub mod lock;
pub mod lock_heartbeat;
pub mod membership;
#[cfg(miri)]
mod miri;
pub mod name_sources;
pub mod new_file;
pub mod nsswitch;
pub mod passwd_listing;
pub mod peer_process;
pub mod process;
pub mod random;
pub mod size_limit;
pub mod socket;
pub mod wipe;
