//! `io.twofactor.fleet`: a code is judged with the store that many hosts share. Only root's programs ask.

use crate::json::ObjectWriter;
use crate::reply::{self, ReplyError};
use crate::verify_call::{CodeLayout, VerifyAnswer};

/// Path of the socket, which root alone may open.
pub const FLEET_SOCKET: &str = "/run/twofactor/fleet";

/// Name of the interface.
pub const FLEET_INTERFACE: &str = "io.twofactor.fleet";

/// The qualified name of the call.
pub const METHOD: &str = "io.twofactor.fleet.Attempt";

/// Word of the answer that the store cannot be used.
const OUTAGE: &str = "outage";

/// Purpose for which a code was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodePurpose {
    /// A login.
    Login,
    /// A program that runs as the user, which has a counter of wrong codes of its own.
    Program,
    /// A change through the users' daemon, by a code of a device or a recovery code. Wrong ones count as those of programs.
    Proof,
    /// A change through the users' daemon, by a code of a device alone. Wrong ones count as those of programs.
    DeviceProof,
}

/// A code to be judged.
#[derive(Debug, Clone, Copy)]
pub struct FleetAttemptCall<'a> {
    /// Login name of the user.
    pub user: &'a str,
    /// The text that was typed, or the end of it.
    pub code: &'a str,
    /// The layout of what was typed around the code.
    pub layout: CodeLayout,
    /// Purpose of the code.
    pub purpose: CodePurpose,
}

/// The answer to `Attempt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FleetAnswer {
    /// The verdict of the whole fleet. It is stored.
    Judged(VerifyAnswer),
    /// The store cannot be used, and nothing is known of the code.
    Outage,
}

impl CodePurpose {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Login, Self::Program, Self::Proof, Self::DeviceProof];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Program => "program",
            Self::Proof => "proof",
            Self::DeviceProof => "device_proof",
        }
    }
}

impl FleetAttemptCall<'_> {
    /// The call, as a message.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let writer = ObjectWriter::default()
            .text("user", self.user)
            .text("code", self.code)
            .flag("password_before", self.layout == CodeLayout::AfterPassword)
            .text("purpose", self.purpose.word());
        reply::call(METHOD, writer)
    }
}

impl FleetAnswer {
    /// The parameters of the reply.
    #[must_use]
    pub fn parameters(&self) -> ObjectWriter {
        match self {
            Self::Judged(answer) => answer.parameters(),
            Self::Outage => ObjectWriter::default().text("result", OUTAGE),
        }
    }

    /// Reads a reply, given without its NUL byte.
    ///
    /// # Errors
    /// [`ReplyError`].
    pub fn read(message: &[u8]) -> Result<Self, ReplyError> {
        if reply::parameters(message)?.text("result") == Some(OUTAGE) {
            return Ok(Self::Outage);
        }
        VerifyAnswer::read(message).map(Self::Judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::ServiceError;

    #[test]
    fn answers_are_read_as_they_are_written() {
        for answer in [
            FleetAnswer::Outage,
            FleetAnswer::Judged(VerifyAnswer::Wrong),
            FleetAnswer::Judged(VerifyAnswer::Locked(Some(7))),
        ] {
            let message = reply::message(answer.parameters());
            let text = message.strip_suffix(b"\0").unwrap();
            assert_eq!(FleetAnswer::read(text), Ok(answer));
        }
    }

    /// Only the store's own word is an outage: an error of the service denies.
    #[test]
    fn an_error_is_no_outage() {
        for error in ServiceError::ALL {
            let message = error.message();
            let read = FleetAnswer::read(message.strip_suffix(b"\0").unwrap());
            assert_eq!(read, Err(ReplyError::Service(error)));
        }
        for text in ["", "{}", "{\"parameters\":{\"result\":\"Outage\"}}"] {
            assert_eq!(
                FleetAnswer::read(text.as_bytes()),
                Err(ReplyError::Malformed)
            );
        }
    }

    #[test]
    fn the_longest_call_fits_into_a_message() {
        let call = FleetAttemptCall {
            user: &"\u{1}".repeat(100),
            code: &"\u{1}".repeat(512),
            layout: CodeLayout::Code,
            purpose: CodePurpose::Program,
        };
        assert!(call.message().len() <= crate::MAX_MESSAGE);
    }
}
