//! Imported devices.

use super::*;
use twofactor_core::enroll::unused;

#[test]
fn devices_are_imported_one_after_the_other() {
    let (_scratch, store) = with(&[phone()]);
    let stored = import_devices(&factor(&store), |kept, writer| {
        let (mut record, state) = kept.unwrap();
        assert_eq!(state.devices.len(), 1);
        for device in [token(), device("spare", 3, OtpKind::Hotp)] {
            record.devices.push(device.clone());
            writer.store(&mut record, unused(&device)).unwrap();
        }
        record.devices.len()
    });
    assert_eq!(stored, Ok(3));
    assert_eq!(names(&store), ["phone", "token", "spare"]);
}

/// The first of two devices stays where the second cannot be stored: its name is taken.
#[test]
fn what_was_imported_before_a_failure_stays() {
    let (_scratch, store) = with(&[]);
    let failed = import_devices(&factor(&store), |kept, writer| {
        assert!(kept.is_none());
        let mut record = UserRecord::new("alice".to_owned(), 1000);
        record.devices.push(phone());
        writer.store(&mut record, unused(&phone())).unwrap();
        let namesake = device("phone", 3, OtpKind::Hotp);
        record.devices.push(namesake.clone());
        writer.store(&mut record, unused(&namesake))
    });
    assert!(failed.unwrap().is_err());
    assert_eq!(names(&store), ["phone"]);
}

#[test]
fn an_import_that_takes_nothing_leaves_nothing() {
    let (scratch, store) = with(&[]);
    import_devices(&factor(&store), |kept, _| assert!(kept.is_none())).unwrap();
    assert_eq!(kept(&scratch), NOTHING);
}

#[test]
fn nothing_is_imported_beside_an_unusable_state() {
    let (scratch, store) = with(&[phone()]);
    fs::write(scratch.state(), "").unwrap();
    let before = kept(&scratch);
    let imported = import_devices(&factor(&store), |_, _| unreachable!());
    assert!(is_unusable(&imported.unwrap_err()));
    assert_eq!(kept(&scratch), before);
}
