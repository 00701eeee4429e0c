//! The values of a restoration in the store: the fleet in the epoch to come, and the hosts that took part.

use std::path::Path;

use twofactor_store::fleet_contact::FleetContact;

use super::store_restoration::UNKNOWN_HOSTS;
use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::gateway_fault::GatewayFault;
use crate::etcd::store_values::{ChangeAnswer, KeyedValue};
use crate::host::fleet_host::{FleetHost, opened_meta};
use crate::host_files::host_file::HostPlace;
use crate::sealed_values::fleet_entry::{EpochPhase, FleetMeta, HostBeat};
use crate::sealed_values::host_entry::{HostEntry, HostMembership, HostReport};
use crate::sealed_values::store_key::{KeyKind, StoreKey};

impl FleetHost {
    /// The values that no step of a restoration may miss a change of: the fleet and this host.
    pub(crate) fn restoration_base(
        &self,
        time: &WorkDeadline,
    ) -> Result<Vec<KeyedValue>, OutageReason> {
        let keys = [StoreKey::meta(), self.host_key().clone()];
        patient(time, || self.gateway().values(&keys, time))
    }

    pub(crate) fn meta_of(
        &self,
        base: &[KeyedValue],
        place: &HostPlace,
    ) -> Result<FleetMeta, OutageReason> {
        let meta = base.first().and_then(|(_, value)| value.as_deref());
        let meta = opened_meta(self.key(), meta)?;
        if meta.fleet == place.meta.fleet {
            Ok(meta)
        } else {
            Err(OutageReason::OtherFleet)
        }
    }

    pub(crate) fn opened_epoch(
        &self,
        place: &StoreKey,
        sealed: &[u8],
    ) -> Result<FleetMeta, OutageReason> {
        let plain = self.key().open(place, sealed).map_err(OutageReason::Seal)?;
        FleetMeta::decode(&plain).map_err(OutageReason::Entry)
    }

    /// True if this host has brought what it knows to this restoration.
    pub(crate) fn has_taken_part(
        &self,
        next: FleetMeta,
        time: &WorkDeadline,
    ) -> Result<bool, OutageReason> {
        let key = StoreKey::restored(self.host_id());
        let values = patient(time, || {
            self.gateway().values(std::slice::from_ref(&key), time)
        })?;
        let sealed = values.first().and_then(|(_, value)| value.as_deref());
        // A note that cannot be read is written once more.
        let told = sealed.and_then(|sealed| self.opened_epoch(&key, sealed).ok());
        Ok(told.is_some_and(|told| is_of(told, next)))
    }

    /// Hosts that did not take part.
    pub(crate) fn waiting(
        &self,
        state: &Path,
        next: FleetMeta,
        without: &[String],
        time: &WorkDeadline,
    ) -> Result<Vec<String>, OutageReason> {
        let list = patient(time, || self.gateway().list(KeyKind::Restored, 0, time))?;
        let mut parts = Vec::new();
        for (host, sealed) in list.entries {
            let told = self.opened_epoch(&StoreKey::restored(&host), &sealed);
            // A note that cannot be read says nothing: its host is waited for, which writes it once more.
            if told.is_ok_and(|told| is_of(told, next)) {
                parts.push(host);
            }
        }
        let members = self.members(time)?;
        let mut waiting: Vec<String> = members
            .iter()
            .map(|member| member.id.clone())
            .filter(|id| !parts.contains(id) && id != self.host_id())
            .collect();
        let late = parts
            .iter()
            .filter(|id| members.iter().all(|it| it.id != **id));
        let found = members.len() + late.count();
        // Without a contact it is not known how many there were.
        let known = match FleetContact::read(state) {
            Ok(Some(contact)) => usize::try_from(contact.hosts).unwrap_or(usize::MAX),
            Ok(None) | Err(_) => usize::MAX,
        };
        if found < known {
            waiting.push(UNKNOWN_HOSTS.to_owned());
        }
        waiting.retain(|id| !without.contains(id));
        Ok(waiting)
    }

    pub(crate) fn next_place(&self, place: &HostPlace, next: FleetMeta) -> HostPlace {
        let beat = HostBeat {
            count: place.current.count.saturating_add(1),
            ..place.current
        };
        HostPlace {
            meta: FleetMeta {
                phase: EpochPhase::Settled,
                ..next
            },
            begun: None,
            host: place.host.clone(),
            previous: beat,
            current: beat,
        }
    }

    pub(crate) fn entry_of(
        &self,
        place: &HostPlace,
        report: HostReport,
    ) -> Result<(StoreKey, Vec<u8>), OutageReason> {
        let entry = HostEntry::of(place.current, HostMembership::Member, report);
        Ok((place.key(), self.sealed(&place.key(), &entry.encode())?))
    }

    pub(crate) fn sealed(&self, place: &StoreKey, plain: &[u8]) -> Result<Vec<u8>, OutageReason> {
        self.key().seal(place, plain).map_err(OutageReason::Sealing)
    }

    /// Writes values where all of the base still hold. An unknown end is read back by these values, which are sealed anew each time.
    pub(crate) fn put(
        &self,
        base: &[KeyedValue],
        writes: Vec<(StoreKey, Vec<u8>)>,
        time: &WorkDeadline,
    ) -> Result<(), OutageReason> {
        loop {
            match self.gateway().change(base, &writes, time) {
                Ok(ChangeAnswer::Done) => return Ok(()),
                Ok(ChangeAnswer::Refused) | Err(GatewayFault::Unknown(_)) => {}
                Err(fault) => return Err(OutageReason::Unreachable(fault)),
            }
            let keys: Vec<StoreKey> = writes.iter().map(|(key, _)| key.clone()).collect();
            let now = patient(time, || self.gateway().values(&keys, time))?;
            let is_there = |((_, now), (_, written)): (&KeyedValue, &(StoreKey, Vec<u8>))| {
                now.as_ref() == Some(written)
            };
            if now.iter().zip(&writes).all(is_there) {
                return Ok(());
            }
            let keys: Vec<StoreKey> = base.iter().map(|(key, _)| key.clone()).collect();
            if patient(time, || self.gateway().values(&keys, time))? != base {
                return Err(OutageReason::Contradiction);
            }
        }
    }
}

/// True if a host said this of the restoration. While it is under way its epoch may grow.
fn is_of(told: FleetMeta, next: FleetMeta) -> bool {
    (told.fleet, told.restoration) == (next.fleet, next.restoration)
}
