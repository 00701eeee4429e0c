//! The users who are asked for a code, row by row, and the log and messages about it.

use std::fs;

use super::stage::{ENROLLED, NEWCOMER, QUESTION, StagedTransaction, code};
use crate::module_arguments::{LogDetail, PromptLayout};
use crate::return_codes::AuthResult;
use crate::transaction::{LogPriority, MessageMode};
use crate::unenrolled_mark::UnenrolledMark;

const ON: &str = "enabled = true\n";

fn about(rest: &str) -> String {
    format!("user={ENROLLED} rhost= {rest}")
}

fn about_newcomer(rest: &str) -> String {
    format!("user={NEWCOMER} rhost= {rest}")
}

#[test]
fn a_device_owner_is_asked_and_a_right_code_verifies() {
    let mut stage = StagedTransaction::new(ON);
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
    assert_eq!(stage.said(), [QUESTION]);
    let line = about("result=accepted device=token offset=0");
    assert_eq!(stage.line(), (LogPriority::Info, line));
    assert_eq!(stage.state().devices[0].next, 1);
}

#[test]
fn switched_off_logins_are_logged_with_debug_only() {
    let off = "enabled = true\n[services]\nlogin = false\n";
    for (policy, result) in [
        ("enabled = false", "result=disabled"),
        (off, "result=service-off"),
    ] {
        let mut stage = StagedTransaction::new(policy);
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
        assert!(stage.said().is_empty() && stage.logged().is_empty());
        stage.arguments.detail = LogDetail::Debug;
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
        assert_eq!(stage.line(), (LogPriority::Debug, about(result)));
    }
}

#[test]
fn an_exemption_is_logged_with_its_number() {
    let policy = "enabled = true\n[[exempt]]\nusers = [\"x\"]\n[[exempt]]\nusers = [\"root\"]\n";
    let mut stage = StagedTransaction::new(policy);
    assert_eq!(stage.run(&[]), AuthResult::NotAsked);
    let line = about("result=exempt entry=2");
    assert_eq!(stage.line(), (LogPriority::Info, line));
}

#[test]
fn groups_exempt_their_members_only() {
    let policy = "enabled = true\n[[exempt]]\ngroups = [\"root\"]\n";
    assert_eq!(
        StagedTransaction::new(policy).run(&[]),
        AuthResult::NotAsked
    );
    let policy = "enabled = true\n[[exempt]]\ngroups = [\"daemon\"]\n";
    assert_eq!(
        StagedTransaction::new(policy).run(&[&code(0)]),
        AuthResult::Verified
    );
}

#[test]
fn addresses_exempt_by_what_the_application_says() {
    let policy = "enabled = true\n[[exempt]]\nnetworks = [\"192.0.2.0/24\"]\n";
    let mut stage = StagedTransaction::new(policy);
    stage.rhost = Some(b"192.0.2.7".to_vec());
    assert_eq!(stage.run(&[]), AuthResult::NotAsked);
    stage.rhost = Some(b"198.51.100.7".to_vec());
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
    stage.rhost = None;
    assert_eq!(stage.run(&[&code(1)]), AuthResult::Verified);
}

#[test]
fn a_service_without_a_name_follows_the_default() {
    let mut stage =
        StagedTransaction::new("enabled = true\n[services]\ndefault = false\nlogin = true\n");
    for service in [None, Some(b"\xff".to_vec())] {
        stage.service = service;
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
    }
    stage.service = Some(b"login".to_vec());
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
}

#[test]
fn the_unenrolled_are_not_asked_where_optional() {
    let mut stage = StagedTransaction::of(NEWCOMER, ON);
    assert_eq!(stage.run(&[]), AuthResult::NotAsked);
    assert!(stage.said().is_empty() && stage.marks.is_empty());
    let line = about_newcomer("result=unenrolled");
    assert_eq!(stage.line(), (LogPriority::Info, line));
}

#[test]
fn the_unenrolled_are_refused_if_mandatory() {
    let mut stage =
        StagedTransaction::of(NEWCOMER, "enabled = true\nenforcement = \"mandatory\"\n");
    assert_eq!(stage.run(&[]), AuthResult::Refused);
    let [(how, text)] = stage.said()[..] else {
        panic!("{:?}", stage.said());
    };
    assert_eq!(how, "complains");
    let text = text.to_owned();
    assert_eq!(text, crate::login_text::DEVICE_REQUIRED);
    let line = about_newcomer("result=device-required");
    assert_eq!(stage.line(), (LogPriority::Notice, line));
    stage.messages = MessageMode::Unwanted;
    assert_eq!(stage.run(&[]), AuthResult::Refused);
    let question = format!("{text}\nPress Enter to go on: ");
    assert_eq!(stage.said(), [("asks", question.as_str())]);
}

#[test]
fn users_who_may_enroll_are_marked_for_later() {
    for at_login in ["offer", "require"] {
        let policy = format!("enabled = true\nenroll_at_login = \"{at_login}\"\n");
        let mut stage = StagedTransaction::of(NEWCOMER, &policy);
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
        assert_eq!(stage.marked(), Some(NEWCOMER));
        assert!(stage.delays.is_empty());
    }
}

#[test]
fn an_unknown_name_is_refused_where_mandatory() {
    let policy = "enabled = true\nenroll_at_login = \"require\"\n[throttle]\ndelay = 7\n";
    let mut stage = StagedTransaction::of("no-user-of-that-name", policy);
    assert_eq!(stage.run(&[]), AuthResult::Refused);
    assert_eq!((stage.marked(), stage.delays.clone()), (None, vec![7]));
    let line = "user=no-user-of-that-name rhost= result=device-required".into();
    assert_eq!(stage.line(), (LogPriority::Notice, line));
    let mut offered = StagedTransaction::of(
        "no-user-of-that-name",
        "enabled = true\nenroll_at_login = \"offer\"\n",
    );
    assert_eq!(offered.run(&[]), AuthResult::NotAsked);
    assert_eq!(offered.marked(), None);
}

