//! Changes whose end is not known: each of them is logged as such, once.

use std::sync::Arc;

use super::*;
use crate::files::{NewRecord, ShareFault, SharedChange, SharedFactors};
use crate::sys::lock_heartbeat::LockHeartbeat;
use twofactor_core::enroll::{ConfirmedDevice, unused};
use twofactor_core::policy::Policy;
use twofactor_core::recovery::CodeScope;
use twofactor_core::verify::{AnswerForm, TypedAnswer};

/// A fleet that gives one answer to all changes.
struct AnsweringFleet(Result<(), ShareFault>);

impl SharedFactors for AnsweringFleet {
    fn commit(
        &self,
        _: &str,
        _: &SharedChange<'_>,
        _: LockHeartbeat<'_>,
    ) -> Result<(), ShareFault> {
        self.0.clone()
    }
}

/// Makes the file by which a host is in a fleet.
pub(super) fn join_fleet(scratch: &ScratchStore) {
    let fleet = scratch.top().join("fleet");
    fs::create_dir(&fleet).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&fleet, private).unwrap();
    fs::write(fleet.join("host"), "").unwrap();
}

/// A store with these devices of alice's, on a host of such a fleet.
fn in_fleet(devices: &[Device], fault: ShareFault) -> (ScratchStore, FactorStore) {
    let (scratch, store) = with(devices);
    join_fleet(&scratch);
    (
        scratch,
        store.with_fleet(Arc::new(AnsweringFleet(Err(fault)))),
    )
}

/// All changes, each of which fails.
fn all(factor: &UserFactor<'_>) {
    let (throttle, root) = (Policy::default().throttle, &mut RootChange);
    let device = device("second", 3, OtpKind::Hotp);
    let entry = unused(&device);
    let new = ConfirmedDevice { device, entry };
    let enrolled = enroll(factor, new, DevicesBefore::Any, NOW, root);
    assert!(enrolled.is_err());
    assert!(issue_bypass(factor, CodeScope::Login, &throttle, NOW + 90, NOW).is_err());
    assert!(new_recovery_codes(factor, NOW, root).is_err());
    let code = |counter| {
        TypedAnswer::read(
            token().code(counter).reveal().as_bytes(),
            AnswerForm::Code,
            &[],
        )
    };
    assert!(resync(factor, token().id, [&code(5), &code(6)], 1, NOW).is_err());
    assert!(unlock(factor, &Policy::default(), (NOW, ClockTrust::Right)).is_err());
    assert!(remove_all(factor, &[token().id], root).is_err());
    assert!(cleared(factor, &[token().id]).is_err());
}

#[test]
fn each_unsure_change_is_logged_once() {
    let unknown = ShareFault::Unknown("it may have been made".to_owned());
    let (scratch, store) = in_fleet(&[token()], unknown);
    let before = kept(&scratch);
    all(&factor(&store));
    let logged = logged();
    assert_eq!(
        logged,
        [
            "enroll device=second confirmed=no end=unsure",
            "bypass until=90 end=unsure",
            "recovery-codes end=unsure",
            "resync device=token end=unsure",
            "unlock end=unsure",
            "unset device=all end=unsure",
            "unset device=all end=unsure",
        ]
    );
    assert_eq!(kept(&scratch), before);
}

#[test]
fn a_change_that_was_not_made_is_not_logged() {
    for fault in [ShareFault::NotMade(String::new()), ShareFault::Conflict] {
        let (_scratch, store) = in_fleet(&[token()], fault);
        all(&factor(&store));
        assert_eq!(logged(), [""; 0]);
    }
}

#[test]
fn an_unsure_withdrawal_or_discard_is_logged() {
    let unknown = ShareFault::Unknown(String::new());
    let (scratch, store) = with(&[]);
    invited(&factor(&store), NOW + 60).unwrap();
    join_fleet(&scratch);
    let store = store.with_fleet(Arc::new(AnsweringFleet(Err(unknown))));
    assert_eq!(logged(), ["invite until=60"]);
    assert!(withdraw_invitation(&factor(&store)).is_err());
    assert!(discarded(&store).is_err());
    assert_eq!(
        logged(),
        [
            "invite until=withdrawn end=unsure",
            "invite until=withdrawn end=unsure"
        ]
    );
}

/// The record is gone on all other hosts then, whatever fails here.
#[test]
fn a_discard_that_fails_here_alone_is_logged() {
    let (scratch, store) = with(&[token()]);
    join_fleet(&scratch);
    let store = store.with_fleet(Arc::new(AnsweringFleet(Ok(()))));
    fs::create_dir(scratch.top().join("users/.alice.toml.new")).unwrap();
    let failed = discarded(&store).unwrap_err();
    assert!(failed.is_unsure(), "{failed}");
    assert!(scratch.record().exists());
    assert_eq!(logged(), ["unset device=all end=unsure"]);
}

/// Imports two devices, of which alice may have one.
fn imported(store: &FactorStore) {
    import_devices(&factor(store), "uri", |kept, writer| {
        let mut record = kept.unwrap().0;
        for new in [token(), device("second", 3, OtpKind::Hotp)] {
            record.devices.retain(|it| it.name != new.name);
            record.devices.push(new.clone());
            assert!(writer.store(&mut record, unused(&new)).is_err());
        }
    })
    .unwrap();
}

#[test]
fn an_unsure_import_is_logged() {
    let unknown = ShareFault::Unknown(String::new());
    let (_scratch, store) = in_fleet(&[token()], unknown.clone());
    imported(&store);
    assert_eq!(
        logged(),
        [
            "import device=token from=uri end=unsure",
            "import device=second from=uri end=unsure",
        ]
    );
    let newcomer = NewRecord {
        account: alice(),
        record: crate::testing::record_of(&alice(), &[token()]),
        entries: vec![unused(&token())],
    };
    let (_scratch, store) = in_fleet(&[], unknown);
    let results =
        import_newcomers(&store, std::slice::from_ref(&newcomer), "uri", &AuditLines).results;
    assert!(results[0].is_err());
    assert_eq!(logged(), ["import device=token from=uri end=unsure"]);
    for fault in [ShareFault::NotMade(String::new()), ShareFault::Conflict] {
        let (_scratch, store) = in_fleet(&[token()], fault.clone());
        imported(&store);
        let (_scratch, store) = in_fleet(&[], fault);
        let results =
            import_newcomers(&store, std::slice::from_ref(&newcomer), "uri", &AuditLines).results;
        assert!(results[0].is_err());
        assert_eq!(logged(), [""; 0]);
    }
}
