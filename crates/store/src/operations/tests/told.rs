//! The notes of changes that users are told of.

use super::*;
use twofactor_core::enroll::{ConfirmedDevice, unused};
use twofactor_core::policy::ThrottlePolicy;
use twofactor_core::record::recent_changes::ChangeWord;
use twofactor_core::recovery::CodeScope;

/// A log of changes by their user.
struct OwnChanges;

impl AuditSink for OwnChanges {
    fn origin(&self) -> ChangeOrigin {
        ChangeOrigin {
            channel: ChangeChannel::Daemon,
            ..AuditLines.origin()
        }
    }

    fn time(&self) -> u64 {
        NOW
    }

    fn changed(&self, _: &AuditEvent<'_>) {}
}

fn own(store: &FactorStore) -> UserFactor<'_> {
    UserFactor {
        audit: &OwnChanges,
        ..factor(store)
    }
}

fn confirmed(device: Device) -> ConfirmedDevice {
    ConfirmedDevice {
        entry: unused(&device),
        device,
    }
}

fn told(store: &FactorStore) -> Vec<(ChangeWord, Option<String>)> {
    let changes = record(store).changes;
    let told = changes.into_iter().map(|change| {
        assert_eq!(change.time, NOW);
        (change.kind, change.device.map(|device| device.to_string()))
    });
    told.collect()
}

#[test]
fn each_change_is_noted_by_the_operation_itself() {
    let (_scratch, store) = with(&[phone()]);
    let factor = factor(&store);
    enroll(
        &factor,
        confirmed(token()),
        DevicesBefore::Any,
        NOW,
        &mut RootChange,
    )
    .unwrap();
    let renewed = confirmed(device("token", 5, OtpKind::Hotp));
    renew(&factor, id(2), renewed, &mut RootChange).unwrap();
    new_recovery_codes(&factor, NOW, &mut RootChange).unwrap();
    issue_bypass(
        &factor,
        CodeScope::Login,
        &ThrottlePolicy::default(),
        NOW + 9,
        NOW,
    )
    .unwrap();
    withdraw_bypass(&factor).unwrap();
    remove_device(&factor, id(5), &mut RootChange).unwrap();
    let token = || Some("token".to_owned());
    assert_eq!(
        told(&store),
        [
            (ChangeWord::DeviceAdded, token()),
            (ChangeWord::DeviceRenewed, token()),
            (ChangeWord::RecoveryCodes, None),
            (ChangeWord::BypassIssued, None),
            (ChangeWord::BypassWithdrawn, None),
            (ChangeWord::DeviceRemoved, token()),
        ]
    );
}

#[test]
fn a_first_device_is_noted_unless_root_hands_it_over() {
    for (by, noted) in [(factor as fn(&FactorStore) -> UserFactor<'_>, 0), (own, 1)] {
        let (_scratch, store) = with(&[]);
        let steps = &mut RootChange;
        enroll(
            &by(&store),
            confirmed(phone()),
            DevicesBefore::None,
            NOW,
            steps,
        )
        .unwrap();
        assert_eq!(told(&store).len(), noted);
    }
}

#[test]
fn an_invitation_is_told_to_the_user_who_enrolls() {
    let (_scratch, store) = with(&[]);
    invited(&factor(&store), NOW + 9).unwrap();
    invited(&factor(&store), NOW + 9).unwrap();
    enroll(
        &own(&store),
        confirmed(phone()),
        DevicesBefore::None,
        NOW,
        &mut RootChange,
    )
    .unwrap();
    let kinds: Vec<_> = told(&store).into_iter().map(|(kind, _)| kind).collect();
    let invited = ChangeWord::Invited;
    assert_eq!(kinds, [invited, invited, ChangeWord::DeviceAdded]);
}

#[test]
fn imported_devices_are_told_to_users_who_had_one() {
    for (before, noted) in [(vec![], 0), (vec![phone()], 2)] {
        let (_scratch, store) = with(&before);
        import_devices(&factor(&store), "uri", |kept, writer| {
            let empty = || UserRecord::new("alice".to_owned(), 1000);
            let mut record = kept.map_or_else(empty, |(record, _)| record);
            for new in [token(), device("phone", 7, OtpKind::Hotp)] {
                record.devices.retain(|device| device.name != new.name);
                record.devices.push(new.clone());
                writer.store(&mut record, unused(&new)).unwrap();
            }
        })
        .unwrap();
        let kinds: Vec<_> = told(&store).into_iter().map(|(kind, _)| kind).collect();
        let expected = [ChangeWord::DeviceAdded, ChangeWord::DeviceRenewed];
        assert_eq!(kinds, expected[..noted]);
    }
}

#[test]
fn what_is_not_stored_is_not_told() {
    let (_scratch, store) = with(&[phone(), token()]);
    let refused = remove_device(&factor(&store), id(2), &mut Refusing::default());
    assert!(refused.is_err());
    assert_eq!(told(&store), []);
}
