//! The mirror: records of the fleet as files on this host, the marks of their revisions, and the rhythm in which they come.
//!
//! Imports [`host`](super::host) and what is below it.

mod fleet_factor;
pub mod host_heartbeat;
pub mod mirror_marks;
pub mod record_mark;
pub mod record_mirror;
pub(crate) mod user_mirror;
