//! The number of tries, the messages in between, and the end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::stage::{NEWCOMER, QUESTION, StagedTransaction, WRONG, code};
use crate::account_phase;
use crate::module_arguments::{FileChoice, PromptLayout};
use crate::return_codes::{AccountResult, AuthResult};
use crate::transaction::{LogPriority, MessageMode};
use twofactor_store::sys::clock;

const ON: &str = "enabled = true\n[throttle]\ndelay = 4\n";
const UNIFORM: &str = "enabled = true\nenforcement = \"mandatory\"\nuniform_prompt = true\ntries = 2\n[throttle]\ndelay = 4\n";

fn results(stage: &StagedTransaction) -> Vec<String> {
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

/// Another login has begun the grace while a question stands open, which is then left empty.
fn begin_grace(stage: &mut StagedTransaction) {
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
    stage.answers = [Vec::new()].into();
}

#[test]
fn grace_ends_with_the_policy_during_a_question() {
    let end_grace = |stage: &mut StagedTransaction| {
        begin_grace(stage);
        stage.set_policy(ON);
    };
    for (meanwhile, ending, result) in [
        (
            begin_grace as fn(&mut StagedTransaction),
            AuthResult::NotAsked,
            "result=grace left=",
        ),
        (end_grace, AuthResult::Refused, "result=policy-changed"),
    ] {
        let left_open = || {
            let mut stage = StagedTransaction::new("enabled = true\ngrace = 3600\n");
            stage.rhost = Some(b"192.0.2.7".to_vec());
            stage.meanwhile = Some(meanwhile);
            (stage.run(&[]), stage)
        };
        // A process that another test starts holds all locks until it runs its program: then the code is asked for.
        let mut logins = (0..20).map(|_| left_open());
        let (ended, stage) = logins
            .find(|(ended, _)| *ended != AuthResult::NoAnswer)
            .unwrap();
        assert_eq!(ended, ending, "{result}");
        let lines = stage.logged();
        assert!(lines.last().unwrap().1.contains(result), "{lines:?}");
    }
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

/// Other sessions of the user have used up the failures.
fn lock_out(stage: &mut StagedTransaction) {
    let mut state = stage.state();
    state.failures = 5;
    state.last_failure = clock::now().unwrap();
    stage.set_state(&state);
}

/// The state directory is another one by now, in which the code may have been used, and the user may have a device.
#[test]
fn no_verdict_comes_from_a_replaced_directory() {
    let copied = |stage: &mut StagedTransaction| {
        let top = stage.scratch.top();
        let away = top.with_extension("away");
        fs::rename(&top, &away).unwrap();
        let copy = Command::new("cp").arg("-a").arg(&away).arg(&top).status();
        assert!(copy.unwrap().success());
    };
    let removed = |stage: &mut StagedTransaction| {
        let top = stage.scratch.top();
        fs::rename(&top, top.with_extension("away")).unwrap();
    };
    for replaces in [copied as fn(&mut StagedTransaction), removed] {
        let mut stage = StagedTransaction::new(ON);
        stage.meanwhile = Some(replaces);
        assert_eq!(stage.run(&[&code(0)]), AuthResult::Unavailable);
        let mut wrong = StagedTransaction::new(ON);
        wrong.meanwhile = Some(replaces);
        assert_eq!(wrong.run(&["000000"]), AuthResult::Unavailable);
    }
    let uniform = "enabled = true\nuniform_prompt = true\n";
    let mut newcomer = StagedTransaction::of(NEWCOMER, uniform);
    newcomer.meanwhile = Some(removed);
    assert_eq!(newcomer.run(&["123456"]), AuthResult::Unavailable);
}

/// An application, or another module, has put another user there.
#[test]
fn a_code_is_no_verdict_on_another_user() {
    let mut stage = StagedTransaction::new(ON);
    stage.mark(NEWCOMER);
    stage.arguments.files = FileChoice::Daemons;
    stage.meanwhile = Some(|stage| stage.user = Some(NEWCOMER.into()));
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Refused);
    // What the code would have admitted is not admitted to the other one.
    assert_eq!((stage.marked(), &stage.claimed), (None, &None));
    assert!(!stage.expects_session && stage.recovered.is_none());
    let lines = results(&stage);
    assert_eq!(
        lines.last().map(String::as_str),
        Some("result=another-user")
    );
}

#[test]
fn a_lock_out_during_typing_ends_the_login() {
    let mut stage = StagedTransaction::new(ON);
    stage.meanwhile = Some(lock_out);
    assert_eq!(stage.run(&[&code(0)]), AuthResult::NoMoreTries);
    let said = stage.said();
    assert_eq!((said.len(), said[0]), (2, QUESTION));
    assert!(said[1].1.starts_with("Too many"), "{said:?}");
    assert!(results(&stage)[0].starts_with("result=throttled"));
    assert_eq!(stage.state().failures, 5);
}

#[test]
fn uniform_prompt_hides_such_a_lock_out() {
    let mut stage = StagedTransaction::new(UNIFORM);
    stage.meanwhile = Some(lock_out);
    assert_eq!(stage.run(&[&code(0), &code(0)]), AuthResult::NoMoreTries);
    assert_eq!(stage.said(), [QUESTION, WRONG, QUESTION, WRONG]);
    assert_eq!(stage.delays, [4, 4]);
    assert!(results(&stage)[0].starts_with("result=throttled"));
    assert_eq!(stage.state().failures, 5);
}

/// The fleet's service has noted meanwhile that the user has a device, whose record it cannot put in place.
fn note_newcomer(stage: &mut StagedTransaction) {
    note(stage, NEWCOMER);
}

/// Notes a user whose record could not be put in place.
pub(super) fn note(stage: &StagedTransaction, user: &str) {
    let notes = stage.scratch.top().join("fleet/unmirrored");
    fs::create_dir_all(&notes).unwrap();
    for directory in [notes.parent().unwrap(), &notes] {
        let private = PermissionsExt::from_mode(0o700);
        fs::set_permissions(directory, private).unwrap();
    }
    fs::write(notes.join(user), "").unwrap();
}

#[test]
fn absence_is_proven_again_after_a_question() {
    for layout in [PromptLayout::Code, PromptLayout::PasswordThenCode] {
        let mut stage = StagedTransaction::of(NEWCOMER, "enabled = true\nuniform_prompt = true\n");
        stage.arguments.layout = layout;
        stage.meanwhile = Some(note_newcomer);
        assert_eq!(stage.run(&["anything"]), AuthResult::Unavailable);
        assert!(results(&stage)[0].starts_with("result=error"));
    }
}

#[test]
fn absence_is_proven_again_after_an_offer() {
    for meanwhile in [None, Some(note_newcomer as fn(&mut StagedTransaction))] {
        let mut stage =
            StagedTransaction::of(NEWCOMER, "enabled = true\nenroll_at_login = \"offer\"\n");
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
        let (arguments, marks) = (stage.arguments.clone(), stage.marks.clone());
        stage.meanwhile = meanwhile;
        stage.answers = [Vec::new()].into();
        let admission = account_phase::run(&mut stage, &arguments, MessageMode::Wanted, &marks);
        let is_open = admission == AccountResult::Open;
        assert_eq!(is_open, meanwhile.is_none(), "{:?}", stage.logged());
    }
}

/// Root has switched it off because the fleet is broken, which the notes tell.
#[test]
fn users_who_are_asked_nothing_need_no_proof() {
    for policy in [
        "enabled = false\n",
        "enabled = true\n[[exempt]]\nusers = [\"NEWCOMER\"]\n",
        "enabled = true\nenroll_at_login = \"offer\"\n[services]\nlogin = false\n",
    ] {
        let mut stage =
            StagedTransaction::of(NEWCOMER, "enabled = true\nenroll_at_login = \"offer\"\n");
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
        let (arguments, marks) = (stage.arguments.clone(), stage.marks.clone());
        note_newcomer(&mut stage);
        stage.set_policy(&policy.replace("NEWCOMER", NEWCOMER));
        let admission = account_phase::run(&mut stage, &arguments, MessageMode::Wanted, &marks);
        let is_open = admission == AccountResult::Open;
        assert!(is_open, "{policy}: {:?}", stage.logged());
    }
}

/// Between the phases the record of a user came in place, and cannot be used; or the state directory went.
#[test]
fn no_record_refuses_once_the_policy_is_off() {
    let damage: fn(&StagedTransaction) = |stage| {
        let record = stage.scratch.top().join(format!("users/{NEWCOMER}.toml"));
        fs::write(&record, "damaged").unwrap();
        fs::set_permissions(record, PermissionsExt::from_mode(0o600)).unwrap();
    };
    let lose: fn(&StagedTransaction) =
        |stage| fs::rename(stage.scratch.top(), stage.scratch.path().join("lost")).unwrap();
    for (breaks, policy, expected) in [
        (damage, "enabled = false\n", AccountResult::Open),
        (
            damage,
            "enabled = true\n[services]\nlogin = false\n",
            AccountResult::Open,
        ),
        (damage, "enabled = true\n", AccountResult::Refused),
        (lose, "enabled = false\n", AccountResult::Open),
        (lose, "enabled = true\n", AccountResult::Refused),
    ] {
        let offer = "enabled = true\nenroll_at_login = \"offer\"\n";
        let mut stage = StagedTransaction::of(NEWCOMER, offer);
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
        let (arguments, marks) = (stage.arguments.clone(), stage.marks.clone());
        breaks(&stage);
        stage.set_policy(policy);
        let admission = account_phase::run(&mut stage, &arguments, MessageMode::Wanted, &marks);
        assert_eq!(admission, expected, "{policy}: {:?}", stage.logged());
    }
}

#[test]
fn uniform_prompt_asks_the_unenrolled_once() {
    let mut stage = StagedTransaction::of(NEWCOMER, "enabled = true\nuniform_prompt = true\n");
    assert_eq!(stage.run(&["anything"]), AuthResult::NotAsked);
    assert_eq!(stage.said(), [QUESTION]);
    assert_eq!(stage.run(&[]), AuthResult::NoAnswer);
}
