//! `twofactor doctor` and `enable` on machines that are healthy or broken, beside what libpam makes of them.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails in a test must fail it at once"
)]

mod files;
mod fleet;
mod libpam;
mod many_users;
mod programs;
mod records;
mod report;
mod session_line;
mod sshd;
mod stacks;
