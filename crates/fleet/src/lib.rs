//! A fleet: the state of a user in one etcd that many hosts share, so that a code works once on all of them.
//!
//! Imports flow one way. [`sealed_values`] are what the store has: its owner can deny or roll back, but neither read nor forge.
//! [`etcd`] brings them there. [`host_files`] tie this host to its fleet. [`attempt_steps`] decide, without I/O, what an attempt asks
//! of the store next. [`host`] is this host as a member, and [`mirror`] keeps its copies of the records. [`factor_changes`] change
//! what a user has. [`host_membership`] is for administrators, and so is [`restored_store`], after a backup of the store was restored.
#![forbid(unsafe_code)]
#![deny(clippy::missing_errors_doc)]

pub mod attempt_steps;
pub mod etcd;
pub mod factor_changes;
pub mod host;
pub mod host_files;
pub mod host_membership;
pub mod mirror;
pub mod restored_store;
pub mod sealed_values;
