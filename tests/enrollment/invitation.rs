//! With `enroll_needs_invite` a stolen password is not enough to enroll.

use harness::Machine;
use harness::logins::{ASK_PASSWORD, GO_ON, logged, policy, told};
use serde_json::Value;

use crate::app::{ANOTHER, CODE, CODE_OR_SKIP, INVITATION, INVITATION_OR_SKIP, Person};
use crate::sshd::{devices, machine_with, questions, runs};

/// Path of the record.
pub(super) const RECORD: &str = "/var/lib/twofactor/users/alice.toml";

pub(super) const OFFER: &str = "enroll_at_login = \"offer\"\nenroll_needs_invite = true";

pub(super) const REQUIRE: &str = "enroll_at_login = \"require\"\nenroll_needs_invite = true";

/// Invites alice, in place of an earlier invitation; withdraws it with `--for 0`.
pub(super) fn invite(machine: &Machine, arguments: &[&str]) -> Value {
    let replace: &[&str] = if arguments.contains(&"0") {
        &[]
    } else {
        &["--replace"]
    };
    let run = machine.command(&[&["invite", "alice", "--json"], replace, arguments].concat());
    serde_json::from_str(&run.ok().stdout).unwrap()
}

pub(super) fn code(report: &Value) -> String {
    report["code"].as_str().unwrap().to_owned()
}

#[test]
fn without_an_invitation_enrollment_is_not_offered() {
    let machine = machine_with(OFFER);
    let sshd = machine.sshd("");
    let session = runs(sshd.login("alice"), &mut Person::new(&[]));
    assert!(
        session.is_in() && session.prompts == [ASK_PASSWORD],
        "{session:?}"
    );
    policy(&machine, REQUIRE, "");
    let session = runs(sshd.login("alice"), &mut Person::new(&[]));
    assert!(
        !session.is_in() && session.prompts[0] == ASK_PASSWORD,
        "{session:?}"
    );
    let what = "Two-factor login is required here, and to set it up you need an enrollment code.\n\
                Ask your administrator for one.";
    assert_eq!(session.prompts[1..], [told(what)]);
    assert_eq!(
        logged(&machine, "sshd:account"),
        [
            "user=alice rhost=127.0.0.1 result=not-invited invitation=none",
            "user=alice rhost=127.0.0.1 result=enrolment-required invitation=none"
        ]
    );
    assert_eq!(devices(&machine, "alice"), 0);
}

#[test]
fn an_invitation_is_good_for_one_enrollment() {
    let machine = machine_with(REQUIRE);
    let report = invite(&machine, &[]);
    assert_eq!(report["asked_for"], true);
    let invitation = code(&report);
    let sshd = machine.sshd("");
    let typed = [
        (INVITATION, "wrong"),
        (INVITATION, &invitation),
        (ANOTHER, ""),
    ];
    let mut person = Person::new(&typed);
    let session = runs(sshd.login("alice"), &mut person);
    assert!(session.is_in(), "{session:?}");
    assert_eq!(
        questions(&session),
        [ASK_PASSWORD, INVITATION, INVITATION, CODE, ANOTHER]
    );
    assert_eq!(
        logged(&machine, "sshd:account"),
        [
            "user=alice rhost=127.0.0.1 result=invite-wrong",
            "user=alice rhost=127.0.0.1 result=enrolled device=phone"
        ]
    );
    let run = machine
        .command(&["unset", "alice", "--yes", "--force"])
        .ok();
    assert!(
        run.stdout
            .contains("alice is refused wherever a code is asked for, until invited"),
        "{run:?}"
    );
    let session = runs(sshd.login("alice"), &mut Person::new(&[]));
    assert!(
        !session.is_in() && questions(&session) == [ASK_PASSWORD, GO_ON],
        "{session:?}"
    );
}

#[test]
fn an_aborted_enrollment_can_begin_again() {
    let machine = machine_with(OFFER);
    let invitation = code(&invite(&machine, &[]));
    let sshd = machine.sshd("");
    let skips = [
        (INVITATION_OR_SKIP, invitation.as_str()),
        (CODE_OR_SKIP, ""),
    ];
    assert!(runs(sshd.login("alice"), &mut Person::new(&skips)).is_in());
    assert_eq!(devices(&machine, "alice"), 0);
    let enrolls = [(INVITATION_OR_SKIP, invitation.as_str()), (ANOTHER, "")];
    assert!(runs(sshd.login("alice"), &mut Person::new(&enrolls)).is_in());
    assert_eq!(devices(&machine, "alice"), 1);
}

