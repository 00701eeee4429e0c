//! Restorations: nothing that was used works again, and a user with a device never becomes one without.

use super::*;
use twofactor_core::backup::{Backup, BackupEntry, BackupText};
use twofactor_core::recovery::RecoverySet;
use twofactor_core::state::graced_sessions::{GracedSession, SessionGrace};
use twofactor_core::state::{COUNTER_UNKNOWN, GracePeriod};

pub const TERMS: RestoreTerms = RestoreTerms {
    now: NOW,
    existing: ExistingRecord::Keep,
    one_time_codes: UnknownCodes::Drop,
};
const REPLACE: RestoreTerms = RestoreTerms {
    existing: ExistingRecord::Replace,
    ..TERMS
};
pub const KEEP: RestoreTerms = RestoreTerms {
    one_time_codes: UnknownCodes::Keep,
    ..TERMS
};
/// The first step of the phone that no login could have accepted by now, whatever the window was.
const UNUSED: u64 = NOW / 30 + 23;

/// alice as she is now, through the text of a backup.
pub fn backed_up(store: &FactorStore) -> BackupEntry {
    let mut text = BackupText::new(NOW);
    let locked = store.lock(&alice()).unwrap();
    text.add(&locked.record().unwrap().unwrap(), locked.state())
        .unwrap();
    let mut entries = Backup::parse(&text.finish()).unwrap().entries;
    entries.remove(0)
}

pub fn change_state(
    store: &FactorStore,
    change: impl FnOnce(&mut twofactor_core::state::UserState),
) {
    let mut locked = store.lock(&alice()).unwrap();
    let mut state = locked.state().clone();
    change(&mut state);
    locked.write(state).unwrap();
}

pub fn change_record(store: &FactorStore, change: impl FnOnce(&mut UserRecord)) {
    let mut locked = store.lock(&alice()).unwrap();
    let mut record = locked.record().unwrap().unwrap();
    change(&mut record);
    locked.replace_record(&record, &[]).unwrap();
}

fn next_of(store: &FactorStore, device: u64) -> u64 {
    let state = store.peek(&alice()).unwrap().unwrap();
    assert!(state.device(id(device)).unwrap().committed);
    state.device(id(device)).unwrap().next
}

pub fn restored(store: &FactorStore, entry: &BackupEntry, terms: RestoreTerms) -> RestoredFactor {
    let planned = preview_restore(store, &alice(), entry, terms).unwrap();
    let done = restore(&factor(store), entry, terms).unwrap();
    assert_eq!(planned, done);
    assert_eq!(logged(), ["restore"]);
    done
}

fn number(device: &Device) -> u64 {
    device.id.number()
}

#[test]
fn a_lost_user_is_asked_again() {
    let (_scratch, store) = with(&[phone(), token()]);
    let entry = backed_up(&store);
    store.discard("alice").unwrap();
    let done = restored(&store, &entry, TERMS);
    assert_eq!((done.replaces, done.lost_counters), (false, 1));
    assert_eq!(names(&store), ["phone", "token"]);
    assert_eq!(next_of(&store, number(&phone())), UNUSED);
    assert_eq!(next_of(&store, number(&token())), COUNTER_UNKNOWN);
}

#[test]
fn a_record_is_kept_unless_told() {
    let (scratch, store) = with(&[phone()]);
    let entry = backed_up(&store);
    let before = kept(&scratch);
    let refused = restore(&factor(&store), &entry, TERMS);
    assert_eq!(refused, Err(RestoreRefusal::Exists));
    assert_eq!((kept(&scratch), logged().len()), (before, 0));
    let done = restored(&store, &entry, REPLACE);
    assert!(done.replaces && done.removed_devices == 0);
}

#[test]
fn counters_are_the_later_ones() {
    let (_scratch, store) = with(&[phone(), token()]);
    change_state(&store, |state| {
        state.device_mut(token().id).unwrap().next = 5;
    });
    let entry = backed_up(&store);
    change_state(&store, |state| {
        state.device_mut(token().id).unwrap().next = 9;
        state.device_mut(phone().id).unwrap().next = UNUSED + 40;
    });
    assert_eq!(restored(&store, &entry, REPLACE).lost_counters, 0);
    assert_eq!(next_of(&store, number(&token())), 9);
    assert_eq!(next_of(&store, number(&phone())), UNUSED + 40);
}

#[test]
fn lock_outs_of_both_stay() {
    let (_scratch, store) = with(&[phone()]);
    change_state(&store, |state| {
        (state.failures, state.last_failure) = (9, NOW - 50);
        state.daemon = state.daemon.charged(NOW);
    });
    let entry = backed_up(&store);
    change_state(&store, |state| {
        (state.failures, state.last_failure) = (2, NOW - 7);
        state.daemon = twofactor_core::state::DaemonFailures::NONE
            .charged(NOW)
            .charged(NOW);
    });
    restored(&store, &entry, REPLACE);
    let state = store.peek(&alice()).unwrap().unwrap();
    assert_eq!((state.failures, state.last_failure), (9, NOW - 7));
    assert_eq!((state.daemon.in_a_row, state.daemon.total(NOW)), (2, 2));
    store.discard("alice").unwrap();
    restored(&store, &entry, TERMS);
    assert_eq!(store.peek(&alice()).unwrap().unwrap().failures, 9);
}

