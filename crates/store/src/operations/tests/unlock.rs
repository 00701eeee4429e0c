//! Lock-outs that end, and states that are made anew.

use std::sync::{Arc, Mutex};

use super::unsure::join_fleet;
use super::*;
use crate::files::{ShareFault, SharedChange, SharedFactors};
use crate::sys::lock_heartbeat::LockHeartbeat;
use twofactor_core::policy::Policy;
use twofactor_core::recovery::CodeScope;
use twofactor_core::state::{COUNTER_UNKNOWN, UserState};

const WINDOW: u8 = 1;

const NONE: ForgottenFailures = ForgottenFailures {
    logins: 0,
    daemon: 0,
};

fn unlocked(store: &FactorStore) -> Result<ForgottenFailures, ChangeError> {
    unlock(&factor(store), &Policy::default(), (NOW, ClockTrust::Right))
}

#[test]
fn unlock_ends_a_lock_out_and_tells_its_failures() {
    let (_scratch, store) = with(&[phone()]);
    let mut locked = store.lock(&alice()).unwrap();
    let mut state = locked.state().clone();
    (state.failures, state.last_failure) = (12, NOW);
    state.refused.hashes = vec![[7; 8]];
    locked.write(state).unwrap();
    drop(locked);
    let logins = ForgottenFailures { logins: 12, ..NONE };
    assert_eq!(unlocked(&store), Ok(logins));
    let state = store.peek(&alice()).unwrap().unwrap();
    assert_eq!((state.failures, state.last_failure), (0, 0));
    assert_eq!(state.refused.hashes, [[0; 8]; 0]);
    assert_eq!(unlocked(&store), Ok(NONE));
}

#[test]
fn unlock_by_a_clock_of_doubt_leaves_used_codes_used() {
    let (_scratch, store) = with(&[phone()]);
    let mut locked = store.lock(&alice()).unwrap();
    let mut state = locked.state().clone();
    let ahead = NOW / 30 + 1_000_000;
    (state.failures, state.devices[0].next) = (12, ahead);
    locked.write(state).unwrap();
    drop(locked);
    let next_after = |clock| {
        unlock(&factor(&store), &Policy::default(), (NOW, clock)).unwrap();
        let state = store.peek(&alice()).unwrap().unwrap();
        assert_eq!(state.failures, 0);
        state.devices[0].next
    };
    assert_eq!(next_after(ClockTrust::Unproven), ahead);
    assert_eq!(next_after(ClockTrust::Right), NOW / 30 + 5);
}

#[test]
fn unlock_ends_the_lock_out_at_the_daemon_too() {
    let (_scratch, store) = with(&[phone()]);
    let mut locked = store.lock(&alice()).unwrap();
    let mut state = locked.state().clone();
    let guessed = state.daemon.charged(NOW).after_success();
    state.daemon = guessed.charged(NOW).charged(NOW);
    locked.write(state).unwrap();
    drop(locked);
    let daemon = ForgottenFailures { daemon: 3, ..NONE };
    assert_eq!(unlocked(&store), Ok(daemon));
    let state = store.peek(&alice()).unwrap().unwrap();
    assert_eq!((state.daemon.in_a_row, state.daemon.total(NOW)), (0, 0));
    assert_eq!(unlocked(&store), Ok(NONE));
}

#[test]
fn unlock_ends_the_lock_out_of_an_invitation() {
    let (_scratch, store) = with(&[]);
    invited(&factor(&store), NOW + 60).unwrap();
    assert_eq!(unlocked(&store), Ok(NONE));
}

/// The state that all hosts of a fleet share.
struct SharedStates(Mutex<UserState>);

impl SharedFactors for SharedStates {
    fn commit(
        &self,
        _: &str,
        change: &SharedChange<'_>,
        _: LockHeartbeat<'_>,
    ) -> Result<(), ShareFault> {
        let SharedChange::State(step) = change else {
            panic!("another change");
        };
        let mut state = self.0.lock().unwrap();
        *state = step(&state);
        Ok(())
    }
}

