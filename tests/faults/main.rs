//! Each system call of a login, and of a change, goes wrong in turn. `make faults` does all of them and prints the
//! tables; `make test` does a part of them, the same one each time.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/enrolled.rs"]
mod enrolled;

mod commands;
mod kept;
mod killed;
mod logins;
mod relocation;
mod stacks;
mod stopped;
mod table;
