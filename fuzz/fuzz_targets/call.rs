//! Messages that a client may send to the daemon, and what a daemon may send to the module: any bytes are read or
//! refused, and what is read says what another reader of JSON finds there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use twofactor_protocol::frame::MessageBuffer;
use twofactor_protocol::gate::GateAnswer;
use twofactor_protocol::json::FlatObject;
use twofactor_protocol::reply;
use twofactor_protocol::service::ServiceCall;
use twofactor_protocol::verify::{self, CodeLayout, VerifyAnswer};

fuzz_target!(|bytes: &[u8]| {
    let mut buffer = MessageBuffer::default();
    for part in bytes.chunks(64) {
        buffer.push(part);
        while let Ok(Some(message)) = buffer.message() {
            one(&message);
        }
    }
    one(bytes);
});

fn one(message: &[u8]) {
    let json: Option<Value> = serde_json::from_slice(message).ok();
    match ServiceCall::read(message) {
        Ok(ServiceCall::Verify { user, code, layout }) => {
            let parameters = &json.as_ref().expect("JSON")["parameters"];
            assert_eq!(parameters["user"], user.as_str());
            assert_eq!(parameters["code"], code.as_str());
            let before = parameters["password_before"] == true;
            assert_eq!(layout == CodeLayout::AfterPassword, before);
            // A call that a client writes is the same call.
            let again = verify::request(&user, &code, layout);
            let again = ServiceCall::read(again.strip_suffix(b"\0").expect("an end"));
            assert!(again == Ok(ServiceCall::Verify { user, code, layout }));
        }
        Ok(_) => assert!(json.as_ref().is_some_and(Value::is_object)),
        // An error that is sent back is a message itself.
        Err(error) => {
            if let Some(reply) = error.message() {
                assert!(serde_json::from_slice::<Value>(&reply[..reply.len() - 1]).is_ok());
            }
        }
    }
    if let Ok(object) = FlatObject::parse(message) {
        let json = json.as_ref().expect("JSON");
        for name in ["error", "method", "parameters", "state", "result"] {
            assert_eq!(object.text(name), json[name].as_str());
        }
    }
    if let Ok(answer) = GateAnswer::read(message) {
        assert_eq!(
            GateAnswer::read(text(&reply::message(answer.parameters()))),
            Ok(answer)
        );
    }
    if let Ok(answer) = VerifyAnswer::read(message) {
        let again = VerifyAnswer::read(text(&reply::message(answer.parameters())));
        assert_eq!(again, Ok(answer));
    }
}

fn text(message: &[u8]) -> &[u8] {
    message.strip_suffix(b"\0").expect("an end")
}
