//! Invitations that change or end while a user types the code, or after it was accepted.

use harness::logins::logged;
use harness::{Machine, Session};

use super::invitation::{OFFER, RECORD, REQUIRE, code, invite};
use crate::app::{ANOTHER, CODE, INVITATION, INVITATION_OR_SKIP, Person};
use crate::sshd::{devices, machine_with};

/// A login during which the invitation changes: `changes` runs before the question for it is answered the first time, and
/// yields what is typed then.
fn while_typed(machine: &Machine, changes: impl FnOnce() -> String) -> Session {
    let sshd = machine.sshd("");
    let mut person = Person::new(&[(ANOTHER, "")]);
    let mut changes = Some(changes);
    let asks = |asked: &str| asked.ends_with(INVITATION) || asked.ends_with(INVITATION_OR_SKIP);
    sshd.login("alice")
        .answer_with(|asked| match changes.take_if(|_| asks(asked)) {
            Some(changes) => changes().into(),
            None => person.types(asked),
        })
        .run()
}

#[test]
fn a_replaced_invitation_counts_as_the_new_one() {
    let machine = machine_with(REQUIRE);
    let old = code(&invite(&machine, &[]));
    let session = while_typed(&machine, || {
        invite(&machine, &[]);
        old
    });
    assert!(
        !session.is_in() && session.prompts[2].contains("Wrong code."),
        "{session:?}"
    );
    assert_eq!(devices(&machine, "alice"), 0);
    let session = while_typed(&machine, || code(&invite(&machine, &[])));
    assert!(session.is_in(), "{session:?}");
    assert_eq!(devices(&machine, "alice"), 1);
}

#[test]
fn an_invitation_that_ends_during_typing_is_named() {
    for (keys, is_in, result) in [
        (OFFER, true, "not-invited"),
        (REQUIRE, false, "enrolment-required"),
    ] {
        for (withdraw, word, told) in [
            (&["--for", "0"][..], "none", "enrollment code"),
            (
                &["--for", "1s"],
                "expired",
                "expired. Ask your administrator for a new one",
            ),
        ] {
            let machine = machine_with(keys);
            invite(&machine, &[]);
            let session = while_typed(&machine, || {
                let new = invite(&machine, withdraw)["code"]
                    .as_str()
                    .map(str::to_owned);
                std::thread::sleep(std::time::Duration::from_millis(1100));
                new.unwrap_or_else(|| "AAAA-AAAA-AAAA-AAAA".to_owned())
            });
            assert_eq!(session.is_in(), is_in, "{session:?}");
            assert!(last_words(&session).contains(told), "{session:?}");
            assert_eq!(
                logged(&machine, "sshd:account"),
                [format!(
                    "user=alice rhost=127.0.0.1 result={result} invitation={word}"
                )]
            );
        }
    }
}

/// The last text to the user, on one line: in a session, or in the question at the end of a refused login.
fn last_words(session: &Session) -> String {
    let question = session.prompts.last().unwrap();
    (session.stdout.clone() + &session.stderr + question).replace('\n', " ")
}

/// A login whose invitation is changed after it was accepted, when the first code of the new device is asked for.
fn accepted_and_changed(machine: &Machine, change: impl Fn()) -> Session {
    let invitation = code(&invite(machine, &[]));
    let sshd = machine.sshd("");
    let mut person = Person::new(&[(INVITATION, invitation.as_str())]);
    let session = sshd
        .login("alice")
        .answer_with(|asked| {
            if asked.ends_with(CODE) {
                change();
            }
            person.types(asked)
        })
        .run();
    assert!(!session.is_in(), "{session:?}");
    assert_eq!(
        logged(machine, "sshd:account"),
        ["user=alice rhost=127.0.0.1 result=enrolment-withdrawn changed=invitation"]
    );
    assert_eq!(devices(machine, "alice"), 0);
    session
}

#[test]
fn an_accepted_invitation_can_be_withdrawn() {
    let machine = machine_with(REQUIRE);
    let session = accepted_and_changed(&machine, || {
        invite(&machine, &[]);
    });
    let told = "Remove the new entry from the app, and ask your administrator for a new code.";
    assert!(last_words(&session).contains(told), "{session:?}");
}

#[test]
fn an_invitation_that_expires_then_stores_nothing() {
    let machine = machine_with(REQUIRE);
    let session = accepted_and_changed(&machine, || {
        let record = machine.read(RECORD);
        let (before, expires) = record.split_once("expires = ").unwrap();
        let rest = expires.split_once('\n').unwrap().1;
        machine.write_file(RECORD, format!("{before}expires = 1\n{rest}"), 0o600);
    });
    let told = "or has expired. Remove the new entry from the app";
    assert!(last_words(&session).contains(told), "{session:?}");
}

#[test]
fn the_code_of_a_sheet_enrolls_its_user() {
    let machine = machine_with(REQUIRE);
    let call = ["invite", "alice", "ghost", "--sheets", "/root/sheets"];
    machine.command(&call).exits(1);
    let sheet = machine.read("/root/sheets");
    let code = sheet.split_once("Enrollment code: ").unwrap().1;
    let code = code.lines().next().unwrap();
    let sshd = machine.sshd("");
    let typed = [(INVITATION, code), (ANOTHER, "")];
    let session = crate::sshd::runs(sshd.login("alice"), &mut Person::new(&typed));
    assert!(session.is_in(), "{session:?}");
    assert_eq!(devices(&machine, "alice"), 1);
}
