//! Logins over ssh with password and code in one field: the stack `pam.d/sshd-password-and-code-in-one-field`.

use harness::logins;
use harness::logins::{ASK_PASSWORD, Phone, dialogue, enroll, enrolled, logged, policy};
use harness::{Machine, PASSWORD};

const ASK_BOTH: &str = "Password & verification code: ";
const ASK_BOTH_AGAIN: &str = "Wrong code.\nPassword & verification code: ";

fn machine() -> Machine {
    let machine = logins::machine();
    machine.install_stack_as("sshd-password-and-code-in-one-field", "sshd");
    let stack = machine.read("/etc/pam.d/sshd");
    machine.stack("sshd", &stack.replace("pam_unix.so", "pam_unix.so nodelay"));
    machine
}

fn both(code: &str) -> String {
    format!("{PASSWORD}{code}")
}

#[test]
fn one_answer_holds_password_and_code() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let session = sshd.login("alice").answer(both(&phone.code())).run();
    assert_eq!(dialogue(&session), (true, vec![ASK_BOTH]));
    assert_eq!(session.stderr, "");
    assert_eq!(
        logged(&machine, "sshd:auth"),
        ["user=alice rhost=127.0.0.1 result=accepted device=phone offset=0"]
    );
}

#[test]
fn it_also_works_with_sshds_password_method() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    machine.add_user("bob");
    let sshd = machine.sshd("PasswordAuthentication yes\nKbdInteractiveAuthentication no");
    let code = phone.code();
    assert!(!sshd.login("alice").answer(PASSWORD).run().is_in());
    assert!(sshd.login("alice").answer(both(&code)).run().is_in());
    assert!(!sshd.login("alice").answer(both(&code)).run().is_in());
    assert!(sshd.login("bob").answer(PASSWORD).run().is_in());
    assert!(sshd.log().contains("Accepted password for alice"));
}

#[test]
fn a_wrong_code_by_sshds_password_method_counts_once() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("PasswordAuthentication yes\nKbdInteractiveAuthentication no");
    // sshd gives the same answer to every question, and there is no use in asking again.
    let wrong = both(&phone.wrong_code());
    assert!(!sshd.login("alice").answer(wrong).run().is_in());
    assert!(
        sshd.login("alice")
            .answer(both(&phone.code()))
            .run()
            .is_in()
    );
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=alice rhost=127.0.0.1 result=wrong",
            "user=alice rhost=127.0.0.1 result=repeated-answer",
            "user=alice rhost=127.0.0.1 result=accepted device=phone offset=0 failures_before=1"
        ]
    );
}

#[test]
fn without_a_device_the_whole_answer_is_the_password() {
    let machine = machine();
    machine.add_user("bob");
    let sshd = machine.sshd("");
    let session = sshd.login("bob").answer(PASSWORD).run();
    assert_eq!(dialogue(&session), (true, vec![ASK_BOTH]));
    assert!(!sshd.login("bob").answer(both("123456")).run().is_in());
    policy(&machine, "enforcement = \"mandatory\"", "");
    let session = sshd.login("bob").answer(PASSWORD).run();
    assert_eq!(dialogue(&session), (false, vec![ASK_BOTH]));
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=bob rhost=127.0.0.1 result=unenrolled",
            "user=bob rhost=127.0.0.1 result=unenrolled",
            "user=bob rhost=127.0.0.1 result=device-required"
        ]
    );
}

#[test]
fn while_it_is_off_the_password_is_enough_and_needed() {
    let machine = machine();
    enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    for off in [
        "enabled = true\n",
        "enabled = false\n[services]\nsshd = true\n",
    ] {
        machine.policy(off);
        let session = sshd.login("alice").answer(PASSWORD).run();
        assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD]));
        assert!(!sshd.login("alice").answer("guess").run().is_in());
    }
    policy(&machine, "", "[[exempt]]\nnetworks = [\"127.0.0.1\"]");
    let session = sshd.login("alice").answer(PASSWORD).run();
    assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD]));
    let session = sshd.login("alice").answer("guess").run();
    assert_eq!(dialogue(&session), (false, vec![ASK_PASSWORD]));
}

#[test]
fn a_wrong_code_is_asked_for_again_with_the_password() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let (wrong, right) = (both(&phone.wrong_code()), both(&phone.code()));
    let session = sshd
        .login("alice")
        .answers(&[&wrong, PASSWORD, &right])
        .run();
    assert_eq!(
        dialogue(&session),
        (true, vec![ASK_BOTH, ASK_BOTH_AGAIN, ASK_BOTH_AGAIN])
    );
    let wrong = [wrong.as_str(), PASSWORD, "guess"];
    let session = sshd.login("alice").attempts(3).answers(&wrong).run();
    assert_eq!(
        dialogue(&session),
        (false, vec![ASK_BOTH, ASK_BOTH_AGAIN, ASK_BOTH_AGAIN])
    );
}

#[test]
fn a_wrong_password_uses_the_right_code_up() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let code = phone.code();
    let session = sshd.login("alice").answer(format!("guess{code}")).run();
    assert_eq!(dialogue(&session), (false, vec![ASK_BOTH]));
    assert!(!sshd.login("alice").answer(code.as_str()).run().is_in());
    assert!(!sshd.login("alice").answer(both(&code)).run().is_in());
    assert!(
        sshd.login("alice")
            .answer(both(&phone.code_after(1)))
            .run()
            .is_in()
    );
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=alice rhost=127.0.0.1 result=accepted device=phone offset=0",
            "user=alice rhost=127.0.0.1 result=used device=phone",
            "user=alice rhost=127.0.0.1 result=repeated-code",
            "user=alice rhost=127.0.0.1 result=accepted device=phone offset=1"
        ]
    );
}

#[test]
fn every_kind_of_code_is_cut_off() {
    let machine = machine();
    let phone: Phone = enrolled(&machine, "alice");
    let eight = enroll(&machine, "alice", &["--device=eight", "--digits=8"]);
    let sshd = machine.sshd("");
    for code in [
        phone.code(),
        eight.code(),
        phone.recovery[0].clone(),
        phone.recovery[1].replace('-', ""),
    ] {
        let session = sshd.login("alice").answer(both(&code)).run();
        assert_eq!(dialogue(&session), (true, vec![ASK_BOTH]), "{code}");
    }
}
