//! The record that counts, and what is never taken for "no device".

use super::*;
use twofactor_core::recovery::OneTimeCode;

fn renamed() -> Account {
    account("alice@example.org", 1000)
}

fn lost(path: PathBuf) -> Option<StoreError> {
    Some(error_at(&path, FileFault::LostRecord))
}

fn found(store: &FactorStore, account: &Account) -> (String, FoundBy, bool) {
    let holder = store.holder(account).unwrap();
    (
        holder.account.name,
        holder.found_by,
        holder.record.is_some(),
    )
}

#[test]
fn r42_a_record_is_found_by_uid_under_another_name() {
    let (_scratch, store) = enrolled();
    let by_name = ("alice".to_owned(), FoundBy::Name, true);
    assert_eq!(found(&store, &alice()), by_name);
    let by_uid = ("alice".to_owned(), FoundBy::Uid, true);
    assert_eq!(found(&store, &renamed()), by_uid);
    assert!(store.snapshot(&renamed()).unwrap().is_some());
    let other = account("bob", 1001);
    let nothing = ("bob".to_owned(), FoundBy::Name, false);
    assert_eq!(found(&store, &other), nothing);
}

#[test]
fn a_second_name_of_a_uid_gets_no_record() {
    let (scratch, store) = enrolled();
    let before = scratch.everything();
    let refused = store.lock_for_change(&renamed()).err().unwrap();
    assert_eq!(refused.cause, FileFault::KeptAs("alice".into()));
    let newcomer = NewRecord {
        account: renamed(),
        record: record_of(&renamed(), &[tablet()]),
        entries: vec![fresh(&tablet())],
    };
    let results = store.enroll_all(&[newcomer]).unwrap();
    assert_eq!(results, [Ok(BulkEnrollment::Occupied)]);
    assert_eq!(scratch.everything(), before);
}

fn tablet() -> Device {
    device("tablet", 3, phone().kind)
}

/// As 0.1.0 let be made: two names of one uid, each with a record.
fn twins() -> (ScratchStore, FactorStore) {
    let (scratch, store) = enrolled();
    let bob = account("bob", 1000);
    fs::write(
        scratch.top().join("users/bob.toml"),
        record_of(&bob, &[tablet()]).to_toml().as_bytes(),
    )
    .unwrap();
    set_mode(&scratch.top().join("users/bob.toml"), 0o600);
    let mut state = UserState::new(1000);
    state.devices.push(fresh(&tablet()));
    let bytes = twofactor_core::state::encode_file(&state);
    fs::write(scratch.top().join("state/bob"), bytes).unwrap();
    set_mode(&scratch.top().join("state/bob"), 0o600);
    assert_eq!(store.complete_index(), Ok(1));
    assert_eq!(store.complete_index(), Ok(0));
    (scratch, store)
}

#[test]
fn two_names_of_one_uid_keep_their_records() {
    let (_scratch, store) = twins();
    assert_eq!(found(&store, &alice()).0, "alice");
    assert_eq!(found(&store, &account("bob", 1000)).0, "bob");
    let third = store.holder(&account("carol", 1000)).err().unwrap();
    let names = vec!["alice".to_owned(), "bob".to_owned()];
    assert_eq!(third.cause, FileFault::SeveralRecords(names));
    let index: Vec<(u32, String)> = store.index().unwrap();
    assert_eq!(index, [(1000, "alice".into()), (1000, "bob".into())]);
}

/// As 0.1.0 let be made: alice has a device, and bob, another name of that uid, an invitation.
fn invited_twin() -> (ScratchStore, FactorStore, Account) {
    let (scratch, store) = twins();
    let bob = account("bob", 1000);
    let mut invited = record_of(&bob, &[]);
    invited.invite = Some(OneTimeCode::generate(u64::MAX).unwrap().0);
    let path = scratch.top().join("users/bob.toml");
    fs::write(path, invited.to_toml().as_bytes()).unwrap();
    let state = twofactor_core::state::encode_file(&UserState::new(1000));
    fs::write(scratch.top().join("state/bob"), state).unwrap();
    (scratch, store, bob)
}

#[test]
fn an_invitation_hides_no_device_of_another_name() {
    let (scratch, store, bob) = invited_twin();
    let path = scratch.top().join("users/bob.toml");
    let names = vec!["alice".to_owned(), "bob".to_owned()];
    let several = Some(error_at(&path, FileFault::SeveralRecords(names)));
    assert_eq!(store.holder(&bob).err(), several);
    assert_eq!(found(&store, &alice()).0, "alice");
    // It can be taken back.
    store.lock(&bob).unwrap().remove().unwrap();
    let by_uid = ("alice".to_owned(), FoundBy::Uid, true);
    assert_eq!(found(&store, &bob), by_uid);
}

