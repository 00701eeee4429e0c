//! A new key for a fleet: all values of the store are sealed anew.
//!
//! The entry of the fleet comes first: from then on no host that has the old key can use the store. Both keys are in the host's file
//! until all values have the new one, so that the same call goes on after an interruption.

use super::fleet_membership::{LocalHost, MembershipRun, STEP_TIME, UserProgress};
use super::membership_error::MembershipError;
use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::etcd::deadline::WorkDeadline;
use crate::etcd::etcd_gateway::{EtcdGateway, TimeLeft as _};
use crate::etcd::gateway_fault::GatewayFault;
use crate::etcd::store_values::ChangeAnswer;
use crate::host::fleet_host::{FleetHost, REQUEST_TIME};
use crate::host_files::host_error::{HostError, HostFault};
use crate::host_files::host_file::FleetDirectory;
use crate::host_files::host_settings::HostSettings;
use crate::host_files::key_file::KeyFile;
use crate::sealed_values::fleet_key::FleetKey;
use crate::sealed_values::store_key::{KeyKind, StoreKey};

/// Values that were sealed with a new key, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RotationReport {
    /// Values of the store.
    pub values: usize,
    /// Values that open with neither key, by their names in the store. They are left as they are.
    pub damaged: Vec<String>,
}

/// Seals all values with a new key, but for those of users and hosts that open with neither: they are damaged, and stay so.
///
/// # Errors
/// [`MembershipError`], also where the entry of the fleet opens with neither: then the old one stays in the file.
pub fn rotate(
    local: LocalHost<'_>,
    settings: &HostSettings,
    run: MembershipRun,
    progress: UserProgress<'_>,
) -> Result<RotationReport, MembershipError> {
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
        return Ok(RotationReport {
            values: places.len(),
            damaged: Vec::new(),
        });
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
    let seal = |place: &StoreKey| seal_anew(&gateway, place, &keys.key, old.as_ref());
    for (number, place) in places.iter().enumerate() {
        seal(place)?;
        progress(number + 1, places.len());
    }
    let mut report = RotationReport {
        values: places.len(),
        damaged: Vec::new(),
    };
    // What a host wrote meanwhile, that had not seen the new entry of the fleet. What is damaged is looked at once more.
    for place in all_places(&gateway)? {
        if seal(&place)? == SealResult::Damaged {
            report.damaged.push(place.to_string());
        }
    }
    keys.write(&settings.key_file)?;
    Ok(report)
}

/// The keys of all values, that of the fleet first.
fn all_places(gateway: &EtcdGateway) -> Result<Vec<StoreKey>, OutageReason> {
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

/// Result for one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SealResult {
    /// The value is sealed with the new key.
    Done,
    /// The value opens with neither key.
    Damaged,
}

fn seal_anew(
    gateway: &EtcdGateway,
    place: &StoreKey,
    key: &FleetKey,
    old: Option<&FleetKey>,
) -> Result<SealResult, MembershipError> {
    let time = WorkDeadline::after(STEP_TIME);
    loop {
        let base = patient(&time, || gateway.values(std::slice::from_ref(place), &time))?;
        let Some(sealed) = base.first().and_then(|(_, value)| value.as_deref()) else {
            // Nothing is removed, so that this is one that never came.
            return Ok(SealResult::Done);
        };
        if key.open(place, sealed).is_ok() {
            return Ok(SealResult::Done);
        }
        let old = old.ok_or(OutageReason::Seal(
            crate::sealed_values::fleet_key::BrokenSeal,
        ))?;
        let (value, result) = match old.open(place, sealed) {
            Ok(plain) => {
                let anew = key.seal(place, &plain).map_err(OutageReason::Sealing)?;
                (anew, SealResult::Done)
            }
            // Without the entry of the fleet there is none.
            Err(error) if *place == StoreKey::meta() => {
                return Err(OutageReason::Seal(error).into());
            }
            // Written as it is: only of a value that is there this is done, and of none that a reply has damaged.
            Err(_) => (sealed.to_vec(), SealResult::Damaged),
        };
        match gateway.change(&base, &[(place.clone(), value)], &time) {
            Ok(ChangeAnswer::Done) => return Ok(result),
            Ok(ChangeAnswer::Refused) | Err(GatewayFault::Unknown(_)) if !time.left().is_zero() => {
            }
            Ok(ChangeAnswer::Refused) => return Err(OutageReason::Contradiction.into()),
            Err(fault) => return Err(OutageReason::Unreachable(fault).into()),
        }
    }
}