/// alice on a host of a fleet: her state here, and that of all hosts.
fn in_fleet(
    own: impl Fn(&mut UserState),
    shared: impl Fn(&mut UserState),
) -> (ScratchStore, FactorStore) {
    let (scratch, store) = with(&[phone()]);
    join_fleet(&scratch);
    let mut locked = store.lock(&alice()).unwrap();
    let (mut here, mut there) = (locked.state().clone(), locked.state().clone());
    own(&mut here);
    shared(&mut there);
    locked.write(here).unwrap();
    drop(locked);
    let (store, _) = with_states(store, there);
    (scratch, store)
}

/// The store in a fleet that has this state, and the fleet.
fn with_states(store: FactorStore, there: UserState) -> (FactorStore, Arc<SharedStates>) {
    let fleet = Arc::new(SharedStates(Mutex::new(there)));
    (store.with_fleet(fleet.clone()), fleet)
}

/// They were made on other hosts.
#[test]
fn unlock_tells_the_failures_of_the_whole_fleet() {
    let guesses = |state: &mut UserState| {
        state.failures = 12;
        state.daemon = state.daemon.charged(NOW).charged(NOW);
    };
    let (_scratch, store) = in_fleet(|_| (), guesses);
    let all = ForgottenFailures {
        logins: 12,
        daemon: 2,
    };
    assert_eq!(unlocked(&store), Ok(all));
    // What this host has had of them before is there, too, or has ended since.
    let (_scratch, store) = in_fleet(guesses, |state| state.failures = 1);
    assert_eq!(
        unlocked(&store),
        Ok(ForgottenFailures { logins: 1, ..NONE })
    );
}

/// Of the wrong codes that this host counts after it none is lost, and none before it comes back.
#[test]
fn after_unlock_a_host_that_is_cut_off_counts_anew() {
    let alone = |state: &mut UserState| {
        state.failures = 2;
        state.begin_outage(NOW);
        state.name_outage([7; 5]);
        state.failures = 5;
        state.daemon = state.daemon.charged(NOW);
    };
    let (_scratch, store) = in_fleet(alone, |state| state.failures = 4);
    let all = ForgottenFailures {
        logins: 7,
        daemon: 1,
    };
    assert_eq!(unlocked(&store), Ok(all));
    let mut state = store.peek(&alice()).unwrap().unwrap();
    // What it used is not known to all hosts yet.
    assert_eq!((state.outage_mark(), state.outage_name()), (Some(0), None));
    state.failures = 1;
    assert_eq!(state.counted_alone(), 1);
}

