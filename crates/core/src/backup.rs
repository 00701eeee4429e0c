//! The form of a backup: records and states of many users in one text, with a version, and a checksum over all of it.
//!
//! ```text
//! twofactor-backup 1
//! made 1234567890
//! user 512
//! (512 bytes: the record)
//! state (one slot of the state, in hexadecimal digits)
//! ...
//! end 1 (SHA-256 of all before this line)
//! ```
//!
//! Names stand in the records alone, and paths nowhere. What is read is whole, or it is refused. Errors name the byte at which
//! the reading ended, and quote nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base16ct::lower;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::record::{RecordError, UserRecord};
use crate::state::{self, FILE_LEN, SLOT_LEN, StateError, UserState};

/// Version of the form that is written and read.
pub const FORMAT: u32 = 1;
/// Largest backup that is read, in bytes: some 300,000 users.
pub const MAX_BACKUP: usize = 512 * 1024 * 1024;
/// Longest record, in bytes: that of a file.
const MAX_RECORD: usize = 64 * 1024;
/// Longest last line, in bytes: the word, a number of 64 bits and the checksum.
const MAX_END: usize = "end \n".len() + 20 + 1 + 64;
/// Longest line that is no record, in bytes.
const MAX_LINE: usize = 2 * SLOT_LEN + 16;
const FIRST_WORD: &str = "twofactor-backup";

/// Record and state of one user at the moment of the backup.
#[derive(Debug, Clone)]
pub struct BackupEntry {
    /// The record. Its name and uid are those of the user.
    pub record: UserRecord,
    /// The state; it knows all devices of the record.
    pub state: UserState,
}

/// A backup that was read.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Time of the backup, in seconds since 1970-01-01 UTC.
    pub made: u64,
    /// The users, each once.
    pub entries: Vec<BackupEntry>,
}

/// A backup that is being written.
pub struct BackupText {
    text: Zeroizing<Vec<u8>>,
    /// Largest length, in bytes.
    limit: usize,
    count: usize,
}

impl BackupText {
    /// A backup without users, made at `now` (seconds since 1970-01-01 UTC).
    #[must_use]
    pub fn new(now: u64) -> Self {
        let text = format!("{FIRST_WORD} {FORMAT}\nmade {now}\n").into_bytes();
        Self {
            text: Zeroizing::new(text),
            limit: MAX_BACKUP,
            count: 0,
        }
    }

    /// Adds a user. The grace periods of the state are left out: they belong to a machine.
    ///
    /// # Errors
    /// [`BackupError`] where the backup would be larger than one that is read. Then it is as it was.
    pub fn add(&mut self, record: &UserRecord, state: &UserState) -> Result<(), BackupError> {
        let record = record.to_toml();
        let mut state = state.clone();
        state.end_grace();
        let slot = Zeroizing::new(lower::encode_string(&state::encode(&state, 1)));
        let head = format!("user {}\n", record.len());
        let parts = [&head, &*record, "state ", &*slot, "\n"];
        let more: usize = parts.iter().map(|part| part.len()).sum();
        if self.text.len() + more + MAX_END > self.limit {
            return Err(BackupError {
                position: self.text.len(),
                cause: BackupFault::Form("is too large"),
            });
        }
        for part in parts {
            self.text.extend_from_slice(part.as_bytes());
        }
        self.count += 1;
        Ok(())
    }

    /// Number of users.
    #[must_use]
    pub const fn users(&self) -> usize {
        self.count
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> Zeroizing<Vec<u8>> {
        let sum = lower::encode_string(&Sha256::digest(&*self.text));
        let end = format!("end {} {sum}\n", self.count);
        self.text.extend_from_slice(end.as_bytes());
        self.text
    }
}

impl Backup {
    /// Reads a whole backup.
    ///
    /// # Errors
    /// [`BackupError`]; nothing of a backup that is not whole and valid is given out.
    pub fn parse(bytes: &[u8]) -> Result<Self, BackupError> {
        let mut reader = BackupReader { bytes, position: 0 };
        if bytes.len() > MAX_BACKUP {
            return Err(reader.error("is too large"));
        }
        let version = reader.line(FIRST_WORD)?;
        if version != FORMAT.to_string() {
            return Err(reader.error("has another format than this program reads"));
        }
        let made: u64 =
            number(reader.line("made")?).ok_or_else(|| reader.error("has no valid date"))?;
        let mut entries: Vec<BackupEntry> = Vec::new();
        let mut names = BTreeSet::new();
        loop {
            let begin = reader.position;
            let (word, rest) = reader.any_line()?;
            match word {
                "user" => {
                    let entry = reader.entry(rest)?;
                    if !names.insert(entry.record.user.clone()) {
                        return Err(reader.error("has the same user twice"));
                    }
                    entries.push(entry);
                }
                "end" => {
                    reader.end(begin, rest, entries.len())?;
                    return Ok(Self { made, entries });
                }
                _ => return Err(reader.error("is damaged")),
            }
        }
    }
}

/// Reason why a backup is not read. Carries nothing of its content but the name of the program that wrote a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupError {
    position: usize,
    cause: BackupFault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum BackupFault {
    Form(&'static str),
    Record(RecordError),
    State(StateError),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = self.position;
        match &self.cause {
            BackupFault::Form(what) => write!(f, "the backup {what} (byte {position})"),
            BackupFault::Record(error) => write!(f, "the record before byte {position} {error}"),
            BackupFault::State(error) => write!(f, "the state before byte {position} {error}"),
        }
    }
}

impl std::error::Error for BackupError {}

/// The part of a backup that was not read yet.
struct BackupReader<'b> {
    bytes: &'b [u8],
    position: usize,
}

