//! The account phase through libpam: one exact return code for each end, and what is shown where messages fail.

use harness::pam::{Drive, PamOutcome, code};

use crate::app::{ANOTHER, BEGIN, CODE, CODE_OF_LAST_KEY, CODE_OR_SKIP, DOES_NOT_SCAN, OFFER};
use harness::enrolled::{
    IGNORED, SERVICE, add_account, add_stack, logged, login, machine, run, said,
};

pub const OFFERED: &str = "enabled = true\nenroll_at_login = \"offer\"\n";
pub const REQUIRED: &str = "enabled = true\nenroll_at_login = \"require\"\n";

pub fn enrolls(user: &str) -> Drive {
    login(user).phases("auth,acct")
}

/// Questions, without the text that is shown before them.
fn asked(outcome: &PamOutcome) -> Vec<&str> {
    let last = |prompt: &'_ str| prompt.rfind('\n').map_or(0, |end| end + 1);
    let prompts = outcome.prompts.iter();
    let question = |prompt: &'_ String| last(prompt);
    prompts
        .map(|prompt| prompt[question(prompt)..].trim_start_matches(DOES_NOT_SCAN))
        .collect()
}

#[test]
fn every_end_has_its_code() {
    let skipped = "user=bob rhost= result=enrolment-skipped";
    let refused = "user=bob rhost= result=enrolment-required";
    for (policy, answers, acct, log) in [
        (OFFERED, &[""][..], IGNORED, skipped),
        (OFFERED, &["yes", ""], IGNORED, skipped),
        (REQUIRED, &["", ""], code::PERM_DENIED, refused),
    ] {
        let machine = machine(policy);
        add_account(&machine, "bob");
        let drive = answers
            .iter()
            .fold(enrolls("bob"), |drive, answer| drive.answer(answer));
        let outcome = run(drive);
        assert_eq!(
            (outcome.auth, outcome.acct),
            (IGNORED, acct),
            "{policy}{answers:?}"
        );
        assert_eq!(outcome.prompts.len(), answers.len());
        assert_eq!(
            logged(&machine),
            [
                "user=bob rhost= result=unenrolled".to_owned(),
                log.to_owned()
            ]
        );
    }
    for policy in [OFFERED, REQUIRED] {
        let machine = machine(policy);
        add_account(&machine, "bob");
        let drive = enrolls("bob")
            .answer("yes")
            .answer_shell(CODE_OF_LAST_KEY)
            .answer("");
        let outcome = run(drive);
        assert_eq!(
            (outcome.auth, outcome.acct),
            (IGNORED, IGNORED),
            "{outcome:?}"
        );
        assert_eq!(
            logged(&machine)[1],
            "user=bob rhost= result=enrolled device=phone"
        );
        // From now on a code is asked for.
        let outcome = run(login("bob"));
        assert_eq!(outcome.auth, code::CONV_ERR);
    }
}

#[test]
fn a_client_that_cannot_answer_has_skipped() {
    for (policy, acct) in [(OFFERED, IGNORED), (REQUIRED, code::PERM_DENIED)] {
        let machine = machine(policy);
        add_account(&machine, "bob");
        for drive in [
            enrolls("bob"),
            enrolls("bob").answer_error(),
            enrolls("bob").answer_null(),
            enrolls("bob").answer_null_array(),
            enrolls("bob").text_error().answer_error(),
        ] {
            let outcome = run(drive);
            assert_eq!((outcome.auth, outcome.acct), (IGNORED, acct), "{outcome:?}");
            assert_eq!(outcome.prompts.len(), 1);
            let shown: String = said(&outcome).into_iter().map(|(_, text)| text).collect();
            assert!(
                !shown.contains("Key: ") && !shown.contains("otpauth"),
                "{shown}"
            );
        }
        // Texts may fail as long as questions are answered.
        let drive = enrolls("bob").text_error().answer("yes").answer("");
        assert_eq!(run(drive).acct, acct);
    }
}

#[test]
fn with_pam_silent_the_questions_say_everything() {
    let machine = machine(REQUIRED);
    add_account(&machine, "bob");
    let drive = enrolls("bob")
        .silent()
        .answer("")
        .answer_shell(CODE_OF_LAST_KEY);
    let outcome = run(drive.answer(""));
    assert_eq!(outcome.acct, IGNORED);
    let styles: Vec<_> = said(&outcome).into_iter().map(|(style, _)| style).collect();
    assert_eq!(
        styles, ["echo_on"; 3],
        "no messages, with PAM_SILENT or without"
    );
    for (prompt, (says, asks)) in outcome.prompts.iter().zip([
        ("\nTwo-factor login is required here", BEGIN),
        ("\nURI: otpauth://totp/", CODE),
        ("\nDone. ", ANOTHER),
    ]) {
        assert!(
            prompt.starts_with(says)
                && prompt
                    .replace(DOES_NOT_SCAN, "")
                    .ends_with(&format!("\n{asks}")),
            "{prompt}"
        );
    }
}

#[test]
fn an_unknown_name_is_refused_silently() {
    let machine = machine(REQUIRED);
    let outcome = run(enrolls("no-such-user"));
    assert_eq!((outcome.auth, outcome.acct), (code::AUTH_ERR, IGNORED));
    assert_eq!(said(&outcome), []);
    machine.policy(OFFERED);
    let outcome = run(enrolls("no-such-user"));
    assert_eq!((outcome.auth, outcome.acct), (IGNORED, IGNORED));
    assert_eq!(said(&outcome), []);
}

