//! Randomness from the kernel.

use rustix::rand::{GetRandomFlags, getrandom};

/// Fills `bytes` by getrandom(2). Where that is not to be had, as in a sandbox, the crate of the same name looks for another
/// source; asked first, it would make one more call in each process, to find out.
///
/// # Errors
/// The kernel gives no randomness.
pub fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    match getrandom(&mut *bytes, GetRandomFlags::empty()) {
        Ok(filled) if filled == bytes.len() => Ok(()),
        _ => getrandom::fill(bytes),
    }
}
