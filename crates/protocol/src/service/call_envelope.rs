//! The envelope of a call, and messages that are none.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::json::ObjectWriter;

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

    #[test]
    fn an_error_names_the_parameter() {
        let error = CallError::InvalidParameter("parameters").message().unwrap();
        assert_eq!(
            error.strip_suffix(b"\0").unwrap(),
            b"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"parameters\"}}"
        );
        assert_eq!(CallError::Malformed.message(), None);
    }
}
