//! The lines of the log.

pub mod change_line;
pub mod change_message;
pub mod event;
pub mod line;
pub mod unusable_name;
