//! The service's way to the store of the fleet: what needs a host of a fleet, its key and a network.

use twofactor_fleet::attempt_steps::outage_reason::OutageReason;
use twofactor_fleet::etcd::deadline::WorkDeadline;
use twofactor_fleet::host::host_handle::HostHandle;
use twofactor_protocol::service::FleetChangeParameters;
use twofactor_store::FactorStore;
use twofactor_store::attempt::{AttemptFailure, SharedCode, SharedEnd};

use crate::calling_process::CallingProcess;
use crate::change_relay::ChangeRelay;
use crate::fleet_verdict;
use crate::store_breaker::StoreBreaker;

/// The store, as the service asks it.
pub trait FleetStoreLink: Send + Sync {
    /// Has a code judged on the state of a user in the store.
    ///
    /// # Errors
    /// [`AttemptFailure`] as for [`fleet_verdict::settle`].
    fn settle(
        &self,
        user: &str,
        code: &mut SharedCode<'_>,
        time: &WorkDeadline,
    ) -> Result<SharedEnd<OutageReason>, AttemptFailure>;

    /// Brings the record of a user from the store to the files of this host.
    ///
    /// # Errors
    /// The reason why it stays as it is here.
    fn mirror(
        &self,
        store: &FactorStore,
        user: &str,
        time: &WorkDeadline,
    ) -> Result<(), OutageReason>;

    /// Makes a change in the store, and returns the message that reports it.
    fn change(
        &self,
        call: &FleetChangeParameters,
        caller: CallingProcess,
        breaker: &StoreBreaker,
    ) -> Vec<u8>;
}

impl FleetStoreLink for HostHandle {
    fn settle(
        &self,
        user: &str,
        code: &mut SharedCode<'_>,
        time: &WorkDeadline,
    ) -> Result<SharedEnd<OutageReason>, AttemptFailure> {
        fleet_verdict::settle(&self.host(), user, code, time)
    }

    fn mirror(
        &self,
        store: &FactorStore,
        user: &str,
        time: &WorkDeadline,
    ) -> Result<(), OutageReason> {
        self.host().mirror_user(store, user, time)
    }

    fn change(
        &self,
        call: &FleetChangeParameters,
        caller: CallingProcess,
        breaker: &StoreBreaker,
    ) -> Vec<u8> {
        let relay = ChangeRelay {
            host: &self.host(),
            breaker,
        };
        relay.response(call, caller)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::Duration;

    use twofactor_fleet::host_files::host_file::{FleetDirectory, HostPlace};
    use twofactor_fleet::host_files::key_file::KeyFile;
    use twofactor_fleet::sealed_values::fleet_entry::{FleetMeta, HostBeat};
    use twofactor_protocol::fleet_change_call::FleetChangeAnswer;
    use twofactor_store::testing::ScratchStore;

    use super::*;

    /// No member of etcd listens there.
    const ENDPOINT: &str = "https://127.0.0.1:1";

    /// Files in the form that a client needs. Nothing is connected, so that what they say does not matter.
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";

    /// A host of a fleet, whose store is not there.
    fn lonely_host(scratch: &ScratchStore) -> HostHandle {
        let place = |name: &str| scratch.path().join(name);
        let private = |path: &Path, text: &str| {
            fs::write(path, text).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        };
        fs::write(place("certificate.pem"), CERTIFICATE).unwrap();
        private(&place("key.pem"), KEY);
        let keys = KeyFile::generate(&place("fleet.key")).unwrap();
        keys.write(&place("fleet.key")).unwrap();
        let settings = place("policy-fleet.toml");
        let text = format!(
            "endpoints = [\"{ENDPOINT}\"]\nauthorities = \"{certificate}\"\ncertificate = \"{certificate}\"\n\
             private_key = \"{key}\"\nuser = \"host\"\npassword = \"word\"\nkey_file = \"{fleet}\"\n",
            certificate = place("certificate.pem").display(),
            key = place("key.pem").display(),
            fleet = place("fleet.key").display(),
        );
        private(&settings, &text);
        let directory = FleetDirectory::ensure(&scratch.top()).unwrap();
        let beat = HostBeat {
            count: 1,
            run: [0; 8],
        };
        let host = HostPlace {
            meta: FleetMeta::first(keys.fleet),
            begun: None,
            host: "host".to_owned(),
            previous: beat,
            current: beat,
        };
        directory.write(&host, &directory.lock().unwrap()).unwrap();
        HostHandle::open(&settings, &scratch.top()).unwrap()
    }

    #[test]
    fn without_a_store_no_record_and_no_change_is_made() {
        let scratch = ScratchStore::new();
        let (store, user) = (scratch.store(), "root");
        let host = lonely_host(&scratch);
        let time = WorkDeadline::after(Duration::from_millis(100));
        let mirrored = host.mirror(&store, user, &time);
        assert!(
            matches!(mirrored, Err(OutageReason::Unreachable(_))),
            "{mirrored:?}"
        );
        let removal = FleetChangeParameters {
            user: user.to_owned(),
            uid: 0,
            base: Some("00".repeat(32)),
            record: None,
            state: None,
        };
        let caller = CallingProcess {
            uid: 0,
            pid: 0,
            session: None,
            terminal: None,
        };
        // Open as it is, for a service that has not met the store.
        let reply = host.change(&removal, caller, &StoreBreaker::default());
        let answer = FleetChangeAnswer::read(reply.strip_suffix(b"\0").unwrap());
        assert_eq!(answer, Ok(FleetChangeAnswer::Outage));
    }
}
