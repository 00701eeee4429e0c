//! The varlink interface `io.twofactor`: messages and their bytes, without sockets, files and clock.
//!
//! A message is a JSON object that a NUL byte ends (<https://varlink.org>). The PAM module and the command are clients, the
//! daemon is the service. What a client needs to pass a login is small: [`gate_call`], [`verify_call`] and the reader of flat JSON
//! objects in [`json`]. The feature `service` adds the daemon's side.
#![forbid(unsafe_code)]
#![deny(clippy::missing_errors_doc)]

pub mod fleet_attempt_call;
pub mod fleet_change_call;
pub mod frame;
pub mod gate_call;
pub mod json;
pub mod reply;
#[cfg(feature = "service")]
pub mod service;
pub mod verify_call;

/// Path of the daemon's socket.
pub const SOCKET: &str = "/run/twofactor/socket";

/// Longest message in bytes, the NUL byte at its end included.
pub const MAX_MESSAGE: usize = 4096;

/// Longest reply of a call in bytes, the NUL byte included. Those of `Gate` and `Verify` have at most [`MAX_MESSAGE`].
pub const MAX_REPLY: usize = 64 * 1024;

/// Longest call of `io.twofactor.fleet` in bytes, the NUL byte included: there is room for a record of as many devices, recovery codes
/// and changes as one may have.
pub const MAX_CHANGE: usize = 32 * 1024;

/// Name of the interface.
pub const INTERFACE: &str = "io.twofactor";
