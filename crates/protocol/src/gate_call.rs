//! `Gate`: would a code be asked for and looked at?

use crate::json::{FlatObject, ObjectWriter};
use crate::reply::{self, ReplyError};

/// The qualified name of the call.
pub const METHOD: &str = "io.twofactor.Gate";

/// The answer to `Gate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateAnswer {
    /// The user has a device, and a code would be looked at.
    Ask,
    /// The user has no device.
    Unenrolled,
    /// No code is looked at: for so many seconds, or until an administrator unlocks the user.
    Locked(Option<u64>),
}

/// The call, as a message.
#[must_use]
pub fn request(user: &str) -> Vec<u8> {
    reply::call(METHOD, ObjectWriter::default().text("user", user))
}

impl GateAnswer {
    /// The parameters of the reply.
    #[must_use]
    pub fn parameters(self) -> ObjectWriter {
        let writer = ObjectWriter::default();
        match self {
            Self::Ask => writer.text("state", "ask"),
            Self::Unenrolled => writer.text("state", "unenrolled"),
            Self::Locked(None) => writer.text("state", "locked"),
            Self::Locked(Some(seconds)) => writer.text("state", "locked").count("seconds", seconds),
        }
    }

    /// Reads a reply, given without its NUL byte. Fields that are not known are left out: the daemon may be newer than a
    /// program that has been running for long.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn read(message: &[u8]) -> Result<Self, ReplyError> {
        let parameters = reply::parameters(message)?;
        match parameters.text("state") {
            Some("ask") => Ok(Self::Ask),
            Some("unenrolled") => Ok(Self::Unenrolled),
            Some("locked") => Ok(Self::Locked(seconds(&parameters)?)),
            _ => Err(ReplyError::Malformed),
        }
    }
}

/// Seconds of a lock-out, `None` where the reply has none.
pub(crate) fn seconds(parameters: &FlatObject) -> Result<Option<u64>, ReplyError> {
    match (parameters.value("seconds"), parameters.count("seconds")) {
        (None, _) => Ok(None),
        (Some(_), Some(seconds)) => Ok(Some(seconds)),
        (Some(_), None) => Err(ReplyError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_they_are_written() {
        for answer in [
            GateAnswer::Ask,
            GateAnswer::Unenrolled,
            GateAnswer::Locked(None),
            GateAnswer::Locked(Some(30)),
        ] {
            let message = reply::message(answer.parameters());
            assert_eq!(
                GateAnswer::read(message.strip_suffix(b"\0").unwrap()),
                Ok(answer)
            );
        }
    }

    #[test]
    fn no_other_word_lets_in() {
        for parameters in [
            "{}",
            "{\"state\":\"open\"}",
            "{\"state\":\"Unenrolled\"}",
            "{\"state\":null}",
            "{\"state\":\"locked\",\"seconds\":-1}",
            "{\"state\":\"locked\",\"seconds\":\"30\"}",
        ] {
            let reply = format!("{{\"parameters\":{parameters}}}");
            assert_eq!(
                GateAnswer::read(reply.as_bytes()),
                Err(ReplyError::Malformed)
            );
        }
        let newer = "{\"parameters\":{\"state\":\"unenrolled\",\"hint\":\"x\"}}";
        assert_eq!(
            GateAnswer::read(newer.as_bytes()),
            Ok(GateAnswer::Unenrolled)
        );
    }

    #[test]
    fn the_call_is_what_varlink_wants() {
        assert_eq!(
            request("al\"ice"),
            b"{\"method\":\"io.twofactor.Gate\",\"parameters\":{\"user\":\"al\\\"ice\"}}\0"
        );
    }
}
