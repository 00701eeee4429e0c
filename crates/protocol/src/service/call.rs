//! Bytes to calls: total, and nothing that is not known is left out.

use serde::Deserialize;

use super::ChangeCall;
use super::call_envelope::{CallError, envelope, parameters};
use super::introspection::{GET_DESCRIPTION, GET_INFO, IntrospectionCall};
use crate::verify_call::CodeLayout;

/// A call of a client.
#[derive(Clone, PartialEq, Eq)]
pub enum ServiceCall {
    /// A question to the service about itself.
    Introspection(IntrospectionCall),
    /// `io.twofactor.Status`.
    Status {
        /// The user.
        user: String,
    },
    /// `io.twofactor.Gate`.
    Gate {
        /// The user.
        user: String,
    },
    /// `io.twofactor.Verify`.
    Verify {
        /// The user.
        user: String,
        /// The text that was typed, or the end of it.
        code: String,
        /// The layout of what was typed around the code.
        layout: CodeLayout,
    },
    /// One of the calls that change something.
    Change(ChangeCall),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserParameters {
    user: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyParameters {
    user: String,
    code: String,
    password_before: Option<bool>,
}

impl ServiceCall {
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
            "io.twofactor.Status" => {
                let UserParameters { user } = parameters(given)?;
                Ok(Self::Status { user })
            }
            crate::gate_call::METHOD => {
                let UserParameters { user } = parameters(given)?;
                Ok(Self::Gate { user })
            }
            crate::verify_call::METHOD => {
                let VerifyParameters {
                    user,
                    code,
                    password_before,
                } = parameters(given)?;
                let layout = if password_before == Some(true) {
                    CodeLayout::AfterPassword
                } else {
                    CodeLayout::Code
                };
                Ok(Self::Verify { user, code, layout })
            }
            "io.twofactor.Begin" => Ok(Self::Change(ChangeCall::Begin(parameters(given)?))),
            "io.twofactor.Renew" => Ok(Self::Change(ChangeCall::Renew(parameters(given)?))),
            "io.twofactor.Confirm" => Ok(Self::Change(ChangeCall::Confirm(parameters(given)?))),
            "io.twofactor.Unset" => Ok(Self::Change(ChangeCall::Unset(parameters(given)?))),
            "io.twofactor.NewRecoveryCodes" => Ok(Self::Change(ChangeCall::NewRecoveryCodes(
                parameters(given)?,
            ))),
            _ => Err(CallError::MethodNotFound(method)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gate_call, verify_call};

    fn read(text: &str) -> Result<ServiceCall, CallError> {
        ServiceCall::read(text.as_bytes())
    }

    fn text(message: &[u8]) -> &[u8] {
        message.strip_suffix(b"\0").unwrap()
    }

    #[test]
    fn calls_are_read_as_clients_write_them() {
        let user = || "alice".to_owned();
        let call = ServiceCall::read(text(&gate_call::request("alice")));
        assert!(call == Ok(ServiceCall::Gate { user: user() }));
        for layout in [CodeLayout::Code, CodeLayout::AfterPassword] {
            let message = verify_call::request("alice", "pw\u{1}\"123456", layout);
            let code = "pw\u{1}\"123456".to_owned();
            let call = ServiceCall::read(text(&message));
            let user = user();
            assert!(call == Ok(ServiceCall::Verify { user, code, layout }));
        }
    }

    #[test]
    fn what_varlinkctl_sends_is_read() {
        for info in [
            "{\"method\":\"org.varlink.service.GetInfo\"}",
            "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}",
            "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":null,\"more\":true}",
        ] {
            assert!(
                read(info) == Ok(ServiceCall::Introspection(IntrospectionCall::Info)),
                "{info}"
            );
        }
        let verify = "{\"method\":\"io.twofactor.Verify\",\"parameters\":{\"user\":\"a\",\"code\":\"1\",\"password_before\":null}}";
        assert!(matches!(
            read(verify),
            Ok(ServiceCall::Verify {
                layout: CodeLayout::Code,
                ..
            })
        ));
    }

    #[test]
    fn nothing_unknown_is_left_out() {
        let invalid = || Err(CallError::InvalidParameter("parameters"));
        for parameters in [
            "{}",
            "{\"user\":1}",
            "{\"user\":null}",
            "{\"user\":\"a\",\"uid\":0}",
            "{\"user\":\"a\",\"code\":\"1\"}",
        ] {
            let call = format!("{{\"method\":\"io.twofactor.Gate\",\"parameters\":{parameters}}}");
            assert!(read(&call) == invalid(), "{call}");
        }
        for call in [
            "",
            "{}",
            "[]",
            "{\"method\":\"io.twofactor.Gate\",\"parameters\":[]}",
            "{\"method\":\"io.twofactor.Gate\",\"fds\":1}",
            "{\"method\":\"io.twofactor.Gate\",\"oneway\":true,\"parameters\":{\"user\":\"a\"}}",
            "{\"method\":\"a\",\"method\":\"b\"}",
            "{\"method\":\"a\"} x",
        ] {
            assert!(read(call) == Err(CallError::Malformed), "{call}");
        }
        let upgrade = "{\"method\":\"a\",\"upgrade\":true}";
        assert!(read(upgrade) == Err(CallError::InvalidParameter("upgrade")));
        let none = "{\"method\":\"io.twofactor.Enroll\",\"parameters\":{}}";
        let not_found = CallError::MethodNotFound("io.twofactor.Enroll".to_owned());
        assert!(read(none) == Err(not_found));
    }
}
