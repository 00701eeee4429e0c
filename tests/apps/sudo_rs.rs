//! sudo-rs, which Debian 12 does not have: `scripts/sudo-rs` builds it.

use harness::logins::{Phone, logged, policy};
use harness::{Ended, Machine, PASSWORD, Pty};

use super::{BOTH, REST, two_users};

const ASK_PASSWORD: &str = "[sudo: authenticate] Password: ";
const ASK_CODE: &str = "[sudo: authenticate] Verification code: ";

/// A machine with sudo-rs, which alice may use.
fn machine() -> (Machine, Phone) {
    let (machine, phone) = two_users();
    let built = harness::artefacts::target().join("sudo-rs/bin/sudo");
    let program = std::fs::read(built).expect("run `make test-apps`, which builds sudo-rs");
    machine.write_file("/usr/local/bin/sudo-rs", program, 0o4755);
    machine.allow_sudo("alice");
    machine.stack("sudo", &format!("{BOTH}{REST}"));
    (machine, phone)
}

/// alice on a terminal, after her password.
fn alice(machine: &Machine) -> Pty {
    let command = ["-c", "sudo-rs -k; sudo-rs id -un"];
    let shell = machine.program("bash").args(&command);
    let mut sudo = shell.user("alice").pty();
    sudo.answer(ASK_PASSWORD, PASSWORD);
    sudo
}

/// Sees that sudo has run nothing and has asked for no second password.
fn refused(ended: &Ended) {
    let again = ended.shown.matches(ASK_PASSWORD).count();
    assert_eq!((ended.code, again), (Some(1), 1), "{}", ended.shown);
    assert!(!ended.shown.contains("root"), "{}", ended.shown);
}

#[test]
fn sudo_rs_asks_for_the_code_after_the_password() {
    let (machine, phone) = machine();
    let mut sudo = alice(&machine);
    sudo.answer(ASK_CODE, &phone.wrong_code());
    sudo.answer(
        "Wrong code. (No phone? Type a recovery code.)",
        &phone.code(),
    );
    let ended = sudo.end();
    assert!(ended.shown.ends_with("root\n"), "{}", ended.shown);
    let mut sudo = alice(&machine);
    for _ in 0..3 {
        sudo.answer("Verification code: ", &phone.wrong_code());
    }
    refused(&sudo.end());
}

/// It wants no messages, and says of no refusal why.
#[test]
fn sudo_rs_tells_why_it_refuses_in_one_more_question() {
    let (machine, phone) = machine();
    let told = |why: &str, wrong: usize| {
        let mut sudo = alice(&machine);
        for _ in 0..wrong {
            sudo.answer("Verification code: ", &phone.wrong_code());
        }
        sudo.expect(why);
        sudo.answer("Press Enter to go on: ", "");
        // It ends by itself after too many codes, or an error. A wrong password is told nothing.
        let ends = ["try again.\n", "maximum 1 incorrect", "PAM error"];
        if sudo.expect_any(&ends) == 0 {
            sudo.answer(ASK_PASSWORD, "guess")
                .answer(ASK_PASSWORD, "guess");
        }
        let ended = sudo.end();
        let times = ended.shown.matches(why).count();
        assert_eq!((ended.code, times), (Some(1), 1), "{}", ended.shown);
        assert!(!ended.shown.contains("root"), "{}", ended.shown);
    };
    let limits = "attempts = 2";
    policy(&machine, "", limits);
    told("Too many wrong codes. Try again in ", 2);
    told("Too many wrong codes. Try again in ", 0);
    machine.command(&["unlock", "alice"]).ok();
    let unset = ["unset", "alice", "--yes", "--force"];
    machine.command(&unset).ok();
    policy(&machine, "enforcement = \"mandatory\"", "");
    told("Two-factor login is required here, and it is not set up", 0);
    machine.policy("this is not TOML");
    told("Two-factor login does not work because of an error", 0);
}

#[test]
fn no_answer_to_sudo_rs_is_counted() {
    let (machine, _phone) = machine();
    let mut sudo = alice(&machine);
    sudo.answer(ASK_CODE, "");
    sudo.answer("Verification code: ", "");
    refused(&sudo.end());
    // The second one comes without a terminal, and has its end there.
    for typed in [format!("{PASSWORD}\n"), format!("{PASSWORD}\n\n\n\n\n")] {
        let sudo = machine.program("sudo-rs").args(&["-k", "-S", "id", "-un"]);
        let run = sudo.user("alice").input(typed).run().exits(1);
        assert_eq!(run.stdout, "");
    }
    let results = logged(&machine, "sudo:auth");
    let result = |line: &String| line.split_once("result=").unwrap().1.to_owned();
    let results: Vec<String> = results.iter().map(result).collect();
    let empty = "empty-answer";
    assert_eq!(results, [empty, empty, "aborted", empty, empty]);
}
