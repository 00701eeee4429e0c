//! A host of a fleet whose service does not answer: no login changes what users have there, and the policy says who goes on without a
//! device, as where the state directory cannot be written.

use harness::Machine;
use harness::enrolled::{
    IGNORED, SERVICE, add_account, add_recovery_codes, add_stack, enroll_token, login, machine,
    record_path, run,
};
use harness::pam::{PamOutcome, code};
use twofactor_core::STATE_DIR;

use crate::app::CODE_OF_LAST_KEY;

/// The host has joined; its policy says so or not yet.
fn join(machine: &Machine) {
    let directory = format!("{STATE_DIR}/fleet");
    let notes = format!("{directory}/unmirrored");
    machine
        .run("install", &["-d", "-m", "0700", &directory, &notes])
        .ok();
    machine.write_file(format!("{directory}/host"), "", 0o600);
}

/// bob, who has no device, does all that he is asked to.
fn newcomer(policy: &str) -> PamOutcome {
    let machine = machine(policy);
    add_account(&machine, "bob");
    join(&machine);
    let drive = login("bob").phases("auth,acct").answer("yes");
    let outcome = run(drive.answer_shell(CODE_OF_LAST_KEY).answer(""));
    assert!(!record_path("bob").exists(), "{outcome:?}");
    outcome
}

fn tells(outcome: &PamOutcome, text: &str) -> bool {
    let mut messages = outcome.messages.iter();
    messages.any(|message| message.text.starts_with(text))
}

#[test]
fn a_device_that_no_host_knows_is_none() {
    let fleet = format!("[fleet]\nenabled = true\nlocal_services = [\"{SERVICE}\"]\n");
    for (keys, ends) in [
        ("enroll_at_login = \"offer\"\n", IGNORED),
        ("enroll_at_login = \"require\"\n", code::PERM_DENIED),
        (
            "enroll_at_login = \"offer\"\nenforcement = \"mandatory\"\n",
            code::PERM_DENIED,
        ),
    ] {
        for table in ["", &fleet] {
            let outcome = newcomer(&format!("enabled = true\n{keys}{table}"));
            assert_eq!((outcome.auth, outcome.acct), (IGNORED, ends), "{outcome:?}");
            let told = "Two-factor login could not be set up, because of an error on this machine.";
            assert!(tells(&outcome, told), "{outcome:?}");
        }
    }
}

#[test]
fn a_lost_phone_is_not_replaced_on_one_host_alone() {
    let machine = machine("enabled = true\n");
    enroll_token(&machine, "alice");
    let codes = add_recovery_codes("alice");
    join(&machine);
    add_stack(&machine, "login", "");
    let before = machine.read(record_path("alice"));
    let drive = login("alice").service("login").phases("auth,acct");
    let drive = drive.answer(codes[0].as_str()).answer("yes");
    let outcome = run(drive.answer_shell(CODE_OF_LAST_KEY));
    assert_eq!((outcome.auth, outcome.acct), (code::SUCCESS, IGNORED));
    let told = "You are logged in, but the change could not be stored";
    assert!(tells(&outcome, told), "{outcome:?}");
    assert_eq!(machine.read(record_path("alice")), before);
}
