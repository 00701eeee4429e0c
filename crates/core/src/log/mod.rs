//! The lines of the log.

pub mod audit_line;
pub mod event;
pub mod log_line;
pub mod policy_event;
pub mod unusable_name;
pub mod verdict_line;
