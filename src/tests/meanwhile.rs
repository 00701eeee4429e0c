//! Changes during a login: while a question is open, or between the phases.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::stage::{NEWCOMER, QUESTION, StagedTransaction, WRONG, code};
use super::tries::{ON, UNIFORM, results};
use crate::account_phase;
use crate::module_arguments::{FileChoice, PromptLayout};
use crate::return_codes::{AccountResult, AuthResult};
use crate::transaction::MessageMode;
use twofactor_store::sys::clock;

/// Another login has begun the grace while a question stands open, which is then left empty.
fn begin_grace(stage: &mut StagedTransaction) {
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
    stage.answers = [Vec::new()].into();
}

/// The policy ends it, and the next question gets an answer.
fn end_grace(stage: &mut StagedTransaction, answer: &str) {
    begin_grace(stage);
    stage.set_policy(ON);
    stage.answers.push_back(answer.into());
}

/// A login of an address of its own, with grace. It gives no answer but those of `meanwhile`.
fn left_open(meanwhile: fn(&mut StagedTransaction)) -> (AuthResult, StagedTransaction) {
    let mut stage = StagedTransaction::new("enabled = true\ngrace = 3600\n");
    stage.rhost = Some(b"192.0.2.7".to_vec());
    stage.meanwhile = Some(meanwhile);
    (stage.run(&[]), stage)
}

#[test]
fn grace_that_begins_at_a_question_asks_no_more() {
    // A process that another test starts holds all locks until it runs its program: then the code is asked for.
    let mut logins = (0..20).map(|_| left_open(begin_grace));
    let (ended, stage) = logins
        .find(|(ended, _)| *ended != AuthResult::NoAnswer)
        .unwrap();
    assert_eq!(ended, AuthResult::NotAsked);
    let lines = stage.logged();
    assert!(lines.last().unwrap().1.contains("result=grace left="));
}

/// Nothing was typed by the policy that let no code be asked for: the code is asked for by the new one.
#[test]
fn grace_that_ends_with_its_policy_asks_the_code() {
    let right = |stage: &mut StagedTransaction| end_grace(stage, &code(1));
    let wrong = |stage: &mut StagedTransaction| end_grace(stage, "1");
    for (meanwhile, ending) in [
        (
            right as fn(&mut StagedTransaction),
            (AuthResult::Verified, "result=accepted"),
        ),
        (wrong, (AuthResult::NoAnswer, "result=aborted")),
    ] {
        let (ended, stage) = left_open(meanwhile);
        let lines = stage.logged();
        let last = &lines.last().unwrap().1;
        assert_eq!(ended, ending.0, "{lines:?}");
        assert!(last.contains(ending.1), "{lines:?}");
    }
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
