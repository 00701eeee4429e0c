//! `org.varlink.service`: what every varlink service says of itself.

use serde::Serialize;

use crate::INTERFACE;
use crate::fleet::FLEET_INTERFACE;

/// The interface that every varlink service has.
pub const VARLINK_SERVICE: &str = "org.varlink.service";

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

/// The reply to `GetInfo`.
#[must_use]
pub fn info_reply(info: ServiceInfo) -> Vec<u8> {
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
#[must_use]
pub fn description_reply(interface: &str) -> Option<Vec<u8>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::ServiceError;
    use crate::{MAX_REPLY, gate, verify};

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
        assert!(gate::METHOD.ends_with(".Gate") && verify::METHOD.ends_with(".Verify"));
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
