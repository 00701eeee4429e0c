//! What is written to the log.

pub mod event;
pub mod line;
