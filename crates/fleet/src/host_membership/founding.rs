//! The first host of a fleet: it makes the fleet and its key, and brings what it has to the store.

use super::fleet_membership::{
    LocalHost, MembershipRun, STEP_TIME, UserProgress, bring_all, check_certificate, check_clock,
    ensured_place, known_place, readable_users,
};
use super::membership_error::MembershipError;
use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::etcd_gateway::EtcdGateway;
use crate::etcd::store_values::ChangeAnswer;
use crate::host::fleet_host::{FleetHost, REQUEST_TIME, opened_meta};
use crate::host_files::host_error::HostError;
use crate::host_files::host_file::{FleetDirectory, HostPlace};
use crate::host_files::host_settings::HostSettings;
use crate::host_files::key_file::KeyFile;
use crate::sealed_values::fleet_entry::FleetMeta;
use crate::sealed_values::fleet_key::FleetKey;
use crate::sealed_values::host_entry::{HostEntry, HostMembership};
use crate::sealed_values::store_key::{KeyKind, StoreKey};

/// A fleet that was founded, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundedFleet {
    /// Users whose records are in the store now.
    pub users: usize,
    /// Id of this host in the fleet; empty after a look.
    pub host: String,
}

/// The parts of a fleet that are there before it is founded: those that an interrupted call left.
struct FleetParts {
    keys: Option<KeyFile>,
    /// The place of this host in a fleet.
    place: Option<HostPlace>,
    /// The entry of the fleet in the store, sealed.
    stored: Option<Vec<u8>>,
}

/// Founds a fleet. After an interruption the same call goes on.
///
/// # Errors
/// [`MembershipError`], also where the store has a fleet already, or this host is in one.
pub fn found(
    local: LocalHost<'_>,
    settings: &HostSettings,
    run: MembershipRun,
    progress: UserProgress<'_>,
) -> Result<FoundedFleet, MembershipError> {
    check_certificate(settings)?;
    let gateway = settings.gateway(REQUEST_TIME)?;
    let time = WorkDeadline::after(STEP_TIME);
    let parts = FleetParts::read(local, settings, &gateway, &time)?;
    parts.check()?;
    if parts.stored.is_none() && has_entries(&gateway, &time)? {
        return Err(refused(
            "the store has records, but no fleet: it is the one of another fleet, or damaged",
        ));
    }
    let users = readable_users(local.store)?;
    if run == MembershipRun::DryRun {
        return Ok(FoundedFleet {
            users: users.len(),
            host: String::new(),
        });
    }
    let keys = match parts.keys {
        Some(keys) => keys,
        None => made_key(settings)?,
    };
    let meta = FleetMeta::first(keys.fleet);
    let directory = FleetDirectory::ensure(local.state)?;
    let place = ensured_place(parts.place, &directory, meta)?;
    if parts.stored.is_none() {
        let entry = HostEntry::of(place.current, HostMembership::Member, local.report);
        let entries = [
            (StoreKey::meta(), meta.encode()),
            (place.key(), entry.encode()),
        ];
        put_first(&gateway, &keys.key, entries, &time)?;
    }
    let host = FleetHost::new(gateway, keys.key, directory, place)?;
    let left = bring_all(&host, local.store, &users, progress)?;
    if let Some((user, reason)) = left.first() {
        return Err(MembershipError::Refused(format!("{user}: {reason}")));
    }
    Ok(FoundedFleet {
        users: users.len(),
        host: host.host_id().to_owned(),
    })
}

impl FleetParts {
    fn read(
        local: LocalHost<'_>,
        settings: &HostSettings,
        gateway: &EtcdGateway,
        time: &WorkDeadline,
    ) -> Result<Self, MembershipError> {
        let meta = patient(time, || gateway.values(&[StoreKey::meta()], time))?;
        check_clock(gateway)?;
        let keys = match KeyFile::load(&settings.key_file) {
            Err(error) if error.is_missing() => None,
            other => Some(other?),
        };
        Ok(Self {
            keys,
            place: known_place(local.state)?,
            stored: meta.into_iter().next().and_then(|(_, value)| value),
        })
    }

    /// Refuses parts that no interrupted call leaves.
    fn check(&self) -> Result<(), MembershipError> {
        match (&self.keys, &self.stored, &self.place) {
            (None, None, None) => Ok(()),
            // A call that was interrupted before, or after, the store had the fleet.
            (Some(keys), None, Some(place))
                if keys.fleet == place.meta.fleet && !place.was_in_store() =>
            {
                Ok(())
            }
            (Some(_), None, None) => Ok(()),
            (Some(keys), Some(stored), Some(place)) => {
                let stored = opened_meta(&keys.key, Some(stored))?;
                if stored == place.meta {
                    Ok(())
                } else {
                    Err(OutageReason::OtherFleet.into())
                }
            }
            (_, Some(_), _) => Err(refused(
                "the store has a fleet already; to join it: twofactor fleet join FILE, with the file of its key",
            )),
            (_, None, Some(_)) => Err(OutageReason::NoFleet.into()),
        }
    }
}

/// Puts the entries of the fleet and of this host into the store, which has neither.
fn put_first(
    gateway: &EtcdGateway,
    key: &FleetKey,
    entries: [(StoreKey, Vec<u8>); 2],
    time: &WorkDeadline,
) -> Result<(), MembershipError> {
    let base = entries.each_ref().map(|(place, _)| (place.clone(), None));
    let mut writes = Vec::new();
    for (place, plain) in entries {
        let sealed = key.seal(&place, &plain).map_err(OutageReason::Sealing)?;
        writes.push((place, sealed));
    }
    let made = gateway.change(&base, &writes, time);
    match made.map_err(OutageReason::Unreachable)? {
        ChangeAnswer::Done => Ok(()),
        ChangeAnswer::Refused => Err(refused(
            "another host founded a fleet in this store at the same time",
        )),
    }
}

fn made_key(settings: &HostSettings) -> Result<KeyFile, HostError> {
    let keys = KeyFile::generate(&settings.key_file)?;
    keys.write(&settings.key_file)?;
    Ok(keys)
}

fn has_entries(gateway: &EtcdGateway, time: &WorkDeadline) -> Result<bool, OutageReason> {
    for kind in [KeyKind::Record, KeyKind::State, KeyKind::Host] {
        if !patient(time, || gateway.list(kind, 0, time))?
            .entries
            .is_empty()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn refused(text: &str) -> MembershipError {
    MembershipError::Refused(text.to_owned())
}
