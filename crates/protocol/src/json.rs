//! JSON objects of strings, whole numbers, truth values and at most one more object inside (RFC 8259): all that a client
//! that verifies a code writes and reads. Anything else is refused.

use std::fmt::Write as _;

/// Most members of one object.
const MAX_MEMBERS: usize = 32;

/// Text that is not a flat JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError;

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a JSON object as expected")
    }
}

impl std::error::Error for JsonError {}

/// The value of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlatValue {
    /// A string.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// `null`.
    Null,
    /// An object; there is none inside of it.
    Object(FlatObject),
}

/// The members of an object, each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlatObject {
    members: Vec<(String, FlatValue)>,
}

impl FlatObject {
    /// Reads a whole text.
    ///
    /// # Errors
    /// [`JsonError`].
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(text).map_err(|_| JsonError)?;
        let mut reader = TextReader { rest: text };
        let object = reader.object(NestingDepth::Outer)?;
        reader.skip_space();
        if reader.rest.is_empty() {
            Ok(object)
        } else {
            Err(JsonError)
        }
    }

    /// The value of a member; `None` also for `null`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&FlatValue> {
        let member = self.members.iter().find(|(own, _)| own == name);
        member
            .map(|(_, value)| value)
            .filter(|value| **value != FlatValue::Null)
    }

    /// The string of a member.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            FlatValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of a member, unless it is negative.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            FlatValue::Number(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The object of a member.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&Self> {
        match self.value(name)? {
            FlatValue::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// Writes an object, member after member.
#[derive(Debug)]
pub struct ObjectWriter {
    text: String,
}

impl Default for ObjectWriter {
    fn default() -> Self {
        let mut text = String::with_capacity(crate::MAX_MESSAGE);
        text.push('{');
        Self { text }
    }
}

impl ObjectWriter {
    /// Adds a string.
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.string(value);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn count(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        // Writing to a string does not fail.
        let _ = write!(self.text, "{value}");
        self
    }

    /// Adds a truth value.
    #[must_use]
    pub fn flag(mut self, name: &str, value: bool) -> Self {
        self.name(name);
        self.text.push_str(if value { "true" } else { "false" });
        self
    }

    /// Adds an object.
    #[must_use]
    pub fn object(mut self, name: &str, value: Self) -> Self {
        self.name(name);
        self.text.push_str(&value.finish());
        self
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }

    /// The text as a message, with the NUL byte at its end.
    #[must_use]
    pub fn message(self) -> Vec<u8> {
        let mut message = self.finish().into_bytes();
        message.push(0);
        message
    }

    fn name(&mut self, name: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.string(name);
        self.text.push(':');
    }

    fn string(&mut self, value: &str) {
        push_string(&mut self.text, value);
    }
}

/// Adds a string with its quotes (RFC 8259, 7). Control characters are escaped, also those that it allows, up to U+009F.
pub fn push_string(text: &mut String, value: &str) {
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => {
                text.push('\\');
                text.push(letter);
            }
            '\0'..='\x1f' | '\x7f'..='\u{9f}' => {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{:04x}", u32::from(letter));
            }
            _ => text.push(letter),
        }
    }
    text.push('"');
}

/// Position of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NestingDepth {
    Outer,
    Inner,
}

struct TextReader<'a> {
    rest: &'a str,
}

impl TextReader<'_> {
    fn object(&mut self, nesting: NestingDepth) -> Result<FlatObject, JsonError> {
        self.token('{')?;
        let mut object = FlatObject::default();
        if self.token('}').is_ok() {
            return Ok(object);
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.token(':')?;
            let value = self.member_value(nesting)?;
            let is_known = object.members.iter().any(|(known, _)| *known == name);
            if is_known || object.members.len() >= MAX_MEMBERS {
                return Err(JsonError);
            }
            object.members.push((name, value));
            if self.token(',').is_err() {
                self.token('}')?;
                return Ok(object);
            }
        }
    }

    fn member_value(&mut self, nesting: NestingDepth) -> Result<FlatValue, JsonError> {
        self.skip_space();
        match self.rest.chars().next() {
            Some('"') => self.string().map(FlatValue::Text),
            Some('{') if nesting == NestingDepth::Outer => {
                self.object(NestingDepth::Inner).map(FlatValue::Object)
            }
            Some('t') => self.word("true", FlatValue::Flag(true)),
            Some('f') => self.word("false", FlatValue::Flag(false)),
            Some('n') => self.word("null", FlatValue::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: FlatValue) -> Result<FlatValue, JsonError> {
        self.rest = self.rest.strip_prefix(word).ok_or(JsonError)?;
        Ok(value)
    }

    fn number(&mut self) -> Result<FlatValue, JsonError> {
        let is_part = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
        let end = self.rest.find(|letter| !is_part(letter));
        let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let digits = number.strip_prefix('-').unwrap_or(number);
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // "-0" is no whole number to other readers.
        let is_padded = digits.len() > 1 && digits.starts_with('0');
        if !is_whole || is_padded || number == "-0" {
            return Err(JsonError);
        }
        self.rest = rest;
        number.parse().map(FlatValue::Number).map_err(|_| JsonError)
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.rest = self.rest.strip_prefix('"').ok_or(JsonError)?;
        let mut text = String::with_capacity(self.rest.len());
        loop {
            match self.letter()? {
                '"' => return Ok(text),
                '\\' => {
                    let letter = self.escaped()?;
                    text.push(letter);
                }
                '\0'..='\x1f' => return Err(JsonError),
                letter => text.push(letter),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, JsonError> {
        Ok(match self.letter()? {
            letter @ ('"' | '\\' | '/') => letter,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.code_point(),
            _ => return Err(JsonError),
        })
    }

    /// A UTF-16 unit, or two that belong together.
    fn code_point(&mut self) -> Result<char, JsonError> {
        let first = self.unit()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) {
            self.rest = self.rest.strip_prefix("\\u").ok_or(JsonError)?;
            units.push(self.unit()?);
        }
        let mut decoded = char::decode_utf16(units);
        match (decoded.next(), decoded.next()) {
            (Some(Ok(letter)), None) => Ok(letter),
            _ => Err(JsonError),
        }
    }

    fn unit(&mut self) -> Result<u16, JsonError> {
        let digits = self.rest.get(..4).ok_or(JsonError)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(JsonError);
        }
        self.rest = self.rest.get(4..).ok_or(JsonError)?;
        u16::from_str_radix(digits, 16).map_err(|_| JsonError)
    }

    fn letter(&mut self) -> Result<char, JsonError> {
        let mut letters = self.rest.chars();
        let letter = letters.next().ok_or(JsonError)?;
        self.rest = letters.as_str();
        Ok(letter)
    }

    fn token(&mut self, token: char) -> Result<(), JsonError> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(token).ok_or(JsonError)?;
        Ok(())
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

#[cfg(test)]
mod tests;
