//! Actions of others while a user enrolls.

use harness::Machine;

use crate::app::{ANOTHER, BEGIN, CODE, OFFER, Person};
use crate::sshd::{devices, machine_with, runs};
use harness::logins::{enroll, files, logged, policy};

/// Path that the record will have.
const RECORD: &str = "/var/lib/twofactor/users/alice.toml";
/// Path that the state will have.
const STATE: &str = "/var/lib/twofactor/state/alice";

/// Runs a login during which something happens before the question that ends so is answered.
fn while_asked(
    machine: &Machine,
    answers: &[(&str, &str)],
    question: &str,
    happens: impl FnOnce(),
) -> (bool, String) {
    let sshd = machine.sshd("");
    let mut person = Person::new(answers);
    let mut happens = Some(happens);
    let session = sshd
        .login("alice")
        .answer_with(|asked| {
            if asked.ends_with(question)
                && let Some(happens) = happens.take()
            {
                happens();
            }
            person.types(asked)
        })
        .run();
    assert!(happens.is_none(), "{session:?}");
    (session.is_in(), session.prompts.concat() + &session.stderr)
}

#[test]
fn of_two_enrollments_at_once_one_counts() {
    let machine = machine_with("enroll_at_login = \"require\"");
    let sshd = machine.sshd("");
    let mut other = Person::new(&[(BEGIN, ""), (ANOTHER, "")]);
    let (is_in, _) = while_asked(&machine, &[(BEGIN, "")], CODE, || {
        assert!(runs(sshd.login("alice"), &mut other).is_in());
    });
    assert!(!is_in);
    assert_eq!(devices(&machine, "alice"), 1);
    assert!(
        logged(&machine, "sshd:account")
            .contains(&"user=alice rhost=127.0.0.1 result=enrolled-meanwhile".to_owned())
    );
    // The device of the one that was told so works.
    let code = other.phone().code_after(1);
    let session = sshd
        .login("alice")
        .answers(&[harness::PASSWORD, &code])
        .run();
    assert!(session.is_in(), "{session:?}");
}

/// A thief of the password must not wait at the question until the owner has a device.
#[test]
fn an_open_dialogue_ends_with_another_device() {
    let machine = machine_with("enroll_at_login = \"offer\"");
    let (is_in, shown) = while_asked(&machine, &[(OFFER, "")], OFFER, || {
        enroll(&machine, "alice", &[]);
    });
    assert!(!is_in, "{shown}");
    assert_eq!(devices(&machine, "alice"), 1);
}

/// Nor until the policy makes a device mandatory.
#[test]
fn an_open_dialogue_follows_a_stricter_policy() {
    for keys in [
        "enroll_at_login = \"require\"",
        "enforcement = \"mandatory\"",
    ] {
        let machine = machine_with("enroll_at_login = \"offer\"");
        let (is_in, shown) = while_asked(&machine, &[(OFFER, "")], OFFER, || {
            policy(&machine, keys, "");
        });
        assert!(!is_in, "{shown}");
    }
}

#[test]
fn the_newest_policy_counts() {
    for (keys, services) in [
        ("enroll_at_login = \"off\"", ""),
        (
            "enroll_at_login = \"require\"\nenroll_needs_invite = true",
            "",
        ),
        ("enroll_at_login = \"require\"", "sshd = false"),
    ] {
        let machine = machine_with("enroll_at_login = \"require\"");
        let (is_in, shown) = while_asked(&machine, &[(BEGIN, "")], CODE, || match services {
            "" => policy(&machine, keys, ""),
            services => {
                machine.policy(&format!("enabled = true\n{keys}\n[services]\n{services}\n"))
            }
        });
        assert!(!is_in, "{shown}");
        assert_eq!(devices(&machine, "alice"), 0);
        assert_eq!(
            logged(&machine, "sshd:account"),
            ["user=alice rhost=127.0.0.1 result=enrolment-withdrawn changed=policy"]
        );
        assert_eq!(files("/var/lib/twofactor/state"), [""; 0]);
    }
}

#[test]
fn what_cannot_be_stored_refuses_the_login() {
    for keys in [
        "enroll_at_login = \"offer\"",
        "enroll_at_login = \"require\"",
    ] {
        let machine = machine_with(keys);
        let answers = [(OFFER, "yes"), (BEGIN, "")];
        let question = if keys.contains("offer") {
            crate::app::CODE_OR_SKIP
        } else {
            CODE
        };
        let (is_in, shown) = while_asked(&machine, &answers, question, || {
            machine.run("mkdir", &["-m", "0700", RECORD]).ok();
        });
        assert!(!is_in, "{shown}");
        assert!(
            shown.contains("Two-factor login could not be set up"),
            "{shown}"
        );
        machine.run("rmdir", &[RECORD]).ok();
        assert_eq!(devices(&machine, "alice"), 0);
        let log = logged(&machine, "sshd:account");
        assert!(log[0].contains("result=error"), "{log:?}");
    }
}

/// The device that was offered could not be stored, and is no longer an offer.
#[test]
fn a_failed_offer_beside_a_new_device_is_refused() {
    let machine = machine_with("enroll_at_login = \"offer\"");
    let mut record = String::new();
    let question = crate::app::CODE_OR_SKIP;
    let (is_in, shown) = while_asked(&machine, &[(OFFER, "yes")], question, || {
        enroll(&machine, "alice", &[]);
        record = machine.read(RECORD);
        machine.run("truncate", &["-s", "0", STATE]).ok();
    });
    assert!(!is_in, "{shown}");
    assert_eq!(machine.read(RECORD), record);
    assert_eq!(
        logged(&machine, "sshd:account"),
        ["user=alice rhost=127.0.0.1 result=enrolled-meanwhile"]
    );
}

#[test]
fn a_second_device_follows_the_newest_policy() {
    for (keys, stored) in [("enroll_at_login = \"require\"", 2), ("", 1)] {
        let machine = machine_with("enroll_at_login = \"require\"");
        let answers = [(BEGIN, ""), (ANOTHER, "yes")];
        let (is_in, shown) = while_asked(&machine, &answers, crate::app::CODE_OR_SKIP, || {
            policy(&machine, keys, "");
        });
        assert!(is_in, "{shown}");
        assert_eq!(devices(&machine, "alice"), stored, "{shown}");
        let log = logged(&machine, "sshd:account");
        let withdrawn = "user=alice rhost=127.0.0.1 result=enrolment-withdrawn changed=policy";
        assert_eq!(
            log.iter().any(|line| line == withdrawn),
            stored == 1,
            "{log:?}"
        );
    }
}

/// With `uniform_prompt` who has no device is asked for a code, too, and the question may stay open for long.
#[test]
fn an_open_question_ends_with_another_device() {
    let machine = machine_with("uniform_prompt = true");
    let question = "Verification code: ";
    let (is_in, shown) = while_asked(&machine, &[(question, "123456")], question, || {
        enroll(&machine, "alice", &[]);
    });
    assert!(!is_in, "{shown}");
    assert!(
        logged(&machine, "sshd:auth")
            .contains(&"user=alice rhost=127.0.0.1 result=enrolled-meanwhile".to_owned())
    );
}
