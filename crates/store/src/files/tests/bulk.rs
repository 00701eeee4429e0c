//! Many first records at once: each as whole and as closed as one made alone, and none in the way of others.

use super::*;

fn newcomer(name: &str, uid: u32) -> NewRecord {
    let account = account(name, uid);
    let mut entry = fresh(&phone());
    entry.next = 77;
    NewRecord {
        record: record_of(&account, &[phone()]),
        entries: vec![entry],
        account,
    }
}

#[test]
fn all_users_get_record_and_state() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    let many = [
        newcomer("alice", 1000),
        newcomer("CORP\\bob", 1001),
        newcomer("carol", 1002),
    ];
    let results = store.enroll_all(&many).unwrap();
    assert_eq!(results, vec![Ok(BulkEnrollment::Done); 3]);
    assert_eq!(
        scratch.listing(),
        [
            "state/CORP%5Cbob",
            "state/alice",
            "state/carol",
            "users/CORP%5Cbob.toml",
            "users/alice.toml",
            "users/carol.toml"
        ]
    );
    assert_eq!(
        (mode(&scratch.record()), mode(&scratch.state())),
        (0o600, 0o600)
    );
    for one in &many {
        let locked = store.lock(&one.account).unwrap();
        let record = locked.record().unwrap().unwrap();
        assert_eq!(device_names(&record), ["phone"]);
        assert_eq!(locked.state().devices, one.entries);
    }
}

#[test]
fn users_with_a_record_or_state_are_left_alone() {
    let (scratch, store) = enrolled();
    let before = fs::read(scratch.record()).unwrap();
    drop(store.lock_for_change(&account("bob", 1001)).unwrap());
    let many = [
        newcomer("alice", 1000),
        newcomer("bob", 1001),
        newcomer("carol", 1002),
    ];
    let results = store.enroll_all(&many).unwrap();
    assert_eq!(
        results,
        [
            Ok(BulkEnrollment::Occupied),
            Ok(BulkEnrollment::Occupied),
            Ok(BulkEnrollment::Done)
        ]
    );
    assert_eq!(fs::read(scratch.record()).unwrap(), before);
    assert!(store.record(&account("bob", 1001)).unwrap().is_none());
    // One newcomer twice: the second finds the first.
    let twice = [newcomer("dora", 1003), newcomer("dora", 1003)];
    let results = store.enroll_all(&twice).unwrap();
    assert_eq!(results.last(), Some(&Ok(BulkEnrollment::Occupied)));
    assert!(store.record(&account("dora", 1003)).unwrap().is_some());
}

#[test]
fn one_failing_record_does_not_stop_the_others() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    // The index cannot say that there is a bob.
    let in_the_way = scratch.top().join("users/+1001");
    fs::create_dir(&in_the_way).unwrap();
    let long = "x".repeat(250);
    let mut unknown = newcomer("dora", 1003);
    unknown.entries.clear();
    let many = [
        newcomer("bob", 1001),
        newcomer(&long, 1002),
        unknown,
        newcomer("alice", 1000),
    ];
    let results = store.enroll_all(&many).unwrap();
    let failed: Vec<bool> = results.iter().map(Result::is_err).collect();
    assert_eq!(failed, [true, true, true, false]);
    fs::remove_dir(in_the_way).unwrap();
    assert_eq!(scratch.listing(), ["state/alice", "users/alice.toml"]);
    enroll_devices(&store, &account("bob", 1001), &[phone()]);
    assert!(
        store
            .enroll_all(&vec![newcomer("x", 1); BATCH + 1])
            .is_err()
    );
}

#[test]
fn a_whole_batch_is_not_too_many() {
    let scratch = ScratchStore::new();
    let batch = vec![newcomer("alice", 1000); BATCH];
    let results = scratch.store().enroll_all(&batch).unwrap();
    assert_eq!(results.len(), BATCH);
    assert_eq!(results[0], Ok(BulkEnrollment::Done));
}

#[test]
fn a_record_without_a_safe_state_is_kept() {
    let (scratch, store) = enrolled();
    let before = fs::read(scratch.record()).unwrap();
    let again = [newcomer("alice", 1000)];
    set_mode(&scratch.state(), 0o644);
    assert!(store.enroll_all(&again).unwrap()[0].is_err());
    fs::remove_file(scratch.state()).unwrap();
    assert_eq!(
        store.enroll_all(&again),
        Ok(vec![Ok(BulkEnrollment::Occupied)])
    );
    assert_eq!(fs::read(scratch.record()).unwrap(), before);
}

#[test]
fn a_state_takes_entries_as_it_has_room() {
    let store_of = |count: u64| {
        let scratch = ScratchStore::new();
        let kind = OtpKind::Hotp;
        let devices: Vec<Device> = (1..=count)
            .map(|number| device(&format!("token{number}"), number, kind))
            .collect();
        let mut many = newcomer("alice", 1000);
        many.entries = devices.iter().map(fresh).collect();
        many.record = record_of(&many.account, &devices[..1]);
        scratch.store().enroll_all(&[many]).unwrap().remove(0)
    };
    let capacity = twofactor_core::state::CAPACITY as u64;
    assert_eq!(store_of(capacity), Ok(BulkEnrollment::Done));
    assert!(store_of(capacity + 1).is_err());
}

#[test]
fn of_two_imports_at_once_one_enrolls_a_user() {
    for _ in 0..10 {
        let scratch = ScratchStore::new();
        let store = scratch.store();
        let other = scratch.store();
        let import = |store: &FactorStore| store.enroll_all(&[newcomer("alice", 1000)]).unwrap();
        let (one, two) = std::thread::scope(|scope| {
            let one = scope.spawn(|| import(&store));
            let two = scope.spawn(|| import(&other));
            (one.join().unwrap(), two.join().unwrap())
        });
        let mut results = [one[0].clone(), two[0].clone()];
        results.sort_by_key(|result| *result == Ok(BulkEnrollment::Occupied));
        assert_eq!(
            results,
            [Ok(BulkEnrollment::Done), Ok(BulkEnrollment::Occupied)]
        );
        assert!(store.snapshot(&alice()).unwrap().is_some());
    }
}
