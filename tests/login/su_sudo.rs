//! su and sudo with password and code: the real programs, run by an ordinary user, and the stacks `pam.d/su` and
//! `pam.d/sudo`.

use harness::logins::{ASK_AGAIN, Phone, enroll, enrolled, logged, machine, policy};
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
    su.answer(ASK_AGAIN, &bob.code());
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
fn three_wrong_codes_or_a_wrong_password_end_su() {
    let machine = machine();
    let (_, bob) = alice_and_bob(&machine);
    let mut su = alice(&machine, "su bob -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD);
    for _ in 0..3 {
        su.answer("Verification code: ", &bob.wrong_code())
            .expect("Wrong code. (No phone? Type a recovery code.)\n");
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
fn su_asks_for_roots_code_unless_root_calls() {
    let machine = machine();
    let (alice, _) = alice_and_bob(&machine);
    let root = enroll(&machine, "root", &[]);
    let run = machine.run("su", &["-", "bob", "-c", "id -un"]).ok();
    assert_eq!(run.stdout, "bob\n");
    assert_eq!(logged(&machine, "su-l:auth"), [""; 0]);
    let mut su = self::alice(&machine, "su -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD)
        .answer("Verification code: ", &alice.code());
    su.answer(ASK_AGAIN, &root.code());
    su.expect("this is root\n");
    assert_eq!(su.end().code, Some(0));
}

#[test]
fn r26_su_to_the_unenrolled_needs_the_password_only() {
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

/// A policy that asks at no service but those that the lines name.
fn only(machine: &Machine, services: &str) {
    machine.policy(&format!(
        "enabled = true\n[services]\ndefault = false\n{services}\n[throttle]\ndelay = 0\n"
    ));
}

/// True if alice is asked for a code between a password and what the command prints.
fn is_asked(machine: &Machine, command: &str, password: &str) -> bool {
    let mut pty = alice(machine, command);
    pty.answer(password, PASSWORD);
    pty.expect_any(&["this is ", "Verification code: "]) == 1
}

const SU: &str = "su bob -c 'echo this is $(id -un)'";
const SU_LOGIN: &str = "su - bob -c 'echo this is $(id -un)'";
const SUDO: &str = "sudo -k; sudo sh -c 'echo this is $(id -un)'";
const SUDO_LOGIN: &str = "sudo -k; sudo -i sh -c 'echo this is $(id -un)'";

#[test]
fn r22_su_and_su_l_are_switched_together() {
    let machine = machine();
    alice_and_bob(&machine);
    let asked = || [SU, SU_LOGIN].map(|su| is_asked(&machine, su, "Password: "));
    only(&machine, "");
    assert_eq!(asked(), [false, false]);
    only(&machine, "su = true");
    assert_eq!(asked(), [true, true]);
    only(&machine, "su-l = true");
    assert_eq!(asked(), [true, true]);
    only(&machine, "su = true\nsu-l = false");
    assert_eq!(asked(), [true, false], "named, and so on its own");
    only(&machine, "");
    machine
        .command(&["enable", "--service", "su", "--yes"])
        .ok();
    assert_eq!(asked(), [true, true]);
    machine
        .command(&["disable", "--service", "su", "--yes"])
        .ok();
    assert_eq!(asked(), [false, false]);
    policy(&machine, "", "");
    machine
        .command(&["disable", "--service", "su-l", "--yes"])
        .ok();
    assert_eq!(asked(), [false, false], "whatever the default says");
}

#[test]
fn r22_sudo_and_sudo_i_are_switched_together() {
    let machine = machine();
    alice_and_bob(&machine);
    let password = "[sudo] password for alice: ";
    let asked = || [SUDO, SUDO_LOGIN].map(|sudo| is_asked(&machine, sudo, password));
    only(&machine, "sudo = true");
    assert_eq!(asked(), [true, true]);
    only(&machine, "sudo-i = true\nsudo = false");
    assert_eq!(asked(), [false, true]);
    machine
        .command(&["disable", "--service", "sudo", "--yes"])
        .ok();
    assert_eq!(asked(), [false, false]);
    // An exemption is one of the services it names.
    only(&machine, "sudo = true\n[[exempt]]\nservices = [\"sudo\"]");
    assert_eq!(asked(), [false, true]);
}

#[test]
fn a_file_size_limit_makes_su_fail_and_tells_nothing() {
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
fn r10_sudo_asks_again_in_the_prompt() {
    let machine = machine();
    let (phone, _) = alice_and_bob(&machine);
    let mut sudo = alice(&machine, "sudo id -un");
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", &phone.wrong_code());
    // sudo wants no messages (PAM_SILENT), so the prompt says it.
    let again = ASK_AGAIN;
    sudo.answer(again, &phone.wrong_code());
    sudo.answer(again, &phone.code());
    assert_eq!(
        sudo.end().shown,
        format!("[sudo] password for alice: \nVerification code: \n{again}\n{again}\nroot\n")
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
fn r26_sudo_and_sudo_i_do_not_ask_the_unenrolled() {
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

/// sudo wants no messages, and says "Sorry, try again." of every refusal.
#[test]
fn sudo_tells_why_it_refuses_in_one_more_question() {
    let machine = machine();
    let (phone, _) = alice_and_bob(&machine);
    let asks = "[sudo] password for alice: ";
    let told = |why: &str| {
        let mut sudo = alice(&machine, "sudo -k; sudo id -un");
        sudo.answer(asks, PASSWORD);
        sudo.expect(why);
        sudo.answer("\nPress Enter to go on: ", "");
        sudo.expect("Sorry, try again.\n");
        sudo.answer(asks, "guess").answer(asks, "guess");
        let ended = sudo.end();
        assert_eq!((ended.code, ended.shown.contains("root")), (Some(1), false));
        // A wrong password is told nothing.
        assert_eq!(ended.shown.matches(why).count(), 1, "{}", ended.shown);
    };
    let mut sudo = alice(&machine, "sudo id -un");
    sudo.answer(asks, PASSWORD);
    for _ in 0..3 {
        sudo.answer("Verification code: ", &phone.wrong_code());
    }
    sudo.answer("Sorry, try again.\n[sudo] password for alice: ", PASSWORD);
    for _ in 0..2 {
        sudo.answer("Verification code: ", &phone.wrong_code());
    }
    // The lock-out has begun.
    sudo.expect("Too many wrong codes. Try again in ");
    sudo.answer("seconds.\nPress Enter to go on: ", "");
    sudo.expect("Sorry, try again.\n");
    drop(sudo);
    machine.command(&["unlock", "alice"]).ok();
    machine.policy("this is not TOML");
    told("Two-factor login does not work because of an error on this machine");
    policy(&machine, "enforcement = \"mandatory\"", "");
    machine
        .command(&["unset", "alice", "--yes", "--force"])
        .ok();
    told("Two-factor login is required here, and it is not set up for your account yet.");
}

#[test]
fn enter_held_down_ends_sudo_and_su_uncounted() {
    let machine = machine();
    let (phone, bob) = alice_and_bob(&machine);
    let mut sudo = alice(&machine, "sudo id -un");
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", "");
    sudo.answer("No code was typed.\nVerification code: ", "");
    sudo.answer("Sorry, try again.\n[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", &phone.code());
    assert!(sudo.end().shown.ends_with("root\n"));
    let accepted = "user=alice rhost= result=accepted device=phone offset=0";
    let empty = "user=alice rhost= result=empty-answer";
    assert_eq!(logged(&machine, "sudo:auth"), [empty, empty, accepted]);
    let mut su = alice(&machine, "su bob -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD);
    su.answer("Verification code: ", "");
    su.answer("No code was typed.\nVerification code: ", &bob.code());
    assert!(su.end().shown.ends_with("this is bob\n"));
    // A program at the end of its input has nothing more to say.
    let typed = format!("{PASSWORD}\n\n\n\n\n");
    let sudo = machine.program("sudo").args(&["-k", "-S", "id", "-un"]);
    sudo.user("alice").input(typed).run().exits(1);
    let counted = machine.log_with("result=wrong");
    assert_eq!(counted, [""; 0]);
}
