//! Recovery codes, one-time codes and invitations of a backup: none that was used or replaced works again.

use super::restoration::{KEEP, TERMS, backed_up, change_record, change_state, restored};
use super::*;
use twofactor_core::recovery::{OneTimeCode, RecoverySet};

#[test]
fn one_time_codes_end_where_their_use_is_unknown() {
    let (_scratch, store) = with(&[phone()]);
    let (set, bypass) = (
        RecoverySet::generate(1).unwrap().0,
        OneTimeCode::generate(NOW * 2).unwrap().0,
    );
    change_record(&store, |record| {
        record.recovery = Some(set.clone());
        record.bypass = Some(bypass.clone());
    });
    change_state(&store, |state| state.spend(set.id, 3));
    let entry = backed_up(&store);
    store.discard("alice").unwrap();
    assert!(restored(&store, &entry, TERMS).drops_codes);
    let dropped = record(&store);
    assert!(dropped.recovery.is_none() && dropped.bypass.is_none());
    store.discard("alice").unwrap();
    assert!(!restored(&store, &entry, KEEP).drops_codes);
    let state = store.peek(&alice()).unwrap().unwrap();
    assert_eq!(record(&store).recovery.unwrap().id, set.id);
    assert_eq!(record(&store).bypass.unwrap().id, bypass.id);
    assert!(state.is_spent(set.id, 3) && !state.is_spent(set.id, 4));
    // A bypass code that was used before the backup.
    let mut used = entry;
    used.state.bypass = Some(bypass.id);
    store.discard("alice").unwrap();
    assert!(restored(&store, &used, KEEP).drops_codes);
    assert!(record(&store).bypass.is_none());
}

#[test]
fn codes_that_are_there_stay() {
    let (_scratch, store) = with(&[phone()]);
    let [old, new] = [1, 2].map(|now| RecoverySet::generate(now).unwrap().0);
    change_record(&store, |record| record.recovery = Some(old.clone()));
    let entry = backed_up(&store);
    change_record(&store, |record| record.recovery = Some(new.clone()));
    change_state(&store, |state| state.spend(new.id, 1));
    let keep = RestoreTerms {
        existing: ExistingRecord::Replace,
        ..KEEP
    };
    assert!(restored(&store, &entry, keep).drops_codes);
    let state = store.peek(&alice()).unwrap().unwrap();
    assert_eq!(record(&store).recovery.unwrap().id, new.id);
    assert!(state.is_spent(new.id, 1) && !state.is_spent(new.id, 2));
}

/// A state remembers one used code: that another one was used tells that the code of the backup was replaced.
#[test]
fn a_code_before_the_last_used_one_stays_used() {
    let (scratch, store) = with(&[phone()]);
    let [old, new] = [7, 8].map(|_| OneTimeCode::generate(NOW * 2).unwrap().0);
    change_record(&store, |record| record.bypass = Some(old.clone()));
    let entry = backed_up(&store);
    change_state(&store, |state| state.bypass = Some(old.id));
    change_record(&store, |record| record.bypass = Some(new.clone()));
    change_state(&store, |state| state.bypass = Some(new.id));
    fs::remove_file(scratch.record()).unwrap();
    assert!(restored(&store, &entry, KEEP).drops_codes);
    assert!(record(&store).bypass.is_none());
}

#[test]
fn an_invitation_before_the_last_used_code_stays_used() {
    let (scratch, store) = with(&[]);
    invited(&factor(&store), NOW * 2).unwrap();
    let entry = backed_up(&store);
    logged();
    change_state(&store, |state| state.bypass = Some(id(77)));
    fs::remove_file(scratch.record()).unwrap();
    let refused = restore(&factor(&store), &entry, KEEP);
    assert_eq!(refused, Err(RestoreRefusal::NothingLeft));
}

/// It was to be over when its host meets the store of the fleet again.
#[test]
fn a_code_of_one_host_is_not_restored() {
    use twofactor_core::recovery::CodeScope;
    let (_scratch, store) = with(&[phone()]);
    let bypass = OneTimeCode::generate(NOW * 2).unwrap().0;
    let here = bypass.clone().with_scope(CodeScope::ThisHost);
    for (code, is_dropped) in [(bypass, false), (here, true)] {
        change_record(&store, |record| record.bypass = Some(code.clone()));
        let entry = backed_up(&store);
        store.discard("alice").unwrap();
        assert_eq!(restored(&store, &entry, KEEP).drops_codes, is_dropped);
        assert_eq!(record(&store).bypass.is_none(), is_dropped);
    }
}

/// An older backup, after a newer one.
#[test]
fn codes_used_before_a_backup_stay_used_after_it() {
    let (scratch, store) = with(&[phone()]);
    let bypass = OneTimeCode::generate(NOW * 2).unwrap().0;
    change_record(&store, |record| record.bypass = Some(bypass.clone()));
    let older = backed_up(&store);
    change_state(&store, |state| state.bypass = Some(bypass.id));
    let newer = backed_up(&store);
    store.discard("alice").unwrap();
    restored(&store, &newer, KEEP);
    fs::remove_file(scratch.record()).unwrap();
    restored(&store, &older, KEEP);
    assert!(record(&store).bypass.is_none());
}

/// The list was seen by others, and replaced; no new code was used yet.
#[test]
fn replaced_recovery_codes_do_not_come_back() {
    for terms in [TERMS, KEEP] {
        let (scratch, store) = with(&[phone()]);
        new_recovery_codes(&factor(&store), NOW, &mut RootChange).unwrap();
        let old = record(&store).recovery.unwrap();
        change_state(&store, |state| state.spend(old.id, 1));
        let entry = backed_up(&store);
        new_recovery_codes(&factor(&store), NOW, &mut RootChange).unwrap();
        let new = record(&store).recovery.unwrap();
        let state = store.peek(&alice()).unwrap().unwrap();
        assert_eq!((state.recovery.set, state.recovery.bits), (Some(new.id), 0));
        fs::remove_file(scratch.record()).unwrap();
        logged();
        assert!(restored(&store, &entry, terms).drops_codes);
        assert!(record(&store).recovery.is_none());
    }
}

#[test]
fn spent_marks_stay_where_devices_change() {
    let (_scratch, store) = with(&[phone(), token()]);
    new_recovery_codes(&factor(&store), NOW, &mut RootChange).unwrap();
    let set = record(&store).recovery.unwrap();
    change_state(&store, |state| state.spend(set.id, 4));
    remove_device(&factor(&store), token().id, &mut RootChange).unwrap();
    let state = store.peek(&alice()).unwrap().unwrap();
    assert!(state.is_spent(set.id, 4) && !state.is_spent(set.id, 5));
}
