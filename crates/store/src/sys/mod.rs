//! Everything the program asks of the operating system, each part in a file of its own.

pub mod accounts;
pub mod clock;
pub mod file;
pub mod group_listing;
pub mod homes;
pub mod host;
pub mod life_sign;
pub mod limit;
pub mod link;
pub mod local_file;
mod local_groups;
pub mod local_time;
pub mod lock;
pub mod membership;
#[cfg(miri)]
mod miri;
pub mod name_sources;
pub(crate) mod nsswitch;
pub mod peer_process;
pub mod process;
pub mod random;
pub mod socket;
pub mod wipe;
