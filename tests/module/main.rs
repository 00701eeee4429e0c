//! The module through real libpam, in a program that is not ours: what it returns, asks and says, what it does with broken
//! input, and what it exports, keeps, touches, reads and costs.
#![forbid(unsafe_code)]
#![cfg(test)]

mod bad_input;
mod budget;
mod library;
mod memory;
mod returns;
mod traced;
mod unwinding;
mod wiped;
