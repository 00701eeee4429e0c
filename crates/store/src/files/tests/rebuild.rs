//! A new state in place of a lost one: nothing works in it that may have been used before.

use super::*;
use twofactor_core::policy::Policy;
use twofactor_core::recovery::{OneTimeCode, RecoverySet};
use twofactor_core::state::{COUNTER_UNKNOWN, SLOT_LEN, SpentCodes, encode, encode_file};
use twofactor_core::verify::{
    AnswerForm, CodeOutcome, CodeRejection, Credential, TypedAnswer, charge, recovery_codes_left,
    verdict,
};

const NOW: u64 = 54_000_000 * 30;
const STEP: u64 = 54_000_000;

/// A store in which alice has everything, with its codes, and no state.
fn without_state() -> (ScratchStore, FactorStore, Vec<String>, String) {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    let (set, codes) = RecoverySet::generate(NOW).unwrap();
    let (bypass, code) = OneTimeCode::generate(NOW + 600).unwrap();
    let mut record = record_of(&alice(), &[phone(), token()]);
    record.recovery = Some(set);
    record.bypass = Some(bypass);
    let mut locked = store.lock_for_change(&alice()).unwrap();
    let entries = [fresh(&phone()), fresh(&token())];
    locked.replace_record(&record, &entries).unwrap();
    drop(locked);
    fs::remove_file(scratch.state()).unwrap();
    let codes = codes
        .iter()
        .map(|code| code.grouped().to_string())
        .collect();
    (scratch, store, codes, code.grouped().to_string())
}

/// Answer to a login with that code.
fn says(store: &FactorStore, window: u8, code: &str, now: u64) -> CodeOutcome {
    let policy = Policy {
        window,
        ..Policy::default()
    };
    let locked = store.lock(&alice()).unwrap();
    let record = locked.record().unwrap().unwrap();
    let charged = charge(&policy.throttle, locked.state(), now).unwrap();
    let answer = TypedAnswer::read(code.as_bytes(), AnswerForm::Code, &[]);
    verdict(&policy, &record, &charged, &answer, now).outcome
}

#[test]
fn possibly_used_totp_codes_are_refused() {
    for window in [0_u8, 1, 10] {
        let (_scratch, store, ..) = without_state();
        drop(store.rebuild(&alice(), window, NOW).unwrap());
        let furthest = 2 * u64::from(window) + 2;
        for step in STEP - 3..=STEP + furthest {
            let code = phone().code(step).reveal().to_string();
            for now in [NOW, step * 30] {
                let outcome = says(&store, window, &code, now);
                assert!(matches!(outcome, CodeOutcome::Rejected(_)), "{step}");
            }
        }
        let next = STEP + furthest + 1;
        let code = phone().code(next).reveal().to_string();
        let CodeOutcome::Accepted(accepted) = says(&store, window, &code, next * 30) else {
            panic!("the next code works");
        };
        let name = "phone".into();
        assert_eq!(accepted.by, Credential::Device { name, offset: 0 });
    }
}

#[test]
fn counters_are_unknown_and_one_time_codes_are_spent() {
    let (_scratch, store, codes, bypass) = without_state();
    let locked = store.rebuild(&alice(), 1, NOW).unwrap();
    let record = locked.record().unwrap().unwrap();
    let state = locked.state().clone();
    drop(locked);
    assert_eq!(state.device(token().id).unwrap().next, COUNTER_UNKNOWN);
    for counter in 0..30 {
        let code = token().code(counter).reveal().to_string();
        let outcome = says(&store, 1, &code, NOW);
        assert_eq!(outcome, CodeOutcome::Rejected(CodeRejection::Wrong));
    }
    assert_eq!(recovery_codes_left(&record, &state), 0);
    for code in codes.iter().chain([&bypass]) {
        let outcome = says(&store, 1, code, NOW);
        assert_eq!(outcome, CodeOutcome::Rejected(CodeRejection::Spent));
    }
}

