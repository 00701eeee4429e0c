//! A host that leaves its fleet: its users stay enrolled on it.

use std::path::Path;

use twofactor_store::fleet_contact::FleetContact;
use twofactor_store::{FactorStore, UnmirroredUsers};

use super::fleet_membership::{LocalHost, MembershipRun, STEP_TIME};
use super::membership_error::MembershipError;
use crate::attempt_steps::outage_reason::OutageReason;
use crate::attempt_steps::patient_read::patient;
use crate::attempt_steps::shared_attempt::StandingSource as _;
use crate::etcd::deadline::WorkDeadline;
use crate::host::fleet_host::FleetHost;
use crate::host::fleet_view::{DamageKind, DamagedUser};
use crate::host_files::host_error::HostError;
use crate::host_files::host_file::{FleetDirectory, FleetLock};
use crate::host_files::host_settings::HostSettings;
use crate::mirror::mirror_marks::MirrorMarks;
use crate::sealed_values::fleet_entry::HostBeat;
use crate::sealed_values::host_entry::{HostEntry, HostMembership, HostReport};
use crate::sealed_values::store_key::StoreKey;

/// Leaves the fleet. After an interruption the same call goes on, unless the fleet has changed a user since.
///
/// # Errors
/// [`MembershipError`], also where this host lacks a record of the fleet: its user would pass here for one without a device.
pub fn leave(
    local: LocalHost<'_>,
    settings: &HostSettings,
    run: MembershipRun,
) -> Result<(), MembershipError> {
    let host = FleetHost::open(&settings.path, local.state)?;
    let lock = host.directory().lock()?;
    let time = WorkDeadline::after(STEP_TIME);
    let has_left = match host.settle(&lock, &time) {
        // An earlier call was interrupted after the store had it.
        Err(OutageReason::HasLeft) => true,
        other => other.map(|()| false)?,
    };
    // Another host may have taken this one out, so that nothing says that it has what the fleet has.
    refuse_old_copies(&host, local.store, &time, has_left)?;
    if run == MembershipRun::DryRun {
        return Ok(());
    }
    if !has_left {
        let keys = [StoreKey::meta(), host.host_key().clone()];
        let base = patient(&time, || host.gateway().values(&keys, &time))?;
        let entry = left(host.standing().beat, local.report);
        host.put_entry(base, &entry, &time)?;
    }
    forget(host.directory(), local.state, &lock)?;
    Ok(())
}

/// Refuses to go with copies that are older than what the fleet has: removed devices would count here for ever, and users without a
/// copy would pass for users without a device.
fn refuse_old_copies(
    host: &FleetHost,
    store: &FactorStore,
    time: &WorkDeadline,
    has_left: bool,
) -> Result<(), MembershipError> {
    let view = host.view(store, time)?;
    for damaged in &view.damaged {
        if !has_newest(host, store, damaged)? {
            return Err(MembershipError::Refused(format!(
                "what the store has of {} is damaged, and the copy on this host is not known to be the newest; twofactor fleet status says what to do",
                damaged.user
            )));
        }
    }
    let Some(first) = view.behind.first() else {
        return Ok(());
    };
    let cure = if has_left {
        "this host has left or was taken out, so that it does not come any more: compare the users, then twofactor fleet leave --without-store"
    } else {
        "twofactord brings it within a minute, or twofactor fleet status says why not; to leave without it: twofactor fleet leave --without-store"
    };
    Err(MembershipError::Refused(format!(
        "this host lacks what the fleet has of {} users, as of {first}; {cure}",
        view.behind.len()
    )))
}

/// True if the record in the store is usable, or this host is known to have that revision. With an older copy a removed device
/// would count again, and without one the user would pass for a user without a device.
fn has_newest(
    host: &FleetHost,
    store: &FactorStore,
    damaged: &DamagedUser,
) -> Result<bool, MembershipError> {
    match damaged.kind {
        // The record can be compared with the one here.
        DamageKind::State => Ok(true),
        DamageKind::RecordAfterRestoration | DamageKind::Both => Ok(false),
        DamageKind::Record(newest) => {
            let here = store.record_named(&damaged.user)?;
            let marks = MirrorMarks::open(host.directory().path())?;
            let revision = marks.revision_of(&damaged.user, here.as_ref())?;
            Ok(revision > 0 && revision == newest)
        }
    }
}

/// Leaves the fleet while its store cannot be asked: the fleet goes on counting this host. Returns the id that it had.
///
/// # Errors
/// [`HostError`].
pub fn leave_without_store(state: &Path, run: MembershipRun) -> Result<String, HostError> {
    let directory = FleetDirectory::open(state)?;
    let lock = directory.lock()?;
    let place = directory.place()?;
    if run == MembershipRun::Apply {
        forget(&directory, state, &lock)?;
    }
    Ok(place.host)
}

/// Notes in the store that another host has left: one that is lost, or that left without the store. If it is there after all, it is in an
/// outage from then on.
///
/// # Errors
/// [`MembershipError`], also for this host and for one that the fleet does not have.
pub fn remove_host(
    local: LocalHost<'_>,
    settings: &HostSettings,
    id: &str,
    run: MembershipRun,
) -> Result<(), MembershipError> {
    let host = FleetHost::open(&settings.path, local.state)?;
    if id == host.host_id() {
        return Err(MembershipError::Refused(
            "that is this host; to leave: twofactor fleet leave".to_owned(),
        ));
    }
    let lock = host.directory().lock()?;
    let time = WorkDeadline::after(STEP_TIME);
    host.settle(&lock, &time)?;
    let key = StoreKey::host(id);
    let keys = [StoreKey::meta(), host.host_key().clone(), key.clone()];
    let base = patient(&time, || host.gateway().values(&keys, &time))?;
    let Some(sealed) = base.last().and_then(|(_, value)| value.as_deref()) else {
        return Err(MembershipError::Refused(format!(
            "the fleet has no host {id}; to see them: twofactor fleet status"
        )));
    };
    let beat = match host.key().open(&key, sealed) {
        Ok(plain) => {
            let entry = HostEntry::decode(&plain).map_err(OutageReason::Entry)?;
            if entry.membership == HostMembership::Left {
                return Ok(());
            }
            entry.beat
        }
        // Of one that is damaged no number is known, and none is needed.
        Err(_) => HostBeat {
            count: 0,
            run: [0; 8],
        },
    };
    if run == MembershipRun::DryRun {
        return Ok(());
    }
    let sealed = host.sealed(&key, &left(beat, local.report).encode())?;
    host.put(&base, vec![(key, sealed)], &time)?;
    Ok(())
}

/// The last entry of a host.
fn left(beat: HostBeat, report: HostReport) -> HostEntry {
    let beat = HostBeat {
        count: beat.count.saturating_add(1),
        ..beat
    };
    HostEntry::of(beat, HostMembership::Left, report)
}

/// Forgets the fleet: what is known of its records and of the last contact says nothing of another one.
fn forget(directory: &FleetDirectory, state: &Path, lock: &FleetLock) -> Result<(), HostError> {
    MirrorMarks::open(directory.path())?.forget_all()?;
    UnmirroredUsers::open(directory.path())
        .and_then(|noted| noted.forget_all())
        .map_err(HostError::file(directory.path()))?;
    FleetContact::remove(state).map_err(HostError::file(directory.path()))?;
    directory.remove(lock)
}
