//! Module arguments: what they do, and that every other word refuses.

use std::os::unix::fs::chown;
use std::path::Path;

use harness::pam::{Drive, code};

use harness::enrolled::{
    IGNORED, ON, add_stack, auth, enroll_token, logged, machine, run, state_of,
};

fn x() -> Drive {
    Drive::installed().service("x").user("alice")
}

#[test]
fn words_that_are_not_known_or_malformed_refuse() {
    let machine = machine(ON);
    enroll_token(&machine, "alice");
    for (words, complaint) in [
        ("nullok", "that is not known: nullok"),
        ("Debug", "that is not known: Debug"),
        ("debug=", "that is not known: debug="),
        ("debug=yes", "that is not known: debug=yes"),
        ("debug debug", "given twice: debug"),
        ("forward_pass=x", "that is not known: forward_pass=x"),
        ("authfail debug", "that is not known: authfail"),
        ("authfail authfail", "that is not known: authfail"),
        ("policy", "that is not known: policy"),
        ("policy=", "whose path is not absolute: policy"),
        (
            "policy=etc/security/twofactor.toml",
            "whose path is not absolute: policy",
        ),
        ("state=../x", "whose path is not absolute: state"),
        ("state=./", "whose path is not absolute: state"),
        ("policy=/a policy=/a", "given twice: policy"),
        ("state=/a state=/b", "given twice: state"),
        (
            "try_first_pass use_first_pass",
            "that contradicts another one: use_first_pass",
        ),
        (
            "use_first_pass try_first_pass",
            "that contradicts another one: try_first_pass",
        ),
    ] {
        add_stack(&machine, "x", words);
        let outcome = run(x().answer("123456"));
        assert_eq!(outcome.auth, code::SERVICE_ERR, "{words}");
        assert_eq!(outcome.prompts, [""; 0]);
        let line = format!(
            "result=error error=\"module argument {complaint}; known: policy=FILE and state=DIR with absolute paths, \
             debug, try_first_pass or use_first_pass, forward_pass; in auth lines also authfail, alone\""
        );
        let lines = logged(&machine);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].trim_start(), line, "{words}");
    }
    assert_eq!(state_of("alice").failures, 0);
}

#[test]
fn bytes_that_are_not_utf_8_refuse() {
    let machine = machine(ON);
    add_stack(&machine, "x", "");
    let mut stack = std::fs::read("/etc/pam.d/x").unwrap();
    let end_of_line = stack.iter().position(|byte| *byte == b'\n').unwrap();
    stack.splice(end_of_line..end_of_line, *b"\xff\xfe");
    machine.write_file("/etc/pam.d/x", stack, 0o644);
    assert_eq!(auth(x()), code::SERVICE_ERR);
    assert!(logged(&machine)[0].contains("module argument that is not UTF-8"));
}

#[test]
fn policy_and_state_may_be_elsewhere() {
    let machine = machine("not a policy");
    let alice = enroll_token(&machine, "alice");
    machine
        .run("mv", &["/var/lib/twofactor", "/srv/state"])
        .ok();
    machine.write_file("/srv/policy.toml", ON, 0o644);
    add_stack(&machine, "x", "state=/srv/state policy=/srv/policy.toml");
    assert_eq!(auth(x().answer(alice.code())), code::AUTHINFO_UNAVAIL);
    let (state, policy) = (Path::new("/srv/state"), Path::new("/srv/policy.toml"));
    let refuse = twofactor_store::MarkDisagreement::Refuse;
    twofactor_store::FactorStore::initialize(state, policy, refuse).unwrap();
    assert_eq!(auth(x().answer(alice.code())), code::SUCCESS);
    machine.write_file("/srv/policy.toml", "enabled = false\n", 0o644);
    assert_eq!(auth(x()), IGNORED);
    assert!(!Path::new("/var/lib/twofactor").exists());
}

#[test]
fn policy_and_state_must_be_roots() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    machine.write_file("/srv/policy.toml", ON, 0o644);
    add_stack(&machine, "x", "policy=/srv/policy.toml");
    chown("/srv/policy.toml", Some(60_000), None).unwrap();
    assert_eq!(auth(x().answer(alice.code())), code::AUTHINFO_UNAVAIL);
    chown("/srv/policy.toml", Some(0), None).unwrap();
    chown("/var/lib/twofactor", Some(60_000), None).unwrap();
    assert_eq!(auth(x().answer(alice.code())), code::AUTHINFO_UNAVAIL);
    let lines = logged(&machine);
    assert!(lines[0].contains("/srv/policy.toml: is not owned by root"));
    assert!(lines[1].contains("/var/lib/twofactor: is not owned by root"));
}

#[test]
fn debug_changes_no_verdict() {
    let machine = machine(ON);
    let alice = enroll_token(&machine, "alice");
    add_stack(&machine, "x", "debug");
    assert_eq!(auth(x().answer(alice.code())), code::SUCCESS);
    machine.policy("enabled = true\ntries = 1\n");
    assert_eq!(auth(x().answer(alice.wrong())), code::MAXTRIES);
}
