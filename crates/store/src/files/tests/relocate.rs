//! Moves of record and state to another name or uid.

use super::*;
use twofactor_core::recovery::OneTimeCode;

fn anna(uid: u32) -> Account {
    Account {
        name: "anna".to_owned(),
        uid,
        gid: uid,
    }
}

/// Record and state of alice; a kill has kept her device from being committed.
fn pending() -> (ScratchStore, FactorStore) {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    enroll_devices(&store, &alice(), &[phone()]);
    let mut locked = store.lock(&alice()).unwrap();
    let mut state = locked.state().clone();
    state.devices.iter_mut().for_each(|d| d.committed = false);
    state.failures = 3;
    locked.write(state).unwrap();
    locked.flush().unwrap();
    drop(locked);
    (scratch, store)
}

#[test]
fn everything_moves_and_the_old_name_leads_nowhere() {
    for uid in [alice().uid, 7007] {
        let (_scratch, store) = pending();
        store.relocate("alice", &anna(uid)).unwrap();
        let found = store.snapshot(&anna(uid)).unwrap().unwrap();
        assert_eq!(
            (found.record.user.as_str(), found.record.uid),
            ("anna", uid)
        );
        assert_eq!((found.state.uid, found.state.failures), (uid, 3));
        assert!(found.state.has_committed());
        let inventory = store.inventory().unwrap();
        assert_eq!(inventory.records, ["anna"]);
        assert_eq!(inventory.states, ["anna"]);
        assert_eq!(inventory.index, [(uid, "anna".to_owned())]);
        assert!(store.relocation("alice", &anna(uid)).unwrap().is_none());
        assert!(store.relocate("alice", &anna(uid)).is_err());
    }
}

/// Holders of the old files that are stopped all the while find at no moment that their files count again.
#[test]
fn holders_under_the_old_name_are_left_behind() {
    for taken_over in [false, true] {
        let (_scratch, store) = pending();
        let mut stopped = vec![store.lock(&alice()).unwrap()];
        if taken_over {
            stopped.push(store.lock(&alice()).unwrap());
        }
        store.relocate("alice", &anna(7007)).unwrap();
        for stopped in &mut stopped {
            let mut state = stopped.state().clone();
            state.failures = 9;
            stopped.write(state).unwrap();
            stopped.flush().unwrap();
            assert!(stopped.confirm().is_err());
        }
        let found = store.snapshot(&anna(7007)).unwrap().unwrap();
        assert_eq!((found.state.uid, found.state.failures), (7007, 3));
        assert_eq!(store.inventory().unwrap().states, ["anna"]);
        assert!(store.lock(&anna(7007)).unwrap().confirm().is_ok());
    }
}

/// The steps after which a move can be stopped, as far as record and state differ.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stopped {
    NewOwner,
    OtherBase,
    Entrance,
    StateMoved,
    OldBaseGone,
    RecordMoved,
}

/// A move to anna that is stopped after a step.
fn stopped(store: &FactorStore, anna: &Account, after: Stopped) {
    let mut locked = store.lock(&alice()).unwrap();
    let record = locked.record().unwrap().unwrap();
    store
        .change_owner(&mut locked, "alice", record, anna)
        .unwrap();
    if after == Stopped::NewOwner {
        return;
    }
    locked.move_state("anna").unwrap();
    drop(locked);
    let at = |name: &str| store.path.join("state").join(name);
    let entrance = twofactor_core::state::encode_moved(&UserState::new(anna.uid));
    match after {
        Stopped::OtherBase | Stopped::Entrance => {
            fs::rename(at("anna+"), at("alice+")).unwrap();
            fs::rename(at("anna"), at("alice")).unwrap();
        }
        Stopped::StateMoved => fs::copy(at("anna"), at("alice")).map(drop).unwrap(),
        Stopped::RecordMoved => store.rename_record("alice", anna).unwrap(),
        _ => {}
    }
    if after == Stopped::Entrance {
        fs::write(at("anna"), entrance).unwrap();
        set_mode(&at("anna"), 0o600);
    }
}

const STEPS: [Stopped; 6] = [
    Stopped::NewOwner,
    Stopped::OtherBase,
    Stopped::Entrance,
    Stopped::StateMoved,
    Stopped::OldBaseGone,
    Stopped::RecordMoved,
];

