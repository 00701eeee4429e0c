//! The lines of the log.

pub mod event;
pub mod line;
