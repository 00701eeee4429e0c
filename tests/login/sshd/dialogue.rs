//! Logins over ssh with password and code: real sshd, OpenSSH client, libpam, and the stack `pam.d/sshd`.

use harness::logins::{
    ASK_AGAIN, ASK_CODE, ASK_NEW_DEVICE, ASK_PASSWORD, GO_ON, dialogue, enroll, enrolled, last_try,
    logged, machine, policy, told,
};
use harness::{Machine, PASSWORD};

#[test]
fn r14_r24_a_login_needs_user_name_password_and_code() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let code = phone.code();
    let session = sshd.login("alice").answers(&[PASSWORD, &code]).run();
    assert_eq!(dialogue(&session), (true, vec![ASK_PASSWORD, ASK_CODE]));
    assert_eq!((session.code, session.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        logged(&machine, "sshd:auth"),
        ["user=alice rhost=127.0.0.1 result=accepted device=phone offset=0"]
    );
    let line = machine.wait_for_log("result=accepted");
    assert_eq!(
        (line.program.as_str(), line.facility.as_str(), line.severity),
        ("sshd", "authpriv", "info")
    );
    assert!(
        sshd.log()
            .contains("Accepted keyboard-interactive/pam for alice")
    );
}

#[test]
fn r14_without_the_code_no_user_is_let_in() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let silent = sshd.login("alice").answer(PASSWORD).run();
    assert!(silent.hung_up);
    assert_eq!(dialogue(&silent), (false, vec![ASK_PASSWORD, ASK_CODE]));
    let empty = sshd.login("alice").answers(&[PASSWORD, "", "", ""]).run();
    assert!(!empty.is_in());
    assert!(!sshd.log().contains("Accepted"));
    // Neither hanging up nor an empty answer is charged, and the second of those ends the login.
    let end = told(
        "No code was typed.\nThat was the last try of this login. To try again, log in again.",
    );
    let prompts = [
        ASK_PASSWORD,
        ASK_CODE,
        "No code was typed.\nVerification code: ",
        &end,
    ];
    assert_eq!(dialogue(&empty).1, prompts);
    assert_eq!(
        logged(&machine, "sshd:auth"),
        ["user=alice rhost=127.0.0.1 result=empty-answer"; 2]
    );
    let session = sshd
        .login("alice")
        .answers(&[PASSWORD, &phone.code()])
        .run();
    assert!(session.is_in());
}

#[test]
fn r10_after_a_wrong_code_the_code_alone_is_asked() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let (wrong, right) = (phone.wrong_code(), phone.code());
    let session = sshd
        .login("alice")
        .answers(&[PASSWORD, &wrong, &right])
        .run();
    assert_eq!(
        dialogue(&session),
        (true, vec![ASK_PASSWORD, ASK_CODE, ASK_AGAIN])
    );
    // A command has no terminal on which its session could tell of the wrong code; the log does.
    assert_eq!(session.stderr, "");
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=alice rhost=127.0.0.1 result=wrong",
            "user=alice rhost=127.0.0.1 result=accepted device=phone offset=0 failures_before=1"
        ]
    );
    assert_eq!(machine.wait_for_log("result=wrong").severity, "notice");
}

#[test]
fn three_wrong_codes_end_the_login() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let [one, two, three] = std::array::from_fn(|_| phone.wrong_code());
    let session = sshd
        .login("alice")
        .attempts(3)
        .answers(&[PASSWORD, &one, &two, &three, "", PASSWORD, &phone.code()])
        .run();
    let end = last_try();
    assert_eq!(
        dialogue(&session),
        (
            false,
            vec![ASK_PASSWORD, ASK_CODE, ASK_AGAIN, ASK_AGAIN, &end]
        )
    );
    assert_eq!((session.code, session.hung_up), (Some(255), false));
    // sshd no longer offers keyboard-interactive: that is what PAM_MAXTRIES does.
    assert_eq!(
        session.stderr,
        "alice@127.0.0.1: Permission denied (publickey).\r\n"
    );
    assert_eq!(
        logged(&machine, "sshd:auth"),
        ["user=alice rhost=127.0.0.1 result=wrong"; 3]
    );
    let next = sshd
        .login("alice")
        .answers(&[PASSWORD, &phone.code()])
        .run();
    assert!(next.is_in());
    machine.wait_for_log("failures_before=3");
}

