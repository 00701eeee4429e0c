//! Another process changes what is kept about a user between a look at the records and one at the states.

use super::*;
use crate::files::record_lookup::FoundRecords;
use twofactor_core::recovery::OneTimeCode;

/// Another name of alice's uid.
fn alias() -> Account {
    account("alice@example.org", 1000)
}

/// The result of a look, and what it would be without a second one.
fn judged(
    store: &FactorStore,
    who: &Account,
    [first, again]: [FoundRecords; 2],
) -> (LookResult, LookResult) {
    let answer = |result: Result<RecordHolder, StoreError>| {
        let holder = result.map_err(|error| error.cause)?;
        assert!(holder.record.is_none() || holder.account == alice());
        Ok(holder.record.is_some_and(|record| record.is_enrolled()))
    };
    (
        answer(store.holder_of(who, first)),
        answer(store.proven(who, again)),
    )
}

/// True where a device was found.
type LookResult = Result<bool, FileFault>;

const FOUND: (LookResult, LookResult) = (Ok(true), Err(FileFault::LostRecord));
const ABSENT: (LookResult, LookResult) = (Ok(false), Err(FileFault::LostRecord));
const LOST: (LookResult, LookResult) = (Err(FileFault::LostRecord), Err(FileFault::LostRecord));

fn looks(store: &FactorStore, who: &Account) -> [FoundRecords; 2] {
    [(); 2].map(|()| store.look_up(who).unwrap())
}

/// A first enrollment that has not put its record in place yet.
fn half_enrolled() -> (ScratchStore, FactorStore) {
    let (scratch, store) = enrolled();
    store.lock(&alice()).unwrap().mark_removal().unwrap();
    fs::remove_file(scratch.record()).unwrap();
    (scratch, store)
}

/// An invitation that is not used yet.
fn invited() -> (ScratchStore, FactorStore) {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    let mut invited = record_of(&alice(), &[]);
    invited.invite = Some(OneTimeCode::generate(u64::MAX).unwrap().0);
    let mut locked = store.lock_for_change(&alice()).unwrap();
    locked.replace_record(&invited, &[]).unwrap();
    drop(locked);
    (scratch, store)
}

#[test]
fn r42_a_first_enrollment_meanwhile_loses_no_record() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    let seen = looks(&store, &alice());
    enroll_devices(&store, &alice(), &[phone()]);
    assert_eq!(judged(&store, &alice(), seen), FOUND);
    for who in [alice(), alias()] {
        let (_scratch, store) = half_enrolled();
        let seen = looks(&store, &who);
        enroll_devices(&store, &alice(), &[phone()]);
        assert_eq!(judged(&store, &who, seen), FOUND, "{who:?}");
    }
}

#[test]
fn r42_an_invitation_used_meanwhile_loses_no_record() {
    for who in [alice(), alias()] {
        let (_scratch, store) = invited();
        let seen = looks(&store, &who);
        enroll_devices(&store, &alice(), &[phone()]);
        assert_eq!(judged(&store, &who, seen), FOUND, "{who:?}");
    }
}

/// Two logins of an invited user enroll at once: the record of the one is not lost for the other.
#[test]
fn r42_a_change_finds_a_device_enrolled_meanwhile() {
    let (_scratch, store) = invited();
    let seen = store.own_record(&alice()).unwrap().unwrap();
    enroll_devices(&store, &alice(), &[phone()]);
    let holder = store.own_holder(&alice(), seen).unwrap();
    assert!(holder.record.unwrap().is_enrolled());
}

/// The second look of a change is as strict as the first.
#[test]
fn r42_a_change_finds_a_record_lost_meanwhile() {
    let (scratch, store) = invited();
    let seen = || store.own_record(&alice()).unwrap().unwrap();
    let (first, again) = (seen(), seen());
    let invitation = fs::read(scratch.record()).unwrap();
    enroll_devices(&store, &alice(), &[phone()]);
    fs::write(scratch.record(), invitation).unwrap();
    let lost = Err(FileFault::LostRecord);
    let found = |own| store.own_holder(&alice(), own).map(drop);
    assert_eq!(found(first).map_err(|error| error.cause), lost);
    fs::remove_file(scratch.record()).unwrap();
    assert_eq!(found(again).map_err(|error| error.cause), lost);
}

#[test]
fn r42_a_removal_in_between_is_no_lost_record() {
    for who in [alice(), alias()] {
        let (scratch, store) = enrolled();
        let mut removal = store.lock(&alice()).unwrap();
        let record = removal.record().unwrap().unwrap();
        removal.mark_removal().unwrap();
        removal.remove_record().unwrap();
        let seen = looks(&store, &who);
        removal.remove_rest(&record).unwrap();
        assert!(scratch.everything().is_empty());
        assert_eq!(judged(&store, &who, seen), ABSENT, "{who:?}");
    }
}

/// A record that is lost at the second look is lost, also if the first look saw something else.
#[test]
fn r42_a_record_lost_at_the_second_look_is_lost() {
    for who in [alice(), alias()] {
        let (scratch, store) = half_enrolled();
        let seen = looks(&store, &who);
        enroll_devices(&store, &alice(), &[phone()]);
        fs::remove_file(scratch.record()).unwrap();
        assert_eq!(judged(&store, &who, seen), LOST, "{who:?}");
    }
}

/// The second look is as strict as the first.
#[test]
fn r42_a_record_of_another_uid_in_between_is_refused() {
    let (scratch, store) = half_enrolled();
    let seen = looks(&store, &alice());
    enroll_devices(&store, &alice(), &[phone()]);
    let other = record_of(&account("alice", 7), &[phone()]).to_toml();
    fs::write(scratch.record(), other.as_bytes()).unwrap();
    let (answer, _) = judged(&store, &alice(), seen);
    let other_uid = FileFault::OtherUid {
        recorded: 7,
        current: 1000,
    };
    assert_eq!(answer, Err(other_uid));
}
