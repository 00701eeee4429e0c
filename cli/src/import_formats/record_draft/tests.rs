//! Devices that are taken, replaced and what is refused, with the used codes of both sides.

use super::*;
use crate::import_formats::ImportedToken;
use twofactor_core::device::OtpKind;
use twofactor_core::otp::{Algorithm, Digits, Interval};
use twofactor_core::recovery::OneTimeCode;
use twofactor_core::secret::Secret;
use zeroize::Zeroizing;

const MOMENT: ImportMoment = ImportMoment {
    now: 1_767_225_600,
    window: 1,
};

fn alice() -> Account {
    let name = "alice".to_owned();
    Account {
        name,
        uid: 1000,
        gid: 1000,
    }
}

fn item(name: &str, key: u8) -> ImportedDevice {
    let interval = Interval::THIRTY;
    ImportedDevice {
        place: SourceLine {
            file: "f".into(),
            line: usize::from(key),
        },
        user: "alice".to_owned(),
        name: name.to_owned(),
        token: ImportedToken {
            kind: OtpKind::Totp { interval },
            algorithm: Algorithm::Sha1,
            digits: Digits::SIX,
            secret: Secret::from_bytes(vec![key; 20].into()).unwrap(),
        },
        next: 0,
        drift: 0,
        scratch: Vec::new(),
        notes: vec!["noted".into()],
    }
}

fn with_scratch(mut item: ImportedDevice, codes: &[&str]) -> ImportedDevice {
    let codes = codes.iter().map(|code| Zeroizing::new((*code).to_owned()));
    item.scratch = codes.collect();
    item
}

fn draft(kept: Option<(UserRecord, UserState)>, existing: ExistingDevices) -> RecordDraft {
    RecordDraft::new(&alice(), kept, existing, MOMENT)
}

/// The record and state after an import of these.
fn kept(items: &[ImportedDevice]) -> (UserRecord, UserState) {
    let mut draft = draft(None, ExistingDevices::Keep);
    items
        .iter()
        .for_each(|item| assert!(result(&mut draft, item).1 == ImportResult::Taken));
    let mut state = UserState::new(1000);
    state.devices = draft.entries;
    (draft.record, state)
}

/// Name and result of the first row.
fn result(draft: &mut RecordDraft, item: &ImportedDevice) -> (String, ImportResult) {
    let row = draft.take(item).unwrap().remove(0);
    (row.device.unwrap(), row.result)
}

fn names(draft: &RecordDraft) -> Vec<&str> {
    draft
        .record
        .devices
        .iter()
        .map(|device| device.name.as_str())
        .collect()
}

#[test]
fn several_devices_of_one_name_get_numbers() {
    let mut draft = draft(None, ExistingDevices::Keep);
    for (key, name) in [(1, "oath"), (2, "oath-2"), (3, "oath-3")] {
        assert_eq!(
            result(&mut draft, &item("oath", key)),
            (name.to_owned(), ImportResult::Taken)
        );
    }
    assert_eq!(
        result(&mut draft, &item("oath", 2)),
        ("oath-2".to_owned(), ImportResult::Present)
    );
    assert_eq!(names(&draft), ["oath", "oath-2", "oath-3"]);
    assert_eq!(draft.entries.len(), 3);
    let (name, clash) = result(&mut draft, &item("oath-3", 9));
    assert_eq!(
        (name.as_str(), matches!(clash, ImportResult::Refused(_))),
        ("oath-3", true)
    );
}

/// An invitation to enroll at login has done its work, then; a record cannot have both.
#[test]
fn a_device_ends_an_invitation() {
    let mut record = UserRecord::new("alice".to_owned(), 1000);
    record.invite = Some(OneTimeCode::generate(u64::MAX).unwrap().0);
    let mut draft = draft(Some((record, UserState::new(1000))), ExistingDevices::Keep);
    assert_eq!(result(&mut draft, &item("oath", 1)).1, ImportResult::Taken);
    assert!(draft.record.invite.is_none());
    assert!(UserRecord::parse(&draft.record.to_toml()).is_ok());
}

#[test]
fn no_user_gets_more_than_seven() {
    let mut draft = draft(None, ExistingDevices::Replace);
    for key in 1..=7 {
        assert_eq!(
            result(&mut draft, &item("oath", key)).1,
            ImportResult::Taken
        );
    }
    let why = "alice has 7 devices, and no user can have more".to_owned();
    assert_eq!(
        result(&mut draft, &item("oath", 8)).1,
        ImportResult::Refused(why)
    );
}

#[test]
fn what_is_there_is_kept_unless_told_otherwise() {
    let before = kept(&[item("oath", 1)]);
    let mut keep = draft(Some(before.clone()), ExistingDevices::Keep);
    assert_eq!(result(&mut keep, &item("oath", 1)).1, ImportResult::Present);
    assert!(keep.entries.is_empty());
    let mut keep = draft(Some(before.clone()), ExistingDevices::Keep);
    let (_, refused) = result(&mut keep, &item("oath", 2));
    assert!(matches!(refused, ImportResult::Refused(why) if why.contains("--replace")));
    assert_eq!(keep.record.devices[0].id, before.0.devices[0].id);

    let mut replace = draft(Some(before.clone()), ExistingDevices::Replace);
    assert_eq!(
        result(&mut replace, &item("oath", 2)).1,
        ImportResult::Replaced
    );
    assert_eq!(names(&replace), ["oath"]);
    assert_ne!(replace.record.devices[0].id, before.0.devices[0].id);
    assert_eq!(replace.entries[0].id, replace.record.devices[0].id);
}

