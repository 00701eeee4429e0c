//! Passwords that earlier modules asked for, and password and code in one field.

use super::stage::{NEWCOMER, QUESTION, StagedTransaction, WRONG, code};
use crate::auth_phase::wrong_password;
use crate::module_arguments::{FirstPass, PromptLayout};
use crate::return_codes::AuthResult;
use crate::ticket_claim::TicketClaim;
use crate::transaction::LogPriority;

const ON: &str = "enabled = true\n";
const BOTH: (&str, &str) = ("asks", "Password & verification code: ");
const PASSWORD: (&str, &str) = ("asks", "Password: ");

fn with(
    policy: &str,
    first_pass: FirstPass,
    layout: PromptLayout,
    password: Option<&str>,
) -> StagedTransaction {
    let mut stage = StagedTransaction::new(policy);
    stage.arguments.first_pass = first_pass;
    stage.arguments.layout = layout;
    stage.password = password.map(|it| it.as_bytes().to_vec());
    stage
}

#[test]
fn use_first_pass_asks_nothing_and_tries_once() {
    let code = code(0);
    let mut right = with(ON, FirstPass::Only, PromptLayout::Code, Some(&code));
    assert_eq!(right.run(&[]), AuthResult::Verified);
    assert!(right.said().is_empty());
    let mut wrong = with(ON, FirstPass::Only, PromptLayout::Code, Some("123456"));
    assert_eq!(wrong.run(&[&code]), AuthResult::Refused);
    assert_eq!(wrong.said(), [WRONG]);
    assert_eq!(wrong.state().failures, 1);
    let mut none = with(ON, FirstPass::Only, PromptLayout::Code, None);
    assert_eq!(none.run(&[&code]), AuthResult::Refused);
    assert!(none.said().is_empty());
    let line = "user=root rhost= result=no-first-pass".into();
    assert_eq!(none.line(), (LogPriority::Notice, line));
}

#[test]
fn try_first_pass_asks_unless_the_code_is_right() {
    let code = code(0);
    let mut first = with(ON, FirstPass::Try, PromptLayout::Code, Some(&code));
    assert_eq!(first.run(&[]), AuthResult::Verified);
    assert!(first.said().is_empty());
    let mut asked = with(ON, FirstPass::Try, PromptLayout::Code, Some("hunter2"));
    assert_eq!(asked.run(&[&code]), AuthResult::Verified);
    assert_eq!(asked.said(), [QUESTION]);
    let mut wrong = with(ON, FirstPass::Try, PromptLayout::Code, Some("123456"));
    assert_eq!(wrong.run(&[&code]), AuthResult::Verified);
    assert_eq!(wrong.said()[..2], [WRONG, QUESTION]);
}

#[test]
fn one_field_is_split_and_tells_nothing() {
    let both = format!("hunter2{}", code(0));
    let mut stage = with(
        "enabled = true\necho = true\n",
        FirstPass::Unused,
        PromptLayout::PasswordThenCode,
        None,
    );
    assert_eq!(stage.run(&["hunter2111111", &both]), AuthResult::Verified);
    assert_eq!(
        stage.said(),
        [BOTH, WRONG, BOTH],
        "hidden, and no word of the wrong code"
    );
    assert_eq!(stage.password.as_deref(), Some(&b"hunter2"[..]));
}

/// Text that only some users could read is told to no stranger.
#[test]
fn one_field_says_wrong_of_whatever_is_refused() {
    let used = format!("hunter2{}", code(0));
    let mut stage = with(ON, FirstPass::Unused, PromptLayout::PasswordThenCode, None);
    assert_eq!(stage.run(&[&used]), AuthResult::Verified);
    assert_eq!(stage.run(&[&used, "", "root"]), AuthResult::NoMoreTries);
    assert!(stage.said().iter().all(|said| [BOTH, WRONG].contains(said)));
}

#[test]
fn one_field_passes_whole_answers_where_no_code() {
    let off = "enabled = false\n";
    for (policy, user, question) in [(off, "root", PASSWORD), (ON, NEWCOMER, BOTH)] {
        let mut stage = with(
            policy,
            FirstPass::Unused,
            PromptLayout::PasswordThenCode,
            None,
        );
        stage.user = Some(user.into());
        assert_eq!(stage.run(&["hunter2"]), AuthResult::NotAsked);
        assert_eq!(stage.said(), [question]);
        assert_eq!(stage.password.as_deref(), Some(&b"hunter2"[..]));
        assert_eq!(stage.run(&[]), AuthResult::NoAnswer);
    }
    let mut code_only = StagedTransaction::new(off);
    assert_eq!(code_only.run(&[]), AuthResult::NotAsked);
}

