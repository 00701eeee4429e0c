//! Grace: not asked again for a while, from the same address at the same service.

use harness::pam::{Drive, code};

use harness::enrolled::{
    IGNORED, SERVICE, Token, add_stack, enroll_token, logged, machine, run, set_state, state_of,
};

const POLICY: &str = "enabled = true\ngrace = 3600\ntries = 1\n[throttle]\nattempts = 3\n";

fn from(service: &str, rhost: &str) -> Drive {
    Drive::installed()
        .service(service)
        .user("alice")
        .rhost(rhost)
}

/// Logs in with a code; it must be asked for.
fn code_needed(alice: &Token, drive: Drive) {
    let outcome = run(drive.answer(alice.code()));
    assert_eq!((outcome.auth, outcome.prompts.len()), (code::SUCCESS, 1));
}

fn not_asked(drive: Drive) {
    let outcome = run(drive);
    assert_eq!((outcome.auth, outcome.prompts.len()), (IGNORED, 0));
}

#[test]
fn the_same_address_is_not_asked_again() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    add_stack(&machine, "other", "");
    code_needed(&alice, from(SERVICE, "192.0.2.7"));
    machine.forget_log();
    not_asked(from(SERVICE, "192.0.2.7"));
    let line = logged(&machine).remove(0);
    let left = line.strip_prefix("user=alice rhost=192.0.2.7 result=grace left=");
    let left: u64 = left.expect(&line).parse().unwrap();
    assert!((3500..=3600).contains(&left), "{line}");
    not_asked(from(SERVICE, "::ffff:192.0.2.7"));
    code_needed(&alice, from(SERVICE, "192.0.2.8"));
    code_needed(&alice, from("other", "192.0.2.7"));
    not_asked(from("other", "192.0.2.7"));
}

#[test]
fn there_is_none_without_an_address() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    for rhost in ["", "UNKNOWN", "localhost", "UNKNOWN"] {
        code_needed(&alice, from(SERVICE, rhost));
        code_needed(&alice, from(SERVICE, rhost));
    }
    code_needed(&alice, alice.login());
    code_needed(&alice, alice.login());
    assert_eq!(state_of("alice").grace, []);
}

#[test]
fn it_ends_in_time_and_is_off_by_default() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    let again = || from(SERVICE, "192.0.2.7");
    code_needed(&alice, again());
    set_state("alice", |state| state.grace[0].since -= 3600);
    code_needed(&alice, again());
    not_asked(again());
    machine.policy(&format!("{POLICY}# changed\n"));
    code_needed(&alice, again());
    not_asked(again());
    machine.policy("enabled = true\n");
    code_needed(&alice, again());
    code_needed(&alice, again());
}

#[test]
fn wrong_codes_up_to_a_lock_out_end_it() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    code_needed(&alice, from(SERVICE, "192.0.2.7"));
    for _ in 0..3 {
        let outcome = run(from(SERVICE, "198.51.100.1").answer(alice.wrong()));
        assert_eq!(outcome.auth, code::MAXTRIES);
    }
    let outcome = run(from(SERVICE, "192.0.2.7"));
    assert_eq!((outcome.auth, outcome.prompts.len()), (code::MAXTRIES, 0));
}

#[test]
fn another_user_at_that_address_is_asked() {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    let carol = enroll_token(&machine, "carol");
    code_needed(&alice, from(SERVICE, "192.0.2.7"));
    code_needed(&carol, carol.login().rhost("192.0.2.7"));
}