#[test]
fn the_same_key_is_the_same_device_under_any_name() {
    let before = kept(&[item("phone", 1)]);
    let mut keep = draft(Some(before.clone()), ExistingDevices::Keep);
    assert_eq!(
        result(&mut keep, &item("oath", 1)),
        ("phone".to_owned(), ImportResult::Present)
    );
    let mut other = item("oath", 1);
    other.token.digits = Digits::new(8).unwrap();
    assert_eq!(
        result(&mut keep, &other),
        ("oath-2".to_owned(), ImportResult::Taken)
    );
    let mut replace = draft(Some(before), ExistingDevices::Replace);
    assert_eq!(
        result(&mut replace, &item("oath", 1)),
        ("phone".to_owned(), ImportResult::Replaced)
    );
}

#[test]
fn what_was_used_on_either_side_stays_used() {
    let (record, mut state) = kept(&[item("oath", 1)]);
    state.devices[0].next = 500;
    let mut older = item("oath", 1);
    older.next = 400;
    let mut newer = item("oath", 1);
    newer.next = 600;
    for (item, next) in [(&older, 500), (&newer, 600)] {
        let mut replace = draft(
            Some((record.clone(), state.clone())),
            ExistingDevices::Replace,
        );
        assert_eq!(result(&mut replace, item).1, ImportResult::Replaced);
        assert_eq!(replace.entries[0].next, next);
    }
    // Another key has a history of its own.
    let mut replace = draft(Some((record, state)), ExistingDevices::Replace);
    let mut other = item("oath", 2);
    other.next = 7;
    assert_eq!(result(&mut replace, &other).1, ImportResult::Replaced);
    assert_eq!(replace.entries[0].next, 7);
}

#[test]
fn scratch_codes_become_a_set_and_stronger_codes_stay() {
    let codes = ["11111111", "22222222"];
    let mut new = draft(None, ExistingDevices::Keep);
    let rows = new.take(&with_scratch(item("ga", 1), &codes)).unwrap();
    assert_eq!((rows.len(), rows[0].scratch_codes), (1, 2));
    let set = new.record.recovery.clone().unwrap();
    assert_eq!((set.form, set.hashes.len()), (CodeForm::Digits, 2));
    assert_eq!(set.hashes[1], hash(&set.salt, b"22222222"));

    let (mut record, state) = kept(&[item("phone", 9)]);
    record.recovery = Some(RecoverySet::generate(1).unwrap().0);
    let strong = record.recovery.clone();
    for existing in [ExistingDevices::Keep, ExistingDevices::Replace] {
        let mut draft = draft(Some((record.clone(), state.clone())), existing);
        let rows = draft.take(&with_scratch(item("ga", 1), &codes)).unwrap();
        assert_eq!(
            (rows.len(), &rows[0].result, rows[0].scratch_codes),
            (2, &ImportResult::Taken, 0)
        );
        assert!(matches!(&rows[1].result, ImportResult::Refused(why) if why.contains("stronger")));
        assert_eq!(draft.record.recovery, strong);
    }
}

#[test]
fn a_scratch_code_that_was_used_here_stays_used() {
    let first = with_scratch(item("ga", 1), &["11111111", "22222222"]);
    let (record, mut state) = kept(std::slice::from_ref(&first));
    state.spend(record.recovery.as_ref().unwrap().id, 0);
    let mut again = draft(
        Some((record.clone(), state.clone())),
        ExistingDevices::Replace,
    );
    let rows = again.take(&first).unwrap();
    assert_eq!(
        (&rows[0].result, rows[0].scratch_codes),
        (&ImportResult::Replaced, 1)
    );
    let set = again.record.recovery.unwrap();
    assert_eq!(set.hashes, [hash(&set.salt, b"22222222")]);

    state.spend(record.recovery.as_ref().unwrap().id, 1);
    let mut again = draft(Some((record.clone(), state)), ExistingDevices::Replace);
    let rows = again.take(&first).unwrap();
    assert_eq!((rows.len(), rows[0].scratch_codes), (2, 0));
    assert_eq!(
        again.record.recovery, record.recovery,
        "spent, and known to be"
    );
}

#[test]
fn an_imported_device_was_never_used_here() {
    let mut draft = draft(None, ExistingDevices::Keep);
    let mut counted = item("token", 1);
    counted.token.kind = OtpKind::Hotp;
    (counted.next, counted.drift) = (42, -2);
    draft.take(&counted).unwrap();
    let entry = draft.entries[0];
    assert_eq!((entry.next, entry.drift, entry.last_used), (42, -2, 0));
    assert_eq!(draft.record.devices[0].created, MOMENT.now);
}
