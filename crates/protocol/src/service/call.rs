//! Bytes to calls: total, and nothing that is not known is left out.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::ChangeCall;
use crate::json::ObjectWriter;
use crate::verify::CodeLayout;

/// A call of a client.
#[derive(Clone, PartialEq, Eq)]
pub enum ServiceCall {
    /// `org.varlink.service.GetInfo`.
    Info,
    /// `org.varlink.service.GetInterfaceDescription`.
    Description {
        /// The interface's name.
        interface: String,
    },
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

/// A message that is no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// Not a call at all, or one that wants no reply: the connection is closed.
    Malformed,
    /// There is no such call.
    MethodNotFound(String),
    /// A parameter is missing, not known, or of another type; its name is never what was typed.
    InvalidParameter(&'static str),
}

impl CallError {
    /// The reply, `None` where the connection is closed instead.
    #[must_use]
    pub fn message(&self) -> Option<Vec<u8>> {
        let (error, name, value) = match self {
            Self::Malformed => return None,
            Self::MethodNotFound(method) => ("MethodNotFound", "method", method.as_str()),
            Self::InvalidParameter(parameter) => ("InvalidParameter", "parameter", *parameter),
        };
        let reply = ObjectWriter::default()
            .text("error", &format!("org.varlink.service.{error}"))
            .object("parameters", ObjectWriter::default().text(name, value));
        Some(reply.message())
    }
}

/// The reply to a question for an interface that is not known.
#[must_use]
pub fn interface_not_found(interface: &str) -> Vec<u8> {
    ObjectWriter::default()
        .text("error", "org.varlink.service.InterfaceNotFound")
        .object(
            "parameters",
            ObjectWriter::default().text("interface", interface),
        )
        .message()
}

/// The envelope. `more` asks for as many replies as there are, and there is one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallMessage {
    method: String,
    parameters: Option<Map<String, Value>>,
    oneway: Option<bool>,
    #[serde(rename = "more")]
    _more: Option<bool>,
    upgrade: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParameters {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InterfaceParameters {
    pub(super) interface: String,
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
            "org.varlink.service.GetInfo" => {
                let NoParameters {} = parameters(given)?;
                Ok(Self::Info)
            }
            "org.varlink.service.GetInterfaceDescription" => {
                let InterfaceParameters { interface } = parameters(given)?;
                Ok(Self::Description { interface })
            }
            "io.twofactor.Status" => {
                let UserParameters { user } = parameters(given)?;
                Ok(Self::Status { user })
            }
            crate::gate::METHOD => {
                let UserParameters { user } = parameters(given)?;
                Ok(Self::Gate { user })
            }
            crate::verify::METHOD => {
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

/// The method of a call, and its parameters.
pub(super) fn envelope(message: &[u8]) -> Result<(String, Value), CallError> {
    let call: CallMessage = serde_json::from_slice(message).map_err(|_| CallError::Malformed)?;
    if call.oneway == Some(true) {
        return Err(CallError::Malformed);
    }
    if call.upgrade == Some(true) {
        return Err(CallError::InvalidParameter("upgrade"));
    }
    let given = Value::Object(call.parameters.unwrap_or_default());
    Ok((call.method, given))
}

/// The text of serde's error may hold what was typed: it goes nowhere.
pub(super) fn parameters<T: for<'de> Deserialize<'de>>(given: Value) -> Result<T, CallError> {
    serde_json::from_value(given).map_err(|_| CallError::InvalidParameter("parameters"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gate, verify};

    fn read(text: &str) -> Result<ServiceCall, CallError> {
        ServiceCall::read(text.as_bytes())
    }

    fn text(message: &[u8]) -> &[u8] {
        message.strip_suffix(b"\0").unwrap()
    }

    #[test]
    fn calls_are_read_as_clients_write_them() {
        let user = || "alice".to_owned();
        let call = ServiceCall::read(text(&gate::request("alice")));
        assert!(call == Ok(ServiceCall::Gate { user: user() }));
        for layout in [CodeLayout::Code, CodeLayout::AfterPassword] {
            let message = verify::request("alice", "pw\u{1}\"123456", layout);
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
            assert!(read(info) == Ok(ServiceCall::Info), "{info}");
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

    #[test]
    fn an_error_names_the_parameter() {
        let error = CallError::InvalidParameter("parameters").message().unwrap();
        assert_eq!(
            text(&error),
            b"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"parameters\"}}"
        );
        assert_eq!(CallError::Malformed.message(), None);
    }
}