#[test]
fn an_invitation_hides_no_lost_device() {
    let (scratch, store, bob) = invited_twin();
    let path = scratch.top().join("users/alice.toml");
    fs::remove_file(&path).unwrap();
    assert_eq!(store.holder(&bob).err(), lost(path.clone()));
    // Where the first enrollment of alice was stopped, there was no device yet.
    let state = twofactor_core::state::encode_file(&UserState::new(1000));
    fs::write(scratch.top().join("state/alice"), state).unwrap();
    assert_eq!(found(&store, &bob), ("bob".to_owned(), FoundBy::Name, true));
    fs::remove_file(scratch.top().join("state/alice")).unwrap();
    assert_eq!(store.holder(&bob).err(), lost(path));
}

/// Only logins are refused.
#[test]
fn a_record_of_a_refused_pair_can_be_changed() {
    let (_scratch, store, bob) = invited_twin();
    for user in [alice(), bob.clone()] {
        drop(store.lock_for_change(&user).unwrap());
    }
    let locked = store.lock_for_change(&bob).unwrap();
    locked.mirror_removal().unwrap();
    assert_eq!(store.index().unwrap(), [(1000, "alice".to_owned())]);
}

#[test]
fn of_two_names_one_can_be_removed() {
    let (_scratch, store) = twins();
    store.lock(&alice()).unwrap().remove().unwrap();
    assert_eq!(store.index().unwrap(), [(1000, "bob".to_owned())]);
    assert_eq!(
        found(&store, &alice()),
        ("bob".to_owned(), FoundBy::Uid, true)
    );
}

#[test]
fn an_index_has_room_for_eight_names() {
    let (_scratch, store) = enrolled();
    for number in 1..8 {
        let name = format!("alias{number}");
        assert_eq!(
            uid_index::add(
                store.users.directory().unwrap(),
                1000,
                &name,
                LinkDurability::Now
            ),
            Ok(true)
        );
        assert_eq!(
            uid_index::add(
                store.users.directory().unwrap(),
                1000,
                &name,
                LinkDurability::Now
            ),
            Ok(false)
        );
    }
    let full = uid_index::add(
        store.users.directory().unwrap(),
        1000,
        "alias8",
        LinkDurability::Now,
    );
    assert_eq!(full, Err(FileError::TooLarge));
    uid_index::remove(store.users.directory().unwrap(), 1000, "alice").unwrap();
    assert_eq!(
        uid_index::add(
            store.users.directory().unwrap(),
            1000,
            "alias8",
            LinkDurability::Now
        ),
        Ok(true)
    );
    assert_eq!(
        uid_index::names_of(store.users.directory().unwrap(), 1000)
            .unwrap()
            .len(),
        8
    );
}

/// Each of these lets no login pass for one without a device, and no enrollment begin.
#[test]
fn r42_whatever_of_a_record_is_lost_is_an_error() {
    type Spoil = fn(&ScratchStore);
    let spoils: [(&str, Spoil); 7] = [
        ("record", |s| fs::remove_file(s.record()).unwrap()),
        ("record and index", |s| {
            fs::remove_file(s.record()).unwrap();
            fs::remove_file(s.top().join("users/+1000")).unwrap();
        }),
        ("record and state", |s| {
            fs::remove_file(s.record()).unwrap();
            fs::remove_file(s.state()).unwrap();
        }),
        ("record, and the state is damaged", |s| {
            fs::remove_file(s.record()).unwrap();
            fs::write(s.state(), "garbage").unwrap();
        }),
        ("record, replaced by an invitation", |s| {
            let mut record = record_of(&alice(), &[]);
            record.invite = Some(OneTimeCode::generate(u64::MAX).unwrap().0);
            fs::write(s.record(), record.to_toml().as_bytes()).unwrap();
        }),
        ("the record is of another uid", |s| {
            let text = record_of(&account("alice", 7), &[phone()]).to_toml();
            fs::write(s.record(), text.as_bytes()).unwrap();
        }),
        ("the index entry names no user", |s| {
            fs::remove_file(s.record()).unwrap();
            fs::remove_file(s.top().join("users/+1000")).unwrap();
            fs::write(s.top().join("users/+1000"), "").unwrap();
        }),
    ];
    for (what, spoil) in spoils {
        for who in [alice(), renamed()] {
            let (scratch, store) = enrolled();
            spoil(&scratch);
            let before = scratch.everything();
            let by_index_only = who != alice() && what == "record and index";
            // A name whose own traces are all gone is known by the index alone.
            assert_eq!(store.holder(&who).is_ok(), by_index_only, "{what}, {who:?}");
            if !by_index_only {
                assert!(store.lock_for_change(&who).is_err(), "{what}, {who:?}");
                assert_eq!(scratch.everything(), before, "{what}, {who:?}");
            }
        }
    }
}

#[test]
fn a_lost_record_is_named() {
    let (scratch, store) = enrolled();
    fs::remove_file(scratch.record()).unwrap();
    assert_eq!(store.holder(&alice()).err(), lost(scratch.record()));
    assert_eq!(store.holder(&renamed()).err(), lost(scratch.record()));
    assert_eq!(store.prove_removed("alice").err(), lost(scratch.record()));
    assert_eq!(store.prove_removed("bob"), Ok(()));
    store.discard("alice").unwrap();
    assert!(scratch.everything().is_empty());
    assert!(!found(&store, &renamed()).2);
}

