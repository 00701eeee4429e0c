use super::*;
use crate::sealed_values::attempt_id::AttemptId;
use crate::sealed_values::shared_record::RecordContent;
use crate::sealed_values::shared_state::SharedState;
use std::cell::Cell;
use twofactor_core::recovery::OneTimeCode;
use twofactor_core::state::UserState;
use twofactor_store::testing::{self, ScratchStore};

const UID: u32 = 64001;

fn factor(revision: u64, record: Option<&UserRecord>) -> FleetFactor {
    let mut state = UserState::new(0);
    let devices = record.map(|it| it.devices.as_slice()).unwrap_or_default();
    state.devices = devices.iter().map(testing::fresh).collect();
    FleetFactor {
        record: SharedRecord {
            revision,
            change: AttemptId::from_bytes([1; 16]).unwrap(),
            content: record.map_or(RecordContent::Removed, |it| {
                RecordContent::Text(it.to_toml())
            }),
        },
        state: SharedState::first(1, state),
    }
}

fn enrolled(files: &ScratchStore) -> UserRecord {
    let alice = testing::account("alice", UID);
    testing::enroll_devices(&files.store(), &alice, &[testing::phone()]);
    files.store().record_named("alice").unwrap().unwrap()
}

fn notes(files: &ScratchStore) -> MirrorNotes {
    let fleet = crate::host_files::host_file::FleetDirectory::ensure(&files.top()).unwrap();
    MirrorNotes::open(fleet.path()).unwrap()
}

/// The mirror has seen what another host changed, when a change of this host comes first to the lock.
#[test]
fn a_local_change_meanwhile_is_not_undone() {
    let files = ScratchStore::new();
    let (store, notes) = (files.store(), notes(&files));
    let marks = &notes.marks;
    let old = enrolled(&files);
    marks.note("alice", 1, MarkKind::of(Some(&old))).unwrap();
    let renewed = testing::record_of(&testing::account("alice", UID), &[testing::token()]);
    let is_first = Cell::new(true);
    let read = |_: Duration| -> Result<FleetFactor, OutageReason> {
        if is_first.replace(false) {
            let seen = factor(2, Some(&renewed));
            marks.note("alice", 3, MarkKind::Removed).unwrap();
            store.discard("alice").unwrap();
            return Ok(seen);
        }
        Ok(factor(3, None))
    };
    let done = bring_here(&store, (&notes, "alice"), &read);
    assert_eq!(done, Ok(MirrorResult::Same));
    assert!(store.record_named("alice").unwrap().is_none());
    assert_eq!(marks.of("alice").unwrap(), Some((3, MarkKind::Removed)));
    assert_eq!(files.listing(), [""; 0], "no state is left of it");
}

#[test]
fn a_user_who_came_back_meanwhile_is_not_removed() {
    let files = ScratchStore::new();
    let (store, notes) = (files.store(), notes(&files));
    let marks = &notes.marks;
    let record = enrolled(&files);
    marks.note("alice", 1, MarkKind::of(Some(&record))).unwrap();
    let is_first = Cell::new(true);
    let read = |_: Duration| -> Result<FleetFactor, OutageReason> {
        if is_first.replace(false) {
            let kind = MarkKind::of(Some(&record));
            marks.note("alice", 3, kind).unwrap();
            return Ok(factor(2, None));
        }
        Ok(factor(3, Some(&record)))
    };
    let done = bring_here(&store, (&notes, "alice"), &read);
    assert_eq!(done, Ok(MirrorResult::Same));
    assert!(store.record_named("alice").unwrap().is_some());
}

/// The record of alice in the store after she was removed, and enrolled anew with another uid.
fn successor() -> UserRecord {
    testing::record_of(&testing::account("alice", UID + 1), &[testing::token()])
}

/// This host was away, and has not seen the removal.
#[test]
fn a_user_with_a_new_uid_gets_the_new_record() {
    let files = ScratchStore::new();
    let (store, notes) = (files.store(), notes(&files));
    let old = enrolled(&files);
    let kind = MarkKind::of(Some(&old));
    notes.marks.note("alice", 1, kind).unwrap();
    let read = |_: Duration| Ok(factor(3, Some(&successor())));
    let done = bring_here(&store, (&notes, "alice"), &read);
    assert_eq!(done, Ok(MirrorResult::Changed));
    let record = store.record_named("alice").unwrap().unwrap();
    assert_eq!((record.uid, record.devices.len()), (UID + 1, 1));
    let alice = testing::account("alice", UID + 1);
    assert!(
        store
            .lock(&alice)
            .unwrap()
            .state()
            .device(testing::token().id)
            .is_some()
    );
    // It was noted for the time without a record.
    assert_eq!(notes.unmirrored.users().unwrap(), ["alice"]);
    forget_failure(&store, (&notes, "alice"), &read).unwrap();
    assert_eq!(notes.unmirrored.users().unwrap(), [""; 0]);
}

