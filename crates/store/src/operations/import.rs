//! Devices that come from elsewhere, one after the other under one lock: a state has no room for all that a user had and all
//! that comes.

use crate::files::{BulkEnrollment, FactorStore, LockedFactor, NewRecord, StoreError};
use twofactor_core::device::DeviceName;
use twofactor_core::log::audit_line::{AuditEvent, ChangeEnd, FactorChange};
use twofactor_core::record::UserRecord;
use twofactor_core::state::{DeviceState, UserState};

use super::{AuditSink, ChangeError, UserFactor, begin, leave_nothing};

/// The place to which devices are written.
pub struct DeviceWriter<'l, 's> {
    factor: &'l UserFactor<'l>,
    locked: &'l mut LockedFactor<'s>,
    /// The devices before the import.
    before: &'l [DeviceName],
}

impl DeviceWriter<'_, '_> {
    /// Stores the record, in which one device is new; `entry` is its state.
    ///
    /// # Errors
    /// [`super::ChangeCause::Failed`]. What was stored before stays.
    pub fn store(
        &mut self,
        record: &mut UserRecord,
        entry: DeviceState,
    ) -> Result<(), ChangeError> {
        let mut devices = record.devices.iter();
        let device = devices.find(|device| device.id == entry.id);
        let name = device.map(|device| device.name.clone());
        let change = name.as_ref().map(|device| self.change(device));
        // A user without a device gets them all from root.
        if let Some(change) = change.filter(|_| !self.before.is_empty()) {
            self.factor.note(record, &change);
        }
        let stored = self.locked.replace_record(record, &[entry]);
        stored.map_err(|error| match change {
            Some(change) => self.factor.failed(error, change),
            None => ChangeError::new(self.factor.account, error),
        })
    }

    /// The change that a device of the import is.
    fn change<'d>(&self, device: &'d DeviceName) -> FactorChange<'d> {
        let confirmed = false;
        if self.before.contains(device) {
            FactorChange::DeviceRenewed { device, confirmed }
        } else {
            FactorChange::DeviceAdded { device, confirmed }
        }
    }
}

/// Hands what is stored about a user, and a writer, to the import of that user's devices. Where it stores nothing for a user
/// who has no record, nothing is left.
///
/// # Errors
/// [`super::ChangeCause::Failed`] where record or state cannot be used.
pub fn import_devices<T>(
    factor: &UserFactor<'_>,
    import: impl FnOnce(Option<(UserRecord, UserState)>, &mut DeviceWriter<'_, '_>) -> T,
) -> Result<T, ChangeError> {
    let (mut locked, before) = begin(factor.store, factor.account)?;
    let is_new = before.is_none();
    let devices = before.iter().flat_map(|record| &record.devices);
    let devices: Vec<DeviceName> = devices.map(|device| device.name.clone()).collect();
    let kept = before.map(|record| (record, locked.state().clone()));
    let mut writer = DeviceWriter {
        factor,
        locked: &mut locked,
        before: &devices,
    };
    let imported = import(kept, &mut writer);
    if is_new {
        leave_nothing(locked);
    }
    Ok(imported)
}

/// Enrolls users who have neither record nor state, many at a time. One who may be enrolled in the fleet is reported as such.
///
/// # Errors
/// As [`FactorStore::enroll_all`].
pub fn import_newcomers(
    store: &FactorStore,
    newcomers: &[NewRecord],
    audit: &dyn AuditSink,
) -> Result<Vec<Result<BulkEnrollment, StoreError>>, StoreError> {
    let results = store.enroll_all(newcomers)?;
    for (newcomer, result) in newcomers.iter().zip(&results) {
        if !result.as_ref().is_err_and(StoreError::is_unsure) {
            continue;
        }
        for device in &newcomer.record.devices {
            audit.changed(&AuditEvent {
                user: &newcomer.account.name,
                change: FactorChange::DeviceAdded {
                    device: &device.name,
                    confirmed: false,
                },
                end: ChangeEnd::Unsure,
            });
        }
    }
    Ok(results)
}