#[test]
fn the_new_state_is_the_strictest_there_is() {
    let (scratch, store, ..) = without_state();
    let locked = store.rebuild(&alice(), 1, NOW).unwrap();
    let record = locked.record().unwrap().unwrap();
    let mut expected = UserState::new(1000);
    expected.devices = vec![
        DeviceState {
            next: STEP + 5,
            ..fresh(&phone())
        },
        DeviceState {
            next: COUNTER_UNKNOWN,
            ..fresh(&token())
        },
    ];
    expected.recovery = SpentCodes {
        set: Some(record.recovery.unwrap().id),
        bits: 0b11_1111_1111,
    };
    expected.bypass = Some(record.bypass.unwrap().id);
    assert_eq!(locked.state(), &expected);
    drop(locked);
    assert_eq!(scratch.stored().state, expected);
    assert_eq!(mode(&scratch.state()), 0o600);
    assert_eq!(scratch.listing(), ["state/alice", "users/alice.toml"]);
}

#[test]
fn every_state_with_a_fix_is_fixed() {
    let unknowing = encode_file(&UserState::new(1000));
    for content in [vec![], vec![0; 1024], vec![7; 100], unknowing] {
        let (scratch, store, ..) = without_state();
        fs::write(scratch.state(), content).unwrap();
        set_mode(&scratch.state(), 0o600);
        let locked = store.rebuild(&alice(), 1, NOW).unwrap();
        assert_eq!(locked.state().device(phone().id).unwrap().next, STEP + 5);
        drop(locked);
        assert!(store.lock(&alice()).unwrap().record().is_ok());
    }
}

/// It can be read, so that a login is asked for its code, and not be written.
#[test]
fn a_state_without_a_number_left_is_made_anew() {
    let (scratch, store, ..) = without_state();
    drop(store.rebuild(&alice(), 1, NOW).unwrap());
    let mut used = scratch.stored().state;
    (used.failures, used.devices[0].next) = (3, 5);
    let mut file = encode_file(&used);
    file[..SLOT_LEN].copy_from_slice(&encode(&used, u64::MAX));
    fs::write(scratch.state(), file).unwrap();
    let mut locked = store.lock(&alice()).unwrap();
    assert_eq!(locked.state(), &used);
    let error = locked.write(used).err().unwrap();
    assert_eq!(error, error_at(&scratch.state(), FileFault::Exhausted));
    assert!(error.fixed_by_unlock());
    drop(locked);
    let mut locked = store.rebuild(&alice(), 1, NOW).unwrap();
    let mut state = locked.state().clone();
    assert_eq!(
        (state.failures, state.device(phone().id).unwrap().next),
        (0, STEP + 5)
    );
    state.failures = 1;
    locked.write(state).unwrap();
    locked.flush().unwrap();
    drop(locked);
    assert_eq!(store.lock(&alice()).unwrap().state().failures, 1);
}

#[test]
fn a_good_state_is_left_alone() {
    let (scratch, store) = enrolled();
    let mut locked = store.lock(&alice()).unwrap();
    let mut state = locked.state().clone();
    (state.failures, state.devices[0].next) = (99, 5);
    locked.write(state).unwrap();
    drop(locked);
    let before = fs::read(scratch.state()).unwrap();
    assert_eq!(
        store.rebuild(&alice(), 1, NOW).unwrap().state().failures,
        99
    );
    assert_eq!(fs::read(scratch.state()).unwrap(), before);
}

#[test]
fn without_a_record_there_is_nothing_to_rebuild() {
    let scratch = ScratchStore::new();
    let store = scratch.store();
    let error = store.rebuild(&alice(), 1, NOW).err().unwrap();
    assert!(error.is_missing());
    assert_eq!(error.path, scratch.record());
    assert!(scratch.listing().is_empty());
}

#[test]
fn a_state_of_another_uid_is_not_replaced() {
    let (scratch, store) = enrolled();
    let bytes = encode_file(&UserState::new(1001));
    fs::write(scratch.state(), &bytes).unwrap();
    let cause = FileFault::OtherUid {
        recorded: 1001,
        current: 1000,
    };
    let expected = error_at(&scratch.state(), cause);
    assert_eq!(store.rebuild(&alice(), 1, NOW).err(), Some(expected));
    assert_eq!(fs::read(scratch.state()).unwrap(), bytes);
}
