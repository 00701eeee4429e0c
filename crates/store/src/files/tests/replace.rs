//! Changes of a record: all or nothing, and nothing left lying about.

use rustix::io::Errno;

use super::*;
use twofactor_core::record::RecordError;
use twofactor_core::state::{CAPACITY, GracePeriod};

fn tablet() -> Device {
    let interval = Interval::THIRTY;
    device("tablet", 3, OtpKind::Totp { interval })
}

fn both_files(scratch: &ScratchStore) -> (Vec<u8>, Vec<u8>) {
    let read = |path: PathBuf| fs::read(path).unwrap();
    (read(scratch.record()), read(scratch.state()))
}

#[test]
fn a_record_is_written_privately_without_litter() {
    let (scratch, store) = enrolled();
    assert_eq!(scratch.listing(), ["state/alice", "users/alice.toml"]);
    assert_eq!(mode(&scratch.record()), 0o600);
    assert_eq!(mode(&scratch.state()), 0o600);
    let record = store.record(&alice()).unwrap().unwrap();
    assert_eq!((record.user.as_str(), record.uid), ("alice", 1000));
    assert_eq!(device_names(&record), ["phone"]);
    assert_eq!(scratch.stored().state.devices, [fresh(&phone())]);
}

#[test]
fn a_second_device_leaves_the_first_as_it_is() {
    let (scratch, store) = enrolled();
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let mut state = locked.state().clone();
    state.devices[0].next = 77;
    (state.failures, state.unreported) = (3, 4);
    locked.write(state).unwrap();
    let record = record_of(&alice(), &[phone(), tablet()]);
    locked.replace_record(&record, &[fresh(&tablet())]).unwrap();
    drop(locked);
    let state = scratch.stored().state;
    assert_eq!((state.failures, state.unreported), (3, 4));
    let used = DeviceState {
        next: 77,
        ..fresh(&phone())
    };
    assert_eq!(state.devices, [used, fresh(&tablet())]);
    let record = store.record(&alice()).unwrap().unwrap();
    assert_eq!(device_names(&record), ["phone", "tablet"]);
}

#[test]
fn a_failed_change_leaves_the_old_record_in_force() {
    let (scratch, store) = enrolled();
    let in_the_way = scratch.top().join("users/.alice.toml.new");
    fs::create_dir(&in_the_way).unwrap();
    let before = fs::read(scratch.record()).unwrap();
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let record = record_of(&alice(), &[tablet()]);
    let failed = locked.replace_record(&record, &[fresh(&tablet())]);
    let why = FileError::System("unlink", Errno::ISDIR);
    assert_eq!(failed, Err(unusable(&scratch.record(), why)));
    assert_eq!(fs::read(scratch.record()).unwrap(), before);
    // The state knows the devices of both, so the old one still works.
    let old = locked.record().unwrap().unwrap();
    assert_eq!(device_names(&old), ["phone"]);
    assert_eq!(
        scratch.stored().state.devices,
        [fresh(&phone()), unused(&tablet())]
    );
    fs::remove_dir(&in_the_way).unwrap();
    locked.replace_record(&record, &[fresh(&tablet())]).unwrap();
    drop(locked);
    let new = store.record(&alice()).unwrap().unwrap();
    assert_eq!(device_names(&new), ["tablet"]);
    assert_eq!(scratch.listing(), ["state/alice", "users/alice.toml"]);
}

#[test]
fn entries_of_removed_devices_go_with_the_record() {
    let (scratch, store) = enrolled();
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let record = record_of(&alice(), &[tablet()]);
    locked.replace_record(&record, &[fresh(&tablet())]).unwrap();
    assert_eq!(scratch.stored().state.devices, [fresh(&tablet())]);
}

#[test]
fn every_device_can_be_renewed_at_the_limit() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    let interval = Interval::THIRTY;
    let numbered = |number: u64| {
        device(
            &format!("d{}", number % 10),
            number,
            OtpKind::Totp { interval },
        )
    };
    let mut devices: Vec<Device> = (1..=7).map(numbered).collect();
    enroll_devices(&store, &alice(), &devices);
    let mut locked = store.lock_for_change(&alice()).unwrap();
    for position in 0..7 {
        let new = numbered(11 + position as u64);
        devices[position] = new.clone();
        let record = record_of(&alice(), &devices);
        locked.replace_record(&record, &[fresh(&new)]).unwrap();
        assert_eq!(scratch.stored().state.devices.len(), CAPACITY - 1);
    }
    let all: Vec<Device> = (21..=27).map(numbered).collect();
    let entries: Vec<DeviceState> = all.iter().map(fresh).collect();
    let before = both_files(&scratch);
    let failed = locked.replace_record(&record_of(&alice(), &all), &entries);
    let expected = error_at(&scratch.state(), FileFault::System("too many devices"));
    assert_eq!(failed, Err(expected));
    assert_eq!(both_files(&scratch), before);
}

