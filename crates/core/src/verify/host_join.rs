//! The state that all hosts share, joined with that of one host.

use crate::device::Id;
use crate::record::Record;
use crate::state::{SpentCodes, State};

/// The state of all hosts, joined with that of this host: **join**. What one of them used is used, and wrong codes that this host
/// counted by itself are added. Devices are those of all hosts: one that is missing there was removed elsewhere.
///
/// Grace and uid are those of the host.
#[must_use]
pub fn joined_with_own(shared: &State, own: &State, record: &Record) -> State {
    let mut state = shared.clone();
    state.uid = own.uid;
    state.grace.clone_from(&own.grace);
    state.session_grace.clone_from(&own.session_grace);
    state.grace_policy = own.grace_policy;
    state.reserve = own.reserve;
    for entry in &mut state.devices {
        let Some(known) = own.device(entry.id) else {
            continue;
        };
        if known.last_used > entry.last_used {
            (entry.drift, entry.last_used) = (known.drift, known.last_used);
        }
        entry.next = entry.next.max(known.next);
    }
    if let Some(set) = record.recovery.as_ref().map(|set| set.id) {
        state.recovery = SpentCodes {
            set: Some(set),
            bits: bits(shared.recovery, set) | bits(own.recovery, set),
        };
    }
    let bypass = record.bypass.as_ref().map(|bypass| bypass.id);
    if bypass.is_some() && own.bypass == bypass {
        state.bypass = bypass;
    }
    if let Some(known) = own.outage_mark() {
        let counted = own.failures.saturating_sub(known);
        state.failures = shared.failures.saturating_add(counted);
        state.unreported = shared.unreported.saturating_add(counted);
        state.last_failure = shared.last_failure.max(own.last_failure);
        state.daemon = shared.daemon.with_all_of(&own.daemon);
    }
    state.end_outage();
    state
}

/// The marks of one set; those of another set mean nothing.
fn bits(codes: SpentCodes, set: Id) -> u32 {
    if codes.set == Some(set) {
        codes.bits
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::DeviceState;

    fn id(number: u64) -> Id {
        Id::from_number(number).unwrap()
    }

    fn entry(number: u64, next: u64, last_used: u64) -> DeviceState {
        DeviceState {
            id: id(number),
            next,
            drift: number as i8,
            last_used,
            committed: true,
        }
    }

    #[test]
    fn what_either_used_is_used() {
        let (mut shared, mut own) = (State::new(0), State::new(7));
        shared.devices = vec![entry(1, 10, 5), entry(2, 7, 9)];
        own.devices = vec![entry(1, 12, 6), entry(2, 3, 1), entry(3, 1, 0)];
        own.failures = 4;
        let record = Record::new("alice".to_owned(), 7);
        let joined = joined_with_own(&shared, &own, &record);
        let nexts: Vec<u64> = joined.devices.iter().map(|it| it.next).collect();
        assert_eq!(
            nexts,
            [12, 7],
            "a device that was removed does not come back"
        );
        assert_eq!((joined.uid, joined.failures), (7, 0));
    }

    #[test]
    fn failures_of_an_outage_are_added_once() {
        let (mut shared, mut own) = (State::new(0), State::new(7));
        own.failures = 2;
        own.begin_outage();
        (own.failures, own.unreported, own.last_failure) = (5, 5, 90);
        (shared.failures, shared.last_failure) = (4, 80);
        let record = Record::new("alice".to_owned(), 7);
        let joined = joined_with_own(&shared, &own, &record);
        assert_eq!((joined.failures, joined.last_failure), (7, 90));
        assert_eq!(joined_with_own(&shared, &joined, &record).failures, 4);
    }
}