/// In each step one record is found, with the one state that counts; what is written then is there in the end.
#[test]
fn r42_a_stopped_move_is_found_and_completed() {
    for uid in [alice().uid, 7007] {
        for after in STEPS {
            let (_scratch, store) = pending();
            let anna = anna(uid);
            stopped(&store, &anna, after);
            let holder = store.holder(&anna).unwrap();
            let kept_as = if after == Stopped::RecordMoved {
                "anna"
            } else {
                "alice"
            };
            assert_eq!(holder.account.name, kept_as, "{after:?}");
            assert_eq!(store.snapshot(&anna).unwrap().unwrap().state.failures, 3);
            let mut locked = store.lock(&holder.account).unwrap();
            assert!(locked.record().unwrap().unwrap().is_enrolled());
            let mut state = locked.state().clone();
            state.failures = 4;
            locked.write(state).unwrap();
            locked.flush().unwrap();
            locked.confirm().unwrap();
            drop(locked);
            assert_eq!(store.peek(&holder.account).unwrap().unwrap().failures, 4);
            store.relocate("alice", &anna).unwrap();
            let found = store.snapshot(&anna).unwrap().unwrap();
            assert_eq!(found.state.failures, 4, "{after:?}");
            let inventory = store.inventory().unwrap();
            assert_eq!(inventory.states, ["anna"], "{after:?}");
            assert_eq!(inventory.records, ["anna"]);
            assert_eq!(inventory.index, [(uid, "anna".to_owned())]);
            assert!(inventory.leftovers.is_empty());
        }
    }
}

#[test]
fn what_there_is_to_move_depends_on_the_record_alone() {
    let (_scratch, store) = pending();
    enroll_devices(&store, &account("bob", 1001), &[token()]);
    let progress = |from: &str, to: &Account| store.relocation(from, to).map_err(|it| it.cause);
    // Another user's entry of the index is none of this one's.
    assert!(matches!(progress("alice", &alice()), Ok(None)));
    assert!(matches!(progress("erin", &alice()), Ok(None)));
    for to in [anna(alice().uid), anna(7007), account("alice", 7007)] {
        let ahead = progress("alice", &to);
        assert!(
            matches!(ahead, Ok(Some(RelocationProgress::Ahead(_)))),
            "{ahead:?}"
        );
    }
    stopped(&store, &anna(7007), Stopped::NewOwner);
    let begun = progress("alice", &anna(7007));
    assert!(
        matches!(begun, Ok(Some(RelocationProgress::Begun))),
        "{begun:?}"
    );
    let third = progress("alice", &account("carol", 1002));
    assert_eq!(third.err(), Some(FileFault::OtherUser("anna".to_owned())));
}

/// A move that changes the uid has taken the state to the new name: it is not that of the old uid.
#[test]
fn a_state_on_its_way_is_not_found_by_the_old_uid() {
    let (_scratch, store) = pending();
    let anna = anna(7007);
    stopped(&store, &anna, Stopped::OldBaseGone);
    assert_eq!(store.peek(&alice()), Ok(None));
    assert_eq!(
        store.lock(&alice()).err().map(|error| error.cause),
        Some(FileFault::MissingState)
    );
    let before = Account {
        uid: 7007,
        ..alice()
    };
    assert_eq!(
        store.peek(&before).unwrap().map(|state| state.uid),
        Some(7007)
    );
    assert!(store.lock(&before).is_ok());
}

/// The old name is another name of the same uid until the record has the new one; then it is refused until the index
/// knows it no more.
#[test]
fn the_old_name_never_has_no_device() {
    for after in STEPS {
        let (_scratch, store) = pending();
        let anna = anna(alice().uid);
        stopped(&store, &anna, after);
        match store.holder(&alice()) {
            Ok(holder) => assert_eq!(holder.account.name, "alice", "{after:?}"),
            Err(error) => assert_eq!(
                (after, error.cause),
                (Stopped::RecordMoved, FileFault::LostRecord)
            ),
        }
        // A user of another uid who has the old name by now.
        let other = account("alice", 8008);
        assert_eq!(
            store.holder(&other).is_err(),
            after != Stopped::RecordMoved,
            "{after:?}"
        );
    }
}