#[test]
fn a_device_without_an_entry_is_refused_first() {
    let (scratch, store) = enrolled();
    let before = both_files(&scratch);
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let record = record_of(&alice(), &[phone(), tablet()]);
    let expected = error_at(&scratch.state(), FileFault::UnknownDevice("tablet".into()));
    assert_eq!(locked.replace_record(&record, &[]), Err(expected));
    assert_eq!(both_files(&scratch), before);
}

#[test]
fn a_record_that_could_not_be_read_is_not_written() {
    let (scratch, store) = enrolled();
    let before = both_files(&scratch);
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let mut twin = tablet();
    twin.name = phone().name;
    for devices in [vec![], vec![phone(), twin.clone()]] {
        let record = record_of(&alice(), &devices);
        let why: RecordError = UserRecord::parse(&record.to_toml()).unwrap_err();
        let failed = locked.replace_record(&record, &[fresh(&twin)]);
        assert_eq!(
            failed,
            Err(error_at(&scratch.record(), FileFault::Record(why)))
        );
        assert_eq!(both_files(&scratch), before);
    }
}

#[test]
fn an_entry_for_a_known_device_replaces_its_entry() {
    let (scratch, store) = enrolled();
    let moved = DeviceState {
        next: 500,
        ..fresh(&phone())
    };
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let record = record_of(&alice(), &[phone()]);
    locked.replace_record(&record, &[moved]).unwrap();
    assert_eq!(scratch.stored().state.devices, [moved]);
}

#[test]
fn a_change_ends_all_grace() {
    let (scratch, store) = enrolled();
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let mut state = locked.state().clone();
    state.grace.push(GracePeriod {
        address: [192, 0, 2, 1].into(),
        service: 1,
        since: 5,
    });
    locked.write(state).unwrap();
    locked.flush().unwrap();
    assert_eq!(scratch.stored().state.grace.len(), 1);
    let record = record_of(&alice(), &[phone()]);
    locked.replace_record(&record, &[]).unwrap();
    assert!(scratch.stored().state.grace.is_empty());
}

#[test]
fn the_next_change_removes_a_killed_writers_litter() {
    let (scratch, store) = enrolled();
    let leftover = scratch.top().join("users/.alice.toml.new");
    fs::write(&leftover, "secret = \"GEZD").unwrap();
    assert_eq!(store.users().unwrap(), ["alice"]);
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let record = record_of(&alice(), &[phone()]);
    locked.replace_record(&record, &[]).unwrap();
    assert_eq!(scratch.listing(), ["state/alice", "users/alice.toml"]);
    fs::write(&leftover, "secret = \"GEZD").unwrap();
    locked.remove().unwrap();
    assert!(scratch.listing().is_empty());
}

#[test]
fn removing_leaves_nothing_for_the_next_record() {
    let (scratch, store) = enrolled();
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let mut state = locked.state().clone();
    state.failures = 9;
    locked.write(state).unwrap();
    locked.remove().unwrap();
    assert!(scratch.listing().is_empty());
    assert!(store.record(&alice()).unwrap().is_none());
    enroll_devices(&store, &alice(), &[phone()]);
    assert_eq!(scratch.stored().state.failures, 0);
}

/// A record whose file had no change for a while is not read twice, unless it is another one by then.
#[test]
fn a_settled_record_is_read_again_when_changed() {
    let (scratch, store) = enrolled();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let load = || store.record_again(&alice(), None).unwrap().unwrap();
    let settled = load();
    assert!(settled.version.is_some());
    let again = || store.record_again(&alice(), Some(settled.clone()));
    assert_eq!(device_names(&again().unwrap().unwrap().record), ["phone"]);
    let text = fs::read_to_string(scratch.record()).unwrap();
    // Of the same length, in place.
    fs::write(scratch.record(), text.replace("\"phone\"", "\"table\"")).unwrap();
    assert_eq!(device_names(&again().unwrap().unwrap().record), ["table"]);
    let renamed = text.replace("\"phone\"", "\"tablet\"");
    assert_ne!(text, renamed);
    let replace = |text: &str| {
        let path = scratch.path().join("new");
        fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        fs::rename(path, scratch.record()).unwrap();
    };
    replace(&renamed);
    assert_eq!(device_names(&again().unwrap().unwrap().record), ["tablet"]);
    replace(&text);
    let same = again().unwrap().unwrap();
    assert_eq!(device_names(&same.record), ["phone"]);
    assert!(same.version.is_none(), "changed moments ago");
    set_mode(&scratch.record(), 0o640);
    assert!(again().is_err());
    fs::remove_file(scratch.record()).unwrap();
    assert!(again().unwrap().is_none());
}
