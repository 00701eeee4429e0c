//! The writes of one attempt, whatever becomes of it.

use std::sync::Barrier;
use std::thread;

use super::*;
use crate::files::tests::in_own_process;
use crate::files::tests::limits::FileSize;

#[test]
fn the_use_of_a_right_code_is_on_the_disk() {
    let machine = AttemptMachine::with_policy(ON);
    assert_eq!(machine.before(), PreCheck::Throttle(ThrottleStatus::Open));
    let start = machine.stored().sequence;
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    let stored = machine.stored();
    let used_up = DeviceState {
        next: STEP + 1,
        last_used: NOW,
        ..fresh(&phone())
    };
    assert_eq!(stored.state.devices, [used_up]);
    assert_eq!(machine.counters(), (0, 0, 0));
    // The charge was one write, and taking it back another.
    assert_eq!(stored.sequence, start + 2);
    assert_eq!(machine.types(&code(STEP)), used());
}

#[test]
fn a_wrong_code_is_counted_by_the_charge_alone() {
    let machine = AttemptMachine::with_policy(ON);
    let start = machine.stored();
    for count in 1..=3 {
        at(u64::from(count));
        assert_eq!(machine.types("no code"), wrong());
        assert_eq!(machine.counters(), (count, count, NOW + u64::from(count)));
        assert_eq!(machine.stored().sequence, start.sequence + u64::from(count));
        assert_eq!(machine.stored().state.devices, start.state.devices);
    }
    at(30);
    assert_eq!(machine.types(&code(STEP + 1)), accepted(0, 3));
    assert_eq!(machine.counters(), (0, 0, 0));
}

#[test]
fn one_login_may_try_again() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    let mut types = |code: &str| session.attempt(code.as_bytes(), AnswerForm::Code).unwrap();
    assert_eq!(types("123"), wrong());
    assert_eq!(types(""), wrong());
    assert_eq!(types(&code(STEP)), accepted(0, 2));
    assert_eq!(types(&code(STEP)), used());
}

/// Charge and refund are two writes, so that a kill between them leaves the charge.
#[test]
fn a_used_code_gives_its_charge_back() {
    let machine = AttemptMachine::with_policy(ON);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
    at(5);
    assert_eq!(machine.types("no code"), wrong());
    let before = machine.stored();
    at(9);
    assert_eq!(machine.types(&code(STEP)), used());
    assert_eq!(machine.stored().sequence, before.sequence + 2);
    assert_eq!(machine.counters(), (1, 1, NOW + 5));
}

#[test]
fn a_refused_code_is_not_compared_again() {
    let machine = AttemptMachine::with_policy(ON);
    // The code of a later step, which will be right soon.
    let soon = code(STEP + 9);
    assert_eq!(
        machine.types(&soon),
        rejected(CodeRejection::ClockDiffers {
            device: "phone".into(),
            steps: 9
        })
    );
    let before = machine.files();
    at(9 * 30);
    for _ in 0..100 {
        assert_eq!(machine.types(&soon), AttemptResult::Repeated);
    }
    assert_eq!(machine.files(), before);
    assert_eq!(machine.counters(), (1, 1, NOW));
    assert_eq!(machine.types(&code(STEP + 10)), accepted(1, 1));
    assert_eq!(machine.stored().state.refused, RefusedAnswers::default());
}

#[test]
fn three_refused_codes_are_kept_as_hashes() {
    let machine = AttemptMachine::with_policy(ON);
    for typed in ["hunter2", "", "12345", "1234567"] {
        assert_eq!(machine.types(typed), wrong());
    }
    assert_eq!(machine.stored().state.refused, RefusedAnswers::default());
    machine.set_policy(
        "enabled = true
[throttle]
attempts = 100
",
    );
    let answers = ["000001", "000002", "000003", "000004"];
    for typed in answers {
        assert_eq!(machine.types(typed), wrong());
    }
    let refused = machine.stored().state.refused;
    assert_eq!(refused.hashes.len(), 3);
    assert_ne!(refused.key, [0; 8]);
    let file = &machine.files()[1];
    for typed in answers {
        assert!(!file.windows(6).any(|bytes| bytes == typed.as_bytes()));
    }
    assert_eq!(machine.types(answers[1]), AttemptResult::Repeated);
    assert_eq!(machine.types(answers[0]), wrong(), "forgotten");
}

/// A lock-out says how long it lasts whatever is typed.
#[test]
fn a_lockout_is_told_before_a_repeated_code() {
    let machine = AttemptMachine::with_policy(ON);
    for number in 1..=5 {
        assert_eq!(machine.types(&format!("00000{number}")), wrong());
    }
    let closed = AttemptResult::Refused(ThrottleStatus::LockedFor(30));
    assert_eq!(machine.types("000005"), closed);
    at(30);
    assert_eq!(machine.types("000005"), AttemptResult::Repeated);
}

