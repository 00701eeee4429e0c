//! Effects of strangers and wrong settings over ssh: odd names, unknown users, sshd's password method.

use harness::PASSWORD;
use harness::logins::{
    ASK_CODE, ASK_PASSWORD, dialogue, enroll, enrolled, files, logged, machine, policy,
};

#[test]
fn an_unknown_user_is_treated_like_a_wrong_password() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let mut wrong = sshd.login("alice").attempts(3).answers(&["guess"; 3]).run();
    let answers = [PASSWORD, PASSWORD, &phone.code()];
    let unknown = sshd.login("nobody9").attempts(3).answers(&answers).run();
    wrong.stderr = wrong.stderr.replace("alice@", "nobody9@");
    assert_eq!(wrong, unknown);
    assert_eq!(logged(&machine, "sshd:auth"), [""; 0]);
}

#[test]
fn odd_names_are_refused_and_leave_nothing() {
    let machine = machine();
    enrolled(&machine, "alice");
    // The code comes first here, so the module sees names that pam_unix would have refused.
    policy(&machine, "enforcement = \"mandatory\"", "");
    machine.stack(
        "sshd",
        "auth [success=ok ignore=ignore default=die] pam_twofactor.so\nauth requisite pam_unix.so nodelay\n",
    );
    let before = files("/var/lib/twofactor");
    let sshd = machine.sshd("");
    let long = "x".repeat(10_000);
    let names = [
        ("..", ".."),
        (".", "."),
        ("../users/alice", ".."),
        ("a%41", "a%41"),
        ("alice result=accepted", "alice\\x20result\\x3daccepted"),
        ("alice\u{e9}", "alice\\xc3\\xa9"),
        (" alice", "\\x20alice"),
        ("alice ", "alice\\x20"),
        ("Alice", "Alice"),
        (long.as_str(), ""),
    ];
    for (name, shown) in names {
        machine.forget_log();
        let session = sshd.login(name).answers(&[PASSWORD, PASSWORD]).run();
        assert!(!session.is_in(), "{name:?}");
        assert_eq!(session.code, Some(255), "{name:?}: {session:?}");
        let lines = logged(&machine, "sshd:auth");
        let cut = format!("{}...", "x".repeat(128));
        let shown = if shown.is_empty() { &cut } else { shown };
        let line = format!("user={shown} rhost=127.0.0.1 result=device-required");
        assert_eq!(lines, [line], "{name:?}");
    }
    assert_eq!(files("/var/lib/twofactor"), before);
}

#[test]
fn odd_names_are_refused_by_the_stack_in_use() {
    let machine = machine();
    enrolled(&machine, "alice");
    let before = files("/var/lib/twofactor");
    let sshd = machine.sshd("");
    let long = "y".repeat(10_000);
    for name in [
        "..",
        "../../etc/passwd",
        "a%41",
        " alice",
        "alice ",
        "Alice",
        &long,
    ] {
        let session = sshd.login(name).answers(&[PASSWORD, PASSWORD]).run();
        assert_eq!(
            dialogue(&session),
            (false, vec![ASK_PASSWORD]),
            "{name:?} {session:?}"
        );
    }
    assert_eq!(logged(&machine, "sshd:auth"), [""; 0]);
    assert_eq!(files("/var/lib/twofactor"), before);
}

#[test]
fn sshds_password_method_is_refused_uncounted() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    machine.add_user("bob");
    let wrong_setting = "PasswordAuthentication yes\nKbdInteractiveAuthentication no";
    let (sshd, right) = (machine.sshd(wrong_setting), machine.sshd(""));
    let session = sshd
        .login("alice")
        .attempts(3)
        .answers(&[PASSWORD; 3])
        .run();
    assert_eq!(
        dialogue(&session),
        (false, vec!["alice@127.0.0.1's password: "; 3])
    );
    assert_eq!(session.code, Some(255));
    let line = "user=alice rhost=127.0.0.1 result=password-as-code hint=\"the password was given as the code; in \
                sshd_config, PasswordAuthentication must be no and KbdInteractiveAuthentication yes\"";
    assert_eq!(logged(&machine, "sshd:auth"), [line; 3]);
    // Not counted: no user is told of failures.
    let session = right
        .login("alice")
        .answers(&[PASSWORD, &phone.code()])
        .run();
    assert_eq!((session.is_in(), session.stderr.as_str()), (true, ""));
    // A user who has no device is not affected.
    assert!(sshd.login("bob").answer(PASSWORD).run().is_in());
}

#[test]
fn sshds_stand_in_for_a_forbidden_root_is_not_counted() {
    let machine = machine();
    // Without a password in front of it the module sees the stand-in itself.
    machine.stack(
        "sshd",
        "auth [success=ok ignore=ignore default=die] pam_twofactor.so\nauth required pam_permit.so\n",
    );
    let code = enroll(&machine, "root", &[]).code();
    let sshd = machine.sshd("PasswordAuthentication yes\nPermitRootLogin no");
    // The stand-in is as long as what was typed.
    for typed in [
        &code,
        "x",
        "thirteenchars",
        "longer than thirteen characters",
    ] {
        machine.forget_log();
        let login = sshd
            .login("root")
            .option("PreferredAuthentications=password");
        assert!(!login.answer(typed).run().is_in());
        assert_eq!(
            logged(&machine, "sshd:auth"),
            ["user=root rhost=127.0.0.1 result=sshd-stand-in"],
            "{typed}"
        );
    }
}

#[test]
fn a_login_that_waits_at_the_prompt_blocks_no_other() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let (sshd, another) = (machine.sshd(""), machine.sshd(""));
    let mut waiting = sshd.login("alice").pty();
    waiting.answer(ASK_PASSWORD, PASSWORD).expect(ASK_CODE);
    assert!(
        another
            .login("alice")
            .answers(&[PASSWORD, &phone.code()])
            .run()
            .is_in()
    );
    waiting.send_line(&phone.code_after(1));
    assert_eq!(waiting.end().code, Some(0));
}
