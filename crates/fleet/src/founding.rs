//! The first host of a fleet: it makes the fleet and its key, and brings what it has to the store.

use crate::deadline::WorkDeadline;
use crate::fleet_host::{FleetHost, REQUEST_TIME, opened_meta, patient};
use crate::fleet_membership::{
    LocalHost, MembershipRun, STEP_TIME, UserProgress, bring, check_certificate, check_clock,
    first_entry, known_place, new_place, readable_users,
};
use crate::host_error::HostError;
use crate::host_file::FleetDirectory;
use crate::host_settings::HostSettings;
use crate::key_file::KeyFile;
use crate::membership_error::MembershipError;
use crate::outage::OutageReason;
use crate::store_key::{KeyKind, StoreKey};
use crate::store_values::ChangeAnswer;
use crate::token::FleetMeta;

/// A fleet that was founded, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundedFleet {
    /// Users whose records are in the store now.
    pub users: usize,
    /// Id of this host in the fleet; empty after a look.
    pub host: String,
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
    let meta_key = [StoreKey::meta()];
    let meta = patient(&time, || gateway.values(&meta_key, &time))?;
    check_clock(&gateway)?;
    let stored = meta.first().and_then(|(_, value)| value.as_deref());
    let known = KeyFile::load(&settings.key_file);
    let keys = match known {
        Err(error) if error.is_missing() => None,
        other => Some(other?),
    };
    let place = match FleetDirectory::open(local.state) {
        Err(error) if error.is_not_joined() => None,
        other => known_place(&other?)?,
    };
    match (&keys, stored, &place) {
        (None, None, None) => {}
        // A call that was interrupted before, or after, the store had the fleet.
        (Some(keys), None, Some(place)) if keys.fleet == place.meta.fleet => {}
        (Some(_), None, None) => {}
        (Some(keys), Some(stored), Some(place)) => {
            let stored = opened_meta(&keys.key, Some(stored))?;
            if stored != place.meta {
                return Err(OutageReason::OtherFleet.into());
            }
        }
        (_, Some(_), _) => {
            return Err(refused(
                "the store has a fleet already; to join it: twofactor fleet join FILE, with the file of its key",
            ));
        }
        (_, None, Some(_)) => return Err(OutageReason::NoFleet.into()),
    }
    if stored.is_none() && has_entries(&gateway, &time)? {
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
    let keys = match keys {
        Some(keys) => keys,
        None => made_key(settings)?,
    };
    let meta = FleetMeta::first(keys.fleet);
    let directory = FleetDirectory::ensure(local.state)?;
    let place = match place {
        Some(place) => place,
        None => {
            // From here on no record changes without the store.
            let place = new_place(&directory, meta)?;
            directory.write(&place, &directory.lock()?)?;
            place
        }
    };
    if stored.is_none() {
        let entry = first_entry(&place, local.report).encode();
        let seal = |place: StoreKey, plain: &[u8]| {
            let sealed = keys.key.seal(&place, plain).map_err(OutageReason::Sealing);
            sealed.map(|sealed| (place, sealed))
        };
        let writes = [
            seal(StoreKey::meta(), &meta.encode())?,
            seal(place.key(), &entry)?,
        ];
        let base = [(StoreKey::meta(), None), (place.key(), None)];
        let made = gateway.change(&base, &writes, &time);
        match made.map_err(OutageReason::Unreachable)? {
            ChangeAnswer::Done => {}
            ChangeAnswer::Refused => {
                return Err(refused(
                    "another host founded a fleet in this store at the same time",
                ));
            }
        }
    }
    let name = place.host.clone();
    let host = FleetHost::new(gateway, keys.key, directory, place)?;
    for (number, user) in users.iter().enumerate() {
        bring(&host, local.store, user)?;
        progress(number + 1, users.len());
    }
    Ok(FoundedFleet {
        users: users.len(),
        host: name,
    })
}

fn made_key(settings: &HostSettings) -> Result<KeyFile, HostError> {
    let keys = KeyFile::generate(&settings.key_file)?;
    keys.write(&settings.key_file)?;
    Ok(keys)
}

fn has_entries(
    gateway: &crate::gateway::Gateway,
    time: &WorkDeadline,
) -> Result<bool, OutageReason> {
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