impl<'b> BackupReader<'b> {
    fn error(&self, what: &'static str) -> BackupError {
        self.fault(BackupFault::Form(what))
    }

    const fn fault(&self, cause: BackupFault) -> BackupError {
        BackupError {
            position: self.position,
            cause,
        }
    }

    /// The next line: its first word, and the rest.
    fn any_line(&mut self) -> Result<(&'b str, &'b str), BackupError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let window = rest.get(..MAX_LINE).unwrap_or(rest);
        let Some(length) = window.iter().position(|byte| *byte == b'\n') else {
            let whole = window.len() == rest.len();
            return Err(self.error(if whole { "is cut off" } else { "is damaged" }));
        };
        let line = window.get(..length).unwrap_or_default();
        let line = std::str::from_utf8(line).ok();
        let words = line.and_then(|line| line.split_once(' '));
        let words = words.ok_or_else(|| self.error("is damaged"))?;
        self.position += length + 1;
        Ok(words)
    }

    /// The rest of the next line, which begins with this word.
    fn line(&mut self, word: &'static str) -> Result<&'b str, BackupError> {
        let what = if word == FIRST_WORD {
            "is no backup of twofactor"
        } else {
            "is damaged"
        };
        match self.any_line() {
            Ok((found, rest)) if found == word => Ok(rest),
            Err(error) if word != FIRST_WORD => Err(error),
            _ => Err(self.error(what)),
        }
    }

    fn entry(&mut self, length: &str) -> Result<BackupEntry, BackupError> {
        let length = number(length).filter(|length| (1..=MAX_RECORD).contains(length));
        let length = length.ok_or_else(|| self.error("is damaged"))?;
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let text = rest.get(..length).ok_or_else(|| self.error("is cut off"))?;
        let text = std::str::from_utf8(text).map_err(|_| self.error("is damaged"))?;
        self.position += length;
        let record =
            UserRecord::parse(text).map_err(|error| self.fault(BackupFault::Record(error)))?;
        let state = self.state()?;
        let knows = |id| state.device(id).is_some();
        if state.uid != record.uid || !record.devices.iter().all(|device| knows(device.id)) {
            return Err(self.error("has a state of another record"));
        }
        Ok(BackupEntry { record, state })
    }

    fn state(&mut self) -> Result<UserState, BackupError> {
        let digits = self.line("state")?;
        let slot = lower::decode_vec(digits);
        let slot = slot.map_err(|_| self.error("is damaged"))?;
        if slot.len() != SLOT_LEN {
            return Err(self.error("is damaged"));
        }
        let mut file = slot;
        file.resize(FILE_LEN, 0);
        let stored = state::decode_file(&file);
        Ok(stored
            .map_err(|error| self.fault(BackupFault::State(error)))?
            .state)
    }

    /// The last line, which began at this byte.
    fn end(&self, begin: usize, rest: &str, count: usize) -> Result<(), BackupError> {
        let sum =
            lower::encode_string(&Sha256::digest(self.bytes.get(..begin).unwrap_or_default()));
        match () {
            () if rest != format!("{count} {sum}") => Err(self.error("is damaged")),
            () if self.position != self.bytes.len() => Err(self.error("goes on after its end")),
            () => Ok(()),
        }
    }
}

/// A number without a sign and without zeros before it.
fn number<N: FromStr + ToString>(text: &str) -> Option<N> {
    let number: N = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests;
