//! New devices, new keys, and new recovery codes.

use super::*;
use twofactor_core::device::MAX_DEVICES;
use twofactor_core::enroll::{ConfirmedDevice, unused};
use twofactor_core::recovery::{RecoverySet, SET_SIZE};

fn confirmed(device: Device) -> ConfirmedDevice {
    ConfirmedDevice {
        entry: unused(&device),
        device,
    }
}

fn add(
    store: &FactorStore,
    device: Device,
    before: DevicesBefore,
) -> Result<NewEnrollment, ChangeError> {
    enroll(
        &factor(store),
        confirmed(device),
        before,
        NOW,
        &mut RootChange,
    )
}

/// A caller that cannot hand over recovery codes, and takes note of how many there were.
#[derive(Default)]
struct Undelivered {
    codes: Option<usize>,
}

impl ChangeSteps for Undelivered {
    type Error = Denied;

    fn deliver(&mut self, codes: &[PlainCode]) -> Result<(), Denied> {
        self.codes = Some(codes.len());
        Err(Denied::ByCaller)
    }
}

/// A caller that takes note of how many recovery codes it gets.
#[derive(Default)]
struct Delivery {
    codes: Option<usize>,
}

impl ChangeSteps for Delivery {
    type Error = ChangeError;

    fn deliver(&mut self, codes: &[PlainCode]) -> Result<(), ChangeError> {
        self.codes = Some(codes.len());
        Ok(())
    }
}

#[test]
fn the_first_device_comes_with_recovery_codes() {
    let (_scratch, store) = with(&[]);
    let new = add(&store, phone(), DevicesBefore::None).unwrap();
    assert_eq!((new.device.id, new.devices), (id(1), 1));
    assert_eq!(new.recovery_codes.len(), SET_SIZE);
    assert_eq!(names(&store), ["phone"]);
    assert_eq!(record(&store).recovery.unwrap().created, NOW);
    let state = store.peek(&alice()).unwrap().unwrap();
    assert!(state.device(id(1)).unwrap().committed);
}

#[test]
fn a_second_device_leaves_the_recovery_codes() {
    let (_scratch, store) = with(&[]);
    add(&store, phone(), DevicesBefore::Any).unwrap();
    let set = record(&store).recovery.unwrap().id;
    let new = add(&store, token(), DevicesBefore::With(id(1))).unwrap();
    assert_eq!((new.recovery_codes.len(), new.devices), (0, 2));
    assert_eq!(names(&store), ["phone", "token"]);
    assert_eq!(record(&store).recovery.unwrap().id, set);
}

#[test]
fn the_first_device_answers_the_invitation() {
    let (_scratch, store) = with(&[]);
    invited(&factor(&store), NOW + 60).unwrap();
    add(&store, phone(), DevicesBefore::None).unwrap();
    assert!(record(&store).invite.is_none());
}

#[test]
fn a_device_is_added_to_those_that_were_meant() {
    for (there, before, cause) in [
        (
            vec![token()],
            DevicesBefore::None,
            ChangeCause::AlreadyEnrolled,
        ),
        (
            vec![token()],
            DevicesBefore::With(id(3)),
            ChangeCause::DevicesChanged,
        ),
        (
            vec![],
            DevicesBefore::With(id(3)),
            ChangeCause::DevicesChanged,
        ),
    ] {
        let (scratch, store) = with(&there);
        let kept_before = kept(&scratch);
        assert_eq!(add(&store, phone(), before).err(), Some(refused(cause)));
        assert_eq!(kept(&scratch), kept_before, "{before:?}");
    }
}

