//! The value of a user's record in the store: the record as a file holds it, or the note that it was removed.
//!
//! A record that is removed leaves that note. A key without a value says that no host ever enrolled the user, or that this is not the
//! store of the fleet.

use std::fmt;

use zeroize::Zeroizing;

use super::attempt_id::AttemptId;

const MAGIC: [u8; 4] = *b"2FSR";
/// The format that is written and read.
const FORMAT: u16 = 1;

/// The record of a user in a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedRecord {
    /// Changes so far.
    pub revision: u64,
    /// The change that wrote it.
    pub change: AttemptId,
    /// Its content.
    pub content: RecordContent,
}

/// The content of a record's value.
#[derive(Clone, PartialEq, Eq)]
pub enum RecordContent {
    /// The record, in the form of its file.
    Text(Zeroizing<String>),
    /// The record was removed.
    Removed,
}

/// Reason why a value is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordValueError {
    /// The value is damaged, or something else.
    Damaged,
    /// The value has a newer format: its number.
    Version(u16),
}

impl RecordContent {
    /// The record, `None` where it was removed.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Removed => None,
        }
    }
}

impl SharedRecord {
    /// Its bytes, which hold the keys of devices.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let text = self.content.text().unwrap_or_default();
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 + text.len()));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.revision.to_le_bytes());
        bytes.extend_from_slice(&self.change.bytes());
        bytes.push(match self.content {
            RecordContent::Text(_) => 1,
            RecordContent::Removed => 2,
        });
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    /// Reads its bytes.
    ///
    /// # Errors
    /// [`RecordValueError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordValueError> {
        const DAMAGED: RecordValueError = RecordValueError::Damaged;
        let rest = bytes.strip_prefix(&MAGIC).ok_or(DAMAGED)?;
        let (format, rest) = rest.split_first_chunk().ok_or(DAMAGED)?;
        match u16::from_le_bytes(*format) {
            FORMAT => {}
            newer if newer > FORMAT => return Err(RecordValueError::Version(newer)),
            _ => return Err(DAMAGED),
        }
        let (revision, rest) = rest.split_first_chunk().ok_or(DAMAGED)?;
        let (change, rest) = rest.split_first_chunk().ok_or(DAMAGED)?;
        let (kind, text) = rest.split_first().ok_or(DAMAGED)?;
        let content = match kind {
            1 => {
                let text = std::str::from_utf8(text).map_err(|_| DAMAGED)?;
                RecordContent::Text(Zeroizing::new(text.to_owned()))
            }
            2 if text.is_empty() => RecordContent::Removed,
            _ => return Err(DAMAGED),
        };
        Ok(Self {
            revision: u64::from_le_bytes(*revision),
            change: AttemptId::from_bytes(*change).ok_or(DAMAGED)?,
            content,
        })
    }
}

impl fmt::Debug for RecordContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Removed => "Removed",
        })
    }
}

impl fmt::Display for RecordValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("a record in the store is damaged"),
            Self::Version(format) => write!(
                f,
                "a record in the store has format {format}; this program reads format {FORMAT}"
            ),
        }
    }
}

impl std::error::Error for RecordValueError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content: RecordContent) -> SharedRecord {
        SharedRecord {
            revision: 3,
            change: AttemptId::from_bytes([4; 16]).unwrap(),
            content,
        }
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let text = RecordContent::Text(Zeroizing::new("user = \"é\"".to_owned()));
        for content in [text, RecordContent::Removed] {
            let record = record(content);
            assert_eq!(SharedRecord::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let removed = record(RecordContent::Removed).encode();
        for len in 0..removed.len() {
            assert!(SharedRecord::decode(&removed[..len]).is_err(), "{len}");
        }
        let long = [removed.as_slice(), b"x"].concat();
        assert!(SharedRecord::decode(&long).is_err());
        let mut newer = removed.clone();
        newer[4] = 2;
        let newer = SharedRecord::decode(&newer);
        assert_eq!(newer, Err(RecordValueError::Version(2)));
        let text = RecordContent::Text(Zeroizing::new("x".to_owned()));
        let mut binary = record(text.clone()).encode();
        *binary.last_mut().unwrap() = 0xff;
        assert!(SharedRecord::decode(&binary).is_err());
        assert_eq!(format!("{text:?}"), "Text");
    }
}