/// From then on until the index has lost the old name it is not told from an invitation beside a record that is lost with its state.
#[test]
fn an_invitation_is_refused_once_its_record_moved() {
    for uid in [alice().uid, 7007] {
        for after in STEPS {
            let scratch = ScratchStore::new();
            let store = scratch.store();
            let mut invited = record_of(&alice(), &[]);
            invited.invite = Some(OneTimeCode::generate(u64::MAX).unwrap().0);
            let mut locked = store.lock_for_change(&alice()).unwrap();
            locked.replace_record(&invited, &[]).unwrap();
            drop(locked);
            let anna = anna(uid);
            stopped(&store, &anna, after);
            let is_invited = || {
                let holder = store.holder(&anna).map_err(|error| error.cause)?;
                Ok(holder.record.is_some_and(|record| record.invite.is_some()))
            };
            let expected = match after {
                Stopped::RecordMoved => Err(FileFault::LostRecord),
                _ => Ok(true),
            };
            assert_eq!(is_invited(), expected, "{after:?}");
            store.relocate("alice", &anna).unwrap();
            assert_eq!(is_invited(), Ok(true), "{after:?}");
        }
    }
}

/// A move that would leave a part behind has to wait.
#[test]
fn a_record_on_its_way_is_not_changed() {
    let (_scratch, store) = pending();
    let anna = anna(alice().uid);
    stopped(&store, &anna, Stopped::StateMoved);
    let moving = FileFault::OtherUser("anna".into());
    let refused = store.lock_for_change(&alice()).err().unwrap();
    assert_eq!(refused.cause, moving);
    let mut locked = store.lock(&alice()).unwrap();
    let record = locked.record().unwrap().unwrap();
    let refused = locked.replace_record(&record, &[]).unwrap_err();
    assert_eq!(refused.cause, moving);
    assert_eq!(locked.remove().unwrap_err().cause, moving);
    store.relocate("alice", &anna).unwrap();
    let mut locked = store.lock_for_change(&anna).unwrap();
    let record = locked.record().unwrap().unwrap();
    locked.replace_record(&record, &[]).unwrap();
}

#[test]
fn a_record_on_its_way_can_be_removed() {
    for after in STEPS {
        let (_scratch, store) = pending();
        stopped(&store, &anna(7007), after);
        if after == Stopped::RecordMoved {
            store.discard("anna").unwrap();
        }
        store.discard("alice").unwrap();
        assert_eq!(
            store.inventory(),
            Ok(DirectoryInventory::default()),
            "{after:?}"
        );
    }
}

/// A base whose generations are lost holds codes that were used since.
#[test]
fn a_base_without_its_generations_is_never_used() {
    let (scratch, store) = pending();
    let first = store.lock(&alice()).unwrap();
    drop(store.lock(&alice()).unwrap());
    drop(first);
    assert!(scratch.stored().moved);
    fs::remove_dir_all(scratch.top().join("state/alice+")).unwrap();
    let lost = error_at(&scratch.state(), FileFault::MissingState);
    assert_eq!(store.peek(&alice()).err(), Some(lost.clone()));
    assert_eq!(store.lock(&alice()).err(), Some(lost.clone()));
    // Nor is it what another generation is filled with.
    fs::DirBuilder::new()
        .mode(0o700)
        .create(scratch.top().join("state/alice+"))
        .unwrap();
    assert_eq!(store.peek(&alice()).err(), Some(lost.clone()));
    assert_eq!(store.lock(&alice()).err(), Some(lost));
    let rebuilt = store.rebuild(&alice(), 1, 3000).unwrap();
    assert_eq!(rebuilt.state().devices[0].next, 105);
}

#[test]
fn no_record_or_state_of_another_user_is_replaced() {
    for part in ["users/anna.toml", "state/anna"] {
        let (scratch, store) = pending();
        let anna = anna(alice().uid);
        enroll_devices(
            &store,
            &Account {
                uid: 7007,
                ..anna.clone()
            },
            &[phone()],
        );
        let path = scratch.top().join(part);
        let other = if part.ends_with(".toml") {
            scratch.top().join("state/anna")
        } else {
            scratch.top().join("users/anna.toml")
        };
        std::fs::remove_file(other).unwrap();
        let before = std::fs::read(&path).unwrap();
        let refused = store.relocate("alice", &anna).unwrap_err();
        assert_eq!(refused.cause, FileFault::Occupied, "{part}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert!(store.record(&alice()).unwrap().is_some());
    }
}

#[test]
fn a_directory_that_is_noted_is_not_made_anew() {
    let scratch = ScratchStore::new();
    drop(scratch.store());
    std::fs::remove_dir_all(scratch.top()).unwrap();
    let made = |disagreement| {
        FactorStore::initialize(&scratch.top(), &scratch.policy(), disagreement).map(|_| ())
    };
    assert!(made(MarkDisagreement::Refuse).unwrap_err().is_missing());
    assert!(!scratch.top().exists());
    made(MarkDisagreement::Settle).unwrap();
    assert!(scratch.top().join("users").is_dir());
}
