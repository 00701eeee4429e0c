//! A new key for a fleet: all values of the store are sealed anew.
//!
//! The entry of the fleet comes first: from then on no host that has the old key can use the store. Both keys are in the host's file
//! until all values have the new one, so that the same call goes on after an interruption.

use crate::deadline::WorkDeadline;
use crate::fleet_host::{FleetHost, REQUEST_TIME, patient};
use crate::fleet_key::FleetKey;
use crate::fleet_membership::{LocalHost, MembershipRun, STEP_TIME, UserProgress};
use crate::gateway::{Gateway, TimeLeft as _};
use crate::gateway_fault::GatewayFault;
use crate::host_error::{HostError, HostFault};
use crate::host_file::FleetDirectory;
use crate::host_settings::HostSettings;
use crate::key_file::KeyFile;
use crate::membership_error::MembershipError;
use crate::outage::OutageReason;
use crate::store_key::{KeyKind, StoreKey};
use crate::store_values::ChangeAnswer;

/// Seals all values with a new key. Returns how many they are.
///
/// # Errors
/// [`MembershipError`], also where a value is sealed with neither key: then the old one stays in the file.
pub fn rotate(
    local: LocalHost<'_>,
    settings: &HostSettings,
    run: MembershipRun,
    progress: UserProgress<'_>,
) -> Result<usize, MembershipError> {
    let directory = FleetDirectory::open(local.state)?;
    let place = directory.place()?;
    let mut keys = KeyFile::load(&settings.key_file)?;
    if keys.fleet != place.meta.fleet {
        return Err(HostError::new(&settings.key_file, HostFault::OtherFleet).into());
    }
    let gateway = settings.gateway(REQUEST_TIME)?;
    let is_begun = keys.old.is_some();
    let lock = directory.lock()?;
    if !is_begun {
        // Only a host that may use the store may seal what is in it.
        let host = FleetHost::open(&settings.path, local.state)?;
        host.settle(&lock, &WorkDeadline::after(STEP_TIME))?;
    }
    let places = all_places(&gateway)?;
    if run == MembershipRun::DryRun {
        return Ok(places.len());
    }
    if !is_begun {
        keys = KeyFile {
            fleet: keys.fleet,
            key: KeyFile::generate(&settings.key_file)?.key,
            old: Some(keys.key),
        };
        keys.write(&settings.key_file)?;
    }
    let old = keys.old.take();
    for (number, place) in places.iter().enumerate() {
        seal_anew(&gateway, place, &keys.key, old.as_ref())?;
        progress(number + 1, places.len());
    }
    // What a host wrote meanwhile, that had not seen the new entry of the fleet.
    for place in all_places(&gateway)? {
        seal_anew(&gateway, &place, &keys.key, old.as_ref())?;
    }
    keys.write(&settings.key_file)?;
    Ok(places.len())
}

/// The keys of all values, that of the fleet first.
fn all_places(gateway: &Gateway) -> Result<Vec<StoreKey>, OutageReason> {
    let mut places = vec![StoreKey::meta()];
    for kind in [
        KeyKind::Host,
        KeyKind::Restored,
        KeyKind::Record,
        KeyKind::State,
    ] {
        let time = WorkDeadline::after(STEP_TIME * 3);
        let list = patient(&time, || gateway.list(kind, 0, &time))?;
        places.extend(list.entries.iter().map(|(name, _)| kind.key(name)));
    }
    Ok(places)
}

fn seal_anew(
    gateway: &Gateway,
    place: &StoreKey,
    key: &FleetKey,
    old: Option<&FleetKey>,
) -> Result<(), MembershipError> {
    let time = WorkDeadline::after(STEP_TIME);
    loop {
        let base = patient(&time, || gateway.values(std::slice::from_ref(place), &time))?;
        let Some(sealed) = base.first().and_then(|(_, value)| value.as_deref()) else {
            // Nothing is removed, so that this is one that never came.
            return Ok(());
        };
        if key.open(place, sealed).is_ok() {
            return Ok(());
        }
        let old = old.ok_or(OutageReason::Seal(crate::fleet_key::BrokenSeal))?;
        let plain = old.open(place, sealed).map_err(OutageReason::Seal)?;
        let anew = key.seal(place, &plain).map_err(OutageReason::Sealing)?;
        match gateway.change(&base, &[(place.clone(), anew)], &time) {
            Ok(ChangeAnswer::Done) => return Ok(()),
            Ok(ChangeAnswer::Refused) | Err(GatewayFault::Unknown(_)) if !time.left().is_zero() => {
            }
            Ok(ChangeAnswer::Refused) => return Err(OutageReason::Contradiction.into()),
            Err(fault) => return Err(OutageReason::Unreachable(fault).into()),
        }
    }
}
