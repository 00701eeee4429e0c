//! A written backup is read again, and none that is not whole.

use super::*;
use crate::device::{CredentialId, Device, DeviceName, OtpKind};
use crate::otp::{Algorithm, Digits, Interval};
use crate::recovery::RecoverySet;
use crate::secret::Secret;
use crate::state::graced_sessions::GracedSession;
use crate::state::{DeviceState, GracePeriod};

fn entry(user: &str, uid: u32) -> (UserRecord, UserState) {
    let id = CredentialId::from_number(7).unwrap();
    let mut record = UserRecord::new(user.to_owned(), uid);
    record.enroll(Device {
        id,
        name: DeviceName::first(),
        kind: OtpKind::Totp {
            interval: Interval::THIRTY,
        },
        algorithm: Algorithm::Sha1,
        digits: Digits::SIX,
        secret: Secret::generate(20).unwrap(),
        created: 1,
    });
    record.recovery = Some(RecoverySet::generate(5).unwrap().0);
    let mut state = UserState::new(uid);
    state.failures = 3;
    state.devices.push(DeviceState {
        id,
        next: 9,
        drift: -1,
        last_used: 4,
        committed: true,
    });
    state.grace.push(GracePeriod {
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        service: 1,
        since: 2,
    });
    state.session_grace.boot = 3;
    state.session_grace.sessions = vec![GracedSession { id: 4, since: 2 }];
    (record, state)
}

fn written(users: &[(&str, u32)]) -> Vec<u8> {
    let mut text = BackupText::new(77);
    for (user, uid) in users {
        let (record, state) = entry(user, *uid);
        text.add(&record, &state).unwrap();
    }
    assert_eq!(text.users(), users.len());
    text.finish().to_vec()
}

/// Makes the checksum right, after a change of what stands before it.
fn sealed(body: &[u8], count: usize) -> Vec<u8> {
    let sum = lower::encode_string(&Sha256::digest(body));
    [body, format!("end {count} {sum}\n").as_bytes()].concat()
}

fn refused(bytes: &[u8]) -> String {
    Backup::parse(bytes).unwrap_err().to_string()
}

#[test]
fn a_backup_is_read_as_it_was_written() {
    let mut text = BackupText::new(77);
    let (record, mut state) = entry("alice", 7);
    text.add(&record, &state).unwrap();
    let backup = Backup::parse(&text.finish()).unwrap();
    assert_eq!((backup.made, backup.entries.len()), (77, 1));
    assert_eq!(*backup.entries[0].record.to_toml(), *record.to_toml());
    state.end_grace();
    assert_eq!(backup.entries[0].state, state);
    let none = Backup::parse(&written(&[])).unwrap();
    assert!(none.entries.is_empty());
}

#[test]
fn every_part_of_a_backup_is_refused() {
    let whole = written(&[("alice", 7), ("bob", 8)]);
    for length in 0..whole.len() {
        assert!(Backup::parse(&whole[..length]).is_err(), "{length}");
    }
    let more = [&whole[..], b"\n"].concat();
    assert!(refused(&more).contains("goes on after its end"));
}

#[test]
fn a_changed_byte_is_found() {
    let whole = written(&[("alice", 7)]);
    for position in 0..whole.len() {
        let mut changed = whole.clone();
        changed[position] ^= 1;
        assert!(Backup::parse(&changed).is_err(), "{position}");
    }
}

#[test]
fn a_backup_that_is_too_large_is_not_written() {
    let (record, state) = entry("alice", 7);
    let mut text = BackupText::new(77);
    let before = text.text.len();
    text.add(&record, &state).unwrap();
    let one = text.text.len() - before;
    for (room, fits) in [(one + MAX_END, true), (one + MAX_END - 1, false)] {
        let mut text = BackupText::new(77);
        text.limit = before + room;
        assert_eq!(text.add(&record, &state).is_ok(), fits);
        assert_eq!(text.users(), usize::from(fits));
        let limit = text.limit;
        let whole = text.finish();
        assert!(whole.len() <= limit && Backup::parse(&whole).is_ok());
    }
    assert_eq!(BackupText::new(77).limit, MAX_BACKUP);
}

#[test]
fn a_user_stands_in_it_once() {
    let text = refused(&written(&[("alice", 7), ("alice", 8)]));
    assert!(text.contains("the same user twice"), "{text}");
}

#[test]
fn hostile_forms_are_refused() {
    let head = "twofactor-backup 1\nmade 1\n";
    for (body, told) in [
        ("twofactor-backup 2\nmade 1\n".to_owned(), "another format"),
        ("twofactor-backup 01\nmade 1\n".to_owned(), "another format"),
        ("otpauth://x y\n".to_owned(), "no backup"),
        ("x".repeat(9999), "no backup"),
        ("twofactor-backup 1\nmade -1\n".to_owned(), "no valid date"),
        (format!("{head}user 65537\n"), "is damaged"),
        (
            format!("{head}user 99999999999999999999999\n"),
            "is damaged",
        ),
        (format!("{head}user 0\n"), "is damaged"),
        (format!("{head}user 007\n"), "is damaged"),
        (format!("{head}user 9999\nx"), "is cut off"),
        (format!("{head}user 3\nxyz"), "the record before byte"),
        (format!("{head}path ../x\n"), "is damaged"),
        (format!("{head}{}", "y".repeat(5000)), "is damaged"),
    ] {
        let text = refused(body.as_bytes());
        assert!(text.contains(told), "{body:?}: {text}");
        assert!(text.len() < 300, "{text}");
    }
}

#[test]
fn a_state_belongs_to_its_record() {
    let (record, state) = entry("alice", 7);
    for other in [UserState::new(7), UserState { uid: 8, ..state }] {
        let mut text = BackupText::new(1);
        text.add(&record, &other).unwrap();
        assert!(refused(&text.finish()).contains("state of another record"));
    }
    let whole = written(&[("alice", 7)]);
    let text = String::from_utf8(whole).unwrap();
    let short = text.replacen("state 32", "state ", 1);
    let body = short.split("end 1").next().unwrap();
    assert!(refused(&sealed(body.as_bytes(), 1)).contains("is damaged"));
}

#[test]
fn errors_quote_nothing() {
    let body = "twofactor-backup 1\nmade 1\nuser 22\nsecret = GEZDGNBVGY3TQOJ";
    let error = Backup::parse(body.as_bytes()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("GEZD"));
}
