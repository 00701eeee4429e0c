//! Calls of `io.twofactor.fleet`: total, and nothing that is not known is left out.

use serde::Deserialize;

use super::call_envelope::{CallError, envelope, parameters};
use super::introspection::{GET_DESCRIPTION, GET_INFO, IntrospectionCall};
use crate::fleet::{CodePurpose, METHOD};
use crate::verify::CodeLayout;

/// A call of a program of root's.
#[derive(Clone, PartialEq, Eq)]
pub enum FleetCall {
    /// A question to the service about itself.
    Introspection(IntrospectionCall),
    /// `io.twofactor.fleet.Attempt`.
    Attempt {
        /// The user.
        user: String,
        /// The text that was typed, or the end of it.
        code: String,
        /// The layout of what was typed around the code.
        layout: CodeLayout,
        /// Purpose of the code.
        purpose: CodePurpose,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttemptParameters {
    user: String,
    code: String,
    password_before: Option<bool>,
    purpose: PurposeWord,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PurposeWord {
    Login,
    Program,
}

impl FleetCall {
    /// Reads a message, given without its NUL byte.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn read(message: &[u8]) -> Result<Self, CallError> {
        let (method, given) = envelope(message)?;
        match method.as_str() {
            GET_INFO | GET_DESCRIPTION => {
                IntrospectionCall::read(&method, given).map(Self::Introspection)
            }
            METHOD => {
                let given: AttemptParameters = parameters(given)?;
                Ok(Self::Attempt {
                    user: given.user,
                    code: given.code,
                    layout: if given.password_before == Some(true) {
                        CodeLayout::AfterPassword
                    } else {
                        CodeLayout::Code
                    },
                    purpose: match given.purpose {
                        PurposeWord::Login => CodePurpose::Login,
                        PurposeWord::Program => CodePurpose::Program,
                    },
                })
            }
            _ => Err(CallError::MethodNotFound(method)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::FleetAttemptCall;

    #[test]
    fn an_attempt_is_read_as_it_is_written() {
        for purpose in [CodePurpose::Login, CodePurpose::Program] {
            for layout in [CodeLayout::Code, CodeLayout::AfterPassword] {
                let call = FleetAttemptCall {
                    user: "al\"ice",
                    code: "pw123456",
                    layout,
                    purpose,
                };
                let message = call.message();
                let read = FleetCall::read(message.strip_suffix(b"\0").unwrap());
                let wanted = FleetCall::Attempt {
                    user: "al\"ice".to_owned(),
                    code: "pw123456".to_owned(),
                    layout,
                    purpose,
                };
                assert!(read == Ok(wanted));
            }
        }
    }

    #[test]
    fn nothing_unknown_is_left_out() {
        let read = |parameters: &str| {
            let call = format!("{{\"method\":\"{METHOD}\",\"parameters\":{parameters}}}");
            FleetCall::read(call.as_bytes())
        };
        for parameters in [
            "{}",
            "{\"user\":\"a\",\"code\":\"1\"}",
            "{\"user\":\"a\",\"code\":\"1\",\"purpose\":\"root\"}",
            "{\"user\":\"a\",\"code\":\"1\",\"purpose\":\"login\",\"more\":1}",
            "{\"user\":\"a\",\"purpose\":\"login\"}",
        ] {
            let invalid = Err(CallError::InvalidParameter("parameters"));
            assert!(read(parameters) == invalid, "{parameters}");
        }
        // The calls of the socket for users are none here.
        let other = crate::gate::request("a");
        let other = FleetCall::read(other.strip_suffix(b"\0").unwrap());
        assert!(matches!(other, Err(CallError::MethodNotFound(_))));
    }
}
