//! The typed answer, brought into the forms that codes are compared in.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::otp::{Code, Digits};
use crate::recovery::{self, CODE_LEN, CodeForm, CodeHash, CodeSalt, SCRATCH_LEN};

/// Longest input that is looked at, in bytes.
pub const MAX_INPUT: usize = 512;
/// A recovery code as shown: four groups of four.
pub(super) const GROUPED_LEN: usize = CODE_LEN + 3;

/// Layout of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerForm {
    /// Nothing but a code.
    Code,
    /// A password with the code right after it.
    PasswordThenCode,
}

/// The codes that an input may mean. One input is one attempt, whatever their number.
pub struct TypedAnswer {
    candidates: Vec<AnswerCandidate>,
    /// Index of the candidate that is stored among the refused answers.
    remembered: Option<usize>,
}

/// One reading of the input.
pub struct AnswerCandidate {
    /// Normalized: upper case, no white space, no hyphens.
    pub(super) text: Zeroizing<Vec<u8>>,
    digits: Option<Code>,
    password_len: usize,
}

impl TypedAnswer {
    /// Reads `input`. `lengths` are the lengths of the user's codes of digits: where a password ends, and what looks like
    /// a code of that user, depends on them.
    ///
    /// White space and hyphens around and within a code are dropped and letters raised. Input that is empty, longer
    /// than [`MAX_INPUT`], not UTF-8, or contains NUL has no reading, so it matches nothing.
    #[must_use]
    pub fn read(input: &[u8], form: AnswerForm, lengths: &[Digits]) -> Self {
        let usable = !input.is_empty() && input.len() <= MAX_INPUT && !input.contains(&0);
        let candidates = match form {
            _ if !usable => Vec::new(),
            AnswerForm::Code => AnswerCandidate::read(input, 0).into_iter().collect(),
            AnswerForm::PasswordThenCode => split(input, lengths),
        };
        let remembered = match form {
            AnswerForm::Code => candidates.iter().position(|c| c.is_like_one_of(lengths)),
            AnswerForm::PasswordThenCode => candidates
                .iter()
                .position(|c| c.is_grouped_in(input) && c.looks_like_recovery())
                .or_else(|| only_digits(&candidates)),
        };
        Self {
            candidates,
            remembered,
        }
    }

    /// The normal form of what is remembered when it is refused: only what looks like a code of the user, and no part of a
    /// password before it.
    pub(super) fn remembered(&self) -> Option<&[u8]> {
        let candidate = self.candidates.get(self.remembered?)?;
        Some(candidate.text.as_slice())
    }

    /// True if no code can be read from the input: there is nothing to compare.
    pub(super) const fn is_unreadable(&self) -> bool {
        self.candidates.is_empty()
    }

    pub(super) fn candidates(&self) -> impl Iterator<Item = &AnswerCandidate> {
        self.candidates.iter()
    }

    /// True if the input looks like a code at all: digits of a code's length, or base32 of a recovery code's length with a digit
    /// in it. A password of 16 letters is likelier than a recovery code without a digit.
    #[must_use]
    pub fn looks_like_a_code(&self) -> bool {
        self.candidates
            .iter()
            .any(|c| c.digits.is_some() || c.looks_like_recovery())
    }
}

/// The only reading that is a code of digits. Where there are several, one of them may hold digits of the password, and a
/// refused code may be the end of a longer one that is right.
fn only_digits(candidates: &[AnswerCandidate]) -> Option<usize> {
    let mut found = candidates
        .iter()
        .enumerate()
        .filter(|(_, c)| c.digits.is_some());
    match (found.next(), found.next()) {
        (Some((position, _)), None) => Some(position),
        _ => None,
    }
}

impl AnswerCandidate {
    fn read(input: &[u8], password_len: usize) -> Option<Self> {
        let typed = std::str::from_utf8(input).ok()?;
        let mut text = Zeroizing::new(Vec::with_capacity(input.len()));
        for letter in typed.chars().filter(|c| !is_separator(*c)) {
            text.push(
                u8::try_from(letter)
                    .ok()
                    .filter(u8::is_ascii)?
                    .to_ascii_uppercase(),
            );
        }
        let digits = Code::from_digits(&text);
        Some(Self {
            text,
            digits,
            password_len,
        })
    }

