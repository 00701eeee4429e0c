//! The devices that a state knows.

use twofactor_core::record::UserRecord;
use twofactor_core::state::UserState;

use super::FileFault;

/// Checks that there is an entry for every device.
pub(super) fn knows_all(state: &UserState, record: &UserRecord) -> Result<(), FileFault> {
    let mut devices = record.devices.iter();
    match devices.find(|device| state.device(device.id).is_none()) {
        Some(device) => Err(FileFault::UnknownDevice(device.name.to_string())),
        None => Ok(()),
    }
}
