//! Enrolment in the login dialogue: who may get a device there, what it takes, and who is never asked.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/enrolled.rs"]
mod enrolled;
#[path = "../common/screen.rs"]
mod screen;

mod app;
mod console;
mod invitation;
mod meanwhile;
mod phases;
mod sshd;
mod stacks;
