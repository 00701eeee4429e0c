//! Word of a login with a code, left for its session.

use super::*;

const GRACED: &str = "enabled = true\ngrace_session = 300\n";

/// A code that is typed at a login, of which word may be left.
fn typed(machine: &AttemptMachine, role: SessionRole, code: &str) -> bool {
    let mut login = LoginAttempt {
        role,
        ..machine.session()
    };
    login.attempt(code.as_bytes(), AnswerForm::Code).unwrap();
    machine.stored().state.session_grace.awaited.is_some()
}

#[test]
fn a_login_leaves_word_where_the_policy_has_grace() {
    for (policy, role, expected) in [
        (GRACED, SessionRole::Begins, true),
        (GRACED, SessionRole::Within, false),
        (GRACED, SessionRole::Apart, false),
        (ON, SessionRole::Begins, false),
    ] {
        let machine = AttemptMachine::with_policy(policy);
        assert!(!typed(&machine, role, "000000"));
        assert_eq!(typed(&machine, role, &code(STEP)), expected, "{role:?}");
    }
}

#[test]
fn a_lock_out_a_change_and_the_clock_end_it() {
    let ends: [fn(&AttemptMachine); 3] = [
        |machine| {
            for round in 0..5 {
                machine.types(&format!("00000{round}"));
            }
        },
        |machine| {
            let mut locked = machine.store.lock_for_change(&machine.alice).unwrap();
            let record = locked.record().unwrap().unwrap();
            locked.replace_record(&record, &[]).unwrap();
        },
        |machine| {
            TIME.set(NOW - 1);
            machine.types("000000");
        },
    ];
    for end in ends {
        let machine = AttemptMachine::with_policy(GRACED);
        assert!(typed(&machine, SessionRole::Begins, &code(STEP)));
        end(&machine);
        assert_eq!(machine.stored().state.session_grace.awaited, None);
    }
}