/// The store is lost between the removal of the old record and the new one; a state of the old uid may be left, too.
#[test]
fn between_two_uids_no_user_is_without_a_device() {
    let files = ScratchStore::new();
    let (store, notes) = (files.store(), notes(&files));
    enrolled(&files);
    let looks = Cell::new(0);
    let read = |_: Duration| -> Result<FleetFactor, OutageReason> {
        looks.set(looks.get() + 1);
        if looks.get() == 3 {
            return Err(OutageReason::OtherEpoch);
        }
        Ok(factor(3, Some(&successor())))
    };
    let lost = bring_here(&store, (&notes, "alice"), &read);
    assert_eq!(lost, Err(UserFault::Outage(OutageReason::OtherEpoch)));
    assert!(store.record_named("alice").unwrap().is_none());
    assert_eq!(notes.unmirrored.users().unwrap(), ["alice"]);
    // Nothing forgets it as long as the record is not here.
    forget_failure(&store, (&notes, "alice"), &read).unwrap();
    assert_eq!(notes.unmirrored.users().unwrap(), ["alice"]);
    drop(
        store
            .lock_for_change(&testing::account("alice", UID))
            .unwrap(),
    );
    assert_eq!(files.listing(), ["state/alice"]);
    let done = bring_here(&store, (&notes, "alice"), &read);
    assert_eq!(done, Ok(MirrorResult::Changed));
    assert_eq!(store.record_named("alice").unwrap().unwrap().uid, UID + 1);
}

#[test]
fn an_older_record_of_another_uid_removes_nothing() {
    let files = ScratchStore::new();
    let (store, notes) = (files.store(), notes(&files));
    let old = enrolled(&files);
    let kind = MarkKind::of(Some(&old));
    notes.marks.note("alice", 4, kind).unwrap();
    let read = |_: Duration| Ok(factor(3, Some(&successor())));
    let refused = bring_here(&store, (&notes, "alice"), &read);
    assert!(matches!(refused, Err(UserFault::User(_))), "{refused:?}");
    assert_eq!(store.record_named("alice").unwrap().unwrap().uid, UID);
    assert_eq!(notes.unmirrored.users().unwrap(), [""; 0]);
}

/// A pair that refuses the logins of bob, as 0.1.0 let be made: on another host `unset` has removed his invitation.
#[test]
fn an_invitation_beside_a_device_can_be_removed() {
    use std::os::unix::fs::PermissionsExt;
    let files = ScratchStore::new();
    let (store, notes) = (files.store(), notes(&files));
    enrolled(&files);
    let bob = testing::account("bob", UID);
    let mut invited = testing::record_of(&bob, &[]);
    invited.invite = Some(OneTimeCode::generate(u64::MAX).unwrap().0);
    let state = twofactor_core::state::encode_file(&UserState::new(UID));
    for (file, bytes) in [
        ("users/bob.toml", invited.to_toml().as_bytes()),
        ("state/bob", &state),
    ] {
        let path = files.top().join(file);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    }
    store.complete_index().unwrap();
    assert!(store.holder(&bob).is_err());
    let kind = MarkKind::of(Some(&invited));
    notes.marks.note("bob", 1, kind).unwrap();
    let read = |_: Duration| Ok(factor(2, None));
    let done = bring_here(&store, (&notes, "bob"), &read);
    assert_eq!(done, Ok(MirrorResult::Changed));
    assert!(store.record_named("bob").unwrap().is_none());
    assert_eq!(store.holder(&bob).unwrap().account.name, "alice");
}

/// Where the record does not come, as after a kill, the one that is here is one of a known revision.
#[test]
fn a_mark_comes_before_its_record() {
    let files = ScratchStore::new();
    let (store, notes) = (files.store(), notes(&files));
    let old = enrolled(&files);
    let kind = MarkKind::of(Some(&old));
    notes.marks.note("alice", 4, kind).unwrap();
    let renewed = testing::record_of(&testing::account("alice", UID), &[testing::token()]);
    let read = |_: Duration| {
        let mut factor = factor(5, Some(&renewed));
        // Of a state that lacks the device no record is put in place.
        factor.state.state.devices.clear();
        Ok(factor)
    };
    let failed = bring_here(&store, (&notes, "alice"), &read);
    assert!(matches!(failed, Err(UserFault::User(_))), "{failed:?}");
    assert_eq!(
        *store.record_named("alice").unwrap().unwrap().to_toml(),
        *old.to_toml()
    );
    let newest = Some((5, MarkKind::of(Some(&renewed))));
    assert_eq!(notes.marks.of("alice").unwrap(), newest);
    assert_eq!(notes.marks.revision_of("alice", Some(&old)).unwrap(), 4);
}