#[test]
fn a_code_works_once() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let (code, next) = (phone.code(), phone.code_after(1));
    assert!(
        sshd.login("alice")
            .answers(&[PASSWORD, &code])
            .run()
            .is_in()
    );
    machine.forget_log();
    let again = sshd.login("alice").answers(&[PASSWORD, &code, &next]).run();
    assert_eq!(
        dialogue(&again),
        (
            true,
            vec![
                ASK_PASSWORD,
                ASK_CODE,
                "This code was used already. Wait for the next one.\nVerification code: "
            ]
        )
    );
    let lines = logged(&machine, "sshd:auth");
    assert_eq!(
        lines[0],
        "user=alice rhost=127.0.0.1 result=used device=phone"
    );
    assert_eq!(
        lines[1..],
        ["user=alice rhost=127.0.0.1 result=accepted device=phone offset=1"]
    );
    // A newer code was used: the older one stays used.
    machine.forget_log();
    assert!(
        !sshd
            .login("alice")
            .answers(&[PASSWORD, &code])
            .run()
            .is_in()
    );
    assert_eq!(
        logged(&machine, "sshd:auth"),
        ["user=alice rhost=127.0.0.1 result=used device=phone"]
    );
}

#[test]
fn a_wrong_password_ends_the_login_before_the_code() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let code = phone.code();
    let wrong = sshd
        .login("alice")
        .attempts(3)
        .answers(&["guess", "guess", &code])
        .run();
    assert_eq!(
        dialogue(&wrong),
        (false, vec![ASK_PASSWORD, ASK_PASSWORD, ASK_PASSWORD])
    );
    assert_eq!(wrong.stderr, REFUSED);
    assert_eq!(logged(&machine, "sshd:auth"), [""; 0]);
    let right = sshd.login("alice").answers(&[PASSWORD, &code]).run();
    assert!(right.is_in());
    assert_eq!(right.stderr, "");
}

#[test]
fn r27_root_and_users_log_in_by_address_and_by_name() {
    let machine = machine();
    policy(&machine, "window = 10", "");
    let phones = [
        ("root", enroll(&machine, "root", &[])),
        ("alice", enrolled(&machine, "alice")),
    ];
    let sshd = machine.sshd("");
    let servers = [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        (harness::HOST_NAME, "127.0.0.1"),
        ("::1", "::1"),
    ];
    for (user, phone) in &phones {
        for (steps, (server, rhost)) in (0..).zip(servers) {
            machine.forget_log();
            let family = if rhost == "::1" { "inet6" } else { "inet" };
            let login = sshd.login(user).to(server).from(rhost);
            let login = login.option(&format!("AddressFamily={family}"));
            let session = login.answers(&[PASSWORD, &phone.code_after(steps)]).run();
            assert_eq!(
                dialogue(&session),
                (true, vec![ASK_PASSWORD, ASK_CODE]),
                "{session:?}"
            );
            assert_eq!(
                logged(&machine, "sshd:auth"),
                [format!(
                    "user={user} rhost={rhost} result=accepted device=phone offset={steps}"
                )]
            );
        }
    }
}

