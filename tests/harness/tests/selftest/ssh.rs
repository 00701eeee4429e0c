//! Logins over ssh in a machine.

use harness::{Machine, PASSWORD, SshAnswer};

use super::machine::UNIX;

#[test]
fn ssh_lets_the_right_password_in() {
    let machine = Machine::new();
    machine.add_user("alice");
    machine.stack("sshd", UNIX);
    let sshd = machine.sshd("");
    let session = sshd.login("alice").answer(PASSWORD).run();
    assert_eq!(
        (session.code, session.stdout.as_str(), session.hung_up),
        (Some(0), "it-is-in\n", false)
    );
    assert_eq!(session.prompts, ["Password: "]);
    let wrong = sshd.login("alice").answer("wrong").run();
    assert_eq!(
        (wrong.code, wrong.is_in(), wrong.hung_up),
        (Some(255), false, false)
    );
    assert_eq!(
        wrong.stderr,
        "alice@127.0.0.1: Permission denied (publickey,keyboard-interactive).\r\n"
    );
    let second = sshd
        .login("alice")
        .attempts(2)
        .answers(&["wrong", PASSWORD])
        .run();
    assert!(second.is_in());
    assert_eq!(second.prompts, ["Password: ", "Password: "]);
    let silent = sshd.login("alice").run();
    assert_eq!((silent.code, silent.hung_up), (None, true));
    assert_eq!(silent.prompts, ["Password: "]);
}

#[test]
fn ssh_answers_are_computed_when_the_question_comes() {
    let machine = Machine::new();
    machine.add_user("alice");
    machine.stack("sshd", UNIX);
    let sshd = machine.sshd("");
    let mut asked = 0;
    let answer = |prompt: &str| {
        assert_eq!(prompt, "Password: ");
        asked += 1;
        if asked == 1 {
            "wrong".into()
        } else {
            SshAnswer::Line(PASSWORD.to_owned())
        }
    };
    assert!(
        sshd.login("alice")
            .attempts(2)
            .answer_with(answer)
            .run()
            .is_in()
    );
    assert_eq!(asked, 2);
}

#[test]
fn ssh_takes_keys_addresses_and_terminals() {
    let machine = Machine::new();
    let uid = machine.add_user("alice");
    let key = machine.add_key("alice");
    machine.stack("sshd", UNIX);
    machine.add_address("192.0.2.7");
    machine.add_address("2001:db8::7");
    let sshd = machine.sshd("");
    let from_key = sshd
        .login("alice")
        .key(&key)
        .remote("id -u; echo $SSH_CLIENT")
        .from("127.0.0.2")
        .run();
    assert!(from_key.prompts.is_empty());
    assert!(
        from_key.stdout.starts_with(&format!("{uid}\n127.0.0.2 ")),
        "{from_key:?}"
    );
    let far = sshd
        .login("alice")
        .key(&key)
        .remote("echo $SSH_CLIENT")
        .from("192.0.2.7")
        .to("192.0.2.7")
        .run();
    assert!(far.stdout.starts_with("192.0.2.7 "), "{far:?}");
    for address in ["::1", "2001:db8::7"] {
        let six = sshd
            .login("alice")
            .key(&key)
            .remote("echo $SSH_CLIENT")
            .from(address)
            .to(address)
            .run();
        assert!(six.stdout.starts_with(&format!("{address} ")), "{six:?}");
    }
    let mut terminal = sshd.login("alice").shell().pty();
    terminal.answer("(alice@127.0.0.1) Password: ", PASSWORD);
    terminal.answer("$ ", "tty; exit 3");
    terminal.expect("/dev/pts/");
    assert_eq!(terminal.end().code, Some(3));
}

#[test]
fn a_tests_settings_of_sshd_come_first() {
    let machine = Machine::new();
    machine.add_user("alice");
    machine.stack("sshd", UNIX);
    let extra = "PasswordAuthentication yes\nKbdInteractiveAuthentication no\nMatch User bob\n  X11Forwarding no";
    let sshd = machine.sshd(extra);
    let session = sshd.login("alice").answer(PASSWORD).run();
    assert!(session.is_in());
    assert_eq!(session.prompts, ["alice@127.0.0.1's password: "]);
    assert!(
        sshd.log()
            .contains("Accepted password for alice from 127.0.0.1"),
        "{}",
        sshd.log()
    );
}
