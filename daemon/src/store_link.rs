//! The service's way to the store of the fleet: what needs a host of a fleet, its key and a network.

use twofactor_fleet::deadline::WorkDeadline;
use twofactor_fleet::host_handle::HostHandle;
use twofactor_fleet::outage::OutageReason;
use twofactor_protocol::service::FleetChangeParameters;
use twofactor_store::FactorStore;
use twofactor_store::attempt::{AttemptFailure, SharedCode, SharedEnd};

use crate::change_relay::ChangeRelay;
use crate::fleet_verdict;
use crate::store_breaker::StoreBreaker;
use crate::user_factors::CallingProcess;

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
