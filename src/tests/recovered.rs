//! Logins after which a new device may be offered.

use super::meanwhile::note;
use super::stage::{ENROLLED, StagedTransaction, WRONG, code};
use crate::account_phase::new_device;
use crate::login_text;
use crate::module_arguments::PromptLayout;
use crate::return_codes::AuthResult;
use crate::transaction::MessageMode;
use twofactor_core::record::UserRecord;
use twofactor_core::record::recent_changes::{
    ChangeChannel, ChangeOrigin, ChangeWord, RecentChange,
};
use twofactor_core::recovery::RecoverySet;
use twofactor_store::sys::accounts;

/// A stage whose user's record was changed.
fn changed(change: impl FnOnce(&mut UserRecord)) -> StagedTransaction {
    let stage = StagedTransaction::new("enabled = true\n");
    let account = accounts::by_name(ENROLLED).unwrap().unwrap();
    let store = stage.scratch.store();
    let mut record = store.record(&account).unwrap().unwrap();
    change(&mut record);
    let mut locked = store.lock_for_change(&account).unwrap();
    locked.replace_record(&record, &[]).unwrap();
    drop(locked);
    stage
}

/// A stage whose user has recovery codes, and the first of them.
fn with_codes() -> (StagedTransaction, String) {
    let (set, codes) = RecoverySet::generate(1).unwrap();
    let stage = changed(|record| record.recovery = Some(set));
    (stage, codes[0].grouped().to_string())
}

#[test]
fn a_recovery_code_claims_the_offer_of_a_device() {
    let (mut stage, first) = with_codes();
    assert_eq!(stage.run(&[&first]), AuthResult::Verified);
    let claim = stage.recovered.clone().unwrap();
    assert_eq!((claim.user, claim.uid), (ENROLLED.into(), 0));
    assert_eq!(claim.account, ENROLLED);
    // The next attempt of the transaction has no part in it.
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
    assert_eq!(stage.recovered, None);
}

/// The device is there, so that there is none need not be proven: the fleet may be away.
#[test]
fn a_recovered_user_needs_no_proof_of_absence() {
    let (mut stage, first) = with_codes();
    assert_eq!(stage.run(&[&first]), AuthResult::Verified);
    let claim = stage.recovered.clone().unwrap();
    note(&stage, ENROLLED);
    stage.answers = [b"no".to_vec()].into();
    let arguments = stage.arguments.clone();
    new_device::offer(&mut stage, &arguments, MessageMode::Wanted, claim);
    let (_, last) = stage.logged().pop().unwrap();
    assert!(last.ends_with("result=enrolment-skipped"), "{last}");
}

#[test]
fn a_wrong_code_tells_of_recovery_codes_that_are_left() {
    let (mut stage, _) = with_codes();
    assert_eq!(stage.run(&["1"]), AuthResult::NoAnswer);
    assert!(
        stage
            .said()
            .contains(&("complains", login_text::WRONG_OF_MANY))
    );
    // Not where the password is yet to be checked, and not where all are told the same.
    let hidden: [fn(&mut StagedTransaction); 2] = [
        |stage| stage.arguments.layout = PromptLayout::PasswordThenCode,
        |stage| stage.set_policy("enabled = true\nuniform_prompt = true\n"),
    ];
    for hide in hidden {
        let (mut stage, _) = with_codes();
        hide(&mut stage);
        assert_eq!(stage.run(&["hunter2111111"]), AuthResult::NoAnswer);
        assert!(stage.said().contains(&WRONG), "{:?}", stage.said());
    }
    let mut without = StagedTransaction::new("enabled = true\n");
    assert_eq!(without.run(&["1"]), AuthResult::NoAnswer);
    assert!(without.said().contains(&WRONG));
}

/// At logins, which have room for them.
#[test]
fn a_right_code_is_told_of_changes_of_the_factor() {
    let change = RecentChange {
        time: u64::MAX,
        kind: ChangeWord::ALL[0],
        device: None,
        origin: ChangeOrigin {
            channel: ChangeChannel::Command,
            uid: 0,
            terminal: None,
            address: None,
        },
    };
    for (service, tells) in [("login", true), ("sudo", false)] {
        let mut stage = changed(|record| record.changes = vec![change.clone()]);
        stage.service = Some(service.into());
        assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
        let told = stage.said().iter().any(|(how, _)| *how == "informs");
        assert_eq!(told, tells, "{service}: {:?}", stage.said());
    }
}

#[test]
fn where_a_dialogue_has_no_place_none_is_offered() {
    let changes: [fn(&mut StagedTransaction); 3] = [
        |stage| stage.service = Some(b"sudo".to_vec()),
        |stage| stage.messages = MessageMode::Unwanted,
        |stage| stage.arguments.layout = PromptLayout::PasswordThenCode,
    ];
    for change in changes {
        let (mut stage, first) = with_codes();
        change(&mut stage);
        assert_eq!(stage.run(&[&first]), AuthResult::Verified);
        assert_eq!(stage.recovered, None);
    }
}
