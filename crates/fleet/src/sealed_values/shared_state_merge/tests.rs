//! Each part of a state that is merged from two.

use super::*;
use twofactor_core::recovery::{CodeForm, CodeScope, OneTimeCode, RecoverySet};
use twofactor_core::verify::merged_with_own;
use twofactor_store::testing::phone;

fn id(byte: u8) -> CredentialId {
    CredentialId::from_number(byte.into()).unwrap()
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
    let (mut local, mut shared) = (UserState::new(1000), UserState::new(0));
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
    let both = merged(&local, &shared, Some(id(8)));
    assert_eq!(both.uid, 1000);
    assert_eq!(both.failures, 4);
    let nexts: Vec<u64> = both.devices.iter().map(|it| it.next).collect();
    assert_eq!(nexts, [12, 7, 1]);
    assert_eq!(both.recovery.bits, 0b11);
    // A new set has no code that is spent.
    let renewed = merged(&local, &shared, Some(id(9)));
    assert_eq!(
        (renewed.recovery.set, renewed.recovery.bits),
        (Some(id(9)), 0)
    );
}

/// A renewed phone on a host whose file has wrong codes that a login elsewhere has ended.
#[test]
fn a_change_brings_no_old_failures() {
    let (mut local, mut shared) = (UserState::new(1000), UserState::new(0));
    (local.failures, local.last_failure) = (5, 70);
    (shared.failures, shared.unreported) = (1, 2);
    let record = UserRecord::new("alice".to_owned(), 1000);
    let changed = of_change(&record, &local, Some(&shared));
    assert_eq!((changed.failures, changed.unreported), (1, 2));
    assert_eq!(of_change(&record, &local, None).failures, 5);
    assert_eq!(of_record(&record, &local, Some(&shared)).failures, 5);
}

#[test]
fn failures_of_an_outage_are_added_once_by_a_mirror() {
    let (mut local, mut shared) = (UserState::new(1000), UserState::new(0));
    local.failures = 2;
    local.begin_outage(9);
    local.name_outage([1, 2, 3, 4, 5]);
    (local.failures, shared.failures) = (5, 4);
    let record = UserRecord::new("alice".to_owned(), 1000);
    let here = of_mirror(&record, &local, &shared);
    assert_eq!((here.failures, here.counted_alone()), (7, 3));
    assert_eq!(here.outage_name(), Some([1, 2, 3, 4, 5]));
    let joined = merged_with_own(&shared, &here, &record);
    assert_eq!((joined.failures, joined.outage_mark()), (7, None));
    // Without an outage the store's count is that of all.
    local.end_outage();
    assert_eq!(of_mirror(&record, &local, &shared).failures, 4);
}

fn spent(set: u8, bits: u32) -> SpentCodes {
    SpentCodes {
        set: Some(id(set)),
        bits,
    }
}

/// A record with one device, a set of recovery codes and a bypass code.
fn record() -> UserRecord {
    let mut record = UserRecord::new("alice".to_owned(), 1000);
    record.devices.push(phone());
    record.recovery = Some(RecoverySet {
        id: id(21),
        form: CodeForm::Base32,
        salt: [0; 16],
        hashes: vec![[0; 32]; 2],
        created: 0,
    });
    record.bypass = Some(OneTimeCode {
        id: id(31),
        salt: [0; 16],
        hash: [0; 32],
        expires: 9,
        scope: CodeScope::Login,
    });
    record
}

#[test]
fn a_bypass_code_used_on_either_side_is_used() {
    let (code, other) = (Some(id(31)), Some(id(30)));
    for (local, shared, expected) in [
        (None, None, None),
        (code, None, code),
        (None, code, code),
        (code, other, code),
        // No mark of a code before it is left.
        (other, other, None),
    ] {
        let (mut own, mut stored) = (UserState::new(1000), UserState::new(0));
        (own.bypass, stored.bypass) = (local, shared);
        let state = of_record(&record(), &own, Some(&stored));
        assert_eq!(state.bypass, expected, "{local:?} {shared:?}");
    }
    // Without one in the record the mark stays as it is.
    let mut own = UserState::new(1000);
    own.bypass = other;
    let bare = UserRecord::new("alice".to_owned(), 1000);
    assert_eq!(of_record(&bare, &own, None).bypass, other);
}

#[test]
fn recovery_codes_are_those_of_the_record() {
    let mut own = UserState::new(1000);
    own.recovery = spent(21, 0b01);
    assert_eq!(of_record(&record(), &own, None).recovery, spent(21, 0b01));
    own.recovery = spent(20, 0b01);
    assert_eq!(of_record(&record(), &own, None).recovery, spent(21, 0));
    let bare = UserRecord::new("alice".to_owned(), 1000);
    assert_eq!(of_record(&bare, &own, None).recovery, spent(20, 0b01));
}

#[test]
fn devices_are_those_of_the_record_and_committed() {
    let mut own = UserState::new(1000);
    own.devices = vec![entry(1, 10, 5), entry(2, 7, 9)];
    let state = of_record(&record(), &own, None);
    let expected = DeviceState {
        committed: true,
        ..entry(1, 10, 5)
    };
    assert_eq!(state.devices, [expected]);
}

#[test]
fn the_stores_refused_answers_are_taken_if_it_has_any() {
    let refused = |number| RefusedAnswers {
        key: [number; 8],
        hashes: vec![[number; 8]],
    };
    let (mut own, mut stored) = (UserState::new(1000), UserState::new(0));
    own.refused = refused(1);
    assert_eq!(merged(&own, &stored, None).refused, refused(1));
    stored.refused = refused(2);
    assert_eq!(merged(&own, &stored, None).refused, refused(2));
}

#[test]
fn the_drift_is_that_of_the_later_use() {
    for (last_used, drift) in [(4, 1), (5, 1), (6, -2)] {
        let other = DeviceState {
            drift: -2,
            ..entry(1, 10, last_used)
        };
        let (mut own, mut stored) = (UserState::new(1000), UserState::new(0));
        own.devices = vec![entry(1, 10, 5)];
        stored.devices = vec![other];
        let device = merged(&own, &stored, None).devices[0];
        assert_eq!((device.drift, device.last_used), (drift, last_used.max(5)));
    }
}

#[test]
fn a_device_that_either_committed_is_committed() {
    for (local, shared) in [(true, false), (false, true), (false, false)] {
        let of = |committed| {
            let mut state = UserState::new(0);
            state.devices = vec![DeviceState {
                committed,
                ..entry(1, 10, 5)
            }];
            state
        };
        let device = merged(&of(local), &of(shared), None).devices[0];
        assert_eq!(device.committed, local || shared);
    }
}

#[test]
fn marks_of_codes_without_a_set_are_kept() {
    let marks = |local, shared, set| {
        let (mut own, mut stored) = (UserState::new(1000), UserState::new(0));
        (own.recovery, stored.recovery) = (local, shared);
        merged(&own, &stored, set).recovery
    };
    let none = SpentCodes::default();
    assert_eq!(marks(spent(8, 0b01), none, None), spent(8, 0b01));
    assert_eq!(marks(spent(8, 0b01), spent(9, 0b10), None), spent(9, 0b10));
    let both = marks(spent(8, 0b011), spent(8, 0b110), Some(id(8)));
    assert_eq!(both, spent(8, 0b111));
}