#[test]
fn bad_arguments_refuse_users_who_must_enroll_only() {
    let machine = machine(REQUIRED);
    add_account(&machine, "bob");
    let stack = machine.read(format!("/etc/pam.d/{SERVICE}"));
    let broken = stack.replace(
        "account [success=done ignore=ignore default=die] pam_twofactor.so ",
        "account [success=done ignore=ignore default=die] pam_twofactor.so nonsense ",
    );
    assert_ne!(broken, stack);
    machine.stack(SERVICE, &broken);
    let outcome = run(enrolls("bob"));
    assert_eq!((outcome.auth, outcome.acct), (IGNORED, code::PERM_DENIED));
    assert_eq!(run(login("bob").phases("acct")).acct, IGNORED);
}

#[test]
fn one_field_forwards_the_password_before_enrollment() {
    let machine = machine(OFFERED);
    add_account(&machine, "bob");
    add_stack(&machine, SERVICE, "forward_pass");
    let outcome = run(enrolls("bob").answer("the password").answer(""));
    assert_eq!((outcome.auth, outcome.acct), (IGNORED, IGNORED));
    assert_eq!(asked(&outcome), ["Password & verification code: ", OFFER]);
}

#[test]
fn a_uniform_prompt_comes_before_enrollment() {
    let machine = machine(&format!("{OFFERED}uniform_prompt = true\n"));
    add_account(&machine, "bob");
    let outcome = run(enrolls("bob").answer("123456").answer("yes").answer(""));
    assert_eq!((outcome.auth, outcome.acct), (IGNORED, IGNORED));
    assert_eq!(
        asked(&outcome),
        ["Verification code: ", OFFER, CODE_OR_SKIP]
    );
}

/// The application, or another module, puts another user in the place while a question is open.
#[test]
fn another_user_during_the_dialogue_gets_no_device() {
    for policy in [OFFERED, REQUIRED] {
        let machine = machine(policy);
        add_account(&machine, "bob");
        add_account(&machine, "carol");
        let first = enrolls("bob")
            .answer_as("carol", "yes")
            .answer_shell(CODE_OF_LAST_KEY);
        let second = enrolls("bob")
            .answer("yes")
            .answer_shell(CODE_OF_LAST_KEY)
            .answer_as("carol", "yes")
            .answer_shell(CODE_OF_LAST_KEY);
        for (drive, stored) in [(first, 0), (second, 1)] {
            let outcome = run(drive);
            assert_eq!((outcome.auth, outcome.acct), (IGNORED, code::PERM_DENIED));
            assert!(logged(&machine).contains(&"user=bob rhost= result=another-user".to_owned()));
            let record = std::fs::read_to_string(harness::enrolled::record_path("bob"));
            let devices = record.map_or(0, |text| text.matches("[[device]]").count());
            assert_eq!(devices, stored);
            assert!(!harness::enrolled::record_path("carol").exists());
        }
    }
}

/// At each question of an offer, and at that for a second device.
#[test]
fn another_user_is_refused_after_skipping() {
    let machine = machine(OFFERED);
    add_account(&machine, "bob");
    add_account(&machine, "carol");
    let yes = || enrolls("bob").answer("yes");
    let first = yes().answer_shell(CODE_OF_LAST_KEY);
    for drive in [
        enrolls("bob").answer_as("carol", "skip"),
        yes().answer_as("carol", ""),
        first.answer_as("carol", ""),
    ] {
        let outcome = run(drive);
        assert_eq!((outcome.auth, outcome.acct), (IGNORED, code::PERM_DENIED));
        let lines = logged(&machine);
        let last = "user=bob rhost= result=another-user";
        assert_eq!(lines.last().map(String::as_str), Some(last));
    }
    assert!(harness::enrolled::record_path("bob").exists());
    assert!(!harness::enrolled::record_path("carol").exists());
}

/// A device that was offered and cannot be stored is no reason to refuse: unless one is there, or required, by now.
#[test]
fn what_was_offered_and_cannot_be_stored_lets_in() {
    let enforced = "enabled = true\nenforcement = \"mandatory\"\n";
    let failed = "result=enrolment-failed error=\"/var/lib/twofactor/users/bob.toml: link";
    for (first, by_then, acct, result) in [
        (OFFERED, OFFERED, IGNORED, failed),
        (
            OFFERED,
            REQUIRED,
            code::PERM_DENIED,
            "result=enrolment-required",
        ),
        (
            OFFERED,
            enforced,
            code::PERM_DENIED,
            "result=enrolment-withdrawn",
        ),
        (OFFERED, "no policy", code::PERM_DENIED, "result=error"),
        (REQUIRED, REQUIRED, code::PERM_DENIED, "result=error"),
    ] {
        let machine = machine(first);
        add_account(&machine, "bob");
        machine.write_file("/run/by-then", by_then, 0o644);
        let meanwhile = format!("cp /run/by-then /etc/security/twofactor.toml; {CODE_OF_LAST_KEY}");
        let strace = [
            "strace",
            "-qq",
            "-o",
            "/dev/null",
            "--inject=linkat:error=EIO:when=2+",
        ];
        let drive = enrolls("bob").answer("yes").answer_shell(&meanwhile);
        let outcome = run(drive.through(&strace));
        assert_eq!((outcome.auth, outcome.acct), (IGNORED, acct), "{by_then}");
        let told = said(&outcome).iter().any(|(style, text)| {
            *style == "info"
                && text.contains("error on this machine. You are logged in without it.")
        });
        assert_eq!(told, acct == IGNORED, "{by_then}");
        let lines = logged(&machine);
        assert!(lines[1].contains(result), "{lines:?}");
        assert!(!harness::enrolled::record_path("bob").exists());
        assert!(!harness::enrolled::state_path("bob").exists());
    }
}
