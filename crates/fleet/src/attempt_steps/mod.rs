//! One attempt against the store: its steps without I/O, their run, and the reasons why the store gives no verdict.
//!
//! Imports [`host_files`](super::host_files) for their errors alone, and what is below them.

pub mod fleet_run;
pub mod outage_reason;
pub(crate) mod patient_read;
pub mod shared_attempt;

#[cfg(test)]
mod tests;
