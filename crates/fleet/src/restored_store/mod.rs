//! A backup of the store was restored: the hosts bring back what it lost, and a new epoch begins.
//!
//! Imports [`host_membership`](super::host_membership) and what is below it.

mod factor_swap;
mod restoration_values;
mod restored_states;
mod restored_users;
pub mod store_restoration;
