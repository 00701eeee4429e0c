//! Everything the program asks of the operating system, each part in a file of its own.

pub mod accounts;
pub mod clock;
pub mod file;
pub mod host;
pub mod lock;
pub mod signal;