#[test]
fn a_password_that_is_there_is_not_asked_for_again() {
    let off = "enabled = false\n";
    for (first_pass, password, asked) in [
        (FirstPass::Only, Some("hunter2"), false),
        (FirstPass::Only, None, false),
        (FirstPass::Try, Some("hunter2"), false),
        (FirstPass::Try, None, true),
        (FirstPass::Unused, Some("hunter2"), true),
    ] {
        let mut stage = with(off, first_pass, PromptLayout::PasswordThenCode, password);
        assert_eq!(stage.run(&["typed"]), AuthResult::NotAsked);
        assert_eq!(
            !stage.said().is_empty(),
            asked,
            "{first_pass:?} {password:?}"
        );
        let kept = if asked { Some("typed") } else { password };
        assert_eq!(stage.password.as_deref(), kept.map(str::as_bytes));
    }
}

#[test]
fn the_first_pass_is_always_split() {
    let both = format!("hunter2{}", code(0));
    for first_pass in [FirstPass::Only, FirstPass::Try] {
        let mut stage = with(ON, first_pass, PromptLayout::PasswordThenCode, Some(&both));
        assert_eq!(stage.run(&[]), AuthResult::Verified);
        assert_eq!(stage.password.as_deref(), Some(&b"hunter2"[..]));
    }
}

#[test]
fn the_password_as_code_ends_the_login_uncounted() {
    let mut stage = with(ON, FirstPass::Unused, PromptLayout::Code, Some("hunter2"));
    assert_eq!(stage.run(&["hunter2", &code(0)]), AuthResult::Refused);
    let again = "That was the password again. Log in once more, and type the code of your device when it is asked for.";
    assert_eq!(stage.said(), [QUESTION, ("complains", again)]);
    let (priority, line) = stage.line();
    assert_eq!(priority, LogPriority::Notice);
    assert!(
        line.contains("result=password-as-code hint=\"the password was given"),
        "{line}"
    );
    assert_eq!(stage.state().failures, 0);
    // An empty password is none.
    let mut empty = with(ON, FirstPass::Unused, PromptLayout::Code, Some(""));
    assert_eq!(empty.run(&["", &code(0)]), AuthResult::Verified);
    let mut other = with(ON, FirstPass::Unused, PromptLayout::Code, Some("hunter2"));
    assert_eq!(other.run(&[&code(0)]), AuthResult::Verified);
}

#[test]
fn a_repeated_answer_ends_the_login_uncounted() {
    let mut stage = with(ON, FirstPass::Unused, PromptLayout::PasswordThenCode, None);
    assert_eq!(stage.run(&["hunter2", "hunter2", "x"]), AuthResult::Refused);
    assert_eq!(stage.said(), [BOTH, WRONG, BOTH]);
    assert!(stage.logged()[1].1.ends_with("result=repeated-answer"));
    assert_eq!(stage.state().failures, 1);
    let mut stage = with(ON, FirstPass::Unused, PromptLayout::Code, None);
    assert_eq!(
        stage.run(&["1", "1", "1"]),
        AuthResult::NoMoreTries,
        "for codes alone it uses up the tries"
    );
    assert_eq!(stage.state().failures, 1);
}

