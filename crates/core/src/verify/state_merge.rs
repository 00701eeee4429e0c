//! The state that all hosts share, merged with that of one host.

use crate::device::CredentialId;
use crate::record::UserRecord;
use crate::state::{SpentCodes, UserState};

/// The state of all hosts, merged with that of this host: the rule **join**. What one of them used is used, and wrong codes that this host
/// counted by itself are added. Devices are those of all hosts: one that is missing there was removed elsewhere.
///
/// Grace and uid are those of the host.
#[must_use]
pub fn merged_with_own(shared: &UserState, own: &UserState, record: &UserRecord) -> UserState {
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
    let counting = counting_part(record, shared);
    if let Some(set) = counting.recovery.map(|set| set.id) {
        state.recovery = SpentCodes {
            set: Some(set),
            bits: bits(shared.recovery, set) | bits(own.recovery, set),
        };
    }
    let bypass = counting.bypass.map(|bypass| bypass.id);
    if bypass.is_some() && own.bypass == bypass {
        state.bypass = bypass;
    }
    if own.outage_mark().is_some() {
        let counted = own.counted_alone();
        state.failures = shared.failures.saturating_add(counted);
        state.unreported = shared.unreported.saturating_add(counted);
        state.last_failure = shared.last_failure.max(own.last_failure);
        state.daemon = shared.daemon.with_all_of(&own.daemon);
    }
    state.end_outage();
    state
}

/// The part of a host's record that counts on all hosts, by their state. The record may be an older one: what was removed or replaced on
/// another host counts no more. Where the state has the marks of other codes, those are the newer ones.
#[must_use]
pub fn counting_part(record: &UserRecord, shared: &UserState) -> UserRecord {
    let mut part = record.clone();
    part.devices.retain(|it| shared.device(it.id).is_some());
    part.recovery = part
        .recovery
        .filter(|own| shared.recovery.set.is_none_or(|set| set == own.id));
    part.bypass = part
        .bypass
        .filter(|own| shared.bypass.is_none_or(|used| used == own.id));
    part
}

/// The marks of one set; those of another set mean nothing.
fn bits(codes: SpentCodes, set: CredentialId) -> u32 {
    if codes.set == Some(set) {
        codes.bits
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::{CodeForm, CodeScope, OneTimeCode, RecoverySet};
    use crate::state::DeviceState;

    fn id(number: u64) -> CredentialId {
        CredentialId::from_number(number).unwrap()
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
        let (mut shared, mut own) = (UserState::new(0), UserState::new(7));
        shared.devices = vec![entry(1, 10, 5), entry(2, 7, 9)];
        own.devices = vec![entry(1, 12, 6), entry(2, 3, 1), entry(3, 1, 0)];
        own.failures = 4;
        let record = UserRecord::new("alice".to_owned(), 7);
        let merged = merged_with_own(&shared, &own, &record);
        let nexts: Vec<u64> = merged.devices.iter().map(|it| it.next).collect();
        assert_eq!(
            nexts,
            [12, 7],
            "a device that was removed does not come back"
        );
        assert_eq!((merged.uid, merged.failures), (7, 0));
    }

    #[test]
    fn the_drift_is_that_of_the_later_use() {
        let record = UserRecord::new("alice".to_owned(), 7);
        for (known, drift, last_used) in [(4, 1, 5), (5, 1, 5), (6, -2, 6)] {
            let (mut shared, mut own) = (UserState::new(0), UserState::new(7));
            shared.devices = vec![entry(1, 10, 5)];
            own.devices = vec![DeviceState {
                drift: -2,
                ..entry(1, 10, known)
            }];
            let merged = merged_with_own(&shared, &own, &record).devices[0];
            assert_eq!((merged.drift, merged.last_used), (drift, last_used));
        }
    }

    #[test]
    fn a_bypass_code_that_no_host_used_counts() {
        let merged = merged_with_own(&UserState::new(0), &UserState::new(7), &record_with(21, 31));
        assert_eq!((merged.bypass, merged.recovery.bits), (None, 0));
    }

    #[test]
    fn failures_of_an_outage_are_added_once() {
        let (mut shared, mut own) = (UserState::new(0), UserState::new(7));
        own.failures = 2;
        own.begin_outage(0);
        (own.failures, own.unreported, own.last_failure) = (5, 5, 90);
        (shared.failures, shared.last_failure) = (4, 80);
        let record = UserRecord::new("alice".to_owned(), 7);
        let merged = merged_with_own(&shared, &own, &record);
        assert_eq!((merged.failures, merged.last_failure), (7, 90));
        assert_eq!(merged_with_own(&shared, &merged, &record).failures, 4);
    }

    /// A record with a set of recovery codes and a bypass code.
    fn record_with(set: u64, bypass: u64) -> UserRecord {
        let mut record = UserRecord::new("alice".to_owned(), 7);
        record.recovery = Some(RecoverySet {
            id: id(set),
            form: CodeForm::Base32,
            salt: [0; 16],
            hashes: vec![[0; 32]; 2],
            created: 0,
        });
        record.bypass = Some(OneTimeCode {
            id: id(bypass),
            salt: [0; 16],
            hash: [0; 32],
            expires: 9,
            scope: CodeScope::Login,
        });
        record
    }

    /// The state of a host on which the first code of that set, and the bypass code, were used.
    fn own_used() -> UserState {
        let mut own = UserState::new(7);
        own.recovery = spent(21, 0b01);
        own.bypass = Some(id(31));
        own
    }

    fn spent(set: u64, bits: u32) -> SpentCodes {
        SpentCodes {
            set: Some(id(set)),
            bits,
        }
    }

    #[test]
    fn an_older_record_takes_no_newer_mark_away() {
        let (mut shared, own) = (UserState::new(0), own_used());
        let record = record_with(21, 31);
        // Another host replaced both, and the new ones were used there.
        shared.recovery = spent(22, 0b10);
        shared.bypass = Some(id(32));
        let merged = merged_with_own(&shared, &own, &record);
        assert_eq!(merged.recovery, shared.recovery);
        assert_eq!(merged.bypass, shared.bypass);
        let counting = counting_part(&record, &shared);
        assert!(counting.recovery.is_none() && counting.bypass.is_none());
    }

    #[test]
    fn marks_of_the_same_codes_are_merged() {
        let (mut shared, mut own) = (UserState::new(0), own_used());
        let record = record_with(21, 31);
        shared.recovery = spent(21, 0b110);
        own.recovery = spent(21, 0b011);
        let merged = merged_with_own(&shared, &own, &record);
        assert_eq!((merged.recovery.bits, merged.bypass), (0b111, Some(id(31))));
        let counting = counting_part(&record, &merged);
        assert!(counting.recovery.is_some() && counting.bypass.is_some());
    }
}
