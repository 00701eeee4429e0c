//! Calls of `io.twofactor.fleet`: total, and nothing that is not known is left out.

use serde::Deserialize;

use super::call_envelope::{CallError, envelope, parameters};
use super::introspection::{GET_DESCRIPTION, GET_INFO, IntrospectionCall};
use crate::fleet_attempt_call::{CodePurpose, METHOD};
use crate::fleet_change_call::CHANGE_METHOD;
use crate::verify_call::CodeLayout;

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
    /// `io.twofactor.fleet.Change`.
    Change(FleetChangeParameters),
}

/// The parameters of `Change`. Record and state are secret.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetChangeParameters {
    /// The user, by the name of the record.
    pub user: String,
    /// The user's id.
    pub uid: u32,
    /// The digest of the record that the change was made from, in hex; `None` where there was none.
    pub base: Option<String>,
    /// The record that counts from now on, in the form of its file; `None` where the change removes it.
    pub record: Option<String>,
    /// The state that knows its devices, in hex; only with a record.
    pub state: Option<String>,
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
#[serde(rename_all = "snake_case")]
enum PurposeWord {
    Login,
    Program,
    Proof,
    DeviceProof,
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
                        PurposeWord::Proof => CodePurpose::Proof,
                        PurposeWord::DeviceProof => CodePurpose::DeviceProof,
                    },
                })
            }
            CHANGE_METHOD => Ok(Self::Change(parameters(given)?)),
            _ => Err(CallError::MethodNotFound(method)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet_attempt_call::FleetAttemptCall;
    use crate::fleet_change_call::{FactorText, FleetChangeCall};

    #[test]
    fn an_attempt_is_read_as_it_is_written() {
        for purpose in CodePurpose::ALL {
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
    fn a_change_is_read_as_it_is_written() {
        let text = |text: &str| Some(text.to_owned());
        let factor = FactorText {
            record: "user = \"a\"\n",
            state: "00ff",
        };
        for (base, factor) in [
            (None, Some(factor)),
            (Some("ab"), Some(factor)),
            (Some("ab"), None),
        ] {
            let call = FleetChangeCall {
                user: "al\"ice",
                uid: u32::MAX,
                base,
                factor,
            };
            let message = call.message();
            let wanted = FleetChangeParameters {
                user: "al\"ice".to_owned(),
                uid: u32::MAX,
                base: base.map(str::to_owned),
                record: factor.and_then(|it| text(it.record)),
                state: factor.and_then(|it| text(it.state)),
            };
            let read = FleetCall::read(message.strip_suffix(b"\0").unwrap());
            assert!(read == Ok(FleetCall::Change(wanted)));
        }
        for parameters in [
            "{\"user\":\"a\"}",
            "{\"user\":\"a\",\"uid\":-1}",
            "{\"user\":\"a\",\"uid\":4294967296}",
            "{\"user\":\"a\",\"uid\":1,\"root\":true}",
            "{\"user\":\"a\",\"uid\":1,\"record\":{}}",
        ] {
            let call = format!("{{\"method\":\"{CHANGE_METHOD}\",\"parameters\":{parameters}}}");
            let invalid = Err(CallError::InvalidParameter("parameters"));
            assert!(FleetCall::read(call.as_bytes()) == invalid, "{parameters}");
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
        let other = crate::gate_call::request("a");
        let other = FleetCall::read(other.strip_suffix(b"\0").unwrap());
        assert!(matches!(other, Err(CallError::MethodNotFound(_))));
    }
}