#[test]
fn expired_and_withdrawn_invitations_are_none() {
    let machine = machine_with(REQUIRE);
    let sshd = machine.sshd("");
    invite(&machine, &["--for", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let session = runs(sshd.login("alice"), &mut Person::new(&[]));
    assert!(
        !session.is_in() && session.prompts[0] == ASK_PASSWORD,
        "{session:?}"
    );
    let what = "Two-factor login is required here, and your enrollment code for setting it up\n\
                has expired. Ask your administrator for a new one.";
    assert_eq!(session.prompts[1..], [told(what)]);
    // If it may be skipped, nothing is asked either, and the session says how to go on.
    policy(&machine, OFFER, "");
    let session = runs(sshd.login("alice").shell(), &mut Person::new(&[]));
    assert!(
        session.code == Some(0) && session.prompts == [ASK_PASSWORD],
        "{session:?}"
    );
    assert!(
        session
            .stdout
            .contains("ask your\nadministrator for an enrollment code"),
        "{session:?}"
    );
    assert_eq!(
        logged(&machine, "sshd:account"),
        [
            "user=alice rhost=127.0.0.1 result=enrolment-required invitation=expired",
            "user=alice rhost=127.0.0.1 result=not-invited invitation=expired"
        ]
    );
    policy(&machine, REQUIRE, "");
    invite(&machine, &[]);
    assert_eq!(invite(&machine, &["--for", "0"])["code"], Value::Null);
    let run = machine.command(&["invite", "alice", "--for", "0"]);
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (Some(1), "twofactor: alice has no invitation\n")
    );
    let session = runs(sshd.login("alice"), &mut Person::new(&[]));
    assert!(
        !session.is_in() && questions(&session) == [ASK_PASSWORD, GO_ON],
        "{session:?}"
    );
}

#[test]
fn guesses_are_counted_and_locked_out_like_codes() {
    let machine = machine_with(REQUIRE);
    let invitation = code(&invite(&machine, &[]));
    policy(&machine, &format!("{REQUIRE}\ntries = 10"), "");
    let sshd = machine.sshd("");
    let mut guesses = vec![(INVITATION, "AAAA-AAAA-AAAA-AAAA"); 5];
    guesses.push((INVITATION, &invitation));
    let session = runs(sshd.login("alice"), &mut Person::new(&guesses));
    assert!(!session.is_in(), "{session:?}");
    // After the fifth there is no sixth question for it, but one that says so.
    assert_eq!(session.prompts.len(), 7);
    let end = &session.prompts[6];
    assert!(end.contains("\nToo many wrong codes. "), "{end}");
    let status: Value =
        serde_json::from_str(&machine.command(&["status", "alice", "--json"]).ok().stdout).unwrap();
    assert_eq!(status["users"][0]["failures"], 5);
    assert_eq!(status["users"][0]["locked"], true);
    assert!(status["users"][0]["invited_until"].is_string());
    let session = runs(
        sshd.login("alice"),
        &mut Person::new(&[(INVITATION, &invitation)]),
    );
    assert!(
        !session.is_in() && questions(&session) == [ASK_PASSWORD, GO_ON],
        "{session:?}"
    );
    machine.command(&["unlock", "alice"]).ok();
    let mut person = Person::new(&[(INVITATION, &invitation), (ANOTHER, "")]);
    assert!(runs(sshd.login("alice"), &mut person).is_in());
}

#[test]
fn an_invitation_opens_no_login() {
    let machine = machine_with(OFFER);
    let invitation = code(&invite(&machine, &[]));
    // It is no device: the login needs the password alone, and nothing looks enrolled.
    let sshd = machine.sshd("");
    let session = runs(
        sshd.login("alice"),
        &mut Person::new(&[(INVITATION_OR_SKIP, "")]),
    );
    assert!(session.is_in(), "{session:?}");
    for command in [
        &["show", "alice"][..],
        &["bypass", "alice"],
        &["recovery-codes", "alice"],
        &["renew", "alice"],
    ] {
        let run = machine.command(command);
        assert_eq!(
            (run.code, run.stderr.contains("alice has no device")),
            (Some(1), true),
            "{command:?} {run:?}"
        );
    }
    let phone = harness::logins::enroll(&machine, "alice", &[]);
    let run = machine.command(&["invite", "alice"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("alice already has a device"), "{run:?}");
    let session = sshd
        .login("alice")
        .answers(&[harness::PASSWORD, &invitation, &phone.code()])
        .run();
    assert_eq!(session.prompts.len(), 3, "{session:?}");
    assert!(session.is_in());
}

#[test]
fn the_command_says_what_to_do_with_the_code() {
    let machine = machine_with("");
    let run = machine.command(&["invite", "alice"]).ok();
    assert!(
        run.stdout.starts_with("Enrollment code of alice: "),
        "{run:?}"
    );
    assert!(run.stdout.contains("within 1 day (until "), "{run:?}");
    assert!(
        run.stdout
            .contains("twofactor policy set enroll_needs_invite true"),
        "{run:?}"
    );
    let status = machine.command(&["status", "alice"]).ok().stdout;
    assert!(status.contains("invited to enroll until "), "{status}");
    let run = machine.command(&["unset", "alice", "--yes"]).ok();
    assert_eq!(run.stdout, "Removed: the invitation of alice.\n");
    let run = machine.command(&["invite", "no-such-user"]);
    assert_eq!(run.code, Some(1));
}

#[test]
fn the_preview_separates_refused_from_invited() {
    let machine = machine_with("");
    for user in ["bob", "carol"] {
        machine.add_user(user);
    }
    machine.command(&["invite", "bob", "--json"]).ok();
    machine
        .command(&["invite", "carol", "--json", "--for", "1s"])
        .ok();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    policy(&machine, "enroll_needs_invite = true", "");
    let set = [
        "policy",
        "set",
        "enroll_at_login",
        "require",
        "--force",
        "--yes",
        "--json",
    ];
    let report: Value = serde_json::from_str(&machine.command(&set).ok().stdout).unwrap();
    let refused = report["refused"].as_array().unwrap();
    assert_eq!(report["must_enroll"], serde_json::json!(["bob"]));
    assert!(
        ["alice", "carol"]
            .iter()
            .all(|user| refused.contains(&Value::from(*user))),
        "{report}"
    );
}
