//! This host as a member of its fleet: its client and its number, and what it sees of hosts, users and certificates.
//!
//! Imports [`attempt_steps`](super::attempt_steps) and what is below them.

pub mod fleet_host;
pub mod fleet_view;
pub mod host_handle;
pub mod member_certificate;
