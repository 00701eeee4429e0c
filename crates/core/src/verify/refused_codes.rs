//! Codes that were refused lately: sent again, they are neither compared nor counted.
//!
//! A client that answers every prompt by itself sends one mistyped code, or the code of this morning, again and again. Not
//! counting it keeps such a client from locking its owner out. Not comparing it is what makes that safe: a fixed code
//! that is compared for a year, at any price, becomes right by chance.
//!
//! The state holds keyed hashes. They hide nothing from a reader of the state, who finds the keys of the devices
//! beside it; they keep what was typed out of the file.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::state::{MAX_REFUSED, RefusedAnswers};

use super::typed_answer::TypedAnswer;

/// Key of the hashes.
pub type RefusedKey = [u8; 8];
/// One hash, never all zero.
type RefusedHash = [u8; 8];

/// True if `answer` is a code that was refused lately.
#[must_use]
pub fn is_repeated(refused: &RefusedAnswers, answer: &TypedAnswer) -> bool {
    let Some(hash) = hash(&refused.key, answer) else {
        return false;
    };
    let known = refused.hashes.iter().map(|known| known.ct_eq(&hash));
    bool::from(known.fold(Choice::from(0), |any, one| any | one))
}

/// True if `answer` looks like a code and can only be remembered under a new key.
#[must_use]
pub fn needs_key(refused: &RefusedAnswers, answer: &TypedAnswer) -> bool {
    refused.hashes.is_empty() && answer.remembered().is_some()
}

/// Remembers an answer that was compared and refused, if it looks like a code; the oldest makes room. `new_key` counts
/// where nothing is remembered yet.
pub fn remember(refused: &mut RefusedAnswers, answer: &TypedAnswer, new_key: RefusedKey) {
    let key = if refused.hashes.is_empty() {
        new_key
    } else {
        refused.key
    };
    let Some(hash) = hash(&key, answer) else {
        return;
    };
    refused.key = key;
    if refused.hashes.len() >= MAX_REFUSED {
        refused.hashes.remove(0);
    }
    refused.hashes.push(hash);
}

/// The hash of the code, `None` where the answer does not look like one.
fn hash(key: &RefusedKey, answer: &TypedAnswer) -> Option<RefusedHash> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(answer.remembered()?);
    let digest: [u8; 32] = mac.finalize().into_bytes().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    match [a, b, c, d, e, f, g, h] {
        // The state's bytes say "none" with it.
        [0, 0, 0, 0, 0, 0, 0, 0] => Some([0, 0, 0, 0, 0, 0, 0, 1]),
        hash => Some(hash),
    }
}

#[cfg(test)]
mod tests {
    use super::super::typed_answer::AnswerForm;
    use super::*;
    use crate::otp::Digits;

    fn read(text: &str, form: AnswerForm) -> TypedAnswer {
        TypedAnswer::read(text.as_bytes(), form, &[Digits::SIX])
    }

    fn code(text: &str) -> TypedAnswer {
        read(text, AnswerForm::Code)
    }

    fn after(codes: &[&str]) -> RefusedAnswers {
        let mut refused = RefusedAnswers::default();
        for text in codes {
            remember(&mut refused, &code(text), [7; 8]);
        }
        refused
    }

    #[test]
    fn the_last_three_are_known_in_every_spelling() {
        let refused = after(&["000001", "000002", "000003", "000004"]);
        for (text, known) in [
            ("000001", false),
            ("000002", true),
            ("000 003", true),
            (" 000-004\n", true),
            ("000005", false),
        ] {
            assert_eq!(is_repeated(&refused, &code(text)), known, "{text}");
        }
        let refused = after(&["ABCD-EFGH-2345-6723"]);
        assert!(is_repeated(&refused, &code("abcdefgh23456723")));
    }

    #[test]
    fn only_what_looks_like_a_code_is_remembered() {
        for text in ["", "hunter2", "12345", "1234567", "correct-horse-19"] {
            assert_eq!(after(&[text]), RefusedAnswers::default(), "{text}");
            assert!(!needs_key(&RefusedAnswers::default(), &code(text)));
        }
    }

    #[test]
    fn in_one_field_the_password_is_no_part_of_it() {
        let field = |text| read(text, AnswerForm::PasswordThenCode);
        let refused = after(&["123456"]);
        assert!(is_repeated(&refused, &field("hunter2123456")));
        assert!(is_repeated(&refused, &field("other123 456")));
        assert!(!is_repeated(&refused, &field("hunter2123457")));
        let mut refused = RefusedAnswers::default();
        remember(&mut refused, &field("pässABCD-EFGH-2345-6723"), [7; 8]);
        assert!(is_repeated(&refused, &code("ABCDEFGH23456723")));
        // Sixteen letters and digits at the end may be the password.
        for text in ["hunter2", "password", "mypasswordabcde2"] {
            let mut refused = RefusedAnswers::default();
            remember(&mut refused, &field(text), [7; 8]);
            assert_eq!(refused, RefusedAnswers::default(), "{text}");
        }
    }

    #[test]
    fn the_key_is_new_where_nothing_is_remembered() {
        let mut refused = after(&["000001"]);
        assert!(!needs_key(&refused, &code("000002")));
        remember(&mut refused, &code("000002"), [9; 8]);
        assert_eq!(refused.key, [7; 8]);
        assert!(is_repeated(&refused, &code("000001")));
        let mut other = RefusedAnswers::default();
        assert!(needs_key(&other, &code("000001")));
        remember(&mut other, &code("000001"), [9; 8]);
        assert_ne!(other.hashes[0], refused.hashes[0]);
    }
}
