//! Randomness from the kernel.

use rustix::rand::{GetRandomFlags, getrandom};

/// Fills `bytes` by getrandom(2), and by the crate of that name if the call fails (sandbox). The crate would first probe for the
/// call, which costs one more call in each process.
///
/// # Errors
/// The kernel gives no randomness.
pub fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    match getrandom(&mut *bytes, GetRandomFlags::empty()) {
        Ok(filled) if filled == bytes.len() => Ok(()),
        _ => getrandom::fill(bytes),
    }
}
