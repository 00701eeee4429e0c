//! A removal whose state is taken over before its record is gone, and then by which user, and for what.

use super::*;

/// The lock of a removal that has looked for the last time whether it still has it.
fn marked(store: &FactorStore) -> (LockedFactor<'_>, UserRecord) {
    let mut locked = store.lock(&alice()).unwrap();
    let record = locked.record().unwrap().unwrap();
    locked.mark_removal().unwrap();
    (locked, record)
}

/// Takes the state over, as a login does, and says that its devices count.
fn commit(store: &FactorStore) {
    let mut taker = store.lock(&alice()).unwrap();
    taker.commit().unwrap();
    taker.flush().unwrap();
    taker.confirm().unwrap();
}

/// The taker is stopped in its turn, and goes on when all is removed.
#[test]
fn r43_late_writes_of_a_stopped_taker_leave_no_trace() {
    let (scratch, store) = enrolled();
    let (stopped, record) = marked(&store);
    let mut taker = store.lock(&alice()).unwrap();
    taker.commit().unwrap();
    stopped.remove_record().unwrap();
    stopped.remove_rest(&record).unwrap();
    assert!(scratch.everything().is_empty());
    taker.commit().unwrap();
    taker.flush().unwrap();
    assert_eq!(taker.confirm().unwrap_err().cause, FileFault::TakenOver);
    assert!(scratch.everything().is_empty() && !found(&store));
}

/// A removal of the same devices, given meanwhile, that has come to its end.
#[test]
fn r43_a_removal_that_another_has_finished_is_done() {
    let (scratch, store) = enrolled();
    let (stopped, record) = marked(&store);
    store.lock(&alice()).unwrap().remove().unwrap();
    stopped.remove_record().unwrap();
    assert_eq!(stopped.remove_rest(&record), Ok(()));
    assert!(scratch.everything().is_empty());
}

#[test]
fn r43_a_new_enrollment_outlives_a_stopped_removal() {
    let (_scratch, store) = enrolled();
    let (stopped, record) = marked(&store);
    stopped.remove_record().unwrap();
    enroll_devices(&store, &alice(), &[token()]);
    let done = stopped.remove_rest(&record);
    assert_eq!(done.unwrap_err().cause, FileFault::TakenOver);
    let kept = store.snapshot(&alice()).unwrap().unwrap();
    assert_eq!(device_names(&kept.record), ["token"]);
    assert!(kept.state.has_committed());
}

/// It is stopped between its look at the lock and the removal of the entry, which the enrollment finds in place.
#[test]
fn r42_a_late_removal_puts_the_index_entry_back() {
    let (_scratch, store) = enrolled();
    let (stopped, _) = marked(&store);
    stopped.remove_record().unwrap();
    enroll_devices(&store, &alice(), &[token()]);
    let done = stopped.remove_unconfirmed();
    assert_eq!(done.unwrap_err().cause, FileFault::TakenOver);
    assert_eq!(store.index().unwrap(), [(1000, "alice".to_owned())]);
}

/// A removal that was stopped has removed the entry after the enrollment found it in place.
#[test]
fn r42_a_first_record_has_its_index_entry() {
    let (_scratch, store) = enrolled();
    store.lock(&alice()).unwrap().remove().unwrap();
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let record = record_of(&alice(), &[token()]);
    let mut state = locked.state().clone();
    state.devices.push(unused(&token()));
    locked.write(state).unwrap();
    let users = store.users.directory().unwrap();
    let text = record.to_toml();
    locked.publish_first(users, "alice.toml", &text).unwrap();
    locked.finish_replacement(&record).unwrap();
    assert_eq!(store.index().unwrap(), [(1000, "alice".to_owned())]);
}

/// Another device's record went with it: that stays an error until it is removed, and lets no login pass.
#[test]
fn r43_another_device_is_not_removed_unseen() {
    let (scratch, store) = enrolled();
    let (stopped, record) = marked(&store);
    let mut taker = store.lock(&alice()).unwrap();
    let other = record_of(&alice(), &[token()]);
    taker.replace_record(&other, &[unused(&token())]).unwrap();
    drop(taker);
    stopped.remove_record().unwrap();
    let done = stopped.remove_rest(&record);
    assert_eq!(done.unwrap_err().cause, FileFault::TakenOver);
    let lost = error_at(&scratch.record(), FileFault::LostRecord);
    assert_eq!(store.holder(&alice()).err(), Some(lost));
}

