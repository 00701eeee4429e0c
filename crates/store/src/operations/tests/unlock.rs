//! Lock-outs that end, and states that are made anew.

use super::*;
use twofactor_core::policy::Policy;
use twofactor_core::state::COUNTER_UNKNOWN;

const WINDOW: u8 = 1;

const NONE: ForgottenFailures = ForgottenFailures {
    logins: 0,
    daemon: 0,
};

fn unlocked(store: &FactorStore) -> Result<ForgottenFailures, ChangeError> {
    unlock(&factor(store), &Policy::default(), NOW)
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

#[test]
fn without_a_record_no_state_is_made() {
    let (scratch, store) = with(&[]);
    let error = rebuild_state(&factor(&store), WINDOW, NOW).unwrap_err();
    assert!(!error.is_fixed_by_rebuild());
    assert_eq!(kept(&scratch), NOTHING);
}
