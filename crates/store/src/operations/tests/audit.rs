//! One line for each change that was made, and none for a change that was not.

use super::*;
use twofactor_core::enroll::{ConfirmedDevice, PendingDevice, unused};
use twofactor_core::policy::Policy;
use twofactor_core::recovery::CodeScope;
use twofactor_core::verify::{AnswerForm, TypedAnswer};

fn vouched(device: Device) -> ConfirmedDevice {
    ConfirmedDevice {
        entry: unused(&device),
        device,
    }
}

fn confirmed(device: &Device) -> ConfirmedDevice {
    let mut pending = PendingDevice::renewal(device, NOW).unwrap();
    let code = pending.device().code(NOW / 30);
    let typed = code.reveal();
    let policy = Policy::default();
    pending
        .confirm(&policy, &alice(), typed.as_bytes(), NOW)
        .unwrap()
}

#[test]
fn each_change_is_logged_once() {
    let (_scratch, store) = with(&[]);
    let factor = &factor(&store);
    let throttle = Policy::default().throttle;
    let root = &mut RootChange;
    invited(factor, NOW + 60).unwrap();
    withdraw_invitation(factor).unwrap();
    assert_eq!(logged(), ["invite until=60", "invite until=withdrawn"]);
    enroll(factor, vouched(phone()), DevicesBefore::None, NOW, root).unwrap();
    let new = confirmed(&phone());
    let id = new.device.id;
    renew(factor, phone().id, new, root).unwrap();
    enroll(factor, vouched(token()), DevicesBefore::Any, NOW, root).unwrap();
    assert_eq!(
        logged(),
        [
            "enroll device=phone confirmed=no",
            "renew device=phone confirmed=yes",
            "enroll device=token confirmed=no"
        ]
    );
    let code = |counter| {
        TypedAnswer::read(
            token().code(counter).reveal().as_bytes(),
            AnswerForm::Code,
            &[],
        )
    };
    resync(factor, token().id, [&code(5), &code(6)], 1, NOW).unwrap();
    issue_bypass(factor, CodeScope::Login, &throttle, NOW + 90, NOW).unwrap();
    withdraw_bypass(factor).unwrap();
    new_recovery_codes(factor, NOW, root).unwrap();
    unlock(factor, &Policy::default(), (NOW, ClockTrust::Right)).unwrap();
    assert_eq!(
        logged(),
        [
            "resync device=token",
            "bypass until=90",
            "bypass until=withdrawn",
            "recovery-codes",
            "unlock"
        ]
    );
    remove_device(factor, token().id, root).unwrap();
    remove_all(factor, &[id], root).unwrap();
    assert_eq!(logged(), ["unset device=token", "unset device=all"]);
}

#[test]
fn a_new_state_is_logged() {
    let (scratch, store) = with(&[phone()]);
    fs::write(scratch.state(), "damaged").unwrap();
    rebuild_state(&factor(&store), 1, NOW).unwrap();
    assert_eq!(logged(), ["rebuild"]);
}

#[test]
fn root_removes_an_invitation_as_such() {
    let (_scratch, store) = with(&[]);
    invited(&factor(&store), NOW + 60).unwrap();
    cleared(&factor(&store), &[]).unwrap();
    invited(&factor(&store), NOW + 60).unwrap();
    discarded(&store).unwrap();
    enroll_devices(&store, &alice(), &[phone()]);
    discarded(&store).unwrap();
    let withdrawn = "invite until=withdrawn";
    let issued = "invite until=60";
    let lines = [issued, withdrawn, issued, withdrawn, "unset device=all"];
    assert_eq!(logged(), lines);
}

#[test]
fn a_refused_change_is_not_logged() {
    let (_scratch, store) = with(&[phone()]);
    let factor = &factor(&store);
    let root = &mut RootChange;
    assert!(enroll(factor, vouched(phone()), DevicesBefore::Any, NOW, root).is_err());
    assert!(renew(factor, id(9), vouched(token()), root).is_err());
    assert!(remove_device(factor, phone().id, root).is_err());
    assert!(remove_all(factor, &[], root).is_err());
    assert!(cleared(factor, &[]).is_err());
    assert!(invited(factor, NOW).is_err());
    assert!(withdraw_invitation(factor).is_err());
    let wrong = TypedAnswer::read(b"000000", AnswerForm::Code, &[]);
    assert!(resync(factor, phone().id, [&wrong, &wrong], 1, NOW).is_err());
    store.discard("alice").unwrap();
    assert!(rebuild_state(factor, 1, NOW).is_err());
    assert!(unlock(factor, &Policy::default(), (NOW, ClockTrust::Right)).is_err());
    assert!(new_recovery_codes(factor, NOW, root).is_err());
    assert!(
        issue_bypass(
            factor,
            CodeScope::Login,
            &Policy::default().throttle,
            NOW,
            NOW
        )
        .is_err()
    );
    assert_eq!(logged(), [""; 0]);
}