/// The devices are the same, and their record was written anew, as for new recovery codes.
#[test]
fn r43_the_same_devices_are_removed() {
    let (scratch, store) = enrolled();
    let (stopped, record) = marked(&store);
    let mut taker = store.lock(&alice()).unwrap();
    taker.replace_record(&record, &[]).unwrap();
    drop(taker);
    stopped.remove_record().unwrap();
    assert_eq!(stopped.remove_rest(&record), Ok(()));
    assert!(scratch.everything().is_empty());
}

/// Killed between the two: refused until the removal is given again.
#[test]
fn r43_a_removal_that_is_given_again_completes_it() {
    let (scratch, store) = enrolled();
    let (stopped, _) = marked(&store);
    commit(&store);
    stopped.remove_record().unwrap();
    drop(stopped);
    let lost = error_at(&scratch.record(), FileFault::LostRecord);
    assert_eq!(store.holder(&alice()).err(), Some(lost));
    store.discard("alice").unwrap();
    assert!(scratch.everything().is_empty() && !found(&store));
}

/// The end of a removal fails, as if it was killed there.
fn break_end(scratch: &ScratchStore) -> PathBuf {
    let path = scratch.top().join("state/.alice.new");
    fs::create_dir(&path).unwrap();
    path
}

/// A record that cannot be read is removed without a look into it.
#[test]
fn r42_a_killed_removal_of_a_damaged_record_completes() {
    let (scratch, store) = enrolled();
    fs::write(scratch.record(), "damaged").unwrap();
    assert!(store.holder(&alice()).is_err());
    let end = break_end(&scratch);
    assert!(store.discard("alice").is_err());
    assert!(
        !found(&store),
        "a state without a record contradicts nothing"
    );
    fs::remove_dir(end).unwrap();
    store.discard("alice").unwrap();
    assert!(scratch.everything().is_empty());
}

/// A record on its way to another name, whose state has that name already.
#[test]
fn r42_a_killed_removal_of_a_moving_record_completes() {
    let (scratch, store) = enrolled();
    let anna = account("anna", 1000);
    let mut locked = store.lock(&alice()).unwrap();
    let record = locked.record().unwrap().unwrap();
    store
        .change_owner(&mut locked, "alice", record, &anna)
        .unwrap();
    locked.move_state("anna").unwrap();
    drop(locked);
    break_end(&scratch);
    assert!(store.discard("alice").is_err());
    for who in [alice(), anna] {
        let holder = store.holder(&who).unwrap();
        assert!(holder.record.is_none(), "{who:?}");
    }
}

/// A file that was copied to another name is on its way nowhere.
#[test]
fn a_copied_record_takes_no_other_user_along() {
    let (scratch, store) = enrolled();
    let bob = account("bob", 1001);
    enroll_devices(&store, &bob, &[token()]);
    let users = scratch.top().join("users");
    fs::copy(users.join("bob.toml"), scratch.record()).unwrap();
    store.discard("alice").unwrap();
    assert!(!scratch.record().exists() && !found(&store));
    let kept = store.snapshot(&bob).unwrap().unwrap();
    assert!(kept.record.is_enrolled() && kept.state.has_committed());
}

/// Between the two looks of a change.
#[test]
fn a_removal_in_between_is_no_missing_state() {
    let (_scratch, store) = enrolled();
    let seen = store.holder(&alice()).unwrap();
    store.lock(&alice()).unwrap().remove().unwrap();
    let mut locked = LockedFactor::for_change(&store, &alice(), seen.clone()).unwrap();
    assert!(locked.record().unwrap().is_none());
    let record = record_of(&alice(), &[token()]);
    locked.replace_record(&record, &[unused(&token())]).unwrap();
    drop(locked);
    assert!(found(&store));
    // A state that is really missing stays an error.
    fs::remove_file(store.state_path("alice")).unwrap();
    let lost = LockedFactor::for_change(&store, &alice(), seen).err();
    assert_eq!(lost.map(|error| error.cause), Some(FileFault::MissingState));
}

fn found(store: &FactorStore) -> bool {
    store.holder(&alice()).unwrap().record.is_some()
}
