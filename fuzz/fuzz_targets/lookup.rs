//! Records, index entries and states of three names and two uids in any combination: a user is told to have no record
//! only where nothing tells of one, and never gets a record of another uid. A plain model says what is found.
//!
//! Input: for each name a byte for the record and one for the state, for each uid a byte for each place of the index.
#![no_main]

use std::cell::RefCell;

use fuzz::people::Someone;
use fuzz::store::FuzzDirectory;
use libfuzzer_sys::fuzz_target;
use twofactor_core::account::Account;
use twofactor_core::record::UserRecord;
use twofactor_core::recovery::OneTimeCode;
use twofactor_core::state::{
    MOVED, MOVED_OFFSET, UserState, encode_file, encode_provisional, encode_settled,
};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
const UIDS: [u32; 2] = [1000, 1001];
/// `+UID`, `+UID+` and two further places.
const PLACES: [&str; 4] = ["", "+", "+1", "+7"];

thread_local! {
    static DIRECTORY: RefCell<(FuzzDirectory, Someone)> = RefCell::default();
}

/// NamedFiles under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NamedFiles {
    record: Option<KeptRecord>,
    state: Told,
}

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeptRecord {
    uid: u32,
    has_device: bool,
    /// The place of the user that it names: another one where it is on its way to that name.
    user: usize,
}

/// Information of a state about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// There is no state.
    Nothing,
    /// There need not be one.
    None,
    /// There must be one.
    Committed,
    /// It cannot be read.
    Damaged,
}

