//! Removals of whatever is kept under a name, while other processes change it.

use std::cell::Cell;
use std::time::Duration;

use super::limits::FileSize;
use super::*;
use crate::files::forced_removal::LocalRemoval;
use crate::sys::lock_heartbeat::with_heartbeat;

/// Removes what is kept about alice. Between its look at the record under the lock and what follows, another process does this.
fn discard_while(store: &FactorStore, meanwhile: &dyn Fn()) -> Result<RemovalResult, FileFault> {
    let looks = Cell::new(0);
    let done = store.discard_if(
        "alice",
        &|_| {
            looks.set(looks.get() + 1);
            if looks.get() == 2 {
                meanwhile();
            }
            true
        },
        &mut false,
    );
    done.map_err(|error| error.cause)
}

/// The devices of an account, whose record and state agree.
fn kept(store: &FactorStore, who: &Account) -> Vec<String> {
    let kept = store.snapshot(who).unwrap().unwrap();
    assert!(kept.state.has_committed());
    assert_eq!(store.index().unwrap(), [(1000, who.name.clone())]);
    let names = device_names(&kept.record).into_iter();
    names.map(str::to_owned).collect()
}

fn damage(path: &Path) {
    fs::write(path, "damaged").unwrap();
}

#[test]
fn whatever_is_damaged_or_missing_is_removed() {
    type Spoil = fn(&Path);
    let missing: Spoil = |path| fs::remove_file(path).unwrap();
    let sound: Spoil = |_| {};
    for record in [sound, damage, missing] {
        for state in [sound, damage, missing] {
            let (scratch, store) = enrolled();
            record(&scratch.record());
            state(&scratch.state());
            assert_eq!(discard_while(&store, &|| {}), Ok(RemovalResult::Removed));
            assert!(scratch.everything().is_empty());
        }
    }
}

/// It was killed while it wrote a record, after it had taken the state over.
#[test]
fn the_keys_of_a_killed_taker_are_removed() {
    let (scratch, store) = enrolled();
    let stopped = store.lock(&alice()).unwrap();
    drop(store.lock(&alice()).unwrap());
    assert_eq!(stopped.confirm().unwrap_err().cause, FileFault::TakenOver);
    damage(&scratch.record());
    fs::write(scratch.top().join("users/.alice.toml+1.new"), "key").unwrap();
    assert_eq!(discard_while(&store, &|| {}), Ok(RemovalResult::Removed));
    assert!(scratch.everything().is_empty());
}

/// The user's state has no lock then, which would tell of the taker.
#[test]
fn a_killed_takers_keys_go_without_a_usable_state() {
    let (scratch, store) = enrolled();
    damage(&scratch.record());
    damage(&scratch.state());
    let users = scratch.top().join("users");
    let others = [".alice2.toml+9.new", ".bob.toml.new"];
    for name in [".alice.toml+9.new", ".alice.toml.new"]
        .iter()
        .chain(&others)
    {
        fs::write(users.join(name), "key").unwrap();
    }
    assert_eq!(discard_while(&store, &|| {}), Ok(RemovalResult::Removed));
    assert_eq!(
        scratch.everything(),
        others.map(|name| format!("users/{name}"))
    );
}

/// A process was killed when it had begun to take the state over, and there is no room to go on.
#[test]
fn a_full_disk_keeps_no_begun_takeover() {
    if !in_own_process("files::tests::forced::a_full_disk_keeps_no_begun_takeover") {
        return;
    }
    let (scratch, store) = enrolled();
    damage(&scratch.record());
    let begun = scratch.top().join("state/alice+");
    fs::DirBuilder::new().mode(0o700).create(&begun).unwrap();
    let _limited = FileSize::limited_to(100);
    let refused = store.lock(&alice()).err().map(|error| error.cause);
    assert!(matches!(refused, Some(FileFault::File(_))), "{refused:?}");
    assert_eq!(discard_while(&store, &|| {}), Ok(RemovalResult::Removed));
    assert!(scratch.everything().is_empty());
}

/// The first of two removals has removed all, and its user is enrolled anew.
#[test]
fn r42_a_late_removal_keeps_a_new_enrollment() {
    for is_damaged in [false, true] {
        let (scratch, store) = enrolled();
        if is_damaged {
            damage(&scratch.record());
            damage(&scratch.state());
        } else {
            store.lock(&alice()).unwrap().remove().unwrap();
        }
        let done = discard_while(&store, &|| {
            discard_while(&store, &|| {}).unwrap();
            enroll_devices(&store, &alice(), &[token()]);
        });
        assert_eq!(done, Err(FileFault::Changed), "{is_damaged}");
        assert_eq!(kept(&store, &alice()), ["token"]);
    }
}

#[test]
fn r43_a_stopped_removal_keeps_a_restored_record() {
    let (scratch, store) = enrolled();
    let sound = fs::read(scratch.record()).unwrap();
    damage(&scratch.record());
    let done = discard_while(&store, &|| {
        let taker = store.lock(&alice()).unwrap();
        fs::write(scratch.record(), &sound).unwrap();
        drop(taker);
    });
    assert_eq!(done, Err(FileFault::TakenOver));
    assert_eq!(kept(&store, &alice()), ["phone"]);
}

