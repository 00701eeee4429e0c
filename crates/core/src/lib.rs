//! Everything that can be said about a login without asking the machine: codes, devices, records, states, the policy,
//! and the verdict.
//!
//! Imports flow one way: terms ([`otp`], [`secret`], [`account`], [`spelling_suggestion`]), then data ([`device`], [`recovery`],
//! [`record`], [`state`], [`policy`]), then the verdict ([`verify`]) and what a new device needs ([`enroll`], [`otpauth`], [`qr`]).
//! Nothing here opens a file, reads a clock or knows of PAM; new keys and codes take their randomness from the kernel.
#![forbid(unsafe_code)]
#![deny(clippy::missing_errors_doc)]

pub mod account;
pub mod backup;
pub mod device;
pub mod enroll;
pub mod log;
pub mod otp;
pub mod otpauth;
pub mod policy;
pub mod qr;
pub mod record;
pub mod recovery;
pub mod secret;
pub mod spelling_suggestion;
pub mod state;
pub mod verify;
mod worded_enum;

/// The version of this program, written into records and states.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Path of the policy.
pub const POLICY_FILE: &str = "/etc/security/twofactor.toml";
/// Directory of records and states.
pub const STATE_DIR: &str = "/var/lib/twofactor";
