//! Codes for when the authenticator is not at hand: recovery codes and the administrator's one-time bypass.
//!
//! Only salted hashes are kept. A code has 80 random bits, so one round of SHA-256 is enough: there is no
//! dictionary to try (NIST SP 800-63B section 5.1.2.2 asks for salted hashing below 112 bits, and for throttling).
//!
//! Scratch codes from google-authenticator are weaker: 8 digits. With 5 of them, one guess is right with a probability of 5 in
//! 10^8. With a phone of 6 digits and the usual window it is 3 in 10^6.

use std::fmt;

use base32::Alphabet;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use crate::device::CredentialId;

/// Number of recovery codes in a set.
pub const SET_SIZE: usize = 10;
/// Largest number of codes left at which users are told so, and offered new ones.
pub const FEW_CODES: usize = 3;
/// Characters of a code, hyphens not counted.
pub const CODE_LEN: usize = 16;
/// Digits of a scratch code that was taken over from google-authenticator.
pub const SCRATCH_LEN: usize = 8;
/// Random bytes of a code.
const CODE_BYTES: usize = 10;
/// Draws from one call. None of them holds a digit less than once in 10^11 calls.
const DRAWS: usize = 8;

/// Salt of one set, random.
pub type CodeSalt = [u8; 16];
/// SHA-256 over salt and code.
pub type CodeHash = [u8; 32];

/// Format of the codes of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeForm {
    /// [`CODE_LEN`] base32 characters, made here.
    Base32,
    /// [`SCRATCH_LEN`] digits: scratch codes of google-authenticator. A user who reads the record can find them by
    /// trying all, but finds the keys of the devices beside them, in the clear.
    Digits,
}

/// A set of recovery codes as it is stored. Which of them are spent stands in the state, by position.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoverySet {
    /// Ties the set to the spent marks in the state.
    pub id: CredentialId,
    /// Format of its codes.
    pub form: CodeForm,
    /// Mixed into every hash of the set.
    pub salt: CodeSalt,
    /// One hash for each code, 1 to 32.
    pub hashes: Vec<CodeHash>,
    /// Time at which the set was made, in seconds since 1970-01-01 UTC.
    pub created: u64,
}

/// A one-time code that an administrator gave out: a bypass for a user whose devices are out of reach, or an invitation
/// to enroll.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode {
    /// Ties it to the spent mark in the state.
    pub id: CredentialId,
    /// Mixed into the hash.
    pub salt: CodeSalt,
    /// The hash of the code.
    pub hash: CodeHash,
    /// First second at which it no longer works, since 1970-01-01 UTC.
    pub expires: u64,
    /// The rights of its user after a login with it. An invitation is for its one purpose.
    pub scope: CodeScope,
}

impl OneTimeCode {
    /// True until the code expires, at `now` in seconds since 1970-01-01 UTC. Whether it is spent, the state tells.
    #[must_use]
    pub const fn is_running(&self, now: u64) -> bool {
        now < self.expires
    }
}

/// The purpose of a bypass code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeScope {
    /// One login.
    Login,
    /// One login, in whose dialogue a new device can be set up.
    NewDevice,
    /// One login on the host where it was made, while that is cut off from its fleet.
    ThisHost,
}

impl fmt::Debug for RecoverySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecoverySet({} codes, redacted)", self.hashes.len())
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(redacted)")
    }
}

/// A code in the clear, for showing it once. 16 base32 characters.
pub struct PlainCode(Zeroizing<String>);

impl PlainCode {
    /// Four groups of four, as it is shown to people.
    #[must_use]
    pub fn grouped(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for (position, letter) in self.0.chars().enumerate() {
            if position > 0 && position % 4 == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }

    /// Reads a code as [`PlainCode::grouped`] shows it; `None` for any other text.
    #[must_use]
    pub fn of_groups(text: &str) -> Option<Self> {
        let code: String = text.split('-').collect();
        let code = Self(Zeroizing::new(code));
        let is_base32 = |it: u8| it.is_ascii_uppercase() || (b'2'..=b'7').contains(&it);
        let is_whole = code.0.len() == CODE_LEN && code.0.bytes().all(is_base32);
        (is_whole && *code.grouped() == text).then_some(code)
    }

    /// Draws until the code holds a digit, which one of 28 does not: without one it looks like a password, and is not remembered as
    /// refused. That takes 0.05 of its 80 bits. The bytes of several draws come from one call, so that a login makes as many
    /// calls as the last one.
    fn generate() -> Result<Self, getrandom::Error> {
        let alphabet = Alphabet::Rfc4648 { padding: false };
        let mut bytes = Zeroizing::new([0; CODE_BYTES * DRAWS]);
        loop {
            getrandom::fill(bytes.as_mut())?;
            for draw in bytes.chunks_exact(CODE_BYTES) {
                let code = Self(Zeroizing::new(base32::encode(alphabet, draw)));
                if code.0.bytes().any(|it| it.is_ascii_digit()) {
                    return Ok(code);
                }
            }
        }
    }
}

/// The codes for showing them: two to a line, indented.
#[must_use]
pub fn list(codes: &[PlainCode]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for pair in codes.chunks(2) {
        for code in pair {
            text.push_str("    ");
            text.push_str(&code.grouped());
        }
        text.push('\n');
    }
    text
}

impl RecoverySet {
    /// Makes a new set at `now` (seconds since 1970-01-01 UTC). Returns its codes in the clear: the only time they are seen.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn generate(now: u64) -> Result<(Self, Vec<PlainCode>), getrandom::Error> {
        let (id, salt) = (CredentialId::generate()?, new_salt()?);
        let mut codes = Vec::with_capacity(SET_SIZE);
        for _ in 0..SET_SIZE {
            codes.push(PlainCode::generate()?);
        }
        let hashes = codes
            .iter()
            .map(|code| hash(&salt, code.0.as_bytes()))
            .collect();
        let set = Self {
            id,
            form: CodeForm::Base32,
            salt,
            hashes,
            created: now,
        };
        Ok((set, codes))
    }