#[test]
fn during_grace_the_last_code_is_cut_off() {
    let policy = "enabled = true\ngrace = 3600\n";
    for first_pass in [FirstPass::Unused, FirstPass::Try, FirstPass::Only] {
        let mut stage = with(policy, first_pass, PromptLayout::PasswordThenCode, None);
        stage.rhost = Some(b"192.0.2.7".to_vec());
        let mut sends = |answer: &str, ending: AuthResult| {
            stage.password = (first_pass != FirstPass::Unused).then(|| answer.as_bytes().to_vec());
            assert_eq!(stage.run(&[answer]), ending, "{answer}");
            String::from_utf8(stage.password.clone().unwrap()).unwrap()
        };
        let kept = format!("hunter2{}", code(0));
        assert_eq!(sends(&kept, AuthResult::Verified), "hunter2");
        assert_eq!(sends(&kept, AuthResult::NotAsked), "hunter2");
        assert_eq!(sends("hunter2", AuthResult::NotAsked), "hunter2");
        let other = format!("hunter2{}", code(1));
        assert_eq!(sends(&other, AuthResult::NotAsked), other);
    }
    // The password alone is what stands before a question for the code.
    let mut alone = with(
        policy,
        FirstPass::Unused,
        PromptLayout::Code,
        Some("hunter2"),
    );
    alone.rhost = Some(b"192.0.2.7".to_vec());
    assert_eq!(alone.run(&[&code(0)]), AuthResult::Verified);
    let password = format!("hunter2{}", code(0));
    alone.password = Some(password.clone().into_bytes());
    assert_eq!(alone.run(&[]), AuthResult::NotAsked);
    assert_eq!(alone.password, Some(password.into_bytes()));
}

#[test]
fn the_stand_in_of_sshd_ends_the_login_uncounted() {
    let stand_in = "\x08\n\r\x7fINCORRECT";
    for layout in [PromptLayout::Code, PromptLayout::PasswordThenCode] {
        let mut stage = with(ON, FirstPass::Unused, layout, None);
        assert_eq!(stage.run(&[stand_in, &code(0)]), AuthResult::Refused);
        assert!(stage.line().1.ends_with("result=sshd-stand-in"));
        assert_eq!(stage.state().failures, 0);
    }
}

/// It was made before the password was checked.
#[test]
fn in_one_field_the_mark_of_an_earlier_attempt_goes() {
    for (layout, stays) in [
        (PromptLayout::PasswordThenCode, false),
        (PromptLayout::Code, true),
    ] {
        let mut stage = with(ON, FirstPass::Unused, layout, None);
        stage.user = Some(NEWCOMER.into());
        stage.mark(NEWCOMER);
        assert_eq!(stage.run(&["hunter2"]), AuthResult::NotAsked);
        assert_eq!(stage.marked().is_some(), stays);
    }
}

#[test]
fn a_wrong_password_takes_back_mark_and_ticket() {
    let mut stage = with(ON, FirstPass::Unused, PromptLayout::PasswordThenCode, None);
    let user = NEWCOMER.into();
    stage.mark(NEWCOMER);
    stage.claimed = Some(TicketClaim { user, uid: 1 });
    assert_eq!(wrong_password::refuse(&mut stage), AuthResult::Refused);
    assert_eq!((stage.marked(), &stage.claimed), (None, &None));
}

/// The question for the password may stay open for long.
#[test]
fn a_policy_that_was_changed_meanwhile_is_not_used() {
    for policy in [
        "enabled = false\n",
        "enabled = true\n[services]\nlogin = false\n",
        "enabled = true\n[[exempt]]\nusers = [\"root\"]\n",
    ] {
        let layout = PromptLayout::PasswordThenCode;
        let mut stage = with(policy, FirstPass::Unused, layout, None);
        assert_eq!(stage.run(&["hunter2"]), AuthResult::NotAsked, "{policy}");
        stage.meanwhile = Some(|stage| stage.set_policy(ON));
        assert_eq!(stage.run(&["hunter2"]), AuthResult::Refused, "{policy}");
        let line = "user=root rhost= result=policy-changed".into();
        assert_eq!(stage.logged().last(), Some(&(LogPriority::Notice, line)));
    }
}

#[test]
fn grace_of_a_policy_that_was_changed_is_not_used() {
    let policy = "enabled = true\ngrace = 3600\n";
    let layout = PromptLayout::PasswordThenCode;
    let mut stage = with(policy, FirstPass::Unused, layout, None);
    stage.rhost = Some(b"192.0.2.7".to_vec());
    let kept = format!("hunter2{}", code(0));
    assert_eq!(stage.run(&[&kept]), AuthResult::Verified);
    assert_eq!(stage.run(&["hunter2"]), AuthResult::NotAsked);
    // The grace is as long as before.
    stage.meanwhile = Some(|stage| stage.set_policy("enabled = true\ngrace = 3600\ntries = 2\n"));
    assert_eq!(stage.run(&["hunter2"]), AuthResult::Refused);
    let line = "user=root rhost=192.0.2.7 result=policy-changed".into();
    assert_eq!(stage.line(), (LogPriority::Notice, line));
}
