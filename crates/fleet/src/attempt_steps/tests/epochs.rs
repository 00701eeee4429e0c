//! States of an earlier epoch: the store was restored from a backup.

use super::*;
use crate::sealed_values::shared_record::{RecordContent, SharedRecord};

#[test]
fn a_state_of_an_earlier_epoch_has_no_unused_code() {
    let key = key();
    let now = standing(2, 1);
    let old = SharedState::first(1, UserState::new(0));
    let mut view = store(&now, &old);
    let mut one = attempt(&key, &now, true);
    assert_eq!(one.after_read(view.clone()), AttemptStep::ReadRecord);
    let place = StoreKey::record("alice");
    let record = sealed_record(&place, 0);
    let read = one.after_record(&place, Some(&record));
    assert_eq!(read, AttemptStep::Read);
    let write = write_of(one.after_read(view.clone()));
    let answer = apply(&mut view, &write);
    let end = one.after_write(WriteEnd::Answered(answer));
    assert_eq!(end, AttemptStep::Ended(CodeEnd::Wrong));
    assert_eq!(shared_of(&view).epoch, 2, "the next state is of this epoch");
}

/// A record in the store, of this revision.
fn sealed_record(place: &StoreKey, revision: u64) -> Vec<u8> {
    let record = SharedRecord {
        revision,
        change: AttemptId::random().unwrap(),
        content: RecordContent::Removed,
    };
    key().seal(place, &record.encode()).unwrap()
}

/// By it a host would take its own copy for the newest one.
#[test]
fn a_state_of_an_earlier_epoch_needs_no_record() {
    let key = key();
    let now = standing(2, 1);
    let view = store(&now, &SharedState::first(1, UserState::new(0)));
    let place = StoreKey::record("alice");
    let mut one = attempt(&key, &now, true);
    let mut outage = |sealed: Option<Vec<u8>>| {
        assert_eq!(one.after_read(view.clone()), AttemptStep::ReadRecord);
        match one.after_record(&place, sealed.as_deref()) {
            AttemptStep::Outage(reason) => reason,
            step => panic!("{step:?}"),
        }
    };
    assert_eq!(outage(None), OutageReason::NoState);
    let damaged = outage(Some(b"damaged".to_vec()));
    assert!(matches!(damaged, OutageReason::UserSeal(_)), "{damaged}");
    let garbage = outage(Some(key.seal(&place, b"garbage").unwrap()));
    assert!(matches!(garbage, OutageReason::Record(_)), "{garbage}");
    // The state tells of another one.
    let other = sealed_record(&place, 1);
    assert_eq!(one.after_record(&place, Some(&other)), AttemptStep::Read);
    let end = one.after_read(view);
    assert_eq!(end, AttemptStep::Outage(OutageReason::Contradiction));
}

/// By a contradiction this host would judge by the record that the change replaced.
#[test]
fn a_change_beside_an_epochs_first_attempt_agrees() {
    let key = key();
    let now = standing(2, 1);
    let view = store(&now, &SharedState::first(1, UserState::new(0)));
    let mut one = attempt(&key, &now, true);
    assert_eq!(one.after_read(view), AttemptStep::ReadRecord);
    let record = sealed_record(&StoreKey::record("alice"), 0);
    let read = one.after_record(&StoreKey::record("alice"), Some(&record));
    assert_eq!(read, AttemptStep::Read);
    let mut changed = SharedState::first(2, UserState::new(0));
    changed.record = 1;
    let end = one.after_read(store(&now, &changed));
    assert_eq!(end, AttemptStep::Outage(OutageReason::OlderRecord));
}
