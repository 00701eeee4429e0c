//! Lock-outs as a login sees them, a clock that was set back, and groups of exemptions.

use super::*;
use crate::account_rules::{GroupFault, KnownGroups, UnusableGroup, unusable_groups};
use crate::operations::AuditSink;
use crate::sys::accounts;
use crate::testing::SilentLog;
use twofactor_core::record::recent_changes::{ChangeWord, RecentChange, TOLD_FOR};
use twofactor_core::recovery::RecoverySet;

/// Enters that many wrong codes, one second apart, beginning now.
fn fail(machine: &AttemptMachine, count: u64) {
    for _ in 0..count {
        assert_eq!(machine.types("no code"), wrong());
    }
}

#[test]
fn a_refused_attempt_changes_nothing_on_the_disk() {
    let machine = AttemptMachine::with_policy(ON);
    fail(&machine, 5);
    let locked_out = machine.files();
    for (second, left) in [(0, 30), (1, 29), (29, 1)] {
        at(second);
        let closed = ThrottleStatus::LockedFor(left);
        assert_eq!(machine.before(), PreCheck::Throttle(closed));
        for typed in [&code(STEP), "no code", ""] {
            assert_eq!(machine.types(typed), AttemptResult::Refused(closed));
        }
        assert_eq!(machine.files(), locked_out);
    }
    at(30);
    assert_eq!(machine.before(), PreCheck::Throttle(ThrottleStatus::Open));
    assert_eq!(machine.types(&code(STEP + 1)), accepted(0, 5));
}

/// Another process's wrong codes locked the user out between prompt and answer.
#[test]
fn a_lockout_that_began_during_typing_holds() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    assert_eq!(
        session.before(),
        Ok(PreCheck::Throttle(ThrottleStatus::Open))
    );
    fail(&machine, 5);
    let judged = session.attempt(code(STEP).as_bytes(), AnswerForm::Code);
    assert_eq!(
        judged,
        Ok(AttemptResult::Refused(ThrottleStatus::LockedFor(30)))
    );
    assert_eq!(machine.stored().state.devices, [fresh(&phone())]);
}

#[test]
fn the_hard_limit_stays_until_unlock() {
    let machine =
        AttemptMachine::with_policy("enabled = true\n[throttle]\nattempts = 2\nmax_failures = 2\n");
    fail(&machine, 2);
    let locked_out = machine.files();
    for second in [0, 30, 86_400, 365 * 86_400] {
        at(second);
        assert_eq!(
            machine.before(),
            PreCheck::Throttle(ThrottleStatus::LockedUntilUnlock)
        );
        let judged = machine.types(&code((NOW + second) / 30));
        assert_eq!(
            judged,
            AttemptResult::Refused(ThrottleStatus::LockedUntilUnlock)
        );
    }
    assert_eq!(machine.files(), locked_out);
    let mut locked = machine.store.lock(&machine.alice).unwrap();
    let mut state = locked.state().clone();
    (state.failures, state.last_failure) = (0, 0);
    locked.write(state).unwrap();
    drop(locked);
    at(0);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 2));
}

#[test]
fn a_clock_set_back_restarts_the_lockout_once() {
    let machine = AttemptMachine::with_policy(ON);
    at(7200);
    fail(&machine, 5);
    at(0);
    // The prompt writes nothing; the attempt corrects the state, and looks at no code.
    assert_eq!(machine.before(), PreCheck::Throttle(ThrottleStatus::Open));
    let closed = AttemptResult::Refused(ThrottleStatus::LockedFor(30));
    assert_eq!(machine.types(&code(STEP)), closed);
    assert_eq!(machine.counters(), (5, 5, NOW));
    at(20);
    assert_eq!(
        machine.before(),
        PreCheck::Throttle(ThrottleStatus::LockedFor(10))
    );
    assert_eq!(
        machine.types(&code(STEP)),
        AttemptResult::Refused(ThrottleStatus::LockedFor(10))
    );
    at(30);
    assert_eq!(machine.types(&code(STEP + 1)), accepted(0, 5));
}

#[test]
fn a_clock_set_back_is_noticed_by_an_attempt_as_well() {
    let machine = AttemptMachine::with_policy(ON);
    at(7200);
    fail(&machine, 5);
    at(0);
    assert_eq!(
        machine.types(&code(STEP)),
        AttemptResult::Refused(ThrottleStatus::LockedFor(30))
    );
    assert_eq!(machine.counters(), (5, 5, NOW));
}

