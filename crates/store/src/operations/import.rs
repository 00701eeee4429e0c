//! Devices that come from elsewhere, one after the other under one lock: a state has no room for all that a user had and all
//! that comes.

use crate::files::{BulkEnrollment, FactorStore, LockedFactor, NewRecord, StoreError};
use twofactor_core::device::DeviceName;
use twofactor_core::log::audit_line::{ChangeEnd, FactorChange};
use twofactor_core::record::UserRecord;
use twofactor_core::state::{DeviceState, UserState};

use super::removal::ids;
use super::{AuditSink, ChangeError, UserFactor, begin, leave_nothing};

/// The place to which devices are written.
pub struct DeviceWriter<'l, 's> {
    factor: &'l UserFactor<'l>,
    locked: &'l mut LockedFactor<'s>,
    /// The format in which they come.
    from: &'l str,
    /// The devices before the import.
    before: &'l [DeviceName],
}

impl DeviceWriter<'_, '_> {
    /// Stores the record, in which one device is new, and reports it; `entry` is its state.
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
        let change = name.as_ref().map(|device| FactorChange::DeviceImported {
            device,
            from: self.from,
            replaces: self.before.contains(device),
        });
        // A user without a device gets them all from root.
        if let Some(change) = change.filter(|_| !self.before.is_empty()) {
            self.factor.note(record, &change);
        }
        match (self.locked.replace_record(record, &[entry]), change) {
            (Ok(()), change) => {
                change.into_iter().for_each(|it| self.factor.report(it));
                Ok(())
            }
            (Err(error), Some(change)) => Err(self.factor.failed(error, change)),
            (Err(error), None) => Err(ChangeError::new(self.factor.account, error)),
        }
    }
}

/// Hands what is stored about a user, and a writer, to the import of that user's devices. Where it stores nothing for a user
/// who has no record, nothing is left. `from` is the format, for the log.
///
/// # Errors
/// [`super::ChangeCause::Failed`] where record or state cannot be used.
pub fn import_devices<T>(
    factor: &UserFactor<'_>,
    from: &str,
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
        from,
        before: &devices,
    };
    let imported = import(kept, &mut writer);
    if is_new {
        leave_nothing(locked);
    }
    Ok(imported)
}

/// The import of users who have neither record nor state.
#[derive(Debug, PartialEq)]
pub struct NewcomerImport {
    /// One for each of them, in their order.
    pub results: Vec<Result<BulkEnrollment, StoreError>>,
    /// The reason why it failed as a whole; some of them may be enrolled.
    pub ended: Option<StoreError>,
}

/// Enrolls users who have neither record nor state, many at a time, and reports each device of those who are enrolled, or may be in
/// the fleet. `from` is the format, for the log.
pub fn import_newcomers(
    store: &FactorStore,
    newcomers: &[NewRecord],
    from: &str,
    audit: &dyn AuditSink,
) -> NewcomerImport {
    let (results, ended) = match store.enroll_all(newcomers) {
        Ok(results) => (results, None),
        Err(error) => {
            let result = |newcomer| match is_stored(store, newcomer) {
                true => Ok(BulkEnrollment::Done),
                false => Err(error.clone()),
            };
            (newcomers.iter().map(result).collect(), Some(error))
        }
    };
    for (newcomer, result) in newcomers.iter().zip(&results) {
        let end = match result {
            Ok(BulkEnrollment::Done) => ChangeEnd::Made,
            Err(error) if error.is_unsure() => ChangeEnd::Unsure,
            Ok(BulkEnrollment::Occupied) | Err(_) => continue,
        };
        let account = &newcomer.account;
        let factor = UserFactor {
            store,
            account,
            audit,
        };
        for device in &newcomer.record.devices {
            let change = FactorChange::DeviceImported {
                device: &device.name,
                from,
                replaces: false,
            };
            factor.report_end(change, end);
        }
    }
    NewcomerImport { results, ended }
}

/// True if the newcomer has these very devices.
fn is_stored(store: &FactorStore, newcomer: &NewRecord) -> bool {
    let stored = store.record(&newcomer.account);
    matches!(stored, Ok(Some(record)) if ids(&record).eq(ids(&newcomer.record)))
}