#[test]
fn r11_a_stolen_password_alone_opens_nothing() {
    let machine = machine();
    policy(&machine, "tries = 1", "");
    machine.add_address("192.0.2.7");
    let phones = [
        ("root", enroll(&machine, "root", &[])),
        ("alice", enrolled(&machine, "alice")),
    ];
    let sshd = machine.sshd("");
    for (user, phone) in &phones {
        for from in ["127.0.0.1", "127.0.0.99", "192.0.2.7", "::1"] {
            let to = if from == "127.0.0.99" {
                "127.0.0.1"
            } else {
                from
            };
            let login = sshd.login(user).from(from).to(to);
            let thief = login.answers(&[PASSWORD, &phone.wrong_code()]).run();
            let asked = vec![ASK_PASSWORD, ASK_CODE];
            assert_eq!(dialogue(&thief), (false, asked));
            assert_eq!(thief.code, Some(255));
        }
    }
    assert!(!sshd.log().contains("Accepted"));
    assert_eq!(logged(&machine, "sshd:session"), [""; 0]);
}

#[test]
fn r7_no_network_but_loopback_is_needed() {
    let machine = machine();
    let interfaces = machine.run("cat", &["/proc/net/dev"]).ok().stdout;
    let names = interfaces.lines().filter_map(|line| line.split_once(':'));
    let names: Vec<&str> = names.map(|(name, _)| name.trim()).collect();
    assert_eq!(names, ["lo"]);
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let session = sshd
        .login("alice")
        .answers(&[PASSWORD, &phone.code()])
        .run();
    assert!(session.is_in());
}

#[test]
fn r13_r18_r19_devices_outlive_switching_off() {
    let machine = machine();
    machine.policy("enabled = false\n[services]\nsshd = true\n");
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let asked = |machine: &Machine, answers: &[&str]| {
        machine.forget_log();
        let session = sshd.login("alice").answers(answers).run();
        assert!(session.is_in(), "{session:?}");
        session.prompts.len() == 2
    };
    assert!(!asked(&machine, &[PASSWORD]));
    machine.command(&["enable", "--yes", "--force"]).ok();
    assert!(asked(&machine, &[PASSWORD, &phone.code()]));
    machine.command(&["disable", "--yes"]).ok();
    assert!(!asked(&machine, &[PASSWORD]));
    assert_eq!(logged(&machine, "sshd:auth"), [""; 0]);
    machine.command(&["enable", "--yes", "--force"]).ok();
    assert!(asked(&machine, &[PASSWORD, &phone.code_after(1)]));
}

#[test]
fn the_prompt_may_be_visible_and_in_other_words() {
    let machine = machine();
    policy(
        &machine,
        "prompt = \"Code of your phone? \"\necho = true\ntries = 2",
        "",
    );
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let mut terminal = sshd.login("alice").pty();
    terminal.answer("(alice@127.0.0.1) Password: ", PASSWORD);
    let wrong = phone.wrong_code();
    terminal.answer("(alice@127.0.0.1) Code of your phone? ", &wrong);
    let again =
        "(alice@127.0.0.1) Wrong code. (No phone? Type a recovery code.)\nCode of your phone? ";
    terminal.answer(again, &wrong).answer(GO_ON, "");
    let ended = terminal.end();
    assert_eq!(ended.code, Some(255));
    assert_eq!(ended.shown.matches(&wrong).count(), 2, "{}", ended.shown);
    assert!(!ended.shown.contains(PASSWORD));
}

const REFUSED: &str = "alice@127.0.0.1: Permission denied (publickey,keyboard-interactive).\r\n";

#[test]
fn what_follows_a_right_code_is_told_once() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let mut session = sshd.login("alice").shell().pty();
    session.answer(ASK_PASSWORD, PASSWORD);
    session.answer(ASK_CODE, &phone.wrong_code());
    session.answer(ASK_CODE, &phone.recovery[0]);
    session.answer(ASK_NEW_DEVICE, "");
    session.expect("Recovery code accepted.");
    session.send_line("echo left=$(env | grep -c ^TWOFACTOR); exit");
    let shown = session.end().shown;
    for told in [
        "Recovery code accepted. 9 are left.\n",
        "One wrong code was entered since your last right one. If that was not you,\nchange your password.\n",
    ] {
        assert_eq!(shown.matches(told).count(), 1, "{shown}");
    }
    // Nothing of it reaches the user's programs.
    assert!(shown.contains("left=0\n"), "{shown}");
}
