//! Backups: what is read is written again as it was, and no error quotes one.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use twofactor_core::backup::{Backup, BackupText};

fuzz_target!(|bytes: &[u8]| {
    reads(bytes);
    // The first byte is the number of users of a last line with the right checksum, so that what stands before it is reached.
    if let Some((count, body)) = bytes.split_first() {
        let sum: String = Sha256::digest(body)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let end = format!("end {count} {sum}\n");
        reads(&[body, end.as_bytes()].concat());
    }
});

fn reads(bytes: &[u8]) {
    let backup = match Backup::parse(bytes) {
        Ok(backup) => backup,
        Err(error) => {
            let text = error.to_string();
            assert!(
                !text.chars().any(char::is_control) && text.len() < 500,
                "{text:?}"
            );
            return;
        }
    };
    let mut text = BackupText::new(backup.made);
    let mut names = HashSet::new();
    for entry in &backup.entries {
        assert!(names.insert(&entry.record.user));
        assert_eq!(entry.record.uid, entry.state.uid);
        let mut devices = entry.record.devices.iter();
        assert!(devices.all(|device| entry.state.device(device.id).is_some()));
        text.add(&entry.record, &entry.state)
            .expect("it was read, so it fits");
    }
    let again = Backup::parse(&text.finish()).unwrap();
    assert_eq!(again.made, backup.made);
    for (one, other) in again.entries.iter().zip(&backup.entries) {
        assert_eq!(*one.record.to_toml(), *other.record.to_toml());
        assert_eq!(one.state.devices, other.state.devices);
    }
    assert_eq!(again.entries.len(), backup.entries.len());
}
