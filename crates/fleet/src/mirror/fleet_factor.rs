//! The record and state of one user in the store, read at one moment with the proof that it is the store of the fleet.

use twofactor_core::state::UserState;

use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::attempt_steps::shared_attempt::StandingSource as _;
use crate::etcd::etcd_gateway::TimeLeft;
use crate::etcd::store_values::KeyedValue;
use crate::host::fleet_host::FleetHost;
use crate::sealed_values::shared_record::SharedRecord;
use crate::sealed_values::shared_state::SharedState;
use crate::sealed_values::store_key::StoreKey;

/// The record and state of a user in the store.
pub(crate) struct FleetFactor {
    pub(crate) record: SharedRecord,
    pub(crate) state: SharedState,
}

impl FleetHost {
    /// Checks that the store is that of the fleet, and has the number of this host.
    pub(crate) fn check_store(&self, time: &dyn TimeLeft) -> Result<(), OutageReason> {
        self.checked_values(&[], time).map(drop)
    }

    /// The values of keys, of one moment at which the store was that of the fleet and had the number of this host.
    fn checked_values(
        &self,
        wanted: &[StoreKey],
        time: &dyn TimeLeft,
    ) -> Result<Vec<KeyedValue>, OutageReason> {
        let mut keys = vec![StoreKey::meta(), self.host_key().clone()];
        keys.extend_from_slice(wanted);
        let mut known = self.standing();
        loop {
            let mut values = patient(time, || self.gateway().values(&keys, time))?;
            let value = |at: usize| values.get(at).and_then(|(_, value)| value.as_deref());
            let before = std::mem::replace(&mut known, self.standing());
            match known.check(self.key(), self.host_key(), value(0), value(1)) {
                // The host wrote a number meanwhile.
                Err(reason) if reason.is_of_standing() && before != known => {}
                Err(reason) => return Err(reason),
                Ok(()) => return Ok(values.split_off(2.min(values.len()))),
            }
        }
    }

    /// The state of a user, as all hosts share it.
    ///
    /// # Errors
    /// [`OutageReason`].
    pub fn user_state(&self, user: &str, time: &dyn TimeLeft) -> Result<UserState, OutageReason> {
        Ok(self.factor(user, time)?.state.state)
    }

    /// True if the store has a state of the user by which a code can be judged, and after a restoration the record, too.
    /// Otherwise logins of the user with a code follow `on_outage`.
    ///
    /// # Errors
    /// [`OutageReason`], where the store cannot be used for any user.
    pub(crate) fn has_usable_state(
        &self,
        user: &str,
        time: &dyn TimeLeft,
    ) -> Result<bool, OutageReason> {
        let keys = [StoreKey::state(user), StoreKey::record(user)];
        let values = self.checked_values(&keys, time)?;
        let plain = |at: usize| {
            let (key, sealed) = values.get(at)?;
            self.key().open(key, sealed.as_deref()?).ok()
        };
        let state = plain(0).and_then(|plain| SharedState::decode(&plain).ok());
        let is_of_epoch = |state: &SharedState| state.epoch == self.standing().meta.epoch;
        let has_record = || plain(1).is_some_and(|plain| SharedRecord::decode(&plain).is_ok());
        Ok(state.is_some_and(|state| is_of_epoch(&state) || has_record()))
    }

    /// Record and state of a user, of one revision.
    pub(crate) fn factor(
        &self,
        user: &str,
        time: &dyn TimeLeft,
    ) -> Result<FleetFactor, OutageReason> {
        let keys = [StoreKey::record(user), StoreKey::state(user)];
        let values = self.checked_values(&keys, time)?;
        let plain = |at: usize, place: &StoreKey| {
            let sealed = values.get(at).and_then(|(_, value)| value.as_deref());
            let sealed = sealed.ok_or(OutageReason::NoState)?;
            self.key()
                .open(place, sealed)
                .map_err(OutageReason::UserSeal)
        };
        let [record, state] = &keys;
        let record = SharedRecord::decode(&plain(0, record)?).map_err(OutageReason::Record)?;
        let state = SharedState::decode(&plain(1, state)?).map_err(OutageReason::Value)?;
        Ok(FleetFactor { record, state })
    }
}
