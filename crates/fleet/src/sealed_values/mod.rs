//! Values of the store and names of their keys, without I/O. The fleet's key seals each of them. Of two states one is made here.
//!
//! Imports nothing of the crate.

pub mod attempt_id;
pub mod fleet_entry;
pub mod fleet_key;
pub mod host_entry;
pub mod shared_record;
pub mod shared_state;
pub mod shared_state_merge;
pub mod store_key;
