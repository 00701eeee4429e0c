//! Attempts through the daemon: counted apart from logins, while an accepted code is used up for both.

use super::*;
use twofactor_core::recovery::RecoverySet;

impl AttemptMachine {
    /// One code through the daemon.
    fn sends(&self, code: &str) -> AttemptResult {
        let mut session = self.session();
        session
            .daemon_attempt(code.as_bytes(), AnswerForm::Code)
            .unwrap()
    }

    fn daemon_gate(&self) -> ThrottleStatus {
        self.session().daemon_gate().unwrap()
    }
}

/// Six digits that alice's phone does not show.
fn guess(number: u64) -> String {
    let shown: Vec<String> = (STEP - 9..STEP + 9).map(code).collect();
    let guesses = (0..).map(|guess| format!("{guess:06}"));
    let mut wrong = guesses.filter(|guess| !shown.contains(guess));
    wrong.nth(number as usize).unwrap()
}

#[test]
fn guesses_through_the_daemon_lock_no_login_out() {
    let machine = AttemptMachine::with_policy(ON);
    for number in 0..5 {
        assert_eq!(machine.sends(&guess(number)), wrong());
    }
    assert_eq!(machine.daemon_gate(), ThrottleStatus::LockedFor(30));
    assert_eq!(
        machine.sends(&code(STEP)),
        AttemptResult::Refused(ThrottleStatus::LockedFor(30))
    );
    assert_eq!(machine.counters(), (0, 5, 0));
    assert_eq!(machine.before(), PreCheck::Throttle(ThrottleStatus::Open));
    // The login tells of all of them, and opens the daemon again.
    assert_eq!(machine.types(&code(STEP)), accepted(0, 5));
    assert_eq!(machine.daemon_gate(), ThrottleStatus::Open);
    assert_eq!(machine.stored().state.daemon.total(NOW), 5);
}

#[test]
fn guesses_at_logins_lock_the_daemon_out_of_nothing() {
    let machine = AttemptMachine::with_policy(ON);
    for number in 0..5 {
        assert_eq!(machine.types(&guess(number)), wrong());
    }
    assert_eq!(
        machine.before(),
        PreCheck::Throttle(ThrottleStatus::LockedFor(30))
    );
    assert_eq!(machine.sends(&code(STEP)), accepted(0, 0));
    // The code is used up, and the lock-out of logins stands.
    assert_eq!(
        machine.before(),
        PreCheck::Throttle(ThrottleStatus::LockedFor(30))
    );
    assert_eq!(machine.counters(), (5, 5, NOW));
    at(30);
    assert_eq!(machine.types(&code(STEP)), used());
}

#[test]
fn a_code_works_once_at_a_login_or_through_the_daemon() {
    let machine = AttemptMachine::with_policy(ON);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    assert_eq!(machine.sends(&code(STEP)), used());
    assert_eq!(machine.sends(&code(STEP + 1)), accepted(1, 0));
    assert_eq!(machine.types(&code(STEP + 1)), used());
    assert_eq!(machine.counters(), (0, 0, 0));
    assert_eq!(machine.stored().state.daemon.total(NOW), 0);
}

#[test]
fn the_daemon_neither_grants_nor_ends_grace() {
    let machine = AttemptMachine::with_policy("enabled = true\ngrace = 600\n");
    assert_eq!(machine.sends(&code(STEP)), accepted(0, 0));
    assert_eq!(machine.before(), PreCheck::Throttle(ThrottleStatus::Open));
    assert_eq!(machine.types(&code(STEP + 1)), accepted(1, 0));
    assert_eq!(machine.before(), PreCheck::Grace(600));
    for number in 0..5 {
        assert_eq!(machine.sends(&guess(number)), wrong());
    }
    assert_eq!(machine.before(), PreCheck::Grace(600));
}

#[test]
fn no_login_gives_the_daemon_fresh_guesses_for_good() {
    let machine = AttemptMachine::with_policy("enabled = true\n[throttle]\nmax_failures = 6\n");
    for step in [0, 1] {
        for number in 0..3 {
            assert_eq!(machine.sends(&guess(3 * step + number)), wrong());
        }
        at(30 * step);
        let login = machine.types(&code(STEP + step));
        assert_eq!(login, accepted(0, 3));
    }
    assert_eq!(machine.daemon_gate(), ThrottleStatus::LockedUntilUnlock);
    assert_eq!(machine.before(), PreCheck::Throttle(ThrottleStatus::Open));
    at(33 * 24 * 3600);
    assert_eq!(machine.daemon_gate(), ThrottleStatus::Open);
}

#[test]
fn a_code_sent_again_and_again_is_counted_once() {
    let machine = AttemptMachine::with_policy(ON);
    assert_eq!(machine.sends(&guess(0)), wrong());
    for _ in 0..9 {
        assert_eq!(machine.sends(&guess(0)), AttemptResult::Repeated);
    }
    assert_eq!(machine.stored().state.daemon.in_a_row, 1);
}

#[test]
fn a_password_without_a_code_costs_no_monthly_guess() {
    let machine = AttemptMachine::with_policy(ON);
    for _ in 0..3 {
        let mut session = machine.session();
        let judged = session.daemon_attempt(b"correct horse", AnswerForm::PasswordThenCode);
        assert_eq!(judged.unwrap(), wrong());
    }
    let daemon = machine.stored().state.daemon;
    assert_eq!((daemon.in_a_row, daemon.total(NOW)), (3, 0));
    let mut session = machine.session();
    let guessed = format!("correct horse{}", guess(0));
    let judged = session.daemon_attempt(guessed.as_bytes(), AnswerForm::PasswordThenCode);
    assert_eq!(judged.unwrap(), wrong());
    let daemon = machine.stored().state.daemon;
    assert_eq!((daemon.in_a_row, daemon.total(NOW)), (4, 1));
}

#[test]
fn a_proof_by_device_leaves_recovery_codes_alone() {
    let machine = AttemptMachine::with_policy(ON);
    let (set, codes) = RecoverySet::generate(1).unwrap();
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    let mut record = record_of(&machine.alice, &[phone()]);
    record.recovery = Some(set);
    locked.replace_record(&record, &[]).unwrap();
    drop(locked);
    let typed = codes[0].grouped();
    let mut session = machine.session();
    let proof = session.daemon_proof(typed.as_bytes(), ProofCodes::OfDevices);
    let wrong = AttemptResult::Compared(CodeOutcome::Rejected(CodeRejection::Wrong));
    assert_eq!(proof.unwrap(), wrong);
    assert_eq!(machine.stored().state.daemon.in_a_row, 1);
    // It is neither used up nor taken for one that was refused.
    let judged = session.daemon_proof(typed.as_bytes(), ProofCodes::All);
    let AttemptResult::Compared(CodeOutcome::Accepted(accepted)) = judged.unwrap() else {
        panic!("refused");
    };
    assert_eq!(accepted.by, Credential::RecoveryCode { left: 9 });
    let own = session.daemon_proof(code(STEP).as_bytes(), ProofCodes::OfDevices);
    let own = own.unwrap();
    assert!(
        matches!(own, AttemptResult::Compared(CodeOutcome::Accepted(_))),
        "{own:?}"
    );
}
