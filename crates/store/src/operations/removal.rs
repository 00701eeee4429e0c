//! Removal of one device, or of everything that is kept about a user.

use crate::files::{FactorStore, FileFault, FoundRecord, RemovalResult, StoreError};
use twofactor_core::device::{CredentialId, Device};
use twofactor_core::log::audit_line::{AuditEvent, ChangeEnd, FactorChange};
use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;

use super::{
    AuditSink, ChangeCause, ChangeError, ChangeSteps, UserFactor, begin_existing, change,
    leave_nothing,
};

/// One device fewer.
#[derive(Debug)]
pub struct RemovedDevice {
    /// The device that no longer counts.
    pub device: Device,
    /// Number of devices that are left, at least one.
    pub left: usize,
}

/// Removes one of several devices. The last one goes with [`remove_all`] only, since the recovery codes go with it.
///
/// # Errors
/// [`ChangeCause::NotEnrolled`]; [`ChangeCause::DevicesChanged`] where the device is there no more;
/// [`ChangeCause::LastDevice`]; [`ChangeCause::Failed`]; and those of `steps`.
pub fn remove_device<S: ChangeSteps>(
    factor: &UserFactor<'_>,
    device: CredentialId,
    steps: &mut S,
) -> Result<RemovedDevice, S::Error> {
    let UserFactor { store, account, .. } = *factor;
    let refused = |cause: ChangeCause| S::Error::from(ChangeError::new(account, cause));
    change(store, account, |locked, before| {
        let Some(mut record) = before.filter(UserRecord::is_enrolled) else {
            return Err(refused(ChangeCause::NotEnrolled));
        };
        let mut devices = record.devices.iter();
        let Some(place) = devices.position(|other| other.id == device) else {
            return Err(refused(ChangeCause::DevicesChanged));
        };
        if let [last] = record.devices.as_slice() {
            return Err(refused(ChangeCause::LastDevice(last.name.clone())));
        }
        steps.permit(locked, Some(&record))?;
        let device = record.devices.remove(place);
        let change = FactorChange::DeviceRemoved(&device.name);
        factor.store_record(locked, &mut record, &[], change)?;
        Ok(RemovedDevice {
            device,
            left: record.devices.len(),
        })
    })
}

/// Removes record and state of an account that has exactly these devices; none, where it is only invited.
///
/// # Errors
/// [`ChangeCause::DevicesChanged`] where it has others; [`ChangeCause::Failed`]; and those of `steps`.
pub fn remove_all<S: ChangeSteps>(
    factor: &UserFactor<'_>,
    devices: &[CredentialId],
    steps: &mut S,
) -> Result<(), S::Error> {
    let UserFactor { store, account, .. } = *factor;
    let refused = |cause: ChangeCause| S::Error::from(ChangeError::new(account, cause));
    let failed = |error: StoreError| refused(error.into());
    let (mut locked, record) = begin_existing(store, account)?;
    if !record.as_ref().is_some_and(|record| has(record, devices)) {
        return Err(refused(ChangeCause::DevicesChanged));
    }
    steps.permit(&mut locked, record.as_ref())?;
    let mut is_removed = false;
    let done = locked.remove_noting(&mut is_removed);
    report_removal(factor, removed(devices), is_removed, &done);
    done.map_err(failed)
}

