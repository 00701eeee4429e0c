//! `io.twofactor.fleet`: a change of what one user has, made for all hosts. Only root's programs ask.

use crate::json::ObjectWriter;
use crate::reply::{self, ReplyError};

/// The qualified name of the call.
pub const CHANGE_METHOD: &str = "io.twofactor.fleet.Change";

/// A change of one user's record.
#[derive(Clone, Copy)]
pub struct FleetChangeCall<'a> {
    /// The user, by the name of the record.
    pub user: &'a str,
    /// The user's id.
    pub uid: u32,
    /// The digest of the record that the change was made from, in hex; `None` where there was none.
    pub base: Option<&'a str>,
    /// The record that counts from now on; `None` where the change removes it.
    pub factor: Option<FactorText<'a>>,
}

/// A record as it goes over the wire. Both parts are secret.
#[derive(Clone, Copy)]
pub struct FactorText<'a> {
    /// The record, in the form of its file.
    pub record: &'a str,
    /// The state that knows all of its devices: one slot of the file, in hex.
    pub state: &'a str,
}

/// The answer to `Change`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetChangeAnswer {
    /// The change counts on all hosts.
    Committed,
    /// The fleet has another record than the one that the change was made from. Nothing was changed.
    Conflict,
    /// The store cannot be used. Nothing was changed.
    Outage,
    /// The store cannot be used any more, and the change may have been made.
    Unknown,
}

impl FleetChangeCall<'_> {
    /// The call, as a message.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let mut writer = ObjectWriter::default()
            .text("user", self.user)
            .count("uid", self.uid.into());
        if let Some(base) = self.base {
            writer = writer.text("base", base);
        }
        if let Some(FactorText { record, state }) = self.factor {
            writer = writer.text("record", record).text("state", state);
        }
        reply::call(CHANGE_METHOD, writer)
    }
}

impl FleetChangeAnswer {
    const ALL: [Self; 4] = [Self::Committed, Self::Conflict, Self::Outage, Self::Unknown];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Conflict => "conflict",
            Self::Outage => "outage",
            Self::Unknown => "unknown",
        }
    }

    /// The parameters of the reply.
    #[must_use]
    pub fn parameters(self) -> ObjectWriter {
        ObjectWriter::default().text("result", self.word())
    }

    /// Reads a reply, given without its NUL byte.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn read(message: &[u8]) -> Result<Self, ReplyError> {
        let parameters = reply::parameters(message)?;
        let word = parameters.text("result").unwrap_or_default();
        let mut all = Self::ALL.into_iter();
        all.find(|it| it.word() == word)
            .ok_or(ReplyError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::ServiceError;

    #[test]
    fn answers_are_read_as_they_are_written() {
        for answer in FleetChangeAnswer::ALL {
            let message = reply::message(answer.parameters());
            let text = message.strip_suffix(b"\0").unwrap();
            assert_eq!(FleetChangeAnswer::read(text), Ok(answer));
        }
    }

    /// Something that is no answer is never taken for a change that was made.
    #[test]
    fn nothing_else_is_an_answer() {
        for error in ServiceError::ALL {
            let message = error.message();
            let read = FleetChangeAnswer::read(message.strip_suffix(b"\0").unwrap());
            assert_eq!(read, Err(ReplyError::Service(error)));
        }
        for text in [
            "",
            "{}",
            "{\"parameters\":{}}",
            "{\"parameters\":{\"result\":\"Committed\"}}",
            "{\"parameters\":{\"result\":true}}",
        ] {
            let read = FleetChangeAnswer::read(text.as_bytes());
            assert_eq!(read, Err(ReplyError::Malformed), "{text}");
        }
    }
}
