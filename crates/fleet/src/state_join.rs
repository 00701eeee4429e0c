//! One state from two: what one host knows, and what the store knows. Nothing that is used in one of them is unused in the result.

use twofactor_core::device::Id;
use twofactor_core::record::Record;
use twofactor_core::state::{DeviceState, RefusedAnswers, SpentCodes, State};

/// The state of a record that one host puts in place, and whose wrong codes may be missing in the store: it brings them, or a backup
/// of the store was restored. `local` knows all devices of the record; `shared` may know later logins.
#[must_use]
pub fn of_record(record: &Record, local: &State, shared: Option<&State>) -> State {
    let mut state = local.clone();
    if let Some(shared) = shared {
        state = joined(local, shared, record.recovery.as_ref().map(|set| set.id));
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

/// The same for a change of a record that the store has: wrong codes are those of the store alone. What this host has counted may have
/// been ended elsewhere, and what it counted while it was cut off is added by its own way.
#[must_use]
pub fn of_change(record: &Record, local: &State, shared: Option<&State>) -> State {
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
pub fn of_mirror(record: &Record, local: &State, shared: &State) -> State {
    let mut state = of_change(record, local, Some(shared));
    if let Some(known) = local.outage_mark() {
        let counted = local.failures.saturating_sub(known);
        state.end_outage();
        state.begin_outage();
        state.failures = shared.failures.saturating_add(counted);
        state.unreported = shared.unreported.saturating_add(counted);
        state.last_failure = shared.last_failure.max(local.last_failure);
        state.daemon = shared.daemon.with_all_of(&local.daemon);
    }
    state
}

/// The later of both in each part. `set` is the set of recovery codes that counts.
#[must_use]
pub fn joined(local: &State, shared: &State, set: Option<Id>) -> State {
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
fn codes(local: SpentCodes, shared: SpentCodes, set: Option<Id>) -> SpentCodes {
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
mod tests {
    use super::*;
    use twofactor_core::verify::joined_with_own;

    fn id(byte: u8) -> Id {
        Id::from_number(byte.into()).unwrap()
    }

    fn entry(number: u8, next: u64, last_used: u64) -> DeviceState {
        DeviceState {
            id: id(number),
            next,
            drift: number as i8,
            last_used,
            committed: false,
        }
    }

    #[test]
    fn what_was_used_in_one_of_them_stays_used() {
        let (mut local, mut shared) = (State::new(1000), State::new(0));
        local.devices = vec![entry(1, 10, 5), entry(2, 7, 9)];
        shared.devices = vec![entry(1, 12, 6), entry(2, 3, 1), entry(3, 1, 0)];
        (local.failures, shared.failures) = (1, 4);
        local.recovery = SpentCodes {
            set: Some(id(8)),
            bits: 0b01,
        };
        shared.recovery = SpentCodes {
            set: Some(id(8)),
            bits: 0b10,
        };
        let both = joined(&local, &shared, Some(id(8)));
        assert_eq!(both.uid, 1000);
        assert_eq!(both.failures, 4);
        let nexts: Vec<u64> = both.devices.iter().map(|it| it.next).collect();
        assert_eq!(nexts, [12, 7, 1]);
        assert_eq!(both.recovery.bits, 0b11);
        // A new set has no code that is spent.
        let renewed = joined(&local, &shared, Some(id(9)));
        assert_eq!(
            (renewed.recovery.set, renewed.recovery.bits),
            (Some(id(9)), 0)
        );
    }

    /// A renewed phone on a host whose file has wrong codes that a login elsewhere has ended.
    #[test]
    fn a_change_brings_no_old_failures() {
        let (mut local, mut shared) = (State::new(1000), State::new(0));
        (local.failures, local.last_failure) = (5, 70);
        (shared.failures, shared.unreported) = (1, 2);
        let record = Record::new("alice".to_owned(), 1000);
        let changed = of_change(&record, &local, Some(&shared));
        assert_eq!((changed.failures, changed.unreported), (1, 2));
        assert_eq!(of_change(&record, &local, None).failures, 5);
        assert_eq!(of_record(&record, &local, Some(&shared)).failures, 5);
    }

    #[test]
    fn failures_of_an_outage_are_added_once_after_a_mirror() {
        let (mut local, mut shared) = (State::new(1000), State::new(0));
        local.failures = 2;
        local.begin_outage();
        (local.failures, shared.failures) = (5, 4);
        let record = Record::new("alice".to_owned(), 1000);
        let here = of_mirror(&record, &local, &shared);
        assert_eq!(here.failures, 7);
        let joined = joined_with_own(&shared, &here, &record);
        assert_eq!((joined.failures, joined.outage_mark()), (7, None));
        // Without an outage the store's count is that of all.
        local.end_outage();
        assert_eq!(of_mirror(&record, &local, &shared).failures, 4);
    }
}
