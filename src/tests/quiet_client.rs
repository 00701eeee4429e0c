//! Refusals in sshd, whose messages a client may not show: what ends a login is told in a question.

use super::stage::{NEWCOMER, QUESTION, StagedTransaction, code};
use crate::login_service::SSHD_TTY;
use crate::module_arguments::FirstPass;
use crate::return_codes::AuthResult;
use crate::transaction::MessageMode;

/// sshd in a login of the user with a token.
fn sshd(policy: &str) -> StagedTransaction {
    let mut stage = StagedTransaction::new(&format!("{policy}[services]\nsshd = true\n"));
    stage.service = Some(b"sshd".to_vec());
    stage.tty = Some(SSHD_TTY.to_vec());
    stage
}

fn asks(text: &str) -> (&str, &str) {
    ("asks", text)
}

#[test]
fn a_lock_out_is_a_question_of_sshd() {
    let policy = "enabled = true\n[throttle]\nattempts = 1\nlockout = 900\n";
    let mut stage = sshd(policy);
    let locked = asks("\nToo many wrong codes. Try again in 15 minutes.\nPress Enter to go on: ");
    assert_eq!(stage.run(&["1", ""]), AuthResult::NoMoreTries);
    assert_eq!(stage.said(), [QUESTION, locked]);
    // A code that is typed there is not looked at.
    for answer in [&code(0), ""] {
        assert_eq!(stage.run(&[answer]), AuthResult::NoMoreTries);
        assert_eq!(stage.said(), [locked]);
        assert_eq!(stage.state().failures, 1);
    }
    // Where it cannot ask, a message is better than nothing.
    assert_eq!(stage.run(&[]), AuthResult::NoMoreTries);
    let message = (
        "complains",
        "Too many wrong codes. Try again in 15 minutes.",
    );
    assert_eq!(stage.said(), [locked, message]);
    stage.arguments.first_pass = FirstPass::Only;
    assert_eq!(stage.run(&[]), AuthResult::NoMoreTries);
    assert_eq!(stage.said(), [message]);
}

#[test]
fn the_last_wrong_code_is_a_question_of_sshd() {
    let mut stage = sshd("enabled = true\ntries = 2\n");
    assert_eq!(stage.run(&["1", "2", ""]), AuthResult::NoMoreTries);
    let again = asks("Wrong code.\nVerification code: ");
    let end = "\nWrong code.\nThat was the last try of this login. To try again, log in again.\nPress Enter to go on: ";
    assert_eq!(stage.said(), [QUESTION, again, asks(end)]);
    assert_eq!(stage.state().failures, 2);
    // In another program the same are messages.
    stage.service = Some(b"login".to_vec());
    stage.tty = None;
    assert_eq!(stage.run(&["3", "4", ""]), AuthResult::NoMoreTries);
    let wrong = ("complains", "Wrong code.");
    assert_eq!(stage.said(), [QUESTION, wrong, QUESTION, wrong]);
}

/// A client that hangs up at a question keeps the modules after this one from running.
#[test]
fn with_one_try_a_wrong_code_is_a_message() {
    let mut stage = sshd("enabled = true\ntries = 1\n");
    assert_eq!(stage.run(&["1", ""]), AuthResult::NoMoreTries);
    assert_eq!(stage.said(), [QUESTION, ("complains", "Wrong code.")]);
    assert_eq!(stage.state().failures, 1);
}

#[test]
fn a_password_as_code_is_a_question_of_sshd() {
    let mut stage = sshd("enabled = true\n");
    stage.password = Some(b"hunter2".to_vec());
    assert_eq!(stage.run(&["hunter2", ""]), AuthResult::Refused);
    let [question, (how, told)] = stage.said()[..] else {
        panic!("{:?}", stage.said());
    };
    assert_eq!((question, how), (QUESTION, "asks"));
    assert!(
        told.starts_with("\nThat was the password again. "),
        "{told}"
    );
    assert!(told.lines().all(|line| line.len() <= 80), "{told}");
}

#[test]
fn a_password_as_code_is_told_unless_silent() {
    let mut stage = sshd("enabled = true\n");
    stage.messages = MessageMode::Unwanted;
    stage.password = Some(b"hunter2".to_vec());
    assert_eq!(stage.run(&["hunter2", ""]), AuthResult::Refused);
    assert_eq!(stage.said(), [QUESTION]);
}

/// One more question would tell users with a device from others.
#[test]
fn uniform_prompt_has_no_question_at_the_end() {
    let policy = "enabled = true\nenforcement = \"mandatory\"\nuniform_prompt = true\ntries = 2\n";
    let again = asks("Wrong code.\nVerification code: ");
    let said = [QUESTION, again, ("complains", "Wrong code.")];
    for answers in [["1", "2", ""], ["", "", ""], ["1", "1", "1"]] {
        for user in ["root", NEWCOMER, "no-user-of-that-name"] {
            let mut stage = sshd(policy);
            stage.user = Some(user.into());
            assert_eq!(stage.run(&answers), AuthResult::NoMoreTries, "{user}");
            assert_eq!(stage.said(), said, "{user}");
        }
    }
}
