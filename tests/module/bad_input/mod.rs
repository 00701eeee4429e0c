//! Files, names and answers that are broken or hostile: denied or ignored as the policy says, logged plainly, and not
//! a byte on the disk changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "../common/enrolled.rs"]
mod enrolled;
#[path = "../common/snapshot.rs"]
mod snapshot;

mod answers;
mod content;
mod directories;
mod files;
mod limits;
mod names;
