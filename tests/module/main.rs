//! The module as a guest in a program that is not ours: what it exports, keeps, touches and reads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "../common/enrolled.rs"]
mod enrolled;

mod library;
mod memory;
mod traced;
mod wiped;
