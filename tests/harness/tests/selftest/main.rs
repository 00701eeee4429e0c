//! The harness itself: what it says of programs and machines is so.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "what fails in a test must fail it at once"
)]

mod drive;
mod fault;
mod machine;
mod signals;
mod ssh;
mod steps;
