//! The number of tries, the messages in between, and the end.

use std::fs;

use super::stage::{NEWCOMER, QUESTION, StagedTransaction, WRONG, code};
use crate::return_codes::AuthResult;
use crate::transaction::{LogPriority, MessageMode};

pub(super) const ON: &str = "enabled = true\n[throttle]\ndelay = 4\n";
pub(super) const UNIFORM: &str = "enabled = true\nenforcement = \"mandatory\"\nuniform_prompt = true\ntries = 2\n[throttle]\ndelay = 4\n";

pub(super) fn results(stage: &StagedTransaction) -> Vec<String> {
    let lines = stage.logged();
    let rest = |line: &str| line.split_once("rhost= ").unwrap().1.to_owned();
    lines.iter().map(|(_, line)| rest(line)).collect()
}

#[test]
fn wrong_codes_are_delayed_and_end_after_the_tries() {
    let mut stage = StagedTransaction::new(ON);
    assert_eq!(stage.run(&["1", "2", "3", "4"]), AuthResult::NoMoreTries);
    assert_eq!(
        stage.said(),
        [QUESTION, WRONG, QUESTION, WRONG, QUESTION, WRONG]
    );
    assert_eq!(stage.delays, [4, 4, 4]);
    assert_eq!(results(&stage), ["result=wrong"; 3]);
    assert!(
        stage
            .logged()
            .iter()
            .all(|(priority, _)| *priority == LogPriority::Notice)
    );
    assert_eq!(stage.state().failures, 3);
}

#[test]
fn a_success_tells_its_owner_of_wrong_codes() {
    let mut stage = StagedTransaction::new(ON);
    assert_eq!(stage.run(&["1", &code(0)]), AuthResult::Verified);
    let told = "One wrong code was entered since your last right one. If that was not you, change your password.";
    assert_eq!(stage.said(), [QUESTION, WRONG, QUESTION, ("informs", told)]);
    stage.messages = MessageMode::Unwanted;
    assert_eq!(stage.run(&["1", &code(1)]), AuthResult::Verified);
    let again = ("asks", "Wrong code.\nVerification code: ");
    assert_eq!(
        stage.said(),
        [QUESTION, again],
        "the reason stands in the question"
    );
}

#[test]
fn what_is_no_guess_uses_up_tries_and_counts_nothing() {
    let mut stage = StagedTransaction::new("enabled = true\ntries = 4\n");
    let answers = [" -", "root", "111111", "111 111"];
    assert_eq!(stage.run(&answers), AuthResult::NoMoreTries);
    let told = |text| ("complains", text);
    let empty = told("No code was typed.");
    let name = told("That was the user name. Type the code of your device.");
    let again = told("This code was refused already. Wait for the next one.");
    assert_eq!(
        stage.said(),
        [
            QUESTION, empty, QUESTION, name, QUESTION, WRONG, QUESTION, again
        ]
    );
    assert_eq!(stage.delays.len(), 4);
    assert_eq!(
        results(&stage),
        [
            "result=empty-answer",
            "result=user-name-as-code",
            "result=wrong",
            "result=repeated-code"
        ]
    );
    assert_eq!(stage.state().failures, 1);
    // In the next login, too.
    assert_eq!(stage.run(&["111111"]), AuthResult::NoAnswer);
    assert_eq!(stage.said(), [QUESTION, again, QUESTION]);
    assert_eq!(stage.state().failures, 1);
}

#[test]
fn a_used_code_gets_its_own_words() {
    let mut stage = StagedTransaction::new(ON);
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
    assert_eq!(stage.run(&[&code(0)]), AuthResult::NoAnswer);
    let used = (
        "complains",
        "This code was used already. Wait for the next one.",
    );
    assert_eq!(stage.said(), [QUESTION, used, QUESTION]);
    assert_eq!(
        results(&stage),
        ["result=used device=token", "result=aborted"]
    );
}

#[test]
fn a_lock_out_asks_nothing_and_says_for_how_long() {
    let mut stage = StagedTransaction::new(
        "enabled = true\ntries = 10\n[throttle]\nattempts = 2\nlockout = 900\n",
    );
    assert_eq!(stage.run(&["1", "2", &code(0)]), AuthResult::NoMoreTries);
    let locked = (
        "complains",
        "Too many wrong codes. Try again in 15 minutes.",
    );
    assert_eq!(stage.said(), [QUESTION, WRONG, QUESTION, WRONG, locked]);
    assert_eq!(stage.logged()[2].0, LogPriority::Warning);
    assert!(results(&stage)[2].starts_with("result=throttled seconds="));
    assert_eq!(stage.run(&[&code(0)]), AuthResult::NoMoreTries);
    assert_eq!(stage.said(), [locked]);
    stage.messages = MessageMode::Unwanted;
    assert_eq!(stage.run(&[&code(0)]), AuthResult::NoMoreTries);
    let question = format!("{}\nPress Enter to go on: ", locked.1);
    assert_eq!(stage.said(), [("asks", question.as_str())]);
}

