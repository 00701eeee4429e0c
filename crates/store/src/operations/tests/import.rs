//! Imported devices.

use super::*;
use crate::files::{BulkEnrollment, NewRecord};
use crate::testing::{account, record_of};
use twofactor_core::enroll::unused;

#[test]
fn devices_are_imported_one_after_the_other() {
    let (_scratch, store) = with(&[phone()]);
    let stored = import_devices(&factor(&store), "uri", |kept, writer| {
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
    assert_eq!(
        logged(),
        [
            "import device=token from=uri",
            "import device=spare from=uri"
        ]
    );
}

/// The first of two devices stays where the second cannot be stored: its name is taken.
#[test]
fn what_was_imported_before_a_failure_stays() {
    let (_scratch, store) = with(&[]);
    let failed = import_devices(&factor(&store), "uri", |kept, writer| {
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
    assert_eq!(logged(), ["import device=phone from=uri"]);
}

#[test]
fn an_import_that_takes_nothing_leaves_nothing() {
    let (scratch, store) = with(&[]);
    import_devices(&factor(&store), "uri", |kept, _| assert!(kept.is_none())).unwrap();
    assert_eq!(kept(&scratch), NOTHING);
}

#[test]
fn nothing_is_imported_beside_an_unusable_state() {
    let (scratch, store) = with(&[phone()]);
    fs::write(scratch.state(), "").unwrap();
    let before = kept(&scratch);
    let imported = import_devices(&factor(&store), "uri", |_, _| unreachable!());
    assert!(is_unusable(&imported.unwrap_err()));
    assert_eq!(kept(&scratch), before);
}

fn newcomer(account: Account, device: &Device) -> NewRecord {
    NewRecord {
        record: record_of(&account, std::slice::from_ref(device)),
        account,
        entries: vec![unused(device)],
    }
}

/// A user who is there stays.
#[test]
fn newcomers_are_enrolled_beside_those_who_are_there() {
    let (scratch, store) = with(&[phone()]);
    let before = kept(&scratch);
    let (bob, carol) = (account("bob", 1001), account("carol", 1002));
    let newcomers = [
        newcomer(bob.clone(), &token()),
        newcomer(alice(), &token()),
        newcomer(carol.clone(), &phone()),
        newcomer(bob.clone(), &phone()),
    ];
    let NewcomerImport { results, ended } =
        import_newcomers(&store, &newcomers, "oath", &AuditLines);
    assert_eq!(ended, None);
    let (done, occupied) = (Ok(BulkEnrollment::Done), Ok(BulkEnrollment::Occupied));
    assert_eq!(results, [done.clone(), occupied.clone(), done, occupied]);
    assert_eq!(kept(&scratch), before);
    for (account, device) in [(bob, token()), (carol, phone())] {
        let found = store.snapshot(&account).unwrap().unwrap();
        let ids: Vec<CredentialId> = found.record.devices.iter().map(|it| it.id).collect();
        assert_eq!(ids, [device.id]);
        assert!(found.state.device(device.id).unwrap().committed);
    }
    assert_eq!(
        LINES.take(),
        [
            "changed user=bob action=import device=token from=oath by=0",
            "changed user=carol action=import device=phone from=oath by=0"
        ]
    );
}

#[test]
fn too_many_newcomers_are_not_enrolled() {
    let (scratch, store) = with(&[]);
    let number = crate::files::BATCH as u32 + 1;
    let newcomers: Vec<NewRecord> = (0..number)
        .map(|number| newcomer(account(&format!("user{number}"), 2000 + number), &phone()))
        .collect();
    let imported = import_newcomers(&store, &newcomers, "uri", &AuditLines);
    assert!(imported.ended.is_some() && imported.results.iter().all(Result::is_err));
    assert_eq!(logged(), [""; 0]);
    assert_eq!(scratch.everything(), [""; 0]);
}

/// An earlier call has stored it, and this one fails as a whole.
#[test]
fn who_is_enrolled_in_a_failed_batch_is_logged() {
    let (_scratch, store) = with(&[phone()]);
    let number = crate::files::BATCH as u32;
    let mut newcomers = vec![newcomer(alice(), &phone())];
    let strangers = 2000..2000 + number;
    newcomers.extend(strangers.map(|uid| newcomer(account(&format!("user{uid}"), uid), &phone())));
    let imported = import_newcomers(&store, &newcomers, "uri", &AuditLines);
    assert!(imported.ended.is_some());
    assert_eq!(imported.results[0], Ok(BulkEnrollment::Done));
    assert!(imported.results[1..].iter().all(Result::is_err));
    assert_eq!(logged(), ["import device=phone from=uri"]);
}
