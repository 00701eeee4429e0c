//! Changes of what a user has: in the store, with the state that follows, or on a host that is cut off from it.
//!
//! Imports [`mirror`](super::mirror) for its marks alone, and what is below it.

pub mod factor_commit;
pub mod fleet_changes;
mod host_bypass;
pub mod relayed_factor;
