//! The harness itself: what it says of programs and machines is so.
#![forbid(unsafe_code)]

mod drive;
mod fault;
mod machine;
mod signals;
mod ssh;
mod steps;
