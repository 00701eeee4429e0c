//! The part of what was typed that the daemon needs to see.

use zeroize::Zeroizing;

use super::typed_answer::{AnswerForm, GROUPED_LEN, MAX_INPUT};

/// The end of an answer from which a code can be read, for the daemon. A password before the code stays in the process in which
/// it was typed.
pub struct SentAnswer {
    /// The text that is sent; empty where the answer has no reading.
    pub text: Zeroizing<String>,
    /// Number of bytes of the answer that precede it.
    pub skipped: usize,
}

impl SentAnswer {
    /// Cuts it off `input`. It reads as the whole of it does, see `TypedAnswer::read`.
    #[must_use]
    pub fn of(input: &[u8], form: AnswerForm) -> Self {
        let usable = input.len() <= MAX_INPUT && !input.contains(&0);
        let skipped = match form {
            _ if !usable => input.len(),
            AnswerForm::Code => 0,
            AnswerForm::PasswordThenCode => input.len().saturating_sub(GROUPED_LEN),
        };
        let tail = input.get(skipped..).unwrap_or_default();
        let text = match (form, std::str::from_utf8(tail)) {
            (_, Ok(text)) => text.to_owned(),
            (AnswerForm::Code, Err(_)) => String::new(),
            // A code that is cut off has no such bytes, and a password may have been cut within a letter.
            (AnswerForm::PasswordThenCode, Err(_)) => tail
                .iter()
                .map(|byte| {
                    if byte.is_ascii() {
                        char::from(*byte)
                    } else {
                        '?'
                    }
                })
                .collect(),
        };
        Self {
            text: Zeroizing::new(text),
            skipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::typed_answer::{AnswerCandidate, TypedAnswer};
    use super::*;
    use crate::otp::Digits;

    /// Text of each candidate, and how much of the whole answer precedes it.
    fn readings(input: &[u8], form: AnswerForm, skipped: usize) -> Vec<(Vec<u8>, usize)> {
        let lengths = [6, 8].map(|n| Digits::new(n).unwrap());
        let answer = TypedAnswer::read(input, form, &lengths);
        let reading = |c: &AnswerCandidate| (c.text.to_vec(), c.password_len() + skipped);
        answer.candidates().map(reading).collect()
    }

    #[test]
    fn the_tail_of_an_answer_reads_as_all_of_it() {
        let long = [&[b'x'; 500][..], b"123456"].concat();
        for input in [
            &b""[..],
            b"123456",
            b"hunter2123456",
            b"hunter2 123 456",
            b"12345678",
            b"a very long password of many words12345678",
            "pässwörter mit Umlauten ABCD-EFGH-2345-6723".as_bytes(),
            "ääääääääää123456".as_bytes(),
            b"caf\xe9caf\xe9caf\xe9caf\xe9caf\xe9abcdefgh23456723",
            b"\xff123456",
            b"pass\x00word123456",
            &long,
            &[b'1'; MAX_INPUT + 1],
        ] {
            for form in [AnswerForm::Code, AnswerForm::PasswordThenCode] {
                let sent = SentAnswer::of(input, form);
                let whole = readings(input, form, 0);
                let mut read = readings(sent.text.as_bytes(), form, sent.skipped);
                // A character that stands for a letter that is no part of a code makes no code.
                read.retain(|(text, _)| !text.contains(&b'?'));
                assert_eq!(read, whole, "{input:?}");
            }
        }
    }

    #[test]
    fn no_more_of_a_password_is_sent_than_a_code_is_long() {
        let sent = SentAnswer::of(
            b"correct horse battery staple123456",
            AnswerForm::PasswordThenCode,
        );
        assert_eq!(
            (sent.text.as_str(), sent.skipped),
            ("attery staple123456", 15)
        );
    }
}
