//! Records: what is read is written again as it was, and no error and no Debug output quotes one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twofactor_core::device::MAX_DEVICES;
use twofactor_core::record::{MAX_RECOVERY_CODES, RecordError, UserRecord};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match UserRecord::parse(text) {
        Ok(record) => accepted(&record),
        Err(error) => refused(&error),
    }
});

fn accepted(record: &UserRecord) {
    let written = record.to_toml();
    let again = UserRecord::parse(&written).unwrap();
    assert_eq!(*again.to_toml(), *written);
    assert_eq!((&again.user, again.uid), (&record.user, record.uid));

    assert!(record.devices.len() <= MAX_DEVICES);
    assert!(record.is_enrolled() != record.invite.is_some());
    assert!(record.is_enrolled() || record.recovery.is_none() && record.bypass.is_none());
    for (position, device) in record.devices.iter().enumerate() {
        assert!(
            record.devices[..position]
                .iter()
                .all(|other| other.id != device.id && other.name != device.name)
        );
    }
    let codes = record.recovery.as_ref().map_or(1, |set| set.hashes.len());
    assert!((1..=MAX_RECOVERY_CODES).contains(&codes));
    assert!(
        record
            .devices
            .iter()
            .all(|device| format!("{:?}", device.secret) == "Secret(redacted)")
    );
}

/// The shortest key has 16 characters, a hash 64: no error holds so much of a record.
fn refused(error: &RecordError) {
    let text = error.to_string();
    assert!(
        text.len() < 500 && !text.chars().any(char::is_control),
        "{text:?}"
    );
    // The program that wrote it is named.
    let (before, rest) = text.split_once("written by").unwrap_or((&text, ""));
    let after = rest
        .rsplit_once("; this program")
        .map_or("", |(_, after)| after);
    for word in [before, after].iter().flat_map(|part| part.split(' ')) {
        assert!(word.len() < 16, "{text:?}");
    }
}
