//! The fault of a policy and its place, in terms of the text that a person edits.

use std::error::Error;
use std::fmt;

/// The fault of a policy, and its place. Safe to log: control characters in quoted values are escaped and long values
/// are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1; a byte order mark is not counted.
    pub column: usize,
    /// The fault, and what is allowed.
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )
    }
}

impl Error for PolicyError {}

impl PolicyError {
    /// Turns the byte offset of a fault in `text` into line and column.
    pub(super) fn at(text: &str, fault: PolicyFault) -> Self {
        let before = text
            .char_indices()
            .take_while(|(start, letter)| start + letter.len_utf8() <= fault.at);
        let (line, column) = before.fold((1, 1), |(line, column), place| match place {
            (0, BYTE_ORDER_MARK) => (line, column),
            (_, '\n') => (line + 1, 1),
            _ => (line, column + 1),
        });
        Self {
            line,
            column,
            message: fault.message,
        }
    }
}

/// A fault, and the byte offset where it begins.
#[derive(Debug)]
pub(super) struct PolicyFault {
    pub(super) at: usize,
    pub(super) message: String,
}

impl PolicyFault {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }

    /// Names the setting that a limit comes from.
    pub(super) fn because(mut self, reason: &str) -> Self {
        self.message = format!("{} ({reason})", self.message);
        self
    }
}

/// A value of the file for a message: quoted, control characters escaped, long ones cut.
pub(super) fn quoted(value: &str) -> String {
    format!("{:?}", cut(value))
}

/// `value`, cut where it is longer than [`SHOWN`] characters.
pub(super) fn cut(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

const SHOWN: usize = 60;
const BYTE_ORDER_MARK: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, at: usize) -> (usize, usize) {
        let error = PolicyError::at(text, PolicyFault::new(at, "x"));
        (error.line, error.column)
    }

    #[test]
    fn place_counts_lines_and_characters_from_one() {
        assert_eq!(place("", 0), (1, 1));
        assert_eq!(place("ab\ncd", 1), (1, 2));
        assert_eq!(place("ab\ncd", 3), (2, 1));
        assert_eq!(place("ab\r\ncd", 5), (2, 2));
        assert_eq!(place("\u{e9}\u{20ac}x", 5), (1, 3));
        assert_eq!(
            place("a\u{20ac}x", 2),
            (1, 2),
            "inside a character is at that character"
        );
    }

    #[test]
    fn place_ignores_a_leading_byte_order_mark_only() {
        assert_eq!(place("\u{feff}ab", 3), (1, 1));
        assert_eq!(place("\u{feff}ab", 4), (1, 2));
        assert_eq!(place("a\u{feff}b", 4), (1, 3));
    }

    #[test]
    fn place_past_the_end_is_the_end() {
        assert_eq!(place("ab\n", 99), (2, 1));
    }

    #[test]
    fn display_begins_with_the_place() {
        let error = PolicyError::at("ab\ncd", PolicyFault::new(4, "no"));
        assert_eq!(error.to_string(), "line 2, column 2: no");
    }

    #[test]
    fn shown_values_are_escaped_and_cut() {
        assert_eq!(
            quoted("a\n\u{1b}[2J\u{202e}\u{e9}"),
            "\"a\\n\\u{1b}[2J\\u{202e}\u{e9}\""
        );
        assert_eq!(quoted(&"x".repeat(60)), format!("\"{}\"", "x".repeat(60)));
        assert_eq!(
            quoted(&"\u{e9}".repeat(61)),
            format!("\"{}...\"", "\u{e9}".repeat(60))
        );
    }
}
