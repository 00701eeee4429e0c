//! su and sudo with password and code: the real programs, run by an ordinary user, and the stacks `pam.d/su` and
//! `pam.d/sudo`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use common::{Phone, enroll, enrolled, logged, machine, policy};
use harness::{Ended, Machine, PASSWORD, Pty};

/// A program that alice runs on a terminal.
fn alice(machine: &Machine, command: &str) -> Pty {
    machine
        .program("bash")
        .args(&["-c", command])
        .user("alice")
        .pty()
}

/// Two users with phones; alice may use sudo.
fn alice_and_bob(machine: &Machine) -> (Phone, Phone) {
    let phones = (enrolled(machine, "alice"), enrolled(machine, "bob"));
    machine.allow_sudo("alice");
    phones
}

fn su_to_bob(machine: &Machine, code: &str) -> Ended {
    let mut su = alice(machine, "su - bob -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD)
        .answer("Verification code: ", code);
    su.end()
}

#[test]
fn r14_su_asks_for_the_code_of_the_user_one_becomes() {
    let machine = machine();
    let (alice, bob) = alice_and_bob(&machine);
    let ended = su_to_bob(&machine, &bob.code());
    assert_eq!(
        ended.shown,
        "Password: \nVerification code: \nthis is bob\n"
    );
    assert_eq!(ended.code, Some(0));
    let mut su = self::alice(&machine, "su - bob -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD)
        .answer("Verification code: ", &alice.code());
    su.answer("Wrong code.\nVerification code: ", &bob.code());
    su.answer("Verification code: ", &bob.code_after(1));
    let ended = su.end();
    assert!(ended.shown.ends_with("this is bob\n"), "{}", ended.shown);
    assert_eq!(
        logged(&machine, "su-l:auth"),
        [
            "user=bob rhost= result=accepted device=phone offset=0",
            "user=bob rhost= result=wrong",
            "user=bob rhost= result=used device=phone",
            "user=bob rhost= result=accepted device=phone offset=1 failures_before=1"
        ]
    );
}

#[test]
fn su_fails_after_three_wrong_codes_or_a_wrong_password() {
    let machine = machine();
    let (_, bob) = alice_and_bob(&machine);
    let mut su = alice(&machine, "su bob -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD);
    for _ in 0..3 {
        su.answer("Verification code: ", &bob.wrong_code())
            .expect("Wrong code.\n");
    }
    let ended = su.end();
    assert_eq!(ended.code, Some(1));
    assert!(!ended.shown.contains("this is"));
    assert_eq!(
        logged(&machine, "su:auth"),
        ["user=bob rhost= result=wrong"; 3]
    );
    let mut su = alice(&machine, "su bob -c 'echo this is $(id -un)'");
    su.answer("Password: ", "guess");
    let ended = su.end();
    assert_eq!(
        (ended.code, ended.shown.as_str()),
        (Some(1), "Password: \nsu: Authentication failure\n")
    );
}

#[test]
fn su_asks_root_nothing_and_whoever_becomes_root_for_roots_code() {
    let machine = machine();
    let (alice, _) = alice_and_bob(&machine);
    let root = enroll(&machine, "root", &[]);
    let run = machine.run("su", &["-", "bob", "-c", "id -un"]).ok();
    assert_eq!(run.stdout, "bob\n");
    assert_eq!(logged(&machine, "su-l:auth"), [""; 0]);
    let mut su = self::alice(&machine, "su -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD)
        .answer("Verification code: ", &alice.code());
    su.answer("Wrong code.\nVerification code: ", &root.code());
    su.expect("this is root\n");
    assert_eq!(su.end().code, Some(0));
}

#[test]
fn r26_su_to_somebody_without_a_device_needs_the_password_only() {
    let machine = machine();
    machine.add_user("alice");
    machine.add_user("carl");
    let mut su = alice(&machine, "su - carl -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD);
    // No word about devices: the session is not a login.
    assert_eq!(su.end().shown, "Password: \nthis is carl\n");
    policy(&machine, "enforcement = \"mandatory\"", "");
    let mut su = alice(&machine, "su - carl -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD);
    let ended = su.end();
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.shown,
        "Password: \nTwo-factor login is required here, and it is not set up for your account yet. Ask your \
         administrator to do that.\nsu: Authentication failure\n"
    );
}

#[test]
fn r22_su_and_su_with_a_login_shell_are_switched_separately() {
    let machine = machine();
    alice_and_bob(&machine);
    policy(&machine, "", "");
    machine
        .command(&["disable", "--service", "su", "--yes"])
        .ok();
    let mut su = alice(&machine, "su bob -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD);
    assert_eq!(su.end().shown, "Password: \nthis is bob\n");
    let mut su = alice(&machine, "su - bob");
    su.answer("Password: ", PASSWORD)
        .expect("Verification code: ");
}

#[test]
fn a_file_size_limit_of_the_caller_makes_su_fail_and_tells_nothing() {
    let machine = machine();
    let (_, bob) = alice_and_bob(&machine);
    let state = "/var/lib/twofactor/state/bob";
    let (wrong, right) = (bob.wrong_code(), bob.code());
    su_to_bob_with_no_file_size(&machine, &wrong);
    assert!(su_to_bob(&machine, &right).shown.ends_with("this is bob\n"));
    let before = std::fs::read(state).unwrap();
    let (wrong, right) = (bob.wrong_code(), bob.code_after(1));
    machine.forget_log();
    let [on_wrong, on_right] =
        [&wrong, &right].map(|code| su_to_bob_with_no_file_size(&machine, code));
    assert_eq!(on_wrong, on_right);
    assert!(!on_right.shown.contains("this is bob"));
    assert_eq!(std::fs::read(state).unwrap(), before);
    let line = format!(
        "user=bob rhost= result=error error=\"{state}: write: File too large (os error 27)\""
    );
    assert_eq!(logged(&machine, "su-l:auth"), [line.as_str(); 2]);
    let ended = su_to_bob(&machine, &right);
    assert_eq!(
        ended.shown,
        "Password: \nVerification code: \nthis is bob\n"
    );
}

fn su_to_bob_with_no_file_size(machine: &Machine, code: &str) -> Ended {
    let mut su = alice(
        machine,
        "ulimit -f 0; exec su - bob -c 'echo this is $(id -un)'",
    );
    su.answer("Password: ", PASSWORD)
        .answer("Verification code: ", code);
    su.end()
}

#[test]
fn r14_sudo_asks_the_caller_once_while_it_remembers() {
    let machine = machine();
    let (phone, _) = alice_and_bob(&machine);
    // One terminal for all, since sudo remembers the terminal.
    let mut sudo = alice(
        &machine,
        "sudo id -un; sudo -u bob id -un; sudo -k; sudo id -un",
    );
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", &phone.code());
    sudo.expect("\nroot\nbob\n");
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", &phone.code_after(1));
    let ended = sudo.end();
    assert_eq!(
        ended.shown,
        "[sudo] password for alice: \nVerification code: \nroot\nbob\n\
         [sudo] password for alice: \nVerification code: \nroot\n"
    );
    assert_eq!(
        logged(&machine, "sudo:auth"),
        [
            "user=alice rhost= result=accepted device=phone offset=0",
            "user=alice rhost= result=accepted device=phone offset=1"
        ]
    );
}

#[test]
fn r10_sudo_asks_again_in_the_prompt_and_refuses_wrong_codes() {
    let machine = machine();
    let (phone, _) = alice_and_bob(&machine);
    let mut sudo = alice(&machine, "sudo id -un");
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", &phone.wrong_code());
    // sudo wants no messages (PAM_SILENT), so the prompt says it.
    sudo.answer("Wrong code. Verification code: ", &phone.wrong_code());
    sudo.answer("Wrong code. Verification code: ", &phone.code());
    assert_eq!(
        sudo.end().shown,
        "[sudo] password for alice: \nVerification code: \nWrong code. Verification code: \n\
         Wrong code. Verification code: \nroot\n"
    );
    let mut sudo = alice(&machine, "sudo -k; sudo id -un");
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    for _ in 0..3 {
        sudo.answer("Verification code: ", &phone.wrong_code());
    }
    sudo.expect("Sorry, try again.\n");
    sudo.answer("[sudo] password for alice: ", "guess")
        .expect("Sorry, try again.\n");
    sudo.answer("[sudo] password for alice: ", "guess");
    let ended = sudo.end();
    assert_eq!(ended.code, Some(1));
    assert!(!ended.shown.contains("root"), "{}", ended.shown);
}

#[test]
fn r26_sudo_and_sudo_i_ask_nobody_without_a_device() {
    let machine = machine();
    machine.add_user("alice");
    machine.allow_sudo("alice");
    let mut sudo = alice(&machine, "sudo id -un");
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    assert_eq!(sudo.end().shown, "[sudo] password for alice: \nroot\n");
    let phone = enroll(&machine, "alice", &[]);
    let mut sudo = alice(&machine, "sudo -i id -un");
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", &phone.code());
    assert_eq!(
        sudo.end().shown,
        "[sudo] password for alice: \nVerification code: \nroot\n"
    );
    assert_eq!(
        logged(&machine, "sudo-i:auth"),
        ["user=alice rhost= result=accepted device=phone offset=0"]
    );
}
