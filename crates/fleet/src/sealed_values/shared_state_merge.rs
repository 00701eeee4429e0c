//! One state from two: what one host knows, and what the store knows. Nothing that is used in one of them is unused in the result.

use twofactor_core::device::CredentialId;
use twofactor_core::record::UserRecord;
use twofactor_core::state::{DeviceState, RefusedAnswers, SpentCodes, UserState};

/// The state of a record that one host puts in place, and whose wrong codes may be missing in the store: it brings them, or a backup
/// of the store was restored. `local` knows all devices of the record; `shared` may know later logins.
#[must_use]
pub fn of_record(record: &UserRecord, local: &UserState, shared: Option<&UserState>) -> UserState {
    let mut state = local.clone();
    if let Some(shared) = shared {
        state = merged(local, shared, record.recovery.as_ref().map(|set| set.id));
    }
    // A code of the record that was used on one of them is used, whatever the other one was used for last.
    let bypass = record.bypass.as_ref().map(|bypass| bypass.id);
    if bypass.is_some() {
        let is_used = bypass == local.bypass || bypass == shared.and_then(|it| it.bypass);
        // No mark is left of one before it: a mark of another code tells a host that its record is an older one.
        state.bypass = bypass.filter(|_| is_used);
    }
    let set = record.recovery.as_ref().map(|set| set.id);
    if set.is_some() && state.recovery.set != set {
        state.recovery = SpentCodes { set, bits: 0 };
    }
    let is_of_record =
        |entry: &DeviceState| record.devices.iter().any(|device| device.id == entry.id);
    state.devices.retain(is_of_record);
    for entry in &mut state.devices {
        entry.committed = true;
    }
    state
}

/// The state for a change of a record that the store has: as [`of_record`], with the wrong codes of the store alone. The count of
/// this host may have been ended elsewhere, and its count of an outage is added in another way.
#[must_use]
pub fn of_change(record: &UserRecord, local: &UserState, shared: Option<&UserState>) -> UserState {
    let mut state = of_record(record, local, shared);
    if let Some(shared) = shared {
        state.failures = shared.failures;
        state.unreported = shared.unreported;
        state.last_failure = shared.last_failure;
        state.daemon = shared.daemon;
    }
    state
}

/// The state of this host for a record that the store has already. What this host counted while it was cut off stays what it was, on top
/// of what the store counts: it is added there once.
#[must_use]
pub fn of_mirror(record: &UserRecord, local: &UserState, shared: &UserState) -> UserState {
    let mut state = of_change(record, local, Some(shared));
    if local.outage_mark().is_some() {
        let counted = local.counted_alone();
        state.end_outage();
        state.begin_outage(local.outage_since().unwrap_or_default());
        state.name_outage(local.outage_name().unwrap_or_default());
        state.failures = shared.failures.saturating_add(counted);
        state.unreported = shared.unreported.saturating_add(counted);
        state.last_failure = shared.last_failure.max(local.last_failure);
        state.daemon = shared.daemon.with_all_of(&local.daemon);
    }
    state
}

/// The later of both in each part. `set` is the set of recovery codes that counts.
#[must_use]
pub fn merged(local: &UserState, shared: &UserState, set: Option<CredentialId>) -> UserState {
    let mut state = local.clone();
    state.failures = local.failures.max(shared.failures);
    state.unreported = local.unreported.max(shared.unreported);
    state.last_failure = local.last_failure.max(shared.last_failure);
    state.daemon = local.daemon.with_all_of(&shared.daemon);
    for entry in &shared.devices {
        match state.device_mut(entry.id) {
            Some(known) => *known = later(known, entry),
            None => state.devices.push(*entry),
        }
    }
    state.recovery = codes(local.recovery, shared.recovery, set);
    state.bypass = shared.bypass.or(local.bypass);
    if shared.refused != RefusedAnswers::default() {
        state.refused = shared.refused.clone();
    }
    state
}

fn later(one: &DeviceState, other: &DeviceState) -> DeviceState {
    let newest = if other.last_used > one.last_used {
        other
    } else {
        one
    };
    DeviceState {
        id: one.id,
        next: one.next.max(other.next),
        drift: newest.drift,
        last_used: newest.last_used,
        committed: one.committed || other.committed,
    }
}

/// The marks of the set that counts; those of another one mean nothing.
fn codes(local: SpentCodes, shared: SpentCodes, set: Option<CredentialId>) -> SpentCodes {
    let bits = |codes: SpentCodes| if codes.set == set { codes.bits } else { 0 };
    match set {
        Some(_) => SpentCodes {
            set,
            bits: bits(local) | bits(shared),
        },
        None if shared.set.is_some() => shared,
        None => local,
    }
}

#[cfg(test)]
mod tests;
