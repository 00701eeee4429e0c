//! The moment a code becomes used: one that was accepted works once (RFC 6238 section 5.2, RFC 4226 section 7.2).
//!
//! The verdict calls these for each code that it finds right, and takes the state only if it accepts the answer. The caller of the verdict
//! writes that state and flushes it before the success is told.

use crate::device::{Device, OtpKind};
use crate::record::UserRecord;
use crate::recovery::{OneTimeCode, RecoverySet};
use crate::state::{DeviceState, UserState};

use super::code_scan::bounded_drift;

/// Moves a device on, behind the step or counter `matched`: neither its code nor an older one is right from then on. Returns by how many
/// steps or counters the code was off the expected one. That is the drift of a TOTP device, as far as it is learned.
pub fn use_device_code(
    device: &Device,
    entry: &mut DeviceState,
    matched: u64,
    window: u8,
    now: u64,
) -> i64 {
    let offset = match device.kind {
        OtpKind::Totp { interval } => signed_difference(matched, interval.step(now)),
        OtpKind::Hotp => signed_difference(matched, entry.next),
    };
    if let OtpKind::Totp { .. } = device.kind {
        entry.drift = bounded_drift(offset, window);
    }
    entry.next = matched.saturating_add(1);
    entry.last_used = now;
    offset
}

/// Spends the recovery code at this position of its set.
pub const fn use_recovery_code(set: &RecoverySet, state: &mut UserState, position: usize) {
    state.spend(set.id, position);
}

/// True if the recovery code at this position is spent.
pub fn is_recovery_code_used(set: &RecoverySet, state: &UserState, position: usize) -> bool {
    state.is_spent(set.id, position)
}

/// Number of unspent recovery codes of the current set.
#[must_use]
pub fn recovery_codes_left(record: &UserRecord, state: &UserState) -> usize {
    record.recovery.as_ref().map_or(0, |set| {
        (0..set.hashes.len())
            .filter(|position| !is_recovery_code_used(set, state, *position))
            .count()
    })
}

/// Spends the bypass code.
pub const fn use_bypass_code(bypass: &OneTimeCode, state: &mut UserState) {
    state.bypass = Some(bypass.id);
}

/// True if the bypass code is spent.
pub fn is_bypass_code_used(bypass: &OneTimeCode, state: &UserState) -> bool {
    state.bypass == Some(bypass.id)
}

fn signed_difference(a: u64, b: u64) -> i64 {
    let distance = i64::try_from(a.abs_diff(b)).unwrap_or(i64::MAX);
    if a >= b { distance } else { -distance }
}
