//! The daemon on real sockets, and the module in programs that run as a user.
#![forbid(unsafe_code)]
#![cfg(test)]

mod calls;
mod changes;
mod full_disk;
mod hostile;
mod idle;
mod limits;
mod module;
mod notify;
mod own_changes;
mod own_enrollment;
mod own_factor;
mod proofs;
mod server;
mod stepped_clock;
mod stops;
mod tickets;
mod verifiers;

/// One code ends a login, and what follows is not held up.
const QUICK: &str = "enabled = true\ntries = 1\n[throttle]\ndelay = 0\n";