#[test]
fn a_name_that_is_no_text_belongs_to_no_user() {
    let mut stage = StagedTransaction::new(ON);
    stage.user = Some(b"\xff\xfe".to_vec());
    assert_eq!(stage.run(&[]), AuthResult::NotAsked);
}

#[test]
fn a_record_without_an_account_is_an_error() {
    let mut stage = StagedTransaction::of("no-user-of-that-name", ON);
    let users = stage.scratch.top().join("users");
    let record = fs::read_to_string(users.join("root.toml")).unwrap();
    let orphan = record.replace("user = \"root\"", "user = \"no-user-of-that-name\"");
    let path = users.join("no-user-of-that-name.toml");
    fs::copy(users.join("root.toml"), &path).unwrap();
    fs::write(&path, orphan).unwrap();
    assert_eq!(stage.run(&[]), AuthResult::Unavailable);
    let (priority, line) = stage.line();
    assert_eq!(priority, LogPriority::Error);
    assert!(
        line.contains("there is a record (uid 0) but no such account"),
        "{line}"
    );
}

#[test]
fn without_a_policy_no_user_is_let_through() {
    let mut stage = StagedTransaction::new("enabled = maybe");
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Unavailable);
    fs::remove_file(&stage.arguments.policy).unwrap();
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Unavailable);
    let (priority, line) = stage.line();
    assert_eq!(priority, LogPriority::Error);
    assert!(line.starts_with(&about("result=error error=\"")), "{line}");
    assert!(
        line.ends_with("hint=\"twofactor doctor says what to do\""),
        "{line}"
    );
}

#[test]
fn an_application_that_names_no_user_gets_no_verdict() {
    let mut stage = StagedTransaction::new(ON);
    stage.user = None;
    assert_eq!(stage.run(&[]), AuthResult::NoAnswer);
    assert_eq!(stage.line(), (LogPriority::Notice, "result=aborted".into()));
}

#[test]
fn a_mark_is_kept_for_the_same_account_only() {
    let mut stage = StagedTransaction::of(NEWCOMER, ON);
    for (marked, kept) in [(NEWCOMER, Some(NEWCOMER)), (ENROLLED, None)] {
        stage.mark(marked);
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
        assert_eq!(stage.marked(), kept);
    }
    // A user who has given a code has a device.
    stage.user = Some(ENROLLED.into());
    stage.mark(ENROLLED);
    assert_eq!(stage.run(&[&code(0)]), AuthResult::Verified);
    assert_eq!(stage.marked(), None);
}

/// A user who must enroll by one line is let in by no line that finds a device elsewhere, or that cannot tell who the user is.
#[test]
fn a_mark_of_another_line_stays() {
    let foreign = |stage: &StagedTransaction, what: &str| {
        let mut arguments = stage.arguments.clone();
        match what {
            "policy" => arguments.policy = "/etc/other.toml".into(),
            _ => arguments.state = "/srv/other".into(),
        }
        UnenrolledMark::new(&arguments, ENROLLED)
    };
    for what in ["policy", "state"] {
        for (layout, answer) in [
            (PromptLayout::Code, code(0)),
            (
                PromptLayout::PasswordThenCode,
                format!("hunter2{}", code(0)),
            ),
        ] {
            let mut stage = StagedTransaction::new(ON);
            stage.arguments.layout = layout;
            let foreign = foreign(&stage, what);
            let own = UnenrolledMark::new(&stage.arguments, ENROLLED);
            stage.marks = vec![foreign.clone(), own];
            assert_eq!(stage.run(&[&answer]), AuthResult::Verified, "{what}");
            // A device in the directory of both is what another policy may have asked for.
            let kept = if what == "state" {
                vec![foreign]
            } else {
                Vec::new()
            };
            assert_eq!(stage.marks, kept, "{what}");
        }
    }
    let mut unknown = StagedTransaction::of("no-user-of-that-name", ON);
    unknown.mark(ENROLLED);
    assert_eq!(unknown.run(&[]), AuthResult::NotAsked);
    assert_eq!(unknown.marked(), Some(ENROLLED));
}

#[test]
fn a_line_that_marks_leaves_the_marks_of_others() {
    let mut stage =
        StagedTransaction::of(NEWCOMER, "enabled = true\nenroll_at_login = \"offer\"\n");
    let mut other = stage.arguments.clone();
    other.policy = "/etc/other.toml".into();
    let foreign = UnenrolledMark::new(&other, NEWCOMER);
    let own = UnenrolledMark::new(&stage.arguments, NEWCOMER);
    stage.marks = vec![own.clone(), foreign.clone()];
    assert_eq!(stage.run(&[]), AuthResult::NotAsked);
    assert_eq!(stage.marks, [foreign, own]);
}

#[test]
fn an_exemption_of_a_name_without_an_account_is_told() {
    let name = "no-user-of-that-name";
    for (exempt, is_told) in [(name, true), ("another-such-name", false)] {
        let policy = format!("{ON}[[exempt]]\nusers = [\"{exempt}\"]\n");
        let mut stage = StagedTransaction::of(name, &policy);
        assert_eq!(stage.run(&[]), AuthResult::NotAsked);
        let lines = stage.logged();
        let told = lines.iter().any(|(priority, line)| {
            *priority == LogPriority::Warning
                && line.contains("result=unusable-user error=\"no account has that name\"")
        });
        assert_eq!(told, is_told, "{lines:?}");
    }
}