#[test]
fn no_two_devices_have_one_name() {
    let (scratch, store) = with(&[phone()]);
    let before = kept(&scratch);
    let namesake = device("phone", 9, OtpKind::Hotp);
    let taken = refused(ChangeCause::NameTaken("phone".parse().unwrap()));
    assert_eq!(add(&store, namesake, DevicesBefore::Any).err(), Some(taken));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn a_user_has_seven_devices_at_most() {
    let numbers = 1..=MAX_DEVICES as u64;
    let all: Vec<_> = numbers
        .map(|number| device(&format!("token-{number}"), number, OtpKind::Hotp))
        .collect();
    let (scratch, store) = with(&all);
    let before = kept(&scratch);
    let full = refused(ChangeCause::TooManyDevices);
    let further = device("further", 99, OtpKind::Hotp);
    assert_eq!(add(&store, further, DevicesBefore::Any).err(), Some(full));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn a_caller_that_refuses_gets_no_device() {
    for there in [vec![], vec![token()]] {
        let (scratch, store) = with(&there);
        let before = kept(&scratch);
        let mut caller = Refusing::default();
        let new = confirmed(phone());
        let added = enroll(&factor(&store), new, DevicesBefore::Any, NOW, &mut caller);
        assert_eq!(added.err(), Some(Denied::ByCaller));
        assert_eq!(caller.shown, Some(there.len()));
        assert_eq!(kept(&scratch), before);
    }
}

/// No code counts that its owner does not have.
#[test]
fn without_delivery_of_the_codes_nothing_is_stored() {
    let (scratch, store) = with(&[]);
    let mut caller = Undelivered::default();
    let new = confirmed(phone());
    let added = enroll(&factor(&store), new, DevicesBefore::None, NOW, &mut caller);
    assert_eq!(added.err(), Some(Denied::ByCaller));
    assert_eq!(caller.codes, Some(SET_SIZE));
    assert_eq!(kept(&scratch), NOTHING);

    let (scratch, store) = with(&[phone()]);
    let before = kept(&scratch);
    let codes = new_recovery_codes(&factor(&store), NOW, &mut caller);
    assert_eq!(codes.err(), Some(Denied::ByCaller));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn no_device_is_added_beside_an_unusable_state() {
    let (scratch, store) = with(&[phone()]);
    fs::write(scratch.state(), "").unwrap();
    let before = kept(&scratch);
    let added = add(&store, token(), DevicesBefore::Any);
    assert!(is_unusable(&added.err().unwrap()));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn a_renewed_device_takes_the_place_of_the_old_one() {
    let (_scratch, store) = with(&[phone(), token()]);
    let new = device("phone", 3, OtpKind::Hotp);
    let stored = renew(&factor(&store), id(1), confirmed(new), &mut RootChange).unwrap();
    assert_eq!(stored.id, id(3));
    let ids: Vec<CredentialId> = record(&store).devices.iter().map(|it| it.id).collect();
    assert_eq!(ids, [id(3), id(2)]);
    let state = store.peek(&alice()).unwrap().unwrap();
    assert!(state.device(id(1)).is_none() && state.device(id(3)).is_some());
}

#[test]
fn a_device_that_is_gone_is_not_renewed() {
    for there in [vec![], vec![token()]] {
        let (scratch, store) = with(&there);
        let before = kept(&scratch);
        let new = confirmed(device("phone", 3, OtpKind::Hotp));
        let changed = refused(ChangeCause::DeviceChanged("phone".parse().unwrap()));
        let renewed = renew(&factor(&store), id(1), new, &mut RootChange);
        assert_eq!(renewed.err(), Some(changed));
        assert_eq!(kept(&scratch), before);
    }
}

#[test]
fn a_caller_that_refuses_renews_nothing() {
    let (scratch, store) = with(&[phone()]);
    let before = kept(&scratch);
    let mut caller = Refusing::default();
    let new = confirmed(device("phone", 3, OtpKind::Hotp));
    let renewed = renew(&factor(&store), id(1), new, &mut caller);
    assert_eq!(renewed.err(), Some(Denied::ByCaller));
    let codes = new_recovery_codes(&factor(&store), NOW, &mut caller);
    assert_eq!(codes.err(), Some(Denied::ByCaller));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn new_recovery_codes_replace_the_old_ones() {
    let (_scratch, store) = with(&[phone()]);
    let codes = |store| new_recovery_codes(&factor(store), NOW, &mut RootChange).unwrap();
    assert_eq!(codes(&store).len(), SET_SIZE);
    let first = record(&store).recovery.unwrap();
    assert_eq!(codes(&store).len(), SET_SIZE);
    let second = record(&store).recovery.unwrap();
    assert_eq!((second.created, second.hashes.len()), (NOW, SET_SIZE));
    assert_ne!(first.id, second.id);
}

#[test]
fn recovery_codes_need_a_device() {
    let (scratch, store) = with(&[]);
    let none = Some(refused(ChangeCause::NotEnrolled));
    let codes = || new_recovery_codes(&factor(&store), NOW, &mut RootChange);
    assert_eq!(codes().err(), none);
    assert_eq!(kept(&scratch), NOTHING);
    invited(&factor(&store), NOW + 60).unwrap();
    let before = kept(&scratch);
    assert_eq!(codes().err(), none);
    assert_eq!(kept(&scratch), before);
}

/// The check before a device is shown says the same as the one at its storing.
#[test]
fn room_is_known_before_a_device_is_shown() {
    let check = |record: Option<&UserRecord>, name: &str| {
        let room = room_for(&ALICE, record, &name.parse().unwrap());
        room.map_err(|error| error.cause)
    };
    let taken = |name: &str| Err(ChangeCause::NameTaken(name.parse().unwrap()));
    assert_eq!(check(None, "phone"), Ok(()));
    let mut record = crate::testing::record_of(&alice(), &[phone()]);
    assert_eq!(check(Some(&record), "phone"), taken("phone"));
    assert_eq!(check(Some(&record), "token"), Ok(()));
    for number in 2..=MAX_DEVICES as u64 {
        let name = format!("token-{number}");
        assert_eq!(check(Some(&record), &name), Ok(()));
        record.devices.push(device(&name, number, OtpKind::Hotp));
    }
    let full = Err(ChangeCause::TooManyDevices);
    assert_eq!(check(Some(&record), "further"), full);
    assert_eq!(check(Some(&record), "token-2"), taken("token-2"));
}

#[test]
fn seen_recovery_codes_replace_the_old_ones() {
    let set = || RecoverySet::generate(NOW + 1).unwrap().0;
    let (_scratch, store) = with(&[phone()]);
    new_recovery_codes(&factor(&store), NOW, &mut RootChange).unwrap();
    logged();
    let seen = set();
    let id = seen.id;
    // Their owner has them: there are none to hand over.
    let mut caller = Delivery::default();
    adopt_recovery_codes(&factor(&store), seen, &mut caller).unwrap();
    assert_eq!(caller.codes, Some(0));
    let stored = record(&store).recovery.unwrap();
    assert_eq!((stored.created, stored.id), (NOW + 1, id));
    assert_eq!(logged(), ["recovery-codes"]);
    let mut refusing = Refusing::default();
    let refused_by_caller = adopt_recovery_codes(&factor(&store), set(), &mut refusing);
    assert_eq!(refused_by_caller, Err(Denied::ByCaller));
    assert_eq!(record(&store).recovery.unwrap().id, stored.id);
    let (scratch, store) = with(&[]);
    let adopted = adopt_recovery_codes(&factor(&store), set(), &mut RootChange);
    assert_eq!(adopted, Err(refused(ChangeCause::NotEnrolled)));
    assert_eq!(kept(&scratch), NOTHING);
    assert_eq!(logged(), [""; 0]);
}
