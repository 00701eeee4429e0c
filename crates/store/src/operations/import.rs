//! Devices that come from elsewhere, one after the other under one lock: a state has no room for all that a user had and all
//! that comes.

use crate::files::{Locked, Store};
use twofactor_core::account::Account;
use twofactor_core::record::Record;
use twofactor_core::state::{DeviceState, State};

use super::{ChangeError, begin, leave_nothing};

/// The place to which devices are written.
pub struct DeviceWriter<'l, 's> {
    account: &'l Account,
    locked: &'l mut Locked<'s>,
}

impl DeviceWriter<'_, '_> {
    /// Stores the record, in which one device is new; `entry` is its state.
    ///
    /// # Errors
    /// [`super::ChangeCause::Failed`]. What was stored before stays.
    pub fn store(&mut self, record: &Record, entry: DeviceState) -> Result<(), ChangeError> {
        self.locked
            .replace_record(record, &[entry])
            .map_err(|error| ChangeError::new(self.account, error))
    }
}

/// Hands what is stored about a user, and a writer, to the import of that user's devices. Where it stores nothing for a user
/// who has no record, nothing is left.
///
/// # Errors
/// [`super::ChangeCause::Failed`] where record or state cannot be used.
pub fn import_devices<T>(
    store: &Store,
    account: &Account,
    import: impl FnOnce(Option<(Record, State)>, &mut DeviceWriter<'_, '_>) -> T,
) -> Result<T, ChangeError> {
    let (mut locked, before) = begin(store, account)?;
    let is_new = before.is_none();
    let kept = before.map(|record| (record, locked.state().clone()));
    let mut writer = DeviceWriter {
        account,
        locked: &mut locked,
    };
    let imported = import(kept, &mut writer);
    if is_new {
        leave_nothing(locked);
    }
    Ok(imported)
}
