//! The lines of the log.

pub mod event;
pub mod factor_change;
pub mod line;