/// Removes them for root, also where record or state cannot be used by now: this is how an administrator gets rid of
/// them. What was removed meanwhile is no error, and the result says so.
///
/// # Errors
/// [`ChangeCause::DevicesChanged`]; [`ChangeCause::Failed`] where another process holds the lock or has taken it over, or they cannot be
/// removed; and those of `permit`, which is asked under the lock. Nothing is removed where `permit` refuses. Where something fails after
/// the record was removed, that is logged as made.
pub fn clear<E: From<ChangeError>>(
    factor: &UserFactor<'_>,
    devices: &[CredentialId],
    permit: impl FnOnce() -> Result<(), E>,
) -> Result<RemovalResult, E> {
    let UserFactor { store, account, .. } = *factor;
    let failed = |error| E::from(ChangeError::new(account, error));
    let changed = || E::from(ChangeError::new(account, ChangeCause::DevicesChanged));
    let mut is_removed = false;
    match store.lock_for_change(account) {
        Ok(locked) => {
            let found = locked.record();
            // The lock has made a state where another removal was first.
            let is_anything =
                !matches!(found, Ok(None)) || *locked.state() != UserState::new(account.uid);
            let record = found.ok().flatten();
            if record.is_some_and(|record| !has(&record, devices)) {
                return Err(changed());
            }
            if let Err(refused) = permit() {
                leave_nothing(locked);
                return Err(refused);
            }
            let done = locked.remove_noting(&mut is_removed);
            if is_anything {
                report_removal(factor, removed(devices), is_removed, &done);
            }
            done.map_err(failed)?;
            Ok(if is_anything {
                RemovalResult::Removed
            } else {
                RemovalResult::NothingLeft
            })
        }
        Err(error) if matches!(error.cause, FileFault::Busy(_)) => Err(failed(error)),
        Err(_) => {
            permit()?;
            // One that can be read by now is that of the devices that were shown, or of others.
            let is_expected = |found: &FoundRecord| match found {
                Ok(Some(record)) => has(record, devices),
                Ok(None) | Err(_) => true,
            };
            let done = store.discard_if(&account.name, &is_expected, &mut is_removed);
            if done != Ok(RemovalResult::NothingLeft) {
                report_removal(factor, removed(devices), is_removed, &done);
            }
            done.map_err(|error| match error.cause {
                FileFault::Changed => changed(),
                _ => failed(error),
            })
        }
    }
}

/// Reports a removal that was made, also where something has failed after the record was removed; and one that may count in the fleet.
fn report_removal<T>(
    factor: &UserFactor<'_>,
    change: FactorChange<'_>,
    is_removed: bool,
    done: &Result<T, StoreError>,
) {
    match done {
        Err(error) if !is_removed => _ = factor.failed(error.clone(), change),
        _ => factor.report(change),
    }
}

/// A record as it was shown before it is discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownRecord {
    /// No record.
    Missing,
    /// A record that could not be read.
    Unreadable,
    /// A record with these devices; none, where it held an invitation.
    Devices(Vec<CredentialId>),
}

impl ShownRecord {
    /// The form of what is found under a name.
    #[must_use]
    pub fn of(found: &FoundRecord) -> Self {
        match found {
            Ok(None) => Self::Missing,
            Ok(Some(record)) => Self::Devices(ids(record).collect()),
            Err(_) => Self::Unreadable,
        }
    }
}

/// Removes whatever is kept under a name, in whatever condition, while its record on this host is as it was shown: for records that
/// cannot be read, and for names without an account. In a fleet the record that it has is removed, whichever that is. A removal of nothing
/// is not logged: another process was first.
///
/// # Errors
/// [`FileFault::Changed`] where the record is another one by now, and nothing is removed; or when it cannot be removed. Where something
/// fails after the record was removed, that is logged as made.
pub fn discard(
    store: &FactorStore,
    name: &str,
    shown: &ShownRecord,
    audit: &dyn AuditSink,
) -> Result<RemovalResult, StoreError> {
    let is_invitation = |record: &UserRecord| !record.is_enrolled();
    let record = store.record_named(name).ok().flatten();
    let mut is_removed = false;
    let is_expected = |found: &FoundRecord| ShownRecord::of(found) == *shown;
    let done = store.discard_if(name, &is_expected, &mut is_removed);
    let end = match &done {
        Ok(RemovalResult::Removed) => ChangeEnd::Made,
        Err(_) if is_removed => ChangeEnd::Made,
        Err(error) if error.is_unsure() => ChangeEnd::Unsure,
        Ok(RemovalResult::NothingLeft) | Err(_) => return done,
    };
    let change = if record.as_ref().is_some_and(is_invitation) {
        FactorChange::InvitationWithdrawn
    } else {
        FactorChange::AllRemoved
    };
    let user = name;
    audit.changed(&AuditEvent { user, change, end });
    done
}

/// The event of a removal: a user without devices had an invitation and nothing else.
const fn removed(devices: &[CredentialId]) -> FactorChange<'static> {
    if devices.is_empty() {
        FactorChange::InvitationWithdrawn
    } else {
        FactorChange::AllRemoved
    }
}

fn has(record: &UserRecord, devices: &[CredentialId]) -> bool {
    ids(record).eq(devices.iter().copied())
}

/// The ids of the devices of a record.
pub(super) fn ids(record: &UserRecord) -> impl Iterator<Item = CredentialId> {
    record.devices.iter().map(|device| device.id)
}