    /// True if this is `code`, in time that depends on neither.
    pub(super) fn is_code(&self, code: &Code) -> Choice {
        match &self.digits {
            Some(typed) => typed.ct_eq(code),
            None => Choice::from(0),
        }
    }

    /// Hash of the input, if a recovery code of that form has its length. It takes a time that depends on no stored hash.
    pub(super) fn hashed(&self, salt: &CodeSalt, form: CodeForm) -> Option<CodeHash> {
        let hash = recovery::hash(salt, &self.text);
        let fits = match form {
            CodeForm::Base32 => self.is_whole(),
            CodeForm::Digits => self.has_digits(SCRATCH_LEN),
        };
        fits.then_some(hash)
    }

    fn is_whole(&self) -> bool {
        self.text.len() == CODE_LEN
    }

    fn has_digits(&self, len: usize) -> bool {
        self.digits.is_some() && self.text.len() == len
    }

    fn is_like_one_of(&self, lengths: &[Digits]) -> bool {
        let own = |digits: &Digits| self.has_digits(usize::from(digits.value()));
        self.looks_like_recovery() || lengths.iter().any(own)
    }

    /// True if this was cut off the end of `input` with the hyphens of a recovery code in it.
    fn is_grouped_in(&self, input: &[u8]) -> bool {
        self.is_whole() && input.len() - self.password_len == GROUPED_LEN
    }

    fn looks_like_recovery(&self) -> bool {
        let letters = |b: &u8| b.is_ascii_uppercase() || (b'2'..=b'7').contains(b);
        self.is_whole() && self.text.iter().all(letters) && self.text.iter().any(u8::is_ascii_digit)
    }

    /// Number of bytes of the input that precede the code.
    pub(super) const fn password_len(&self) -> usize {
        self.password_len
    }
}

/// Every way to cut a code off the end, longest first: a recovery code as shown or bare, then the given lengths, with
/// one separator inside, as apps show them, or none.
fn split(input: &[u8], lengths: &[Digits]) -> Vec<AnswerCandidate> {
    let cut = |len: usize| {
        let password_len = input.len().checked_sub(len)?;
        let tail = input.get(password_len..)?;
        Some((tail, AnswerCandidate::read(tail, password_len)?))
    };
    let grouped = cut(GROUPED_LEN).filter(|(tail, typed)| is_grouped(tail) && typed.is_whole());
    let bare = cut(CODE_LEN).filter(|(_, typed)| typed.is_whole());
    let digits = (6..=8)
        .rev()
        .filter(|len| lengths.iter().any(|own| usize::from(own.value()) == *len))
        .flat_map(|len| [(len, len + 1), (len, len)])
        .filter_map(|(len, typed_len)| {
            cut(typed_len).filter(|(tail, typed)| typed.has_digits(len) && encloses_digits(tail))
        });
    let cuts = grouped.into_iter().chain(bare).chain(digits);
    cuts.map(|(_, candidate)| candidate).collect()
}

/// True if a separator, if there is one, is inside: one at the beginning belongs to the password.
fn encloses_digits(tail: &[u8]) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    is_digit(tail.first()) && is_digit(tail.last())
}

fn is_grouped(tail: &[u8]) -> bool {
    tail.iter()
        .enumerate()
        .all(|(at, b)| (*b == b'-') == (at % 5 == 4))
}

/// True if there is nothing in an input but what is dropped: white space and hyphens.
#[must_use]
pub fn is_blank(input: &[u8]) -> bool {
    std::str::from_utf8(input).is_ok_and(|text| text.chars().all(is_separator))
}

