//! Backups of all users.

use super::*;
use crate::testing::account;
use twofactor_core::backup::Backup;

fn all(store: &FactorStore) -> UserBackup {
    let Ok(backup) = back_up(store, NOW, |_| Ok::<_, ()>(())) else {
        panic!("there is a backup");
    };
    backup
}

#[test]
fn a_backup_holds_record_and_state_of_each_user() {
    let (scratch, store) = with(&[phone(), token()]);
    enroll_devices(&store, &account("bob", 1001), &[phone()]);
    let before = kept(&scratch);
    let backup = all(&store);
    assert_eq!(backup.missing, []);
    let read = Backup::parse(&backup.text.finish()).unwrap();
    let users: Vec<(&str, usize)> = read
        .entries
        .iter()
        .map(|entry| (entry.record.user.as_str(), entry.state.devices.len()))
        .collect();
    assert_eq!((read.made, users), (NOW, vec![("alice", 2), ("bob", 1)]));
    assert_eq!(kept(&scratch), before);
    assert_eq!(logged(), [""; 0]);
}

#[test]
fn a_user_who_cannot_be_read_is_missing_alone() {
    let (scratch, store) = with(&[phone()]);
    enroll_devices(&store, &account("bob", 1001), &[phone()]);
    enroll_devices(&store, &account("carol", 1002), &[phone()]);
    let users = scratch.top().join("users");
    fs::write(scratch.record(), "damaged").unwrap();
    fs::remove_file(users.join("carol.toml")).unwrap();
    let backup = all(&store);
    let missing: Vec<(&str, bool)> = backup
        .missing
        .iter()
        .map(|it| (it.user.as_str(), it.cause.cause == FileFault::LostRecord))
        .collect();
    assert_eq!(missing, [("alice", false), ("carol", true)]);
    let read = Backup::parse(&backup.text.finish()).unwrap();
    assert_eq!(read.entries.len(), 1);
}

#[test]
fn a_caller_can_stop_a_backup() {
    let (_scratch, store) = with(&[phone()]);
    let stopped = back_up(&store, NOW, Err::<(), _>);
    assert!(matches!(stopped, Err(BackupFailure::Stopped(1))));
}
