//! The counter of a HOTP token that was pressed too often (RFC 4226 section 7.4), and how far the clock of a TOTP device is
//! off (RFC 6238 section 6).

use twofactor_core::device::{CredentialId, Device, OtpKind};
use twofactor_core::log::audit_line::FactorChange;
use twofactor_core::otp::Interval;
use twofactor_core::state::{COUNTER_UNKNOWN, DeviceState, RefusedAnswers, UserState};
use twofactor_core::verify::{self, TypedAnswer};

use crate::files::SharedChange;

use super::{ChangeCause, ChangeError, UserFactor, begin_existing};

/// Counters looked at beyond the expected one.
const REACH: u64 = 1_000;
/// Counters looked at when the expected one was lost.
const REACH_FROM_ZERO: u64 = 100_000;

/// Place at which a device was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResyncedDevice {
    /// HOTP.
    Counter {
        /// The counter of the next code.
        next: u64,
        /// Distance of that from the one expected before.
        skipped: u64,
    },
    /// TOTP.
    Clock {
        /// By how many steps the device's clock is off; negative where it is behind.
        offset: i64,
    },
}

/// Finds a device by two codes in a row, given at `now` (seconds since 1970-01-01 UTC). Both are used up, and codes that were
/// refused before are looked at again.
///
/// # Errors
/// [`ChangeCause::NotEnrolled`]; [`ChangeCause::DevicesChanged`] where the device is there no more;
/// [`ChangeCause::CounterNotFound`], [`ChangeCause::StepNotFound`], [`ChangeCause::ClockTooFarOff`]; and
/// [`ChangeCause::Failed`].
pub fn resync(
    factor: &UserFactor<'_>,
    device: CredentialId,
    codes: [&TypedAnswer; 2],
    window: u8,
    now: u64,
) -> Result<ResyncedDevice, ChangeError> {
    let UserFactor { store, account, .. } = *factor;
    let failed = |error| ChangeError::new(account, error);
    let refused = |cause: ChangeCause| ChangeError::new(account, cause);
    let (mut locked, record) = begin_existing(store, account)?;
    let record = record.ok_or_else(|| refused(ChangeCause::NotEnrolled))?;
    let mut state = locked.state().clone();
    let mut devices = record.devices.iter();
    let (Some(device), Some(entry)) = (
        devices.find(|other| other.id == device),
        state.device_mut(device),
    ) else {
        return Err(refused(ChangeCause::DevicesChanged));
    };
    let (found, resynced) = match device.kind {
        OtpKind::Hotp => counter(device, entry, codes, now),
        OtpKind::Totp { interval } => offset(device, interval, entry, codes, (window, now)),
    }
    .map_err(refused)?;
    let resynced_state = |state: &UserState| {
        let mut state = state.clone();
        if let Some(entry) = state.device_mut(device.id) {
            // Elsewhere later codes may be used up, unless the counter was not known.
            let next = match entry.next {
                COUNTER_UNKNOWN => found.next,
                known => known.max(found.next),
            };
            *entry = DeviceState { next, ..found };
        }
        // A code that was refused may be right with this.
        state.refused = RefusedAnswers::default();
        state
    };
    let _ = store
        .share(
            &account.name,
            &SharedChange::State(&resynced_state),
            &mut || {
                locked.write_heartbeat();
            },
        )
        .map_err(|error| factor.failed(error, FactorChange::Resynced(&device.name)))?;
    locked.write(resynced_state(&state)).map_err(failed)?;
    locked.flush().map_err(failed)?;
    locked.confirm().map_err(failed)?;
    factor.report(FactorChange::Resynced(&device.name));
    Ok(resynced)
}

type ResyncResult = Result<(DeviceState, ResyncedDevice), ChangeCause>;

fn counter(
    device: &Device,
    entry: &DeviceState,
    [first, second]: [&TypedAnswer; 2],
    now: u64,
) -> ResyncResult {
    let (from, reach) = match entry.next {
        COUNTER_UNKNOWN => (0, REACH_FROM_ZERO),
        next => (next, REACH),
    };
    let next = verify::resync(device, from, reach, first, second).ok_or_else(|| {
        let device = device.name.clone();
        ChangeCause::CounterNotFound { device, reach }
    })?;
    let entry = DeviceState {
        next,
        last_used: now,
        ..*entry
    };
    let skipped = next.saturating_sub(from);
    Ok((entry, ResyncedDevice::Counter { next, skipped }))
}

fn offset(
    device: &Device,
    interval: Interval,
    entry: &DeviceState,
    [first, second]: [&TypedAnswer; 2],
    (window, now): (u8, u64),
) -> ResyncResult {
    let offset = verify::clock_offset(device, entry.next, first, second, now)
        .ok_or_else(|| ChangeCause::StepNotFound(device.name.clone()))?;
    let entry = verify::with_offset(interval, entry, offset, window, now).ok_or_else(|| {
        let steps = offset.unsigned_abs();
        ChangeCause::ClockTooFarOff {
            device: device.name.clone(),
            seconds: steps.saturating_mul(u64::from(interval.seconds())),
        }
    })?;
    Ok((entry, ResyncedDevice::Clock { offset }))
}
