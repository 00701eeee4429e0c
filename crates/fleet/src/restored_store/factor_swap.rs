//! One user's record and state in the store, changed together, as long as the restoration is the one that it was.

use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;

use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::etcd_gateway::TimeLeft as _;
use crate::etcd::gateway_fault::GatewayFault;
use crate::etcd::store_values::{ChangeAnswer, KeyedValue};
use crate::host::fleet_host::{FleetHost, opened_meta};
use crate::host_membership::fleet_membership::STEP_TIME;
use crate::host_membership::membership_error::MembershipError;
use crate::sealed_values::attempt_id::AttemptId;
use crate::sealed_values::fleet_entry::FleetMeta;
use crate::sealed_values::fleet_key::SealError;
use crate::sealed_values::shared_record::{RecordContent, SharedRecord};
use crate::sealed_values::shared_state::{SharedState, ValueError};
use crate::sealed_values::store_key::StoreKey;

/// The epoch of a state that lacks what some host knows: before all others. Codes that it does not know as used may have been used.
pub(crate) const LACKING_EPOCH: u64 = 0;

/// Change of record and state.
pub(crate) struct FactorSwap {
    pub(crate) content: RecordContent,
    pub(crate) revision: u64,
    pub(crate) state: UserState,
    pub(crate) epoch: u64,
}

/// Reason why record and state of a user were not changed.
pub(crate) enum SwapFault {
    /// The reason concerns all users.
    Ended(MembershipError),
    /// The values of this one in the store cannot be used.
    Value(OutageReason),
    /// The change was not made, for a reason that may pass.
    User(OutageReason),
}

/// The step from what the store has; `None` where all stays.
pub(crate) type SwapStep<'a> = &'a dyn Fn(
    Option<&SharedRecord>,
    Option<&SharedState>,
) -> Result<Option<FactorSwap>, OutageReason>;

impl FleetHost {
    /// Changes record and state of a user by what follows from them, until no other host came first. The record that the store has then.
    pub(crate) fn swap(
        &self,
        user: &str,
        next: FleetMeta,
        step: SwapStep<'_>,
    ) -> Result<Option<SharedRecord>, SwapFault> {
        let time = WorkDeadline::after(STEP_TIME);
        let keys = [
            StoreKey::meta(),
            StoreKey::record(user),
            StoreKey::state(user),
        ];
        let [_, record_key, state_key] = &keys;
        loop {
            let base = self.base_of(&keys, next, &time)?;
            let (there, shared) = self.opened(&base).map_err(SwapFault::Value)?;
            let step = step(there.as_ref(), shared.as_ref()).map_err(SwapFault::Value)?;
            let Some(factor) = step else {
                return Ok(there);
            };
            let mut value = SharedState::first(factor.epoch, factor.state);
            value.record = factor.revision;
            if let Some(shared) = &shared {
                value.sequence = shared.sequence.saturating_add(1);
                value.attempts.clone_from(&shared.attempts);
            }
            let id = AttemptId::random();
            let id = id.map_err(|error| OutageReason::Sealing(SealError::Random(error)))?;
            let record = SharedRecord {
                revision: factor.revision,
                change: id,
                content: factor.content,
            };
            let writes = [
                (
                    record_key.clone(),
                    self.sealed(record_key, &record.encode())?,
                ),
                (state_key.clone(), self.sealed(state_key, &value.encode())?),
            ];
            if self.is_written(&base, &writes, &time)? {
                return Ok(Some(record));
            }
        }
    }

    /// Notes that the state of a user lacks what this host knows, which cannot read the record: no host takes it for one of a new epoch.
    pub(crate) fn distrust(&self, user: &str, next: FleetMeta) -> Result<(), SwapFault> {
        let time = WorkDeadline::after(STEP_TIME);
        let keys = [
            StoreKey::meta(),
            StoreKey::record(user),
            StoreKey::state(user),
        ];
        let [_, _, state_key] = &keys;
        loop {
            let base = self.base_of(&keys, next, &time)?;
            let sealed = value(&base, state_key);
            // By none, or one that is damaged, no host lets the user in.
            let Some(plain) = sealed.and_then(|it| self.key().open(state_key, it).ok()) else {
                return Ok(());
            };
            let mut shared = match SharedState::decode(&plain) {
                Ok(shared) => shared,
                // A host of a later version does.
                Err(ValueError::Version(format)) => {
                    let reason = OutageReason::Value(ValueError::Version(format));
                    return Err(SwapFault::User(reason));
                }
                Err(_) => return Ok(()),
            };
            if shared.epoch == LACKING_EPOCH {
                return Ok(());
            }
            shared.epoch = LACKING_EPOCH;
            shared.sequence = shared.sequence.saturating_add(1);
            let writes = [(state_key.clone(), self.sealed(state_key, &shared.encode())?)];
            if self.is_written(&base, &writes, &time)? {
                return Ok(());
            }
        }
    }

    /// The values, if the fleet is still in that phase of that epoch: what is known here is compared with a history that it is of.
    fn base_of(
        &self,
        keys: &[StoreKey],
        next: FleetMeta,
        time: &WorkDeadline,
    ) -> Result<Vec<KeyedValue>, SwapFault> {
        let base = patient(time, || self.gateway().values(keys, time))?;
        if opened_meta(self.key(), value(&base, &StoreKey::meta()))? == next {
            return Ok(base);
        }
        Err(SwapFault::Ended(MembershipError::Refused(
            "the restoration went on, or another host began one; call this again".to_owned(),
        )))
    }

    fn opened(
        &self,
        base: &[KeyedValue],
    ) -> Result<(Option<SharedRecord>, Option<SharedState>), OutageReason> {
        let plain = |at: usize| {
            let value = base.get(at);
            let value = value.and_then(|(key, value)| Some((key, value.as_deref()?)));
            let open = |(key, sealed)| {
                let plain = self.key().open(key, sealed);
                plain.map_err(OutageReason::UserSeal)
            };
            value.map(open).transpose()
        };
        let there = plain(1)?.map(|it| SharedRecord::decode(&it)).transpose();
        let shared = plain(2)?.map(|it| SharedState::decode(&it)).transpose();
        Ok((
            there.map_err(OutageReason::Record)?,
            shared.map_err(OutageReason::Value)?,
        ))
    }

    /// True if it is done. Each step can be done again: where it is not, what is there is looked at anew.
    fn is_written(
        &self,
        base: &[KeyedValue],
        writes: &[(StoreKey, Vec<u8>)],
        time: &WorkDeadline,
    ) -> Result<bool, SwapFault> {
        match self.gateway().change(base, writes, time) {
            Ok(ChangeAnswer::Done) => Ok(true),
            Ok(ChangeAnswer::Refused) | Err(GatewayFault::Unknown(_)) if !time.left().is_zero() => {
                Ok(false)
            }
            Ok(ChangeAnswer::Refused) => Err(SwapFault::User(OutageReason::Contradiction)),
            Err(fault) => Err(OutageReason::Unreachable(fault).into()),
        }
    }
}

/// The record of a text.
pub(crate) fn parsed(text: &str) -> Result<UserRecord, OutageReason> {
    UserRecord::parse(text).map_err(|_| OutageReason::Contradiction)
}

fn value<'a>(base: &'a [KeyedValue], place: &StoreKey) -> Option<&'a [u8]> {
    let found = base.iter().find(|(key, _)| key == place);
    found.and_then(|(_, value)| value.as_deref())
}

impl From<OutageReason> for SwapFault {
    fn from(reason: OutageReason) -> Self {
        Self::Ended(reason.into())
    }
}