fn is_separator(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(
            letter,
            '-' | '\u{2010}' | '\u{2011}' | '\u{2012}' | '\u{2013}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Vec<(String, bool)> {
        TypedAnswer::read(input, AnswerForm::Code, &[])
            .candidates()
            .map(|c| {
                (
                    String::from_utf8(c.text.to_vec()).unwrap(),
                    c.digits.is_some(),
                )
            })
            .collect()
    }

    fn splits(input: &str, lengths: &[u8]) -> Vec<(String, usize)> {
        let lengths: Vec<Digits> = lengths.iter().map(|n| Digits::new(*n).unwrap()).collect();
        TypedAnswer::read(input.as_bytes(), AnswerForm::PasswordThenCode, &lengths)
            .candidates()
            .map(|c| {
                (
                    String::from_utf8(c.text.to_vec()).unwrap(),
                    c.password_len(),
                )
            })
            .collect()
    }

    /// R9: the code may be typed as the app shows it.
    #[test]
    fn r9_spaces_and_hyphens_do_not_matter() {
        for typed in [
            "050548",
            "050 548",
            " 050548\t",
            "050-548",
            "050\u{a0}548",
            "05\u{202f}0548\r\n",
        ] {
            assert_eq!(
                read(typed.as_bytes()),
                [("050548".into(), true)],
                "{typed:?}"
            );
        }
        assert_eq!(read(b"abcd-efgh"), [("ABCDEFGH".into(), false)]);
    }

    #[test]
    fn what_cannot_be_a_code_has_no_reading() {
        assert!(read(b"").is_empty());
        assert!(read(b"123\x00456").is_empty());
        assert!(read(b"\xff123456").is_empty());
        assert!(read("１２３４５６".as_bytes()).is_empty());
        assert!(read(&[b'1'; MAX_INPUT + 1]).is_empty());
        assert_eq!(read(&[b'1'; MAX_INPUT]).len(), 1);
        assert_eq!(read(b"  - "), [(String::new(), false)]);
    }

    #[test]
    fn a_password_is_cut_off_before_the_code() {
        assert_eq!(splits("hunter2123456", &[6]), [("123456".into(), 7)]);
        assert_eq!(splits("hunter 123456", &[6]), [("123456".into(), 7)]);
        assert_eq!(
            splits("pw12345678", &[6, 8]),
            [("12345678".into(), 2), ("345678".into(), 4)]
        );
        assert_eq!(splits("123456", &[6]), [("123456".into(), 0)]);
        assert_eq!(splits("12345", &[6]), []);
        assert_eq!(splits("pw12 456", &[6]), []);
        assert_eq!(splits("pw123 456", &[6]), [("123456".into(), 2)]);
        assert_eq!(splits("pw1234-5678", &[8]), [("12345678".into(), 2)]);
        assert_eq!(splits("pw 123456", &[6]), [("123456".into(), 3)]);
        assert_eq!(splits("pw123  456", &[6]), []);
        let grouped = splits("pässABCD-EFGH-2345-6723", &[6]);
        assert_eq!(
            grouped,
            [("ABCDEFGH23456723".into(), 5), ("456723".into(), 17)]
        );
        let bare = splits("pwabcdefgh23456723", &[6]);
        assert_eq!(
            bare,
            [("ABCDEFGH23456723".into(), 2), ("456723".into(), 12)]
        );
    }

    #[test]
    fn what_holds_nothing_but_separators_is_blank() {
        for input in ["", " ", "\t-\n", "\u{a0}\u{2013}", "--- ---"] {
            assert!(is_blank(input.as_bytes()), "{input:?}");
        }
        for input in [&b"1"[..], b" x ", b"\0", b"\xff", b"_"] {
            assert!(!is_blank(input), "{input:?}");
        }
    }

    #[test]
    fn only_code_shapes_look_like_codes() {
        let looks =
            |input: &[u8]| TypedAnswer::read(input, AnswerForm::Code, &[]).looks_like_a_code();
        assert!(looks(b"123 456") && looks(b"ABCD-EFGH-2345-6723"));
        assert!(!looks(b"hunter2") && !looks(b"12345") && !looks(b""));
        assert!(!looks(b"correcthorsebatt") && !looks(b"correct-horse-19"));
    }
}
