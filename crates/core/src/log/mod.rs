//! The lines of the log.

pub mod change;
pub mod event;
pub mod line;
