//! Everything the program asks of the operating system, each part in a file of its own.

pub mod accounts;
pub mod clock;
pub mod file;
pub mod homes;
pub mod host;
pub mod limit;
pub mod link;
pub mod local_time;
pub mod lock;
#[cfg(miri)]
mod miri;
pub mod name_sources;
pub mod process;
pub mod socket;
pub mod wipe;