/// It is stopped once the record is gone.
#[test]
fn r43_a_stopped_removal_keeps_a_new_enrollment() {
    let (scratch, store) = enrolled();
    damage(&scratch.record());
    let stopped = LocalRemoval::begin(&store, "alice", "alice.toml", None, &|_| true).unwrap();
    assert_eq!(stopped.remove_record(), Ok(true));
    enroll_devices(&store, &alice(), &[token()]);
    let taken_over = error_at(&scratch.state(), FileFault::TakenOver);
    assert_eq!(stopped.remove_record(), Err(taken_over.clone()));
    assert_eq!(stopped.remove_traces(), Err(taken_over));
    assert_eq!(kept(&store, &alice()), ["token"]);
}

/// It is stopped between its look at the lock and the removal of the entries, which the enrollment finds in place.
#[test]
fn r42_a_stopped_removal_keeps_the_index_entry() {
    let (scratch, store) = enrolled();
    damage(&scratch.record());
    let stopped = LocalRemoval::begin(&store, "alice", "alice.toml", None, &|_| true).unwrap();
    assert_eq!(stopped.remove_record(), Ok(true));
    let index = store.index().unwrap();
    enroll_devices(&store, &alice(), &[token()]);
    let taken_over = error_at(&scratch.state(), FileFault::TakenOver);
    assert_eq!(stopped.remove_found(&index), Err(taken_over));
    assert_eq!(kept(&store, &alice()), ["token"]);
}

#[test]
fn a_removal_waits_for_a_lock_and_gives_up() {
    let (scratch, store) = enrolled();
    damage(&scratch.record());
    let before = scratch.everything();
    let mut holder = store.lock(&alice()).unwrap();
    let done = with_heartbeat(
        &mut || holder.write_heartbeat(),
        Duration::from_secs(60),
        || discard_while(&store, &|| {}),
    );
    assert!(matches!(done, Err(FileFault::Busy(_))), "{done:?}");
    assert_eq!(scratch.everything(), before);
    assert!(holder.state().has_committed());
}

fn anna() -> Account {
    account("anna", 1000)
}

/// The lock of alice's record on its way to anna, whose state has that name already.
fn moving(store: &FactorStore) -> LockedFactor<'_> {
    let mut locked = store.lock(&alice()).unwrap();
    let record = locked.record().unwrap().unwrap();
    store
        .change_owner(&mut locked, "alice", record, &anna())
        .unwrap();
    locked.move_state("anna").unwrap();
    locked
}

#[test]
fn r42_a_refused_removal_marks_no_moving_record() {
    let (_scratch, store) = enrolled();
    drop(moving(&store));
    let looks = Cell::new(0);
    let done = store.discard_if(
        "alice",
        &|_| {
            looks.set(looks.get() + 1);
            looks.get() == 1
        },
        &mut false,
    );
    assert_eq!(done.map_err(|error| error.cause), Err(FileFault::Changed));
    let state = store.peek_named("anna").unwrap().unwrap();
    assert!(state.has_committed());
}

/// The record that is shown before alice's removal.
fn is_phone(found: &FoundRecord) -> bool {
    matches!(found, Ok(Some(record)) if device_names(record) == ["phone"])
}

/// The move is completed before its removal has the lock. What was shown is removed then, and nothing else.
#[test]
fn r42_a_moved_record_is_removed_as_it_was_shown() {
    for is_changed in [false, true] {
        let (scratch, store) = enrolled();
        drop(moving(&store));
        let successor = store.moving_to("alice").unwrap();
        assert_eq!(successor.as_deref(), Some("anna"));
        store.rename_record("alice", &anna()).unwrap();
        if is_changed {
            enroll_devices(&store, &anna(), &[phone(), token()]);
        }
        let done = store.discard_here("alice", "alice.toml", successor, &is_phone, &mut false);
        if is_changed {
            assert_eq!(done.map_err(|error| error.cause), Err(FileFault::Changed));
            assert_eq!(kept(&store, &anna()), ["phone", "token"]);
        } else {
            assert_eq!(done, Ok(true));
            assert!(scratch.listing().is_empty() && store.index().unwrap().is_empty());
        }
    }
}

/// The record that was shown is removed. What the other name has by then is another process's.
#[test]
fn a_removed_record_is_told_beside_anothers() {
    let (scratch, store) = enrolled();
    drop(moving(&store));
    let successor = store.moving_to("alice").unwrap();
    let other = scratch.top().join("users/anna.toml");
    fs::write(&other, &*record_of(&anna(), &[token()]).to_toml()).unwrap();
    set_mode(&other, 0o600);
    let mut is_removed = false;
    let done = store.discard_here("alice", "alice.toml", successor, &is_phone, &mut is_removed);
    assert_eq!((done, is_removed), (Ok(true), true));
    assert!(other.exists() && !scratch.record().exists());
}

#[test]
fn a_removal_is_made_though_another_enrolled_anew() {
    let (scratch, store) = enrolled();
    damage(&scratch.record());
    let stopped = LocalRemoval::begin(&store, "alice", "alice.toml", None, &|_| true).unwrap();
    assert_eq!(stopped.remove_record(), Ok(true));
    enroll_devices(&store, &alice(), &[token()]);
    assert_eq!(stopped.remove_rest(), Ok(false));
    assert_eq!(kept(&store, &alice()), ["token"]);
}
