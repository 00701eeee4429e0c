//! What one attempt writes, whatever becomes of it.
#![forbid(unsafe_code)]

use std::sync::Barrier;
use std::thread;

use super::*;
use crate::store::tests::in_own_process;
use crate::store::tests::limits::FileSize;

#[test]
fn a_right_code_is_accepted_and_its_use_is_on_the_disk() {
    let machine = Machine::with_policy(ON);
    assert_eq!(machine.before(), Before::Gate(Gate::Open));
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
fn a_wrong_code_is_counted_on_the_disk_by_the_charge_alone() {
    let machine = Machine::with_policy(ON);
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
    let machine = Machine::with_policy(ON);
    let mut session = machine.session();
    let mut types = |code: &str| session.attempt(code.as_bytes(), Form::Code).unwrap();
    assert_eq!(types("123"), wrong());
    assert_eq!(types(""), wrong());
    assert_eq!(types(&code(STEP)), accepted(0, 2));
    assert_eq!(types(&code(STEP)), used());
}

#[test]
fn a_login_never_touches_the_record() {
    let machine = Machine::with_policy(ON);
    let [record, _] = machine.files();
    assert_eq!(machine.types("no code"), wrong());
    assert_eq!(machine.types(&code(STEP)), accepted(0, 1));
    assert_eq!(machine.files()[0], record);
}

#[test]
fn a_password_may_stand_before_the_code() {
    let machine = Machine::with_policy(ON);
    let typed = format!("pässwört{}", code(STEP));
    let mut session = machine.session();
    let judged = session.attempt(typed.as_bytes(), Form::PasswordThenCode);
    let Ok(Judged::Compared(Outcome::Accepted(accepted))) = judged else {
        panic!("{judged:?}");
    };
    assert_eq!(accepted.password_len, "pässwört".len());
}

#[test]
fn one_code_at_the_same_time_is_accepted_once() {
    for _ in 0..20 {
        let machine =
            Machine::with_policy("enabled = true\n[throttle]\nattempts = 1000\nmax_failures = 0\n");
        let together = Barrier::new(16);
        let judged: Vec<Judged> = thread::scope(|scope| {
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
        let successes: Vec<_> = judged.iter().filter(|judged| **judged != used()).collect();
        assert_eq!(successes, [&accepted(0, 0)]);
        assert_eq!(machine.counters().0, 15);
    }
}

#[test]
fn wrong_codes_at_the_same_time_are_all_counted() {
    let machine = Machine::with_policy(ON);
    let together = Barrier::new(16);
    let judged: Vec<Judged> = thread::scope(|scope| {
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
    let count = |wanted: Judged| judged.iter().filter(|judged| **judged == wanted).count();
    assert_eq!(count(wrong()), 5);
    assert_eq!(count(Judged::Refused(Gate::LockedFor(30))), 11);
    assert_eq!(machine.counters(), (5, 5, NOW));
}

/// Otherwise `ulimit -f 0; su` would be a way to ask about codes that nobody counts.
#[test]
fn without_room_for_the_charge_every_code_gets_the_same_answer() {
    if !in_own_process(
        "check::tests::attempt::without_room_for_the_charge_every_code_gets_the_same_answer",
    ) {
        return;
    }
    let machine = Machine::with_policy(ON);
    let before = machine.files();
    let mut errors = Vec::new();
    for typed in [code(STEP), code(STEP + 1), "123456".into(), String::new()] {
        let mut session = machine.session();
        let _limited = FileSize::limited_to(0);
        errors.push(session.attempt(typed.as_bytes(), Form::Code).unwrap_err());
    }
    let why = crate::sys::file::FileError::System("write", rustix::io::Errno::FBIG);
    let expected = Failure::Store(error_at(&machine.scratch.state(), Cause::File(why)));
    assert_eq!(errors, vec![expected; 4]);
    assert_eq!(machine.files(), before);
    assert_eq!(machine.types(&code(STEP)), accepted(0, 0));
}

#[test]
fn a_clock_before_1970_is_an_error_and_changes_nothing() {
    let machine = Machine::with_policy(ON);
    let before = machine.files();
    TIME.set(0);
    let judged = machine.session().attempt(code(0).as_bytes(), Form::Code);
    assert_eq!(judged, Err(Failure::Clock(BeforeEpoch)));
    assert_eq!(machine.session().before(), Err(Failure::Clock(BeforeEpoch)));
    assert_eq!(machine.files(), before);
}
