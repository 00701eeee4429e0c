//! Counters and clocks that are found again.

use std::sync::{Arc, Mutex};

use super::*;
use crate::files::{ShareFault, SharedChange, SharedFactors};
use crate::fleet_contact::FleetContact;
use crate::sys::lock_heartbeat::LockHeartbeat;
use crate::testing::fresh;
use twofactor_core::state::{COUNTER_UNKNOWN, DeviceState, UserState};
use twofactor_core::verify::{AnswerForm, TypedAnswer};

const WINDOW: u8 = 1;

fn answer(device: &Device, moving_factor: u64) -> TypedAnswer {
    let code = device.code(moving_factor);
    TypedAnswer::read(code.reveal().as_bytes(), AnswerForm::Code, &[])
}

/// Resynchronizes with the codes of these two moving factors.
fn found(
    store: &FactorStore,
    device: &Device,
    factors: [u64; 2],
) -> Result<ResyncedDevice, ChangeError> {
    let [first, second] = factors.map(|factor| answer(device, factor));
    resync(&factor(store), device.id, [&first, &second], WINDOW, NOW)
}

fn state(store: &FactorStore) -> UserState {
    store.peek(&alice()).unwrap().unwrap()
}

fn set(store: &FactorStore, change: impl FnOnce(&mut UserState)) {
    let mut locked = store.lock(&alice()).unwrap();
    let mut state = locked.state().clone();
    change(&mut state);
    locked.write(state).unwrap();
    locked.flush().unwrap();
}

#[test]
fn a_counter_is_found_within_its_reach() {
    let (scratch, store) = with(&[token()]);
    let resynced = found(&store, &token(), [40, 41]).unwrap();
    let expected = ResyncedDevice::Counter {
        next: 42,
        skipped: 42,
    };
    assert_eq!(resynced, expected);
    let entry = *state(&store).device(id(2)).unwrap();
    assert_eq!((entry.next, entry.last_used), (42, NOW));
    // Both codes are used up.
    let before = kept(&scratch);
    let (device, reach) = (token().name, 1000);
    let cause = ChangeCause::CounterNotFound { device, reach };
    assert_eq!(
        found(&store, &token(), [40, 41]),
        Err(refused(cause.clone()))
    );
    assert_eq!(found(&store, &token(), [43, 45]), Err(refused(cause)));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn a_lost_counter_is_looked_for_from_zero() {
    let (_scratch, store) = with(&[token()]);
    set(&store, |state| state.devices[0].next = COUNTER_UNKNOWN);
    let expected = ResyncedDevice::Counter {
        next: 3002,
        skipped: 3002,
    };
    assert_eq!(found(&store, &token(), [3000, 3001]), Ok(expected));
}

#[test]
fn a_clock_is_found_and_its_offset_learned() {
    let (_scratch, store) = with(&[phone()]);
    let step = NOW / 30 - 3;
    let expected = ResyncedDevice::Clock { offset: -3 };
    assert_eq!(found(&store, &phone(), [step - 1, step]), Ok(expected));
    let entry = *state(&store).device(id(1)).unwrap();
    assert_eq!((entry.drift, entry.next), (-3, step + 1));
}

#[test]
fn a_clock_that_is_too_far_off_changes_nothing() {
    let (scratch, store) = with(&[phone()]);
    let before = kept(&scratch);
    let step = NOW / 30 - 20;
    let (device, seconds) = (phone().name, 600);
    let cause = ChangeCause::ClockTooFarOff { device, seconds };
    assert_eq!(
        found(&store, &phone(), [step - 1, step]),
        Err(refused(cause))
    );
    let cause = ChangeCause::StepNotFound(phone().name);
    assert_eq!(
        found(&store, &phone(), [step, step - 1]),
        Err(refused(cause))
    );
    assert_eq!(kept(&scratch), before);
}

#[test]
fn resync_forgets_the_refused_answers() {
    for (device, factors) in [(token(), [5, 6]), (phone(), [NOW / 30 - 1, NOW / 30])] {
        let (_scratch, store) = with(std::slice::from_ref(&device));
        set(&store, |state| state.refused.hashes = vec![[7; 8]]);
        assert_eq!(state(&store).refused.hashes.len(), 1);
        found(&store, &device, factors).unwrap();
        assert_eq!(state(&store).refused.hashes, [[0; 8]; 0]);
    }
}

#[test]
fn a_device_that_is_gone_is_not_found() {
    let (scratch, store) = with(&[phone()]);
    let before = kept(&scratch);
    let gone = Err(refused(ChangeCause::DevicesChanged));
    assert_eq!(found(&store, &token(), [5, 6]), gone);
    assert_eq!(kept(&scratch), before);
    fs::remove_file(scratch.record()).unwrap();
    let none = Err(refused(ChangeCause::NotEnrolled));
    assert_eq!(found(&store, &phone(), [5, 6]), none);
}

#[test]
fn an_unusable_state_is_not_resynchronized() {
    let (scratch, store) = with(&[token()]);
    fs::write(scratch.state(), "").unwrap();
    assert!(is_unusable(&found(&store, &token(), [5, 6]).unwrap_err()));
}

/// A fleet whose other hosts know this counter of the token.
struct KnownElsewhere {
    next: u64,
    stored: Mutex<Option<UserState>>,
}

impl SharedFactors for KnownElsewhere {
    fn commit(
        &self,
        _: &str,
        change: &SharedChange<'_>,
        _: LockHeartbeat<'_>,
    ) -> Result<(), ShareFault> {
        let SharedChange::State(change) = change else {
            panic!("no change of a record");
        };
        let mut shared = UserState::new(0);
        shared.devices.push(DeviceState {
            next: self.next,
            ..fresh(&token())
        });
        *self.stored.lock().unwrap() = Some(change(&shared));
        Ok(())
    }
}

#[test]
fn what_was_used_elsewhere_stays_used() {
    let contact = FleetContact {
        met: 1,
        mirrored: 1,
        hosts: 2,
    };
    for (known, next) in [(0, 42), (50, 50), (COUNTER_UNKNOWN, 42)] {
        let (_scratch, store) = with(&[token()]);
        // Makes the directory of the fleet.
        contact.write(store.path()).unwrap();
        fs::write(store.path().join("fleet/host"), "").unwrap();
        let elsewhere = Arc::new(KnownElsewhere {
            next: known,
            stored: Mutex::default(),
        });
        let store = store.with_fleet(elsewhere.clone());
        found(&store, &token(), [40, 41]).unwrap();
        let stored = elsewhere.stored.lock().unwrap().take().unwrap();
        assert_eq!(stored.device(id(2)).unwrap().next, next);
        assert_eq!(state(&store).device(id(2)).unwrap().next, 42);
    }
}
