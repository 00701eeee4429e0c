//! Bypass codes.

use super::*;
use twofactor_core::policy::Policy;
use twofactor_core::recovery::CodeScope;
use twofactor_core::verify::{self, AnswerForm, CodeOutcome, ThrottleStatus, TypedAnswer};

fn issue(store: &FactorStore) -> Result<IssuedBypass, ChangeError> {
    issue_bypass(
        &factor(store),
        CodeScope::Login,
        &Policy::default().throttle,
        NOW + 60,
        NOW,
    )
}

#[test]
fn a_bypass_code_works_until_it_expires() {
    let (_scratch, store) = with(&[phone()]);
    let issued = issue(&store).unwrap();
    assert_eq!(issued.gate, ThrottleStatus::Open);
    let record = record(&store);
    let state = store.peek(&alice()).unwrap().unwrap();
    let policy = Policy::default();
    let typed = issued.code.grouped();
    let answer = TypedAnswer::read(typed.as_bytes(), AnswerForm::Code, &[]);
    for (now, works) in [(NOW + 59, true), (NOW + 60, false)] {
        let charged = verify::charge(&policy.throttle, &state, now).unwrap();
        let verdict = verify::verdict(&policy, &record, &charged, &answer, now);
        assert_eq!(matches!(verdict.outcome, CodeOutcome::Accepted(_)), works);
    }
}

#[test]
fn a_bypass_code_tells_of_a_lock_out() {
    let (_scratch, store) = with(&[phone()]);
    let throttle = Policy::default().throttle;
    let mut locked = store.lock(&alice()).unwrap();
    let mut state = locked.state().clone();
    state.failures = throttle.attempts;
    state.last_failure = NOW;
    locked.write(state).unwrap();
    drop(locked);
    assert_ne!(issue(&store).unwrap().gate, ThrottleStatus::Open);
}

#[test]
fn a_withdrawn_bypass_code_is_gone() {
    let (_scratch, store) = with(&[phone()]);
    issue(&store).unwrap();
    assert!(record(&store).bypass.is_some());
    withdraw_bypass(&factor(&store)).unwrap();
    assert!(record(&store).bypass.is_none());
    assert_eq!(names(&store), ["phone"]);
}

#[test]
fn a_bypass_code_needs_a_device() {
    let (scratch, store) = with(&[]);
    let none = refused(ChangeCause::NotEnrolled);
    assert_eq!(issue(&store).err(), Some(none.clone()));
    assert_eq!(withdraw_bypass(&factor(&store)), Err(none.clone()));
    assert_eq!(kept(&scratch), NOTHING);
    invited(&factor(&store), NOW + 60).unwrap();
    let before = kept(&scratch);
    assert_eq!(issue(&store).err(), Some(none));
    assert_eq!(kept(&scratch), before);
}

#[test]
fn a_bypass_code_changes_no_unusable_state() {
    let (scratch, store) = with(&[phone()]);
    fs::write(scratch.state(), "").unwrap();
    let before = kept(&scratch);
    assert!(is_unusable(&issue(&store).err().unwrap()));
    assert_eq!(kept(&scratch), before);
}
