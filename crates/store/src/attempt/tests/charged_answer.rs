//! The decision on a state that is in no file.

use super::*;
use std::convert::Infallible;
use twofactor_core::policy::{self, Policy};
use twofactor_core::verify::refused_codes::RefusedKey;

/// The decision on one state: how it ended, and the state that follows from it.
fn judged(
    (policy, record, state): (&Policy, &UserRecord, &UserState),
    typed: &str,
    credentials: CredentialSet,
) -> (AttemptResult, UserState) {
    let terms = VerdictTerms {
        policy,
        record,
        credentials,
        now: NOW,
    };
    let fill = |key: &mut RefusedKey| {
        *key = [7; 8];
        Ok::<(), Infallible>(())
    };
    let answer = (typed.as_bytes(), AnswerForm::Code);
    match ChargedAnswer::begin(terms, state.clone(), answer, fill) {
        Ok(charged) => {
            assert_ne!(charged.charge(), state, "{typed}");
            let (outcome, next) = charged.verdict(|_| {});
            (AttemptResult::Compared(outcome), next)
        }
        Err(ChargeStop::Ended(result)) => (result, state.clone()),
        Err(ChargeStop::Failed(never)) => match never {},
    }
}

fn facts() -> (Policy, UserRecord, UserState) {
    let policy = policy::parse("enabled = true\n[throttle]\nattempts = 2\n").unwrap();
    let mut state = UserState::new(alice().uid);
    state.devices.push(fresh(&phone()));
    (policy, record_of(&alice(), &[phone()]), state)
}

const LOGIN: CredentialSet = CredentialSet::Devices(FailureCounter::Logins);

#[test]
fn a_code_counts_once_on_the_state_that_follows() {
    let (policy, record, state) = facts();
    let (result, next) = judged((&policy, &record, &state), &code(STEP), LOGIN);
    assert_eq!(result, accepted(0, 0));
    assert_eq!(next.failures, 0);
    let (result, after) = judged((&policy, &record, &next), &code(STEP), LOGIN);
    let used = CodeRejection::Used {
        device: "phone".into(),
    };
    assert_eq!(result, AttemptResult::Compared(CodeOutcome::Rejected(used)));
    assert_eq!(after.failures, 0, "a used code is no guess");
    // On the state from before it would work again: which state counts is the caller's part.
    let again = judged((&policy, &record, &state), &code(STEP), LOGIN);
    assert_eq!(again, (accepted(0, 0), next));
}

#[test]
fn wrong_codes_lock_out_on_the_states_that_follow() {
    let (policy, record, state) = facts();
    let (result, one) = judged((&policy, &record, &state), "000000", LOGIN);
    assert_eq!((result, one.failures), (wrong(), 1));
    let (result, same) = judged((&policy, &record, &one), "000000", LOGIN);
    assert_eq!((result, &same), (AttemptResult::Repeated, &one));
    let (result, two) = judged((&policy, &record, &one), "111111", LOGIN);
    assert_eq!((result, two.failures), (wrong(), 2));
    let (result, same) = judged((&policy, &record, &two), &code(STEP), LOGIN);
    let closed = AttemptResult::Refused(ThrottleStatus::LockedFor(30));
    assert_eq!((result, same), (closed, two));
}

#[test]
fn the_charge_is_what_counts_without_a_verdict() {
    let (policy, record, state) = facts();
    let terms = VerdictTerms {
        policy: &policy,
        record: &record,
        credentials: LOGIN,
        now: NOW,
    };
    let right = code(STEP);
    let fill = |_: &mut RefusedKey| Ok::<(), Infallible>(());
    let step = ChargedAnswer::begin(terms, state, (right.as_bytes(), AnswerForm::Code), fill);
    let charged = step.ok().unwrap();
    assert_eq!(charged.charge().failures, 1);
    assert!(charged.charge().has_committed());
    let mut granted = 0;
    let (outcome, _) = charged.verdict(|_| granted += 1);
    assert!(matches!(outcome, CodeOutcome::Accepted(_)) && granted == 1);
}

#[test]
fn without_randomness_nothing_is_compared() {
    let (policy, record, state) = facts();
    let terms = VerdictTerms {
        policy: &policy,
        record: &record,
        credentials: LOGIN,
        now: NOW,
    };
    for typed in [code(STEP), "000000".to_owned()] {
        let answer = (typed.as_bytes(), AnswerForm::Code);
        let step = ChargedAnswer::begin(terms, state.clone(), answer, |_| Err("none"));
        assert_eq!(step.err(), Some(ChargeStop::Failed("none")));
    }
}
