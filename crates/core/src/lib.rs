//! Two-factor login for Linux servers: the library behind the PAM module `pam_twofactor.so` and the command
//! `twofactor`.
//!
//! Imports flow one way: terms ([`otp`], [`secret`]), then data ([`device`], [`record`], [`recovery`], [`state`],
//! [`policy`]), then the pure verdict ([`verify`]), then files ([`sys`], [`store`]) and one whole attempt
//! ([`check`]) and the changes of a user's factor ([`operations`]). The PAM boundary is private: nothing else may depend on it.

pub mod check;
pub mod demand;
pub mod device;
pub mod enroll;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod operations;
pub mod otp;
mod pam;
pub mod policy;
pub mod qr;
pub mod record;
pub mod recovery;
pub mod secret;
pub mod state;
pub mod store;
pub mod sys;
pub mod uri;
pub mod verify;

/// What the module, the command and the libraries in them free is wiped first.
#[global_allocator]
static HEAP: sys::wipe::Wiping = sys::wipe::Wiping;

/// The version of this program, written into records and states.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where the policy is.
pub const POLICY_FILE: &str = "/etc/security/twofactor.toml";
/// Where records and states are.
pub const STATE_DIR: &str = "/var/lib/twofactor";