    /// A set of scratch codes from elsewhere, made at `now` (seconds since 1970-01-01 UTC). A code that is not [`SCRATCH_LEN`]
    /// ASCII digits never matches.
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn from_scratch_codes<'a>(
        codes: impl IntoIterator<Item = &'a str>,
        now: u64,
    ) -> Result<Self, getrandom::Error> {
        let (id, salt) = (CredentialId::generate()?, new_salt()?);
        let codes = codes.into_iter();
        Ok(Self {
            id,
            form: CodeForm::Digits,
            salt,
            hashes: codes.map(|code| hash(&salt, code.as_bytes())).collect(),
            created: now,
        })
    }
}

impl OneTimeCode {
    /// Makes a one-time code that works until `expires` (seconds since 1970-01-01 UTC).
    ///
    /// # Errors
    /// When the kernel gives no randomness.
    pub fn generate(expires: u64) -> Result<(Self, PlainCode), getrandom::Error> {
        let (id, salt, code) = (
            CredentialId::generate()?,
            new_salt()?,
            PlainCode::generate()?,
        );
        let hash = hash(&salt, code.0.as_bytes());
        let bypass = Self {
            id,
            salt,
            hash,
            expires,
            scope: CodeScope::Login,
        };
        Ok((bypass, code))
    }

    /// The code with another scope.
    #[must_use]
    pub fn with_scope(self, scope: CodeScope) -> Self {
        Self { scope, ..self }
    }
}

/// The salted hash of a typed code (upper case, hyphens dropped).
#[must_use]
pub fn hash(salt: &CodeSalt, code: &[u8]) -> CodeHash {
    let mut digest = Sha256::new();
    digest.update(salt);
    digest.update(code);
    let mut output = digest.finalize();
    let hash: CodeHash = output.into();
    output.as_mut_slice().zeroize();
    hash
}

/// Compares two hashes in constant time.
#[must_use]
pub fn same(one: &CodeHash, two: &CodeHash) -> Choice {
    one.as_slice().ct_eq(two.as_slice())
}

fn new_salt() -> Result<CodeSalt, getrandom::Error> {
    let mut salt = CodeSalt::default();
    getrandom::fill(&mut salt)?;
    Ok(salt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_ten_codes_with_their_hashes() {
        let (set, codes) = RecoverySet::generate(7).unwrap();
        assert_eq!((codes.len(), set.hashes.len(), set.created), (10, 10, 7));
        for (code, stored) in codes.iter().zip(&set.hashes) {
            let shown = code.grouped();
            assert_eq!(shown.len(), 19);
            assert!(shown.split('-').all(|group| group.len() == 4));
            let typed = shown.replace('-', "");
            assert!(bool::from(same(&hash(&set.salt, typed.as_bytes()), stored)));
            let hits = set.hashes.iter().filter(|other| *other == stored).count();
            assert_eq!(hits, 1);
        }
    }

    #[test]
    fn no_code_looks_like_a_word() {
        for _ in 0..50 {
            for code in RecoverySet::generate(7).unwrap().1 {
                assert!(code.0.bytes().any(|it| it.is_ascii_digit()));
            }
        }
    }

    #[test]
    fn a_shown_code_is_read_again() {
        let (_, codes) = RecoverySet::generate(7).unwrap();
        let shown = codes[0].grouped();
        let read = |text: &str| PlainCode::of_groups(text).map(|code| code.grouped());
        assert_eq!(read(&shown), Some(shown.clone()));
        for other in [
            "",
            "AAAA-BBBB",
            &shown.replace('-', ""),
            &shown.to_lowercase(),
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(read("AAAA-BBBB-CCCC-DDD1"), None);
    }

    #[test]
    fn codes_are_listed_two_to_a_line() {
        let (_, codes) = RecoverySet::generate(7).unwrap();
        let [one, two, three] = [0, 1, 2].map(|position| codes[position].grouped().to_string());
        let expected = format!("    {one}    {two}\n    {three}\n");
        assert_eq!(list(&codes[..3]).as_str(), expected);
    }

    #[test]
    fn the_salt_matters() {
        let (one, code) = OneTimeCode::generate(9).unwrap();
        let typed = code.grouped().replace('-', "");
        assert_eq!(hash(&one.salt, typed.as_bytes()), one.hash);
        assert_ne!(hash(&[0; 16], typed.as_bytes()), one.hash);
    }

    #[test]
    fn debug_shows_no_hash() {
        let (set, _) = RecoverySet::generate(0).unwrap();
        assert_eq!(format!("{set:?}"), "RecoverySet(10 codes, redacted)");
        let (bypass, _) = OneTimeCode::generate(0).unwrap();
        assert_eq!(format!("{bypass:?}"), "OneTimeCode(redacted)");
    }
}
