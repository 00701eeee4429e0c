//! The counter of a HOTP token and the clock error of a TOTP device, learned from two codes in a row.

use super::code_scan::{NEAR, bounded_drift};
use super::typed_answer::TypedAnswer;
use crate::device::{Device, OtpKind};
use crate::otp::Interval;
use crate::state::{COUNTER_UNKNOWN, DeviceState};

/// The two codes that a HOTP device showed one after the other, found further ahead than a login looks: what `next`
/// becomes (RFC 4226 section 7.4). At most `reach` counters from `from` on are tried. `None` when they are not there.
#[must_use]
pub fn resync(
    device: &Device,
    from: u64,
    reach: u64,
    first: &TypedAnswer,
    second: &TypedAnswer,
) -> Option<u64> {
    let last = from.saturating_add(reach).min(COUNTER_UNKNOWN - 3);
    (from..=last)
        .find(|counter| shows(device, first, *counter) && shows(device, second, counter + 1))
        .map(|counter| counter + 2)
}

/// The offset of a TOTP device's clock, in steps, from two successive codes, the second shown at `now` (seconds since 1970-01-01
/// UTC; RFC 6238 section 6). Codes that were used, or are older than a used one, do not count. `None` if no offset gives both
/// codes.
#[must_use]
pub fn clock_offset(
    device: &Device,
    next: u64,
    first: &TypedAnswer,
    second: &TypedAnswer,
    now: u64,
) -> Option<i64> {
    let OtpKind::Totp { interval } = device.kind else {
        return None;
    };
    let step_now = interval.step(now);
    let fits = |offset: &i64| {
        let step = step_now.checked_add_signed(*offset);
        step.is_some_and(|step| {
            step > next && shows(device, first, step - 1) && shows(device, second, step)
        })
    };
    (-NEAR..=NEAR)
        .filter(fits)
        .min_by_key(|offset| offset.abs())
}

/// New state of a device whose codes are `offset` steps off at `now` (seconds since 1970-01-01 UTC), with the code of this moment
/// used. `None` when the clocks differ by more than may be learned.
#[must_use]
pub fn with_offset(
    interval: Interval,
    entry: &DeviceState,
    offset: i64,
    window: u8,
    now: u64,
) -> Option<DeviceState> {
    let drift = bounded_drift(offset, window);
    let step = interval.step(now).checked_add_signed(offset)?;
    (i64::from(drift) == offset).then_some(DeviceState {
        id: entry.id,
        next: step + 1,
        drift,
        last_used: now,
        committed: entry.committed,
    })
}

fn shows(device: &Device, answer: &TypedAnswer, moving_factor: u64) -> bool {
    let code = device.code(moving_factor);
    answer
        .candidates()
        .any(|typed| bool::from(typed.is_code(&code)))
}
