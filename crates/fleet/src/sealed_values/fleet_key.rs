//! The key of a fleet, with which every host seals what it stores: XChaCha20-Poly1305.
//!
//! The name of the store's key is authenticated with it: a value that is moved to another key does not open.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::store_key::StoreKey;

/// The first byte of a sealed value: the way in which it is sealed.
const SEAL_FORMAT: u8 = 1;
/// Bytes of a nonce. Random ones do not repeat in practice.
const NONCE_LEN: usize = 24;
/// Bytes that sealing adds.
pub const SEAL_LEN: usize = 1 + NONCE_LEN + 16;

/// The key of a fleet. It is wiped when it is dropped, and never printed.
pub struct FleetKey(Zeroizing<[u8; 32]>);

/// The error that a value was not sealed with this key for this place, or was changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenSeal;

/// The error that a value could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealError {
    /// The kernel gives no randomness.
    Random(getrandom::Error),
    /// The plain text is too long for the cipher.
    Length,
}

impl FleetKey {
    /// The key with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Its bytes, for the file of the key.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Makes one.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// Seals `plain` for its place in the store.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(&self, place: &StoreKey, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(SealError::Random)?;
        let payload = Payload {
            msg: plain,
            aad: place.as_bytes(),
        };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| SealError::Length)?;
        let mut value = Vec::with_capacity(plain.len() + SEAL_LEN);
        value.push(SEAL_FORMAT);
        value.extend_from_slice(&nonce);
        value.extend_from_slice(&sealed);
        Ok(value)
    }

    /// Opens a sealed value of that place.
    ///
    /// # Errors
    /// [`BrokenSeal`].
    pub fn open(&self, place: &StoreKey, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, BrokenSeal> {
        let (&[SEAL_FORMAT], rest) = value.split_first_chunk().ok_or(BrokenSeal)? else {
            return Err(BrokenSeal);
        };
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(BrokenSeal)?;
        let payload = Payload {
            msg: sealed,
            aad: place.as_bytes(),
        };
        let plain = self.cipher().decrypt(&XNonce::from(*nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| BrokenSeal)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl fmt::Debug for FleetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetKey")
    }
}

impl fmt::Display for BrokenSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the store is not sealed with the key of this fleet")
    }
}

impl std::error::Error for BrokenSeal {}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(error) => write!(f, "the kernel gives no randomness: {error}"),
            Self::Length => f.write_str("the value is too long"),
        }
    }
}

impl std::error::Error for SealError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> FleetKey {
        FleetKey::from_bytes(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_value_opens_with_its_key_at_its_place_only() {
        let (alice, bob) = (StoreKey::state("alice"), StoreKey::state("bob"));
        let sealed = key(1).seal(&alice, b"state").unwrap();
        assert_eq!(sealed.len(), 5 + SEAL_LEN);
        assert_eq!(*key(1).open(&alice, &sealed).unwrap(), b"state");
        assert_eq!(key(1).open(&bob, &sealed), Err(BrokenSeal));
        assert_eq!(key(2).open(&alice, &sealed), Err(BrokenSeal));
    }

    #[test]
    fn no_changed_byte_passes() {
        let place = StoreKey::meta();
        let sealed = key(1).seal(&place, b"fleet").unwrap();
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(key(1).open(&place, &changed), Err(BrokenSeal), "{position}");
            assert_eq!(key(1).open(&place, &sealed[..position]), Err(BrokenSeal));
        }
    }

    #[test]
    fn equal_values_look_different() {
        let seal = || key(1).seal(&StoreKey::meta(), b"fleet").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", key(7)), "FleetKey");
    }
}