/// The record is gone, and the state says so: all logins are refused. It still knows what was used.
#[test]
fn a_lost_record_is_restored_by_what_its_state_knows() {
    let (scratch, store) = with(&[phone(), token()]);
    let set = RecoverySet::generate(1).unwrap().0;
    change_record(&store, |record| record.recovery = Some(set.clone()));
    let entry = backed_up(&store);
    change_state(&store, |state| {
        state.device_mut(token().id).unwrap().next = 9;
        state.spend(set.id, 2);
    });
    fs::remove_file(scratch.record()).unwrap();
    assert!(store.holder(&alice()).is_err());
    let done = restored(&store, &entry, TERMS);
    assert_eq!((done.lost_counters, done.drops_codes), (0, false));
    assert_eq!(next_of(&store, number(&token())), 9);
    let state = store.peek(&alice()).unwrap().unwrap();
    assert!(state.is_spent(set.id, 2) && !state.is_spent(set.id, 1));
}

#[test]
fn a_lost_record_of_other_devices_is_restored() {
    let (scratch, store) = with(&[phone()]);
    let entry = backed_up(&store);
    store.discard("alice").unwrap();
    enroll_devices(&store, &alice(), &[token()]);
    fs::remove_file(scratch.record()).unwrap();
    restored(&store, &entry, TERMS);
    assert_eq!(names(&store), ["phone"]);
    assert!(store.holder(&alice()).unwrap().record.is_some());
}

#[test]
fn an_invitation_takes_no_device_away() {
    let (scratch, store) = with(&[]);
    invited(&factor(&store), NOW * 2).unwrap();
    let entry = backed_up(&store);
    logged();
    store.discard("alice").unwrap();
    let nothing = restore(&factor(&store), &entry, TERMS);
    assert_eq!(nothing, Err(RestoreRefusal::NothingLeft));
    assert_eq!(kept(&scratch), NOTHING);
    restored(&store, &entry, KEEP);
    assert!(record(&store).invite.is_some());
    store.discard("alice").unwrap();
    enroll_devices(&store, &alice(), &[phone()]);
    let keep = RestoreTerms {
        existing: ExistingRecord::Replace,
        ..KEEP
    };
    let refused = restore(&factor(&store), &entry, keep);
    assert_eq!(refused, Err(RestoreRefusal::WouldUnenroll));
    fs::remove_file(scratch.record()).unwrap();
    let refused = restore(&factor(&store), &entry, keep);
    assert_eq!(refused, Err(RestoreRefusal::WouldUnenroll));
    assert!(store.holder(&alice()).is_err());
}

#[test]
fn an_unusable_record_is_not_overwritten() {
    let (scratch, store) = with(&[phone()]);
    let entry = backed_up(&store);
    fs::write(scratch.record(), "not a record").unwrap();
    let before = kept(&scratch);
    for refused in [
        restore(&factor(&store), &entry, REPLACE),
        preview_restore(&store, &alice(), &entry, REPLACE),
    ] {
        assert!(
            matches!(refused, Err(RestoreRefusal::Change(_))),
            "{refused:?}"
        );
    }
    assert_eq!(kept(&scratch), before);
}

#[test]
fn a_restoration_ends_all_grace() {
    let (_scratch, store) = with(&[phone()]);
    let entry = backed_up(&store);
    change_state(&store, |state| {
        state.grace.push(GracePeriod {
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            service: 1,
            since: NOW,
        });
        state.session_grace.boot = 1;
        state.session_grace.sessions = vec![GracedSession { id: 2, since: NOW }];
    });
    restored(&store, &entry, REPLACE);
    let state = store.peek(&alice()).unwrap().unwrap();
    assert!(state.grace.is_empty());
    assert_eq!(state.session_grace.sessions, SessionGrace::NONE.sessions);
}

#[test]
fn a_restoration_is_told_beside_earlier_changes() {
    use twofactor_core::record::recent_changes::ChangeWord;
    let (_scratch, store) = with(&[phone()]);
    let entry = backed_up(&store);
    new_recovery_codes(&factor(&store), NOW, &mut RootChange).unwrap();
    logged();
    restored(&store, &entry, REPLACE);
    let kinds: Vec<_> = record(&store).changes.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [ChangeWord::RecoveryCodes, ChangeWord::Restored]);
}

/// The preview of a restoration writes nothing and takes no lock, with any result.
#[test]
fn a_preview_says_the_same_and_changes_nothing() {
    let (scratch, store) = with(&[phone(), token()]);
    let entry = backed_up(&store);
    let before = kept(&scratch);
    let held = store.lock(&alice()).unwrap();
    let preview = |terms| preview_restore(&store, &alice(), &entry, terms);
    assert_eq!(preview(TERMS), Err(RestoreRefusal::Exists));
    let replaced = preview(REPLACE).unwrap();
    drop(held);
    assert_eq!((replaced.replaces, replaced.removed_devices), (true, 0));
    assert_eq!(kept(&scratch), before);
    assert_eq!(restore(&factor(&store), &entry, REPLACE), Ok(replaced));
    // Under another name of the same uid the record is one to rename first.
    let anna = Account {
        name: "anna".to_owned(),
        ..alice()
    };
    let elsewhere = preview_restore(&store, &anna, &entry, REPLACE);
    let Err(RestoreRefusal::Change(error)) = elsewhere else {
        panic!("{elsewhere:?}");
    };
    assert!(
        matches!(&error.cause, ChangeCause::Failed(AttemptFailure::Store(error)) if error.cause == FileFault::KeptAs("alice".to_owned())),
        "{error}"
    );
    // A host that has nothing of the user.
    let (scratch, store) = with(&[]);
    let lost = preview_restore(&store, &alice(), &entry, TERMS).unwrap();
    assert_eq!((lost.replaces, lost.lost_counters), (false, 1));
    assert_eq!(kept(&scratch), NOTHING);
    assert_eq!(logged(), ["restore"]);
}