#[test]
fn there_is_no_lock_out_without_a_record() {
    let (scratch, store) = with(&[phone()]);
    fs::remove_file(scratch.record()).unwrap();
    let before = kept(&scratch);
    assert_eq!(unlocked(&store), Err(refused(ChangeCause::NotEnrolled)));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn a_state_that_cannot_be_used_is_made_anew() {
    for text in [Some("damaged"), None] {
        let (scratch, store) = with(&[phone(), token()]);
        match text {
            Some(text) => fs::write(scratch.state(), text).unwrap(),
            None => fs::remove_file(scratch.state()).unwrap(),
        }
        let error = unlocked(&store).unwrap_err();
        assert!(error.is_fixed_by_rebuild(), "{error}");
        let rebuilt = rebuild_state(&factor(&store), WINDOW, NOW).unwrap();
        let expected = RebuiltState {
            wait: 5 * 30,
            counters_lost: vec![token().name],
        };
        assert_eq!(rebuilt, expected);
        let state = store.peek(&alice()).unwrap().unwrap();
        assert_eq!(state.device(id(1)).unwrap().next, NOW / 30 + 5);
        assert_eq!(state.device(id(2)).unwrap().next, COUNTER_UNKNOWN);
        assert_eq!(unlocked(&store), Ok(NONE));
    }
}

/// The store of the fleet knows more than this host, whose record may be an older one.
#[test]
fn a_new_state_takes_nothing_from_the_fleet() {
    let (scratch, store) = with(&[phone(), token()]);
    join_fleet(&scratch);
    let mut there = store.peek(&alice()).unwrap().unwrap();
    there.uid = 0;
    // A host with a wider window accepted that; the token was removed, and all codes were replaced and used.
    there.devices.retain(|entry| entry.id == id(1));
    (there.devices[0].next, there.devices[0].drift) = (NOW / 30 + 9, 3);
    there.spend(id(77), 4);
    there.bypass = Some(id(78));
    (there.failures, there.unreported) = (4, 6);
    fs::remove_file(scratch.state()).unwrap();
    let (store, fleet) = with_states(store, there.clone());
    let rebuilt = rebuild_state(&factor(&store), WINDOW, NOW).unwrap();
    let shared = fleet.0.lock().unwrap().clone();
    assert_eq!(shared.devices, there.devices);
    assert_eq!(
        (shared.recovery, shared.bypass),
        (there.recovery, there.bypass)
    );
    assert_eq!((shared.failures, shared.unreported), (0, 6));
    assert_eq!(rebuilt.wait, 9 * 30);
    let here = store.peek(&alice()).unwrap().unwrap();
    let next = |number| here.device(id(number)).unwrap().next;
    assert_eq!((next(1), next(2)), (NOW / 30 + 9, COUNTER_UNKNOWN));
    assert_eq!((here.uid, here.failures, here.unreported), (1000, 0, 6));
}

/// Codes that the lost state knew as used may be unknown to the store: this host may have been cut off.
#[test]
fn what_a_lost_state_used_is_used_in_the_fleet() {
    let (scratch, store) = with(&[phone(), token()]);
    new_recovery_codes(&factor(&store), NOW, &mut RootChange).unwrap();
    join_fleet(&scratch);
    let there = store.peek(&alice()).unwrap().unwrap();
    fs::write(scratch.state(), "damaged").unwrap();
    let (store, fleet) = with_states(store, there);
    rebuild_state(&factor(&store), WINDOW, NOW).unwrap();
    let shared = fleet.0.lock().unwrap().clone();
    let next = |number| shared.device(id(number)).unwrap().next;
    assert_eq!((next(1), next(2)), (NOW / 30 + 5, COUNTER_UNKNOWN));
    assert_eq!(shared.recovery.bits, 0b11_1111_1111);
}

/// By the mark of a code that they do not have, the other hosts would take theirs for an older one.
#[test]
fn a_code_of_one_host_leaves_no_mark_in_the_fleet() {
    for (scope, is_marked) in [(CodeScope::ThisHost, false), (CodeScope::Login, true)] {
        let (scratch, store) = with(&[phone()]);
        let throttle = Policy::default().throttle;
        issue_bypass(&factor(&store), scope, &throttle, NOW + 60, NOW).unwrap();
        join_fleet(&scratch);
        let mut there = store.peek(&alice()).unwrap().unwrap();
        there.bypass = None;
        fs::remove_file(scratch.state()).unwrap();
        let (store, fleet) = with_states(store, there);
        rebuild_state(&factor(&store), WINDOW, NOW).unwrap();
        assert_eq!(fleet.0.lock().unwrap().bypass.is_some(), is_marked);
        let here = store.peek(&alice()).unwrap().unwrap();
        assert!(here.bypass.is_some(), "it may have been used here");
    }
}

#[test]
fn without_a_record_no_state_is_made() {
    let (scratch, store) = with(&[]);
    let error = rebuild_state(&factor(&store), WINDOW, NOW).unwrap_err();
    assert!(!error.is_fixed_by_rebuild());
    assert_eq!(kept(&scratch), NOTHING);
}
