//! Hosts found a fleet, join it and leave it, and give it a new key.
//!
//! Imports [`factor_changes`](super::factor_changes) and what is below them.

pub mod fleet_membership;
pub mod founding;
pub mod joining;
pub mod key_rotation;
pub mod leaving;
pub mod membership_error;