#[test]
fn after_a_password_the_code_alone_is_remembered() {
    let machine = AttemptMachine::with_policy(ON);
    let mut session = machine.session();
    let mut types = |typed: &str| {
        let form = AnswerForm::PasswordThenCode;
        session.attempt(typed.as_bytes(), form).unwrap()
    };
    assert_eq!(types("hunter2000001"), wrong());
    assert_eq!(types("hunter2000001"), AttemptResult::Repeated);
    assert_eq!(types("another 000001"), AttemptResult::Repeated);
    assert_eq!(types("password"), wrong());
    assert_eq!(types("password"), wrong(), "no code at its end");
    assert_eq!(machine.counters().0, 3);
}

#[test]
fn a_login_never_touches_the_record() {
    let machine = AttemptMachine::with_policy(ON);
    let [record, _] = machine.files();
    assert_eq!(machine.types("no code"), wrong());
    assert_eq!(machine.types(&code(STEP)), accepted(0, 1));
    assert_eq!(machine.files()[0], record);
}

#[test]
fn a_password_may_stand_before_the_code() {
    let machine = AttemptMachine::with_policy(ON);
    let typed = format!("pässwört{}", code(STEP));
    let mut session = machine.session();
    let judged = session.attempt(typed.as_bytes(), AnswerForm::PasswordThenCode);
    let Ok(AttemptResult::Compared(CodeOutcome::Accepted(accepted))) = judged else {
        panic!("{judged:?}");
    };
    assert_eq!(accepted.password_len, "pässwört".len());
}

#[test]
fn one_code_at_the_same_time_is_accepted_once() {
    for _ in 0..20 {
        let machine = AttemptMachine::with_policy(
            "enabled = true\n[throttle]\nattempts = 1000\nmax_failures = 0\n",
        );
        let together = Barrier::new(16);
        let judged: Vec<AttemptResult> = thread::scope(|scope| {
            let logins: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        together.wait();
                        machine.types(&code(STEP))
                    })
                })
                .collect();
            logins
                .into_iter()
                .map(|login| login.join().unwrap())
                .collect()
        });
        let count =
            |wanted: AttemptResult| judged.iter().filter(|judged| **judged == wanted).count();
        assert_eq!(count(accepted(0, 0)), 1);
        assert_eq!((count(used()), count(AttemptResult::Repeated)), (1, 14));
        assert_eq!(machine.counters(), (0, 0, 0), "none of them is a guess");
    }
}

#[test]
fn wrong_codes_at_the_same_time_are_all_counted() {
    let machine = AttemptMachine::with_policy(ON);
    let together = Barrier::new(16);
    let judged: Vec<AttemptResult> = thread::scope(|scope| {
        let login = || {
            together.wait();
            machine.types("no code")
        };
        let logins: Vec<_> = (0..16).map(|_| scope.spawn(login)).collect();
        logins
            .into_iter()
            .map(|login| login.join().unwrap())
            .collect()
    });
    let count = |wanted: AttemptResult| judged.iter().filter(|judged| **judged == wanted).count();
    assert_eq!(count(wrong()), 5);
    assert_eq!(
        count(AttemptResult::Refused(ThrottleStatus::LockedFor(30))),
        11
    );
    assert_eq!(machine.counters(), (5, 5, NOW));
}

/// Otherwise `ulimit -f 0; su` would be a way to ask about codes that are not counted.
#[test]
fn without_room_every_code_gets_the_same_answer() {
    if !in_own_process("attempt::tests::attempt::without_room_every_code_gets_the_same_answer") {
        return;
    }
    let machine = AttemptMachine::with_policy(ON);
    let before = machine.files();
    let mut errors = Vec::new();
    for typed in [code(STEP), code(STEP + 1), "123456".into(), String::new()] {
        let mut session = machine.session();
        let _limited = FileSize::limited_to(0);
        errors.push(
            session
                .attempt(typed.as_bytes(), AnswerForm::Code)
                .unwrap_err(),
        );
    }
    let why = crate::sys::file::FileError::System("write", rustix::io::Errno::FBIG);
    let expected = AttemptFailure::Store(error_at(&machine.scratch.state(), FileFault::File(why)));
    assert_eq!(errors, vec![expected; 4]);
    assert_eq!(machine.files(), before);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
}

#[test]
fn a_clock_before_1970_changes_nothing() {
    let machine = AttemptMachine::with_policy(ON);
    let before = machine.files();
    TIME.set(0);
    let judged = machine
        .session()
        .attempt(code(0).as_bytes(), AnswerForm::Code);
    assert_eq!(judged, Err(AttemptFailure::Clock(BeforeEpoch)));
    assert_eq!(
        machine.session().before(),
        Err(AttemptFailure::Clock(BeforeEpoch))
    );
    assert_eq!(machine.files(), before);
}
