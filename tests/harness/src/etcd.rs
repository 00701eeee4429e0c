//! A real cluster of etcd, as the store of a fleet.

mod backups;
pub mod certificates;
pub mod cluster;
mod member;
