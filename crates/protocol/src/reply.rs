//! The envelope of a reply: parameters, or one of the errors of the interface.

use std::fmt;

use crate::json::{FlatObject, JsonError, ObjectWriter};

/// An error that the interface declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceError {
    /// The user named is not the caller.
    NotYours,
    /// The policy does not let users make this change.
    NotAllowed,
    /// The daemon serves as many connections as it may, of this user or of all.
    Busy,
    /// A file, the clock or a database cannot be used; the daemon's log says which.
    Unavailable,
}

impl ServiceError {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::NotYours,
        Self::NotAllowed,
        Self::Busy,
        Self::Unavailable,
    ];

    /// The qualified name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotYours => "io.twofactor.NotYours",
            Self::NotAllowed => "io.twofactor.NotAllowed",
            Self::Busy => "io.twofactor.Busy",
            Self::Unavailable => "io.twofactor.Unavailable",
        }
    }

    /// The whole reply.
    #[must_use]
    pub fn message(self) -> Vec<u8> {
        ObjectWriter::default()
            .text("error", self.name())
            .object("parameters", ObjectWriter::default())
            .message()
    }
}

/// A reply that holds no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyError {
    /// An error of the interface.
    Service(ServiceError),
    /// Another error: the daemon does not know the call, or what it was given.
    Unknown,
    /// The bytes are no reply to that call.
    Malformed,
}

impl ReplyError {
    /// The error of that qualified name.
    pub(crate) fn named(name: &str) -> Self {
        let known = ServiceError::ALL.into_iter().find(|e| e.name() == name);
        known.map_or(Self::Unknown, Self::Service)
    }
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service(ServiceError::NotYours) => "the user is not the one this program runs as",
            Self::Service(ServiceError::NotAllowed) => "the policy leaves this to root",
            Self::Service(ServiceError::Busy) => "too many connections",
            Self::Service(ServiceError::Unavailable) => {
                "the daemon cannot use its files; its log says why"
            }
            Self::Unknown => "the daemon is of another version",
            Self::Malformed => "the reply makes no sense",
        })
    }
}

impl std::error::Error for ReplyError {}

impl From<JsonError> for ReplyError {
    fn from(_: JsonError) -> Self {
        Self::Malformed
    }
}

/// The parameters of a reply, given without its NUL byte.
///
/// # Errors
/// [`ReplyError`].
pub fn parameters(message: &[u8]) -> Result<FlatObject, ReplyError> {
    let reply = FlatObject::parse(message)?;
    if reply.value("error").is_some() {
        let name = reply.text("error").ok_or(ReplyError::Malformed)?;
        return Err(ReplyError::named(name));
    }
    let parameters = reply.object("parameters");
    parameters.cloned().ok_or(ReplyError::Malformed)
}

/// The parameters of a reply as a message.
#[must_use]
pub fn message(parameters: ObjectWriter) -> Vec<u8> {
    ObjectWriter::default()
        .object("parameters", parameters)
        .message()
}

/// A call with its parameters, as a message.
pub(crate) fn call(method: &str, parameters: ObjectWriter) -> Vec<u8> {
    ObjectWriter::default()
        .text("method", method)
        .object("parameters", parameters)
        .message()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_as_they_are_written() {
        for error in ServiceError::ALL {
            let message = error.message();
            let text = message.strip_suffix(b"\0").unwrap();
            assert_eq!(parameters(text), Err(ReplyError::Service(error)));
        }
    }

    #[test]
    fn a_reply_without_parameters_is_no_answer() {
        for (text, error) in [
            ("{}", ReplyError::Malformed),
            ("{\"parameters\":null}", ReplyError::Malformed),
            ("{\"error\":1,\"parameters\":{}}", ReplyError::Malformed),
            (
                "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"x\"}}",
                ReplyError::Unknown,
            ),
            ("{\"error\":\"io.twofactor.notyours\"}", ReplyError::Unknown),
            ("", ReplyError::Malformed),
        ] {
            assert_eq!(parameters(text.as_bytes()), Err(error), "{text}");
        }
        assert!(parameters(b"{\"parameters\":{},\"error\":null}").is_ok());
    }
}