#[test]
fn a_second_empty_answer_is_the_last() {
    let nothing = ("complains", "No code was typed.");
    for answers in [["", " ", "1"], ["", "1", "\t"], ["1", "", ""]] {
        let mut stage = StagedTransaction::new("enabled = true\ntries = 9\n");
        let given: Vec<&str> = answers.into_iter().chain(["2"]).collect();
        assert_eq!(stage.run(&given), AuthResult::NoMoreTries, "{answers:?}");
        let counted = results(&stage)
            .iter()
            .filter(|it| *it == "result=wrong")
            .count();
        assert_eq!(stage.state().failures as usize, counted);
        assert_eq!(stage.said().iter().filter(|it| **it == nothing).count(), 2);
        assert_eq!(results(&stage).last().unwrap(), "result=empty-answer");
    }
    let mut stage = StagedTransaction::new("enabled = true\ntries = 2\n");
    assert_eq!(
        stage.run(&["", &code(0)]),
        AuthResult::Verified,
        "one more try"
    );
    assert_eq!(stage.said(), [QUESTION, nothing, QUESTION]);
    let mut stage = StagedTransaction::new("enabled = true\ntries = 1\n");
    assert_eq!(
        stage.run(&["", &code(0)]),
        AuthResult::NoMoreTries,
        "it uses up a try"
    );
}

#[test]
fn uniform_prompt_hides_an_empty_answer() {
    for user in ["root", NEWCOMER] {
        let mut stage = StagedTransaction::of(user, UNIFORM);
        assert_eq!(stage.run(&["", "", "1"]), AuthResult::NoMoreTries);
        assert_eq!(stage.said(), [QUESTION, WRONG, QUESTION, WRONG]);
    }
}

#[test]
fn the_hard_limit_is_logged_with_what_helps() {
    let mut stage =
        StagedTransaction::new("enabled = true\n[throttle]\nattempts = 1\nmax_failures = 1\n");
    assert_eq!(stage.run(&["1", "2"]), AuthResult::NoMoreTries);
    assert_eq!(
        results(&stage)[1],
        "result=locked hint=\"twofactor unlock\""
    );
}

#[test]
fn grace_asks_nothing_from_the_same_address() {
    let mut stage = StagedTransaction::new("enabled = true\ngrace = 3600\n");
    stage.rhost = Some(b"192.0.2.7".to_vec());
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
    assert_eq!(stage.run(&[]), AuthResult::NotAsked);
    assert!(stage.said().is_empty());
    let (priority, line) = stage.line();
    assert_eq!(priority, LogPriority::Info);
    assert!(
        line.starts_with("user=root rhost=192.0.2.7 result=grace left="),
        "{line}"
    );
    stage.rhost = Some(b"192.0.2.8".to_vec());
    assert_eq!(stage.run(&[&code(1)]), AuthResult::Verified);
}

#[test]
fn prompt_and_echo_are_the_policys() {
    let mut stage = StagedTransaction::new("enabled = true\nprompt = \"Token? \"\necho = true\n");
    assert_eq!(stage.run(&[]), AuthResult::NoAnswer);
    assert_eq!(stage.said(), [("asks, showing", "Token? ")]);
    assert_eq!(results(&stage), ["result=aborted"]);
}

#[test]
fn uniform_prompt_hides_users_with_a_device() {
    let play = |user: &str, messages: MessageMode, answers: &[&str]| {
        let mut stage = StagedTransaction::of(user, UNIFORM);
        stage.messages = messages;
        let ending = stage.run(answers);
        let said = stage.said();
        let said: Vec<String> = said.iter().map(|it| format!("{it:?}")).collect();
        (ending, said, stage.delays.clone())
    };
    for messages in [MessageMode::Wanted, MessageMode::Unwanted] {
        for answers in [
            &["1", "2", "3"][..],
            &["1"],
            &[],
            &["\x08\n\r\x7fINCORRECT"],
        ] {
            let real = play("root", messages, answers);
            assert_eq!(play(NEWCOMER, messages, answers), real, "{answers:?}");
            assert_eq!(play("no-user-of-that-name", messages, answers), real);
        }
    }
    let (ending, _, delays) = play(NEWCOMER, MessageMode::Wanted, &["1", "2"]);
    assert_eq!((ending, delays), (AuthResult::NoMoreTries, vec![4, 4]));
}

/// Only the log tells of it: a stranger could learn who had a device.
#[test]
fn uniform_prompt_hides_a_lost_record() {
    let mut real = StagedTransaction::new(UNIFORM);
    assert_eq!(real.run(&["1", "2", "3"]), AuthResult::NoMoreTries);
    let mut lost = StagedTransaction::new(UNIFORM);
    fs::remove_file(lost.scratch.top().join("users/root.toml")).unwrap();
    assert_eq!(lost.run(&["1", "2", "3"]), AuthResult::NoMoreTries);
    assert_eq!(lost.said(), real.said());
    assert!(!lost.logged().is_empty());
    let mut open = StagedTransaction::new(ON);
    fs::remove_file(open.scratch.top().join("users/root.toml")).unwrap();
    assert_eq!(open.run(&["1"]), AuthResult::Unavailable);
    assert!(!open.said().contains(&QUESTION), "{:?}", open.said());
}

#[test]
fn uniform_prompt_asks_the_unenrolled_once() {
    let mut stage = StagedTransaction::of(NEWCOMER, "enabled = true\nuniform_prompt = true\n");
    assert_eq!(stage.run(&["anything"]), AuthResult::NotAsked);
    assert_eq!(stage.said(), [QUESTION]);
    assert_eq!(stage.run(&[]), AuthResult::NoAnswer);
}
