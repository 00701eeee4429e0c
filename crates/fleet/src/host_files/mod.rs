//! Files that tie this host to its fleet: its settings, its place and the key. Nothing here asks the store.
//!
//! Imports [`etcd`](super::etcd) and what is below it.

pub mod host_error;
pub mod host_file;
pub mod host_settings;
pub mod key_file;
