//! The digest by which a program says which policy it has looked at. What a state keeps of a policy is `policy_fingerprint`, of eight bytes.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a policy's text (FIPS 180-4), in hexadecimal digits as sha256sum(1) prints it of the file.
#[must_use]
pub fn hex_digest(text: &str) -> String {
    let mut hash = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        // Writing to a String cannot fail.
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4, as published with the standard's examples.
    #[test]
    fn the_hash_is_that_of_the_standard() {
        assert_eq!(
            hex_digest("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_ne!(hex_digest("abc"), hex_digest("abc "));
    }
}
