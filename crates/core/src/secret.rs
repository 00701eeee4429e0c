//! The shared secret of a device: wiped, redacted, and its base32 form.

use std::fmt;

use base32::Alphabet;
use zeroize::Zeroizing;

/// Shortest secret accepted from elsewhere, in bytes (80 bit: what older generators gave out).
pub const MIN_LEN: usize = 10;
/// Longest secret accepted, in bytes.
pub const MAX_LEN: usize = 128;

/// The alphabet of authenticator apps (RFC 4648 section 6).
const BASE32: Alphabet = Alphabet::Rfc4648 { padding: false };

/// The key that the server and an authenticator share (RFC 4226 section 4, RFC 6238 section 3).
///
/// [`MIN_LEN`] to [`MAX_LEN`] bytes; wiped on drop; `Debug` shows no byte of it and there is no `Display`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A new random secret from the kernel. `len` is the length of the hash it is for (RFC 4226 section 4, requirement 6; RFC 6238
    /// section 5.1), within the limits.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn generate(len: usize) -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new(vec![0; len.clamp(MIN_LEN, MAX_LEN)]);
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Takes raw key bytes; `None` unless there are [`MIN_LEN`] to [`MAX_LEN`] of them.
    #[must_use]
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        (MIN_LEN..=MAX_LEN)
            .contains(&bytes.len())
            .then_some(Self(bytes))
    }

    /// Reads upper-case base32 without padding (RFC 4648 section 6), strictly: no other character, no
    /// impossible length, no stray bits. `None` for anything else, and for lengths outside the limits.
    #[must_use]
    pub fn from_base32(text: &str) -> Option<Self> {
        let secret = Self::from_bytes(Zeroizing::new(base32::decode(BASE32, text)?))?;
        // The library passes over stray bits and impossible lengths: written again, such a text is another one.
        (*secret.to_base32() == text).then_some(secret)
    }

    /// The secret as upper-case base32 without padding: what people type and apps read.
    #[must_use]
    pub fn to_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(base32::encode(BASE32, &self.0))
    }

    /// The raw key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_differ_and_have_their_length() {
        for len in [20, 32, 64] {
            let one = Secret::generate(len).unwrap();
            let two = Secret::generate(len).unwrap();
            assert_eq!(one.as_bytes().len(), len);
            assert_ne!(one.as_bytes(), two.as_bytes());
        }
    }

    #[test]
    fn base32_round_trips_at_every_length() {
        for len in MIN_LEN..=MAX_LEN {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 37 + len) as u8).collect();
            let secret = Secret::from_bytes(Zeroizing::new(bytes.clone())).unwrap();
            let back = Secret::from_base32(&secret.to_base32()).unwrap();
            assert_eq!(back.as_bytes(), bytes);
        }
    }

    #[test]
    fn lengths_outside_the_limits_are_refused() {
        assert!(Secret::from_bytes(Zeroizing::new(vec![1; MIN_LEN - 1])).is_none());
        assert!(Secret::from_bytes(Zeroizing::new(vec![1; MAX_LEN + 1])).is_none());
        assert!(Secret::from_base32("").is_none());
        assert!(Secret::from_base32("GEZDGNBVGY3TQOI").is_none());
    }

    #[test]
    fn base32_is_strict() {
        let good = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(
            Secret::from_base32(good).unwrap().as_bytes(),
            b"12345678901234567890"
        );
        for bad in [
            "gezdgnbvgy3tqojqgezdgnbvgy3tqojq",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ====",
            "GEZD GNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ0",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQA",
            "GEZDGNBVGY3TQOJQGB",
        ] {
            assert!(Secret::from_base32(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::from_bytes(Zeroizing::new(b"12345678901234567890".to_vec())).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
    }
}
