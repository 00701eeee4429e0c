//! The daemon's side: calls as they are read, and replies with more than flat objects.

mod call;
mod introspection;
mod status;

pub use call::{CallError, ServiceCall, interface_not_found};
pub use introspection::{ServiceInfo, description_reply, info_reply};
pub use status::{DeviceEntry, StatusReply};

/// `parameters` as a reply, with the NUL byte at its end.
fn reply(parameters: &impl serde::Serialize) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct ReplyMessage<'a, T> {
        parameters: &'a T,
    }
    // Structs with string keys do not fail to serialize into memory; an empty message would be refused by any client.
    let mut message = serde_json::to_vec(&ReplyMessage { parameters }).unwrap_or_default();
    message.push(0);
    message
}
