//! Messages that a client may send to the daemon, and what a daemon may send to the module: any bytes are read or
//! refused, and what is read says what another reader of JSON finds there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use twofactor_protocol::fleet_attempt_call::{FleetAnswer, FleetAttemptCall};
use twofactor_protocol::fleet_change_call::{FactorText, FleetChangeAnswer, FleetChangeCall};
use twofactor_protocol::frame::MessageBuffer;
use twofactor_protocol::gate_call::GateAnswer;
use twofactor_protocol::json::FlatObject;
use twofactor_protocol::reply;
use twofactor_protocol::service::{FleetCall, ServiceCall};
use twofactor_protocol::verify_call::{self, CodeLayout, VerifyAnswer};

fuzz_target!(|bytes: &[u8]| {
    for mut buffer in [MessageBuffer::default(), MessageBuffer::of_changes()] {
        for part in bytes.chunks(64) {
            buffer.push(part);
            while let Ok(Some(message)) = buffer.message() {
                one(&message);
            }
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
            let again = verify_call::request(&user, &code, layout);
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
    of_fleet(message);
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

/// Calls to the service of the fleet, and its answers. A call that a client writes is read as the same call.
fn of_fleet(message: &[u8]) {
    match FleetCall::read(message) {
        Ok(FleetCall::Attempt {
            user,
            code,
            layout,
            purpose,
        }) => {
            let again = FleetAttemptCall {
                user: &user,
                code: &code,
                layout,
                purpose,
            };
            let again = FleetCall::read(text(&again.message()));
            let call = FleetCall::Attempt {
                user,
                code,
                layout,
                purpose,
            };
            assert!(again == Ok(call));
        }
        Ok(FleetCall::Change(change)) => {
            let half = change.record.is_some() != change.state.is_some();
            let factor = change.record.as_deref().zip(change.state.as_deref());
            let again = FleetChangeCall {
                user: &change.user,
                uid: change.uid,
                base: change.base.as_deref(),
                factor: factor.map(|(record, state)| FactorText { record, state }),
            };
            let again = FleetCall::read(text(&again.message()));
            // Half a factor is written by no client.
            assert!(half || again == Ok(FleetCall::Change(change)));
        }
        Ok(FleetCall::Introspection(_)) | Err(_) => {}
    }
    if let Ok(answer) = FleetChangeAnswer::read(message) {
        let again = FleetChangeAnswer::read(text(&reply::message(answer.parameters())));
        assert_eq!(again, Ok(answer));
    }
    if let Ok(answer) = FleetAnswer::read(message) {
        let again = FleetAnswer::read(text(&reply::message(answer.parameters())));
        assert_eq!(again, Ok(answer));
    }
}

fn text(message: &[u8]) -> &[u8] {
    message.strip_suffix(b"\0").expect("an end")
}
