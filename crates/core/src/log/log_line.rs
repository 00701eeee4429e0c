//! Log lines: `key=value`, one for each outcome, in which nothing typed by a stranger can pass for something else.

use std::fmt::{self, Display, Write};

use super::event::LoginEvent;

/// Longest value that is logged, in bytes.
const MAX_VALUE: usize = 128;

/// One line under way.
#[derive(Debug, Clone, Default)]
pub struct LogLine(String);

impl LogLine {
    /// A line about a user at an address.
    #[must_use]
    pub fn about(user: &[u8], rhost: &[u8]) -> Self {
        Self::default().field("user", user).field("rhost", rhost)
    }

    /// A line that begins with a word of the program's own.
    #[must_use]
    pub fn of(word: &'static str) -> Self {
        Self(word.to_owned())
    }

    /// Adds `result=WORD`.
    #[must_use]
    pub fn result(self, event: LoginEvent) -> Self {
        self.with("result", &event)
    }

    /// Adds `key=value`, the value escaped.
    #[must_use]
    pub fn with(self, key: &str, value: &dyn Display) -> Self {
        self.field(key, value.to_string().as_bytes())
    }

    /// Adds `key="sentence"`: text of the program's own, or an error's, which carry no typed input unescaped.
    #[must_use]
    pub fn saying(mut self, key: &str, sentence: &dyn Display) -> Self {
        let sentence = sentence.to_string();
        let quoted: String = sentence
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .map(|c| if c == '"' { '\'' } else { c })
            .collect();
        let _ = write!(self.0, " {key}=\"{quoted}\"");
        self
    }

    /// The line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn field(mut self, key: &str, value: &[u8]) -> Self {
        let space = if self.0.is_empty() { "" } else { " " };
        // Writing to a String does not fail.
        let _ = write!(self.0, "{space}{key}={}", EscapedValue(value));
        self
    }
}

/// Bytes of unknown origin: everything but graphic ASCII becomes `\xNN`, as do backslash, quotes and `=`; long
/// values are cut.
struct EscapedValue<'a>(&'a [u8]);

impl Display for EscapedValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.iter().take(MAX_VALUE) {
            match byte {
                b'\\' | b'"' | b'\'' | b'=' => write!(f, "\\x{byte:02x}")?,
                byte if byte.is_ascii_graphic() => f.write_char(char::from(*byte))?,
                byte => write!(f, "\\x{byte:02x}")?,
            }
        }
        if self.0.len() > MAX_VALUE {
            f.write_str("...")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_documented() {
        let line = LogLine::about(b"alice", b"192.0.2.7")
            .result(LoginEvent::Accepted)
            .with("device", &"phone")
            .with("offset", &-1);
        assert_eq!(
            line.as_str(),
            "user=alice rhost=192.0.2.7 result=accepted device=phone offset=-1"
        );
    }

    #[test]
    fn names_cannot_forge_fields_or_lines() {
        let line = LogLine::about(b"a result=accepted\nuser=b\x1b[2J\"\\\xff", b"")
            .result(LoginEvent::Wrong);
        assert_eq!(
            line.as_str(),
            "user=a\\x20result\\x3daccepted\\x0auser\\x3db\\x1b[2J\\x22\\x5c\\xff rhost= result=wrong"
        );
        let long = LogLine::about(&[b'x'; 10_000], b"");
        assert_eq!(long.as_str().len(), "user=... rhost=".len() + MAX_VALUE);
        let whole = LogLine::about(&[b'x'; MAX_VALUE], b"");
        assert_eq!(whole.as_str().len(), "user= rhost=".len() + MAX_VALUE);
        let said = LogLine::default().saying("error", &"a \"b\"\nc");
        assert_eq!(said.as_str(), " error=\"a 'b'?c\"");
    }
}