#[test]
fn exempting_groups_are_those_the_account_is_in() {
    let root = accounts::by_name("root").unwrap().unwrap();
    let stranger = Account {
        name: "no-such-user-here".into(),
        uid: 4_000_000,
        gid: 4_000_000,
    };
    let members = |account| {
        let mut groups = KnownGroups::default();
        let mut own = groups.of(account);
        let members = ["daemon", "root", "root"].map(|group| own.include(group));
        assert_eq!(groups.unusable(), []);
        members
    };
    assert_eq!(members(Some(&root)), [false, true, true]);
    assert_eq!(members(Some(&stranger)), [false; 3]);
    assert_eq!(members(None), [false; 3]);
}

#[test]
fn a_group_that_does_not_exist_has_no_members() {
    let root = accounts::by_name("root").unwrap().unwrap();
    let unknown = UnusableGroup {
        name: "no-such-group".into(),
        fault: GroupFault::Unknown,
    };
    for account in [Some(&root), None] {
        let mut groups = KnownGroups::default();
        let mut own = groups.of(account);
        assert!(!own.include("no-such-group"));
        assert!(!own.include("no-such-group"));
        assert_eq!(own.include("root"), account.is_some());
        assert_eq!(groups.unusable(), std::slice::from_ref(&unknown));
    }
    let policy = "enabled = true\n[[exempt]]\ngroups = [\"root\", \"no-such-group\"]\n";
    let policy = policy.parse().unwrap();
    assert_eq!(unusable_groups(&policy), [unknown]);
}

#[test]
fn a_refusal_knows_of_recovery_codes_that_are_left() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    let wrong_code = code(STEP + 100);
    assert_eq!(
        session.attempt(wrong_code.as_bytes(), AnswerForm::Code),
        Ok(wrong())
    );
    assert!(!session.has_recovery_codes());
    let (set, codes) = RecoverySet::generate(1).unwrap();
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    let mut record = record_of(&machine.alice, &[phone()]);
    record.recovery = Some(set);
    locked.replace_record(&record, &[]).unwrap();
    drop(locked);
    // A new code, since the last one is refused without a look at the record.
    let other = code(STEP + 200);
    assert_eq!(
        session.attempt(other.as_bytes(), AnswerForm::Code),
        Ok(wrong())
    );
    assert!(session.has_recovery_codes());
    for recovery in codes {
        let recovery = recovery.grouped();
        let judged = session
            .attempt(recovery.as_bytes(), AnswerForm::Code)
            .unwrap();
        assert!(matches!(
            judged,
            AttemptResult::Compared(CodeOutcome::Accepted(_))
        ));
    }
    let third = code(STEP + 300);
    assert_eq!(
        session.attempt(third.as_bytes(), AnswerForm::Code),
        Ok(wrong())
    );
    assert!(!session.has_recovery_codes());
}

#[test]
fn few_codes_left_are_told_to_who_was_given_some() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    session.attempt(b"000000", AnswerForm::Code).unwrap();
    assert_eq!(session.few_recovery_codes(), None, "none were given");
    let (set, codes) = RecoverySet::generate(1).unwrap();
    let mut record = record_of(&machine.alice, &[phone()]);
    record.recovery = Some(set);
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    locked.replace_record(&record, &[]).unwrap();
    drop(locked);
    let told: Vec<_> = codes
        .iter()
        .map(|recovery| {
            let judged = session.attempt(recovery.grouped().as_bytes(), AnswerForm::Code);
            let AttemptResult::Compared(CodeOutcome::Accepted(accepted)) = judged.unwrap() else {
                panic!("refused");
            };
            assert!(session.recovery_login(&accepted).is_some());
            session.few_recovery_codes()
        })
        .collect();
    let (many, few) = told.split_at(told.len() - 4);
    assert_eq!(few, [Some(3), Some(2), Some(1), Some(0)]);
    assert!(!many.is_empty() && many.iter().all(Option::is_none));
}

#[test]
fn changes_of_the_last_days_are_told_with_a_code() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    assert_eq!(session.changes_to_tell(), []);
    let change = |time| RecentChange {
        time,
        kind: ChangeWord::DeviceRenewed,
        device: None,
        origin: SilentLog.origin(),
    };
    let mut record = record_of(&machine.alice, &[phone()]);
    record.changes = vec![change(NOW - TOLD_FOR), change(NOW - 1)];
    let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
    locked.replace_record(&record, &[]).unwrap();
    drop(locked);
    session.attempt(b"000000", AnswerForm::Code).unwrap();
    assert_eq!(session.changes_to_tell(), record.changes[1..]);
}
