//! The machine's knowledge about logins: accounts, the clock, and the files with policy, records and states.
//!
//! Imports flow one way. [`sys`] asks the operating system. [`account_rules`] looks up users and groups of the policy. [`files`]
//! keeps records and states. [`attempt`] makes one attempt to log in. [`operations`] change a user's factor. Nothing here knows
//! of terminals or of PAM.
#![deny(unsafe_code)]
#![deny(clippy::missing_errors_doc)]

pub mod account_rules;
pub mod attempt;
pub mod change_tickets;
pub mod daemon_client;
pub mod files;
pub mod fleet_client;
pub mod fleet_contact;
pub mod fleet_mark;
pub mod fleet_relay;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod login_decision;
pub mod notification;
pub mod notify_message;
pub mod operations;
pub mod sys;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod testing;

pub use files::{
    BATCH, BulkEnrollment, DirectoryInventory, FactorSnapshot, FactorStore, FileFault, FoundBy,
    LoadedPolicy, LoadedRecord, LockedFactor, MarkDisagreement, MarkResult, NewRecord, PolicyFile,
    RecordHolder, RelocationProgress, ShareFault, SharedChange, SharedFactors, StoreError,
    UnmirroredUsers, directory_mark,
};

/// Unit tests run with the allocator of module and command.
#[cfg(test)]
#[global_allocator]
static HEAP: sys::wipe::WipingAllocator = sys::wipe::WipingAllocator;