/// Remains of a kill while a first device is enrolled, or the last one removed.
#[test]
fn unfinished_changes_are_no_contradiction() {
    let (scratch, store) = enrolled();
    fs::remove_file(scratch.record()).unwrap();
    let mut state = UserState::new(1000);
    state.devices.push(unused(&phone()));
    let bytes = twofactor_core::state::encode_file(&state);
    fs::write(scratch.state(), bytes).unwrap();
    for who in [alice(), renamed()] {
        assert!(!found(&store, &who).2);
    }
    enroll_devices(&store, &alice(), &[tablet()]);
    assert_eq!(scratch.stored().state.devices, [fresh(&tablet())]);
}

#[test]
fn a_device_is_committed_once_its_record_is_in_place() {
    let (scratch, store) = enrolled();
    assert!(scratch.stored().state.has_committed());
    let mut locked = store.lock(&alice()).unwrap();
    let record = record_of(&alice(), &[phone(), tablet()]);
    locked
        .replace_record(&record, &[unused(&tablet())])
        .unwrap();
    let devices = scratch.stored().state.devices;
    assert!(devices.iter().all(|device| device.committed));
    assert_eq!(devices.len(), 2);
}

#[test]
fn a_first_record_is_made_once() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let text = record_of(&alice(), &[tablet()]).to_toml();
    fs::write(scratch.record(), text.as_bytes()).unwrap();
    set_mode(&scratch.record(), 0o600);
    // The record is there, and its device is unknown: the change refuses at its first look.
    let record = record_of(&alice(), &[phone()]);
    assert!(locked.replace_record(&record, &[unused(&phone())]).is_err());
    let kept = store.record(&alice()).unwrap().unwrap();
    assert_eq!(device_names(&kept), ["tablet"]);
}

#[test]
fn a_directory_without_its_mark_is_an_error() {
    let (scratch, store) = enrolled();
    drop(store);
    let open = || {
        let opened = FactorStore::open(&scratch.top(), &scratch.policy());
        opened.err().map(|error| error.cause)
    };
    let initialize = |how| {
        let made = FactorStore::initialize(&scratch.top(), &scratch.policy(), how);
        made.map(|(_, done)| done).map_err(|error| error.cause)
    };
    assert_eq!(open(), None);
    assert_eq!(
        initialize(MarkDisagreement::Refuse),
        Ok(MarkResult::Already)
    );
    // Not mounted, and made anew by a stranger.
    fs::rename(scratch.top(), scratch.path().join("away")).unwrap();
    for part in ["", "users", "state"] {
        let path = scratch.top().join(part);
        fs::DirBuilder::new().mode(0o700).create(path).unwrap();
    }
    assert_eq!(open(), Some(FileFault::Unmarked));
    assert_eq!(
        initialize(MarkDisagreement::Refuse),
        Err(FileFault::Unmarked)
    );
    assert_eq!(initialize(MarkDisagreement::Settle), Ok(MarkResult::Marked));
    assert_eq!(open(), None);
    // Another directory in its place.
    fs::remove_dir_all(scratch.top()).unwrap();
    fs::rename(scratch.path().join("away"), scratch.top()).unwrap();
    assert_eq!(open(), Some(FileFault::OtherMark));
    assert_eq!(
        initialize(MarkDisagreement::Refuse),
        Err(FileFault::OtherMark)
    );
    assert_eq!(initialize(MarkDisagreement::Settle), Ok(MarkResult::Noted));
    assert_eq!(open(), None);
    // A directory that came from another machine.
    fs::remove_file(directory_mark::id_file(&scratch.policy())).unwrap();
    let ids = directory_mark::id_file(&scratch.policy());
    assert_eq!(open(), Some(FileFault::NotNoted(ids)));
    assert_eq!(initialize(MarkDisagreement::Refuse), Ok(MarkResult::Noted));
    assert_eq!(open(), None);
}

#[test]
fn one_policy_has_ids_of_several_directories() {
    let scratch = ScratchStore::new();
    let store = |name: &str| {
        let path = scratch.path().join(name);
        FactorStore::initialize(&path, &scratch.policy(), MarkDisagreement::Refuse).unwrap();
        path
    };
    let (one, two) = (store("one"), store("two"));
    for path in [&one, &two] {
        assert!(FactorStore::open(path, &scratch.policy()).is_ok());
        assert!(directory_mark::is_noted(path, &scratch.policy()).unwrap());
    }
    fs::rename(&one, scratch.path().join("three")).unwrap();
    fs::rename(&two, &one).unwrap();
    let swapped = FactorStore::open(&one, &scratch.policy()).err().unwrap();
    assert_eq!(swapped.cause, FileFault::OtherMark);
    assert_eq!(mode(&directory_mark::id_file(&scratch.policy())), 0o644);
}
