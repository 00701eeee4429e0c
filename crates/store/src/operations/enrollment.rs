//! A new device, and a new key for a device.

use twofactor_core::account::Account;
use twofactor_core::device::{CredentialId, Device, DeviceName, MAX_DEVICES};
use twofactor_core::enroll::ConfirmedDevice;
use twofactor_core::log::audit_line::FactorChange;
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::{PlainCode, RecoverySet};

use super::{ChangeCause, ChangeError, ChangeSteps, UserFactor, change};

/// Devices that have to be stored at the moment at which a device is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevicesBefore {
    /// Any devices, or none.
    Any,
    /// No device.
    None,
    /// This device, alone or among others.
    With(CredentialId),
}

/// A device that counts from now on.
pub struct NewEnrollment {
    /// The device.
    pub device: Device,
    /// The recovery codes, the only time; empty where the user had a set.
    pub recovery_codes: Vec<PlainCode>,
    /// Number of devices of the user.
    pub devices: usize,
}

/// Adds a device, and a set of recovery codes to the first one. `now` is in seconds since 1970-01-01 UTC.
///
/// # Errors
/// [`ChangeCause::AlreadyEnrolled`] or [`ChangeCause::DevicesChanged`] where `before` does not hold; those of [`room_for`];
/// [`ChangeCause::Failed`]; and those of `steps`. Nothing is stored then.
pub fn enroll<S: ChangeSteps>(
    factor: &UserFactor<'_>,
    new: ConfirmedDevice,
    before: DevicesBefore,
    now: u64,
    steps: &mut S,
) -> Result<NewEnrollment, S::Error> {
    let UserFactor { store, account, .. } = *factor;
    let refused = |cause: ChangeCause| S::Error::from(ChangeError::new(account, cause));
    let confirmed = new.is_confirmed();
    let ConfirmedDevice { device, entry } = new;
    change(store, account, |locked, old| {
        before.check(old.as_ref()).map_err(refused)?;
        room_for(account, old.as_ref(), &device.name)?;
        steps.permit(locked, old.as_ref())?;
        let empty = || UserRecord::new(account.name.clone(), account.uid);
        let mut record = old.unwrap_or_else(empty);
        record.enroll(device.clone());
        let recovery_codes = match record.recovery {
            Some(_) => Vec::new(),
            None => add_codes(&mut record, now).map_err(refused)?,
        };
        steps.deliver(&recovery_codes)?;
        let change = FactorChange::DeviceAdded {
            device: &device.name,
            confirmed,
        };
        factor.store_record(locked, &mut record, &[entry], change)?;
        Ok(NewEnrollment {
            device,
            recovery_codes,
            devices: record.devices.len(),
        })
    })
}

/// Checks that a user can get a device of this name. [`enroll`] does so at the moment of storing; before it is shown, the
/// check spares its owner the trouble.
///
/// # Errors
/// [`ChangeCause::NameTaken`], [`ChangeCause::TooManyDevices`].
pub fn room_for(
    account: &Account,
    record: Option<&UserRecord>,
    name: &DeviceName,
) -> Result<(), ChangeError> {
    let Some(record) = record else {
        return Ok(());
    };
    let cause = match () {
        () if record.device(name.as_str()).is_some() => ChangeCause::NameTaken(name.clone()),
        () if record.devices.len() >= MAX_DEVICES => ChangeCause::TooManyDevices,
        () => return Ok(()),
    };
    Err(ChangeError::new(account, cause))
}

/// Puts a device in the place of another one, whose key no longer works then.
///
/// # Errors
/// [`ChangeCause::DeviceChanged`] where the old device is there no more; [`ChangeCause::Failed`]; and those of `steps`.
pub fn renew<S: ChangeSteps>(
    factor: &UserFactor<'_>,
    old: CredentialId,
    new: ConfirmedDevice,
    steps: &mut S,
) -> Result<Device, S::Error> {
    let UserFactor { store, account, .. } = *factor;
    let refused = |cause: ChangeCause| S::Error::from(ChangeError::new(account, cause));
    let confirmed = new.is_confirmed();
    let ConfirmedDevice { device, entry } = new;
    change(store, account, |locked, before| {
        let position = |record: &UserRecord| record.devices.iter().position(|it| it.id == old);
        let found = before.and_then(|record| Some((position(&record)?, record)));
        let Some((position, mut record)) = found else {
            return Err(refused(ChangeCause::DeviceChanged(device.name)));
        };
        steps.permit(locked, Some(&record))?;
        if let Some(place) = record.devices.get_mut(position) {
            *place = device.clone();
        }
        let change = FactorChange::DeviceRenewed {
            device: &device.name,
            confirmed,
        };
        factor.store_record(locked, &mut record, &[entry], change)?;
        Ok(device)
    })
}

/// Replaces the recovery codes of a user with a device. `now` is in seconds since 1970-01-01 UTC.
///
/// # Errors
/// [`ChangeCause::NotEnrolled`]; [`ChangeCause::Failed`]; and those of `steps`. The old codes work then.
pub fn new_recovery_codes<S: ChangeSteps>(
    factor: &UserFactor<'_>,
    now: u64,
    steps: &mut S,
) -> Result<Vec<PlainCode>, S::Error> {
    let (set, codes) =
        RecoverySet::generate(now).map_err(|error| ChangeError::new(factor.account, error))?;
    replace_codes(factor, set, &codes, steps)?;
    Ok(codes)
}

/// Replaces them by a set that its owner has seen already.
///
/// # Errors
/// As [`new_recovery_codes`].
pub fn adopt_recovery_codes<S: ChangeSteps>(
    factor: &UserFactor<'_>,
    set: RecoverySet,
    steps: &mut S,
) -> Result<(), S::Error> {
    replace_codes(factor, set, &[], steps)
}

/// Replaces them, once `codes` are handed over.
fn replace_codes<S: ChangeSteps>(
    factor: &UserFactor<'_>,
    set: RecoverySet,
    codes: &[PlainCode],
    steps: &mut S,
) -> Result<(), S::Error> {
    let UserFactor { store, account, .. } = *factor;
    let refused = |cause: ChangeCause| S::Error::from(ChangeError::new(account, cause));
    change(store, account, |locked, before| {
        let Some(mut record) = before.filter(UserRecord::is_enrolled) else {
            return Err(refused(ChangeCause::NotEnrolled));
        };
        steps.permit(locked, Some(&record))?;
        record.recovery = Some(set);
        steps.deliver(codes)?;
        let change = FactorChange::RecoveryCodesReplaced;
        factor.store_record(locked, &mut record, &[], change)?;
        Ok(())
    })
}

fn add_codes(record: &mut UserRecord, now: u64) -> Result<Vec<PlainCode>, ChangeCause> {
    let (set, codes) = RecoverySet::generate(now)?;
    record.recovery = Some(set);
    Ok(codes)
}

impl DevicesBefore {
    fn check(self, record: Option<&UserRecord>) -> Result<(), ChangeCause> {
        let mut devices = record.iter().flat_map(|record| &record.devices);
        match self {
            Self::None if devices.next().is_some() => Err(ChangeCause::AlreadyEnrolled),
            Self::With(id) if !devices.any(|device| device.id == id) => {
                Err(ChangeCause::DevicesChanged)
            }
            Self::Any | Self::None | Self::With(_) => Ok(()),
        }
    }
}
