//! The code that the fuzz targets share.
#![forbid(unsafe_code)]

pub mod conversation;
pub mod daemon_machine;
mod daemon_rules;
pub mod import;
pub mod login;
pub mod machine;
mod pending_model;
pub mod people;
pub mod store;
