//! Removal of devices.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use super::*;
use crate::files::tests::in_own_process;
use crate::files::tests::limits::FileSize;
use crate::files::tests::locks::{holder, kill};
use crate::files::{FoundRecord, RemovalResult};

fn phone_and_token() -> (ScratchStore, FactorStore) {
    with(&[phone(), token()])
}

#[test]
fn one_of_two_devices_is_removed() {
    let (_scratch, store) = phone_and_token();
    let removed = remove_device(&factor(&store), id(1), &mut RootChange).unwrap();
    assert_eq!((removed.device.name.as_str(), removed.left), ("phone", 1));
    assert_eq!(names(&store), ["token"]);
    assert!(
        store
            .peek(&alice())
            .unwrap()
            .unwrap()
            .device(id(1))
            .is_none()
    );
}

#[test]
fn the_last_device_is_not_removed_alone() {
    let (scratch, store) = with(&[token()]);
    let before = kept(&scratch);
    let last = refused(ChangeCause::LastDevice("token".parse().unwrap()));
    let removed = remove_device(&factor(&store), id(2), &mut RootChange);
    assert_eq!(removed.err(), Some(last));
    assert_eq!(kept(&scratch), before);
}

/// A renewed device has the name of the old one and another id.
#[test]
fn a_device_that_was_renewed_is_not_removed() {
    let (scratch, store) = phone_and_token();
    let before = kept(&scratch);
    let removed = remove_device(&factor(&store), id(3), &mut RootChange);
    assert_eq!(removed.err(), Some(refused(ChangeCause::DevicesChanged)));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn no_device_is_removed_where_there_is_none() {
    let (scratch, store) = with(&[]);
    let none = refused(ChangeCause::NotEnrolled);
    let removed = remove_device(&factor(&store), id(1), &mut RootChange);
    assert_eq!(removed.err(), Some(none));
    assert_eq!(kept(&scratch), NOTHING);
}

#[test]
fn a_caller_that_refuses_keeps_every_device() {
    let (scratch, store) = phone_and_token();
    let before = kept(&scratch);
    let mut caller = Refusing::default();
    let removed = remove_device(&factor(&store), id(1), &mut caller);
    assert_eq!(
        (removed.err(), caller.shown),
        (Some(Denied::ByCaller), Some(2))
    );
    let mut caller = Refusing::default();
    let removed = remove_all(&factor(&store), &[id(1), id(2)], &mut caller);
    assert_eq!((removed, caller.shown), (Err(Denied::ByCaller), Some(2)));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn all_devices_are_removed_together() {
    let (scratch, store) = phone_and_token();
    let removed = remove_all(&factor(&store), &[id(1), id(2)], &mut RootChange);
    assert_eq!(removed, Ok(()));
    assert_eq!(kept(&scratch), NOTHING);
    assert!(store.holder(&alice()).unwrap().record.is_none());
}

#[test]
fn an_invitation_is_removed_as_one() {
    for by_root in [false, true] {
        let (scratch, store) = with(&[]);
        invited(&factor(&store), NOW + 60).unwrap();
        let removed = if by_root {
            cleared(&factor(&store), &[])
        } else {
            remove_all(&factor(&store), &[], &mut RootChange)
        };
        assert_eq!(removed, Ok(()));
        assert_eq!(kept(&scratch), NOTHING);
    }
}

#[test]
fn other_devices_than_those_shown_are_kept() {
    let (scratch, store) = phone_and_token();
    let before = kept(&scratch);
    let changed = Err(refused(ChangeCause::DevicesChanged));
    for shown in [&[][..], &[id(1)], &[id(1), id(3)], &[id(1), id(2), id(3)]] {
        let removed = remove_all(&factor(&store), shown, &mut RootChange);
        assert_eq!(removed, changed, "{shown:?}");
        assert_eq!(cleared(&factor(&store), shown), changed, "{shown:?}");
    }
    assert_eq!(kept(&scratch), before);
    fs::write(scratch.state(), "damaged").unwrap();
    let before = kept(&scratch);
    assert_eq!(cleared(&factor(&store), &[id(1)]), changed);
    assert_eq!(kept(&scratch), before);
}

#[test]
fn a_removal_that_is_not_permitted_changes_nothing() {
    let (scratch, store) = phone_and_token();
    let before = kept(&scratch);
    let no = || Err(refused(ChangeCause::NotEnrolled));
    let shown = [id(1), id(2)];
    assert_eq!(clear(&factor(&store), &shown, no).map(drop), no());
    assert_eq!(kept(&scratch), before);
    fs::write(scratch.state(), "damaged").unwrap();
    let before = kept(&scratch);
    assert_eq!(clear(&factor(&store), &shown, no).map(drop), no());
    assert_eq!(kept(&scratch), before);
    let (scratch, store) = with(&[]);
    assert_eq!(clear(&factor(&store), &[], no).map(drop), no());
    assert_eq!(kept(&scratch), NOTHING);
}

#[test]
fn what_cannot_be_used_is_removed_by_root_alone() {
    for path in [ScratchStore::record, ScratchStore::state] {
        let (scratch, store) = phone_and_token();
        fs::write(path(&scratch), "damaged").unwrap();
        let before = kept(&scratch);
        let removed = remove_all(&factor(&store), &[id(1), id(2)], &mut RootChange);
        assert!(matches!(removed.unwrap_err().cause, ChangeCause::Failed(_)));
        assert_eq!(kept(&scratch), before);
        let done = cleared(&factor(&store), &[id(1), id(2)]);
        assert_eq!(done, Ok(()));
        assert_eq!(kept(&scratch), NOTHING);
    }
}

/// Without room for a file the lock cannot be taken over from a process that does not move.
#[test]
fn nothing_is_removed_while_another_holds_the_lock() {
    if !in_own_process(
        "operations::tests::removal::nothing_is_removed_while_another_holds_the_lock",
    ) {
        return;
    }
    let (scratch, store) = phone_and_token();
    let child = holder(&scratch.state());
    let before = kept(&scratch);
    let limit = FileSize::limited_to(100);
    let busy = StoreError {
        path: scratch.state(),
        cause: FileFault::Busy(Some(child.id())),
    };
    let removed = cleared(&factor(&store), &[id(1), id(2)]);
    assert_eq!(removed, Err(refused(busy.into())));
    drop(limit);
    kill(child);
    assert_eq!(kept(&scratch), before);
}

#[test]
fn what_was_removed_meanwhile_is_no_error_for_root() {
    let (scratch, store) = with(&[]);
    assert_eq!(cleared(&factor(&store), &[id(1)]), Ok(()));
    assert_eq!(kept(&scratch), NOTHING);
    let removed = remove_all(&factor(&store), &[id(1)], &mut RootChange);
    assert!(matches!(removed.unwrap_err().cause, ChangeCause::Failed(_)));
    assert_eq!(kept(&scratch), NOTHING);
}

/// Each of two at once was asked for, and one of them has removed something.
#[test]
fn a_removal_of_nothing_is_not_logged() {
    let (scratch, store) = phone_and_token();
    for (result, lines) in [
        (RemovalResult::Removed, &["unset device=all"][..]),
        (RemovalResult::NothingLeft, &[]),
    ] {
        let done = clear(
            &factor(&store),
            &[id(1), id(2)],
            || Ok::<_, ChangeError>(()),
        );
        assert_eq!(done, Ok(result));
        assert_eq!(logged(), lines);
    }
    // A state alone is something.
    let (other, store) = phone_and_token();
    fs::remove_file(other.record()).unwrap();
    assert_eq!(cleared(&factor(&store), &[id(1), id(2)]), Ok(()));
    assert_eq!(logged(), ["unset device=all"]);
    assert_eq!((kept(&scratch), kept(&other)), (NOTHING, NOTHING));
}

#[test]
fn a_discard_of_nothing_is_not_logged() {
    let (scratch, store) = phone_and_token();
    for (result, lines) in [
        (RemovalResult::Removed, &["unset device=all"][..]),
        (RemovalResult::NothingLeft, &[]),
    ] {
        let shown = ShownRecord::of(&store.record_named("alice"));
        let done = discard(&store, "alice", &shown, &AuditLines);
        assert_eq!(done, Ok(result));
        assert_eq!(logged(), lines);
    }
    // A state alone is something, also one that no lock is had of.
    for state in [None, Some("damaged")] {
        enroll_devices(&store, &alice(), &[phone()]);
        fs::remove_file(scratch.record()).unwrap();
        if let Some(state) = state {
            fs::write(scratch.state(), state).unwrap();
        }
        assert_eq!(discarded(&store), Ok(()));
        assert_eq!(logged(), ["unset device=all"], "{state:?}");
    }
    assert_eq!(kept(&scratch), NOTHING);
}

/// The second takes the state over from the first, which is stopped, and removes all.
#[test]
fn a_removal_that_another_made_is_logged_once() {
    let (scratch, store) = phone_and_token();
    let shown = [id(1), id(2)];
    let done = clear(&factor(&store), &shown, || cleared(&factor(&store), &shown));
    assert!(done.is_err());
    assert_eq!(logged(), ["unset device=all"]);
    let (other, store) = phone_and_token();
    fs::write(other.record(), "damaged").unwrap();
    let looks = Cell::new(0);
    let mut is_removed = false;
    let is_expected = |_: &FoundRecord| {
        looks.set(looks.get() + 1);
        if looks.get() == 2 {
            discarded(&store).unwrap();
        }
        true
    };
    let done = store.discard_if("alice", &is_expected, &mut is_removed);
    assert!(done.is_err() && !is_removed);
    assert_eq!((kept(&scratch), kept(&other)), (NOTHING, NOTHING));
}

/// Both have looked at the damaged record when they wait for the lock. One that comes later finds that the record is another one.
#[test]
fn one_of_two_discards_at_once_is_logged() {
    let (scratch, store) = phone_and_token();
    let held = store.lock(&alice()).unwrap();
    fs::write(scratch.record(), "damaged").unwrap();
    let lines = thread::scope(|scope| {
        let start = || {
            scope.spawn(|| {
                let _ = discard(&store, "alice", &ShownRecord::Unreadable, &AuditLines);
                logged()
            })
        };
        let both = [start(), start()];
        // More than it takes to look at the record.
        thread::sleep(Duration::from_millis(200));
        drop(held);
        both.map(|one| one.join().unwrap()).concat()
    });
    assert_eq!(lines, ["unset device=all"]);
    assert_eq!(kept(&scratch), NOTHING);
}

#[test]
fn discarding_needs_no_account() {
    let (scratch, store) = phone_and_token();
    fs::write(scratch.record(), "damaged").unwrap();
    discarded(&store).unwrap();
    assert_eq!(kept(&scratch), NOTHING);
    assert_eq!(store.index().unwrap(), []);
}

#[test]
fn a_record_other_than_shown_is_not_discarded() {
    let (scratch, store) = phone_and_token();
    let before = kept(&scratch);
    for shown in [
        ShownRecord::Missing,
        ShownRecord::Unreadable,
        ShownRecord::Devices(vec![id(1)]),
    ] {
        let done = discard(&store, "alice", &shown, &AuditLines);
        assert_eq!(done.unwrap_err().cause, FileFault::Changed, "{shown:?}");
    }
    assert_eq!(kept(&scratch), before);
    assert_eq!(logged(), [""; 0]);
}

/// The damaged record was looked at, and is replaced while the removal waits for the lock.
#[test]
fn a_record_that_became_readable_is_not_discarded() {
    let by_name = |store: &FactorStore| {
        let done = discard(store, "alice", &ShownRecord::Unreadable, &AuditLines);
        done.map_err(|error| error.cause)
    };
    let (scratch, store) = phone_and_token();
    let before = kept(&scratch);
    let held = store.lock(&alice()).unwrap();
    fs::write(scratch.record(), "damaged").unwrap();
    thread::scope(|scope| {
        let done = scope.spawn(|| by_name(&store));
        // Where nothing is looked at under the lock, this is more than it takes to look before it.
        thread::sleep(Duration::from_millis(200));
        fs::write(scratch.record(), &before[0]).unwrap();
        drop(held);
        assert_eq!(done.join().unwrap(), Err(FileFault::Changed));
    });
    assert_eq!(kept(&scratch), before);
}

/// Each removal of everything; true where it succeeds.
const REMOVALS: [fn(&FactorStore) -> bool; 3] = [
    |store| remove_all(&factor(store), &[id(1), id(2)], &mut RootChange).is_ok(),
    |store| cleared(&factor(store), &[id(1), id(2)]).is_ok(),
    |store| discarded(store).is_ok(),
];

/// Once the record is gone no device counts, whatever is left of the state.
#[test]
fn a_removal_is_logged_though_the_state_stays() {
    for remove in REMOVALS {
        let (scratch, store) = phone_and_token();
        // A directory where the leftover of a state would be a file.
        fs::create_dir(scratch.top().join("state/.alice.new")).unwrap();
        logged();
        assert!(!remove(&store));
        assert!(!scratch.record().exists() && scratch.state().exists());
        assert_eq!(logged(), ["unset device=all"]);
    }
}

#[test]
fn a_removal_that_fails_before_is_not_logged() {
    for remove in REMOVALS {
        let (scratch, store) = phone_and_token();
        fs::create_dir(scratch.top().join("users/.alice.toml.new")).unwrap();
        logged();
        assert!(!remove(&store));
        assert!(scratch.record().exists());
        assert_eq!(logged(), [""; 0]);
    }
}
