//! xsecurelock's program that checks the password.

use harness::PASSWORD;

use super::*;

/// It asks two questions, and reads the answers from a pipe. Its service is the file that others take in.
#[test]
fn xsecurelock_asks_for_password_and_code() {
    let (machine, alice) = two_users();
    let line = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";
    let unix = "auth requisite pam_unix.so nodelay\n";
    machine.stack("common-auth", &format!("{unix}{line}"));
    let authenticate = |user: &str, answers: &[&str]| {
        let packet = |answer: &&str| format!("p {}\n{answer}\n", answer.len());
        let typed: String = answers.iter().map(packet).collect();
        let path = "usr/libexec/xsecurelock/authproto_pam";
        let program = program(&machine, path, user).env("USER", user);
        program.input(typed).run().code
    };
    let daemon = machine.daemon();
    assert_eq!(authenticate("alice", &[PASSWORD, &alice.code()]), Some(0));
    assert_ne!(authenticate("alice", &[PASSWORD, &alice.wrong()]), Some(0));
    assert_ne!(authenticate("alice", &["not it", &alice.code()]), Some(0));
    assert_ne!(authenticate("alice", &[PASSWORD]), Some(0));
    assert_eq!(authenticate("bob", &[PASSWORD]), Some(0));
    daemon.kill();
    assert_ne!(authenticate("alice", &[PASSWORD, &alice.code()]), Some(0));
    assert_ne!(authenticate("bob", &[PASSWORD]), Some(0));
    let _daemon = machine.daemon();
    assert_eq!(authenticate("alice", &[PASSWORD, &alice.code()]), Some(0));
}
