//! The life of the Debian package in a clean root that debootstrap made: installed with apt, selected in pam-auth-update,
//! used in that root's own sshd, login, su and sudo, upgraded under logins, removed, installed again and purged.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod clean;
#[path = "../common/mod.rs"]
mod common;
mod removal;
mod upgrade;
mod use_of_it;
mod watch;
