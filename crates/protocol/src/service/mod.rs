//! The daemon's side: calls as they are read, and replies with more than flat objects.

mod call;
mod call_envelope;
mod change_calls;
mod fleet_call;
mod introspection;
mod status_reply;

use crate::reply::ReplyError;
pub use call::ServiceCall;
pub use call_envelope::CallError;
pub use change_calls::{
    ChangeCall, ChangeReply, ChangeResult, CodeCall, DeviceCall, DeviceKind, HashAlgorithm,
    NewDeviceCall, RemovalCall,
};
pub use fleet_call::{FleetCall, FleetChangeParameters};
pub use introspection::{IntrospectionCall, ServiceInfo};
pub use status_reply::{AllowedChanges, ChangeEntry, DeviceEntry, StatusReply, status_request};

/// A call of `io.twofactor` as a message, with the NUL byte at its end.
fn call_message(method: &str, parameters: &impl serde::Serialize) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct CallText<'a, T> {
        method: String,
        parameters: &'a T,
    }
    let method = format!("{}.{method}", crate::INTERFACE);
    terminated(&CallText { method, parameters })
}

/// `parameters` as a reply, with the NUL byte at its end.
fn reply(parameters: &impl serde::Serialize) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct ReplyMessage<'a, T> {
        parameters: &'a T,
    }
    terminated(&ReplyMessage { parameters })
}

/// The parameters of a reply, given without its NUL byte. Fields that are not known are left out.
fn parameters<T: serde::de::DeserializeOwned>(message: &[u8]) -> Result<T, ReplyError> {
    #[derive(serde::Deserialize)]
    struct ReplyEnvelope {
        error: Option<String>,
        parameters: Option<serde_json::Value>,
    }
    let malformed = |_| ReplyError::Malformed;
    let reply: ReplyEnvelope = serde_json::from_slice(message).map_err(malformed)?;
    if let Some(name) = reply.error {
        return Err(ReplyError::named(&name));
    }
    let parameters = reply.parameters.ok_or(ReplyError::Malformed)?;
    serde_json::from_value(parameters).map_err(malformed)
}

fn terminated(message: &impl serde::Serialize) -> Vec<u8> {
    // Structs with string keys do not fail to serialize into memory; an empty message would be refused at the other end.
    let mut message = serde_json::to_vec(message).unwrap_or_default();
    message.push(0);
    message
}