#[derive(Debug, PartialEq, Eq)]
enum LookupResult {
    Of(&'static str),
    Absent,
    Refused,
}

fuzz_target!(|bytes: &[u8]| {
    DIRECTORY.with_borrow(|(directory, someone)| {
        directory.empty();
        let mut bytes = bytes.iter().copied();
        let mut next = || bytes.next().unwrap_or(0);
        let files = NAMES.map(|name| NamedFiles {
            record: write_record(directory, someone, name, next()),
            state: write_state(directory, someone, name, next()),
        });
        let index = UIDS.map(|uid| PLACES.map(|place| write_entry(directory, uid, place, next())));
        for (uid, entries) in UIDS.into_iter().zip(&index) {
            for name in NAMES {
                let expected = model(&files, entries, name, uid);
                compare(directory, name, uid, &expected);
            }
        }
    });
});

fn compare(directory: &FuzzDirectory, name: &str, uid: u32, expected: &LookupResult) {
    let account = Account {
        name: name.into(),
        uid,
        gid: uid,
    };
    let found = directory.store.holder(&account);
    let Ok(holder) = found else {
        assert_eq!(expected, &LookupResult::Refused, "{name} {uid}: {found:?}");
        return;
    };
    match (&holder.record, expected) {
        (Some(record), LookupResult::Of(owner)) => {
            assert_eq!(record.uid, uid);
            assert_eq!(holder.account.name, *owner);
        }
        (None, LookupResult::Absent) => {}
        _ => panic!("{name} {uid}: {holder:?} instead of {expected:?}"),
    }
}

/// The result that must be found, said in another way than the product does it: first everything that tells of a
/// record, then whether it is one record.
fn model(
    files: &[NamedFiles; 3],
    entries: &[Option<usize>; 4],
    name: &'static str,
    uid: u32,
) -> LookupResult {
    let own = NAMES.iter().position(|known| *known == name).unwrap();
    let user = |place: usize| files[place].record.unwrap().user;
    let is_moving = |place: usize| user(place) != place && files[user(place)].record.is_none();
    let told = |place: usize| {
        if files[place].state == Told::Nothing && is_moving(place) {
            files[user(place)].state
        } else {
            files[place].state
        }
    };
    let is_own = |place: usize| {
        let kept = files[place].record.unwrap();
        kept.uid == uid && (kept.user == place || is_moving(place))
    };
    let is_valid = |place: usize| {
        let has_device = files[place].record.unwrap().has_device;
        is_own(place) && (has_device || matches!(told(place), Told::Nothing | Told::None))
    };
    let kept = files[own].record;
    if let Some(kept) = kept {
        if !is_valid(own) {
            return LookupResult::Refused;
        }
        if kept.has_device {
            return LookupResult::Of(name);
        }
    }
    let seen = if entries[1].is_some() { 4 } else { 1 };
    // The second place is a value of its own.
    let places = [0, 2, 3].into_iter().filter(|place| *place < seen);
    let mut named: Vec<usize> = places.filter_map(|place| entries[place]).collect();
    named.sort_unstable();
    named.dedup();
    if named.contains(&NAMES.len()) {
        return LookupResult::Refused;
    }
    let (mut with, without): (Vec<usize>, Vec<usize>) = named
        .into_iter()
        .partition(|place| files[*place].record.is_some());
    if kept.is_some() {
        // An invitation counts beside other invitations, and beside no device.
        let may_stand = |place: &usize| is_own(*place) && !files[*place].record.unwrap().has_device;
        if !with.iter().all(|place| *place == own || may_stand(place)) {
            return LookupResult::Refused;
        }
        with = vec![own];
    }
    // The name that a record is on its way to has traces, and no record yet.
    let awaited = with.first().map(|place| user(*place));
    let is_lost = |place: &usize| awaited != Some(*place) && files[*place].state != Told::None;
    let was_there = matches!(files[own].state, Told::Committed | Told::Damaged);
    if with.len() > 1
        || !with.iter().all(|place| is_valid(*place))
        || without.iter().any(is_lost)
        || was_there && awaited != Some(own)
    {
        return LookupResult::Refused;
    }
    with.first().map_or(LookupResult::Absent, |place| {
        LookupResult::Of(NAMES[*place])
    })
}

fn write_record(
    directory: &FuzzDirectory,
    someone: &Someone,
    name: &str,
    byte: u8,
) -> Option<KeptRecord> {
    if byte & 1 == 0 {
        return None;
    }
    let own = NAMES.iter().position(|known| *known == name)?;
    let kept = KeptRecord {
        uid: UIDS[usize::from(byte >> 1 & 1)],
        has_device: byte & 4 == 0,
        user: if byte & 24 == 24 { (own + 1) % 3 } else { own },
    };
    let mut record = UserRecord::new(NAMES[kept.user].into(), kept.uid);
    if kept.has_device {
        record.devices.push(someone.record.devices[0].clone());
    } else {
        record.invite = Some(OneTimeCode::generate(u64::from(u32::MAX)).unwrap().0);
    }
    directory.write(format!("users/{name}.toml"), record.to_toml().as_bytes());
    Some(kept)
}

fn write_state(directory: &FuzzDirectory, someone: &Someone, name: &str, byte: u8) -> Told {
    let state = |committed: bool| {
        let mut state = UserState::new(UIDS[usize::from(byte >> 7)]);
        state.devices.push(someone.state.devices[0]);
        state.devices[0].committed = committed;
        state
    };
    let base = format!("state/{name}");
    let generation = |content: &[u8]| {
        directory.directory(format!("{base}+"));
        directory.write(format!("{base}+/1"), content);
    };
    match byte % 7 {
        0 => Told::Nothing,
        1 => {
            directory.write(&base, &encode_file(&state(false)));
            Told::None
        }
        2 => {
            directory.write(&base, &encode_file(&state(true)));
            Told::Committed
        }
        3 => {
            directory.write(&base, &[byte; 1024]);
            Told::Damaged
        }
        // Taken over: what the next file says counts.
        4 => {
            let mut file = encode_file(&state(false));
            file[MOVED_OFFSET as usize..].copy_from_slice(&MOVED);
            directory.write(&base, &file);
            generation(&encode_settled(&state(true)));
            Told::Committed
        }
        // About to be taken over: what the next file says does not count yet.
        5 => {
            directory.write(&base, &encode_file(&state(true)));
            generation(&encode_provisional(&state(false)));
            Told::Committed
        }
        _ => {
            directory.write(&base, &encode_file(&UserState::new(UIDS[0])));
            Told::None
        }
    }
}

/// An entry of the index: a name's place, or one after all names for a value that is no name.
fn write_entry(directory: &FuzzDirectory, uid: u32, place: &str, byte: u8) -> Option<usize> {
    let named = match byte % 8 {
        number @ 1..=3 => usize::from(number) - 1,
        4 => NAMES.len(),
        _ => return None,
    };
    let value = NAMES.get(named).copied().unwrap_or("../alice");
    directory.line(format!("users/+{uid}{place}"), value);
    Some(named)
}
