//! `org.varlink.service`: what every varlink service says of itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call_envelope::{CallError, parameters};
use crate::INTERFACE;
use crate::fleet_attempt_call::FLEET_INTERFACE;
use crate::json::ObjectWriter;

/// The interface that every varlink service has.
pub const VARLINK_SERVICE: &str = "org.varlink.service";

/// The method that asks for [`ServiceInfo`].
pub(super) const GET_INFO: &str = "org.varlink.service.GetInfo";

/// The method that asks for the text of an interface.
pub(super) const GET_DESCRIPTION: &str = "org.varlink.service.GetInterfaceDescription";

/// The description of `io.twofactor`.
const DESCRIPTION: &str = include_str!("../io.twofactor.varlink");

/// The description of `io.twofactor.fleet`.
const FLEET_DESCRIPTION: &str = include_str!("../io.twofactor.fleet.varlink");

/// The description of `org.varlink.service` (<https://varlink.org/Service>).
const SERVICE_DESCRIPTION: &str = include_str!("../org.varlink.service.varlink");

/// The description that the daemon gives of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceInfo {
    /// The daemon's version.
    pub version: &'static str,
    /// The interface that is served there.
    pub interface: &'static str,
}

/// A question to a service about itself.
#[derive(Clone, PartialEq, Eq)]
pub enum IntrospectionCall {
    /// `org.varlink.service.GetInfo`.
    Info,
    /// `org.varlink.service.GetInterfaceDescription`.
    Description {
        /// The interface's name.
        interface: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParameters {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InterfaceParameters {
    interface: String,
}

impl IntrospectionCall {
    /// Reads the parameters of [`GET_INFO`] or [`GET_DESCRIPTION`].
    pub(super) fn read(method: &str, given: Value) -> Result<Self, CallError> {
        if method == GET_INFO {
            let NoParameters {} = parameters(given)?;
            return Ok(Self::Info);
        }
        let InterfaceParameters { interface } = parameters(given)?;
        Ok(Self::Description { interface })
    }

    /// The reply of a service that says this of itself.
    #[must_use]
    pub fn reply(&self, info: ServiceInfo) -> Vec<u8> {
        match self {
            Self::Info => info_reply(info),
            Self::Description { interface } => {
                description_reply(interface).unwrap_or_else(|| interface_not_found(interface))
            }
        }
    }
}

/// The reply to `GetInfo`.
fn info_reply(info: ServiceInfo) -> Vec<u8> {
    #[derive(Serialize)]
    struct InterfaceInfo {
        vendor: &'static str,
        product: &'static str,
        version: &'static str,
        url: &'static str,
        interfaces: [&'static str; 2],
    }
    super::reply(&InterfaceInfo {
        vendor: "pam_twofactor",
        product: "twofactord",
        version: info.version,
        url: "",
        interfaces: [VARLINK_SERVICE, info.interface],
    })
}

/// The reply to `GetInterfaceDescription`; `None` where the interface is not known.
fn description_reply(interface: &str) -> Option<Vec<u8>> {
    #[derive(Serialize)]
    struct InterfaceDescription {
        description: &'static str,
    }
    let description = match interface {
        INTERFACE => DESCRIPTION,
        FLEET_INTERFACE => FLEET_DESCRIPTION,
        VARLINK_SERVICE => SERVICE_DESCRIPTION,
        _ => return None,
    };
    Some(super::reply(&InterfaceDescription { description }))
}

/// The reply to a question for an interface that is not known.
fn interface_not_found(interface: &str) -> Vec<u8> {
    ObjectWriter::default()
        .text("error", "org.varlink.service.InterfaceNotFound")
        .object(
            "parameters",
            ObjectWriter::default().text("interface", interface),
        )
        .message()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::ServiceError;
    use crate::{MAX_REPLY, gate_call, verify_call};

    #[test]
    fn the_description_names_every_call_and_error() {
        let methods: Vec<&str> = DESCRIPTION
            .lines()
            .filter_map(|line| line.strip_prefix("method ")?.split('(').next())
            .collect();
        assert_eq!(
            methods,
            [
                "Status",
                "Gate",
                "Verify",
                "Begin",
                "Renew",
                "Confirm",
                "Unset",
                "NewRecoveryCodes"
            ]
        );
        assert!(gate_call::METHOD.ends_with(".Gate") && verify_call::METHOD.ends_with(".Verify"));
        for error in ServiceError::ALL {
            let name = error.name().strip_prefix("io.twofactor.").unwrap();
            assert!(
                DESCRIPTION.contains(&format!("\nerror {name} ()\n")),
                "{name}"
            );
        }
    }

    #[test]
    fn descriptions_fit_into_a_reply() {
        for interface in [INTERFACE, VARLINK_SERVICE] {
            let reply = description_reply(interface).unwrap();
            assert!(reply.len() <= MAX_REPLY, "{}", reply.len());
        }
        assert_eq!(description_reply("io.other"), None);
    }
}
