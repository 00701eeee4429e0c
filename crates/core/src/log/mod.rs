//! The lines of the log.

pub mod change_message;
pub mod event;
pub mod factor_change;
pub mod line;
pub mod unusable_name;
