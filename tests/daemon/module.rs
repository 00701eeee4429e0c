//! The module in a program that runs as its user, such as a screen locker.

use harness::Machine;
use harness::pam::{Drive, code};

use super::QUICK;
use harness::enrolled::{
    IGNORED, SERVICE, Token, UNUSABLE, add_account, add_stack, enroll_token, logged, login,
    machine, said, state_of,
};

/// Result for a program of a user that gives one answer.
fn auth_as(user: &str, drive: Drive) -> i32 {
    drive.as_user(user).run().auth
}

fn own(token: &Token, answer: &str) -> i32 {
    auth_as(&token.user, token.login().answer(answer))
}

fn ready() -> (Machine, Token) {
    let machine = machine(QUICK);
    let token = enroll_token(&machine, "alice");
    (machine, token)
}

#[test]
fn a_user_is_let_in_with_a_right_code_alone() {
    let (machine, alice) = ready();
    let _daemon = machine.daemon();
    assert_eq!(own(&alice, &alice.wrong()), code::MAXTRIES);
    let first = alice.code();
    assert_eq!(own(&alice, &first), code::SUCCESS);
    let lines = logged(&machine);
    let accepted = "user=alice rhost= result=accepted device=token offset=0 failures_before=1";
    assert_eq!(lines, ["user=alice rhost= result=wrong", accepted]);
    let state = state_of("alice");
    assert_eq!((state.devices[0].next, state.failures), (1, 0));
    // It is used up for logins, and the other way round.
    assert_eq!(alice.login().answer(&first).run().auth, code::MAXTRIES);
    let second = alice.code();
    assert_eq!(alice.login().answer(&second).run().auth, code::SUCCESS);
    assert_eq!(own(&alice, &second), code::MAXTRIES);
}

#[test]
fn a_process_without_roots_rights_asks_the_daemon() {
    let (machine, alice) = ready();
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    let uid = uid.trim().parse().unwrap();
    let dropped = || alice.login().answer(alice.code()).effective_uid(uid);
    assert_eq!(dropped().run().auth, code::AUTHINFO_UNAVAIL);
    let _daemon = machine.daemon();
    assert_eq!(dropped().run().auth, code::SUCCESS);
}

#[test]
fn users_without_a_device_get_what_the_policy_says() {
    let machine = machine(QUICK);
    add_account(&machine, "bob");
    let _daemon = machine.daemon();
    for (keys, result) in [
        ("", IGNORED),
        ("enroll_at_login = \"offer\"\n", IGNORED),
        ("enforcement = \"mandatory\"\n", code::AUTH_ERR),
        ("enroll_at_login = \"require\"\n", code::AUTH_ERR),
    ] {
        machine.policy(&format!("enabled = true\n{keys}"));
        let both = login("bob").phases("auth,acct").as_user("bob").run();
        assert_eq!(both.auth, result, "{keys}");
        // No device can be given out here.
        assert_eq!(both.acct, IGNORED, "{keys}");
        assert!(both.prompts.is_empty(), "{keys}: {:?}", both.prompts);
    }
}

#[test]
fn without_the_daemon_the_screen_stays_locked() {
    let (machine, alice) = ready();
    add_account(&machine, "bob");
    let refused = |why: &str| {
        for user in ["alice", "bob"] {
            let outcome = login(user).answer(alice.code_at(0)).as_user(user).run();
            assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL, "{user}");
            assert_eq!(said(&outcome), [("error", UNUSABLE)]);
            let line = format!(
                "user={user} rhost= result=error error=\"/run/twofactor/socket: connect: {why}\" \
                 hint=\"systemctl enable --now twofactord.socket\""
            );
            assert_eq!(logged(&machine), [line]);
        }
    };
    refused("No such file or directory (os error 2)");
    machine.daemon().kill();
    refused("Connection refused (os error 111)");
    // The code is as good as before, and root never needed the daemon.
    let root = || alice.login().answer(alice.code());
    assert_eq!(root().run().auth, code::SUCCESS);
    let _daemon = machine.daemon();
    assert_eq!(own(&alice, &alice.code()), code::SUCCESS);
}

#[test]
fn what_is_off_or_exempt_needs_no_daemon() {
    let (machine, alice) = ready();
    for policy in [
        "enabled = false\n",
        "enabled = true\n[services]\ntest = false\n",
        "enabled = true\n[[exempt]]\nusers = [\"alice\"]\n",
    ] {
        machine.policy(policy);
        let outcome = alice.login().as_user("alice").run();
        assert_eq!(
            (outcome.auth, said(&outcome)),
            (IGNORED, vec![]),
            "{policy}"
        );
    }
}

#[test]
fn a_program_of_another_user_is_told_nothing() {
    let (machine, alice) = ready();
    add_account(&machine, "bob");
    let www = machine.add_user("www");
    let _daemon = machine.daemon();
    for user in ["alice", "bob", "root", "no-such-user"] {
        let outcome = login(user).answer(alice.code_at(0)).as_user("www").run();
        assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL, "{user}");
        assert_eq!(said(&outcome), [("error", UNUSABLE)], "{user}");
        let line = format!(
            "user={user} rhost= result=error error=\"/run/twofactor/socket: the user is not the one this program runs as\" \
             hint=\"this program runs as uid {www}: twofactor disable --service test\""
        );
        assert_eq!(logged(&machine), [line]);
    }
    assert_eq!(state_of("alice").devices[0].next, 0);
}

#[test]
fn root_of_a_user_namespace_is_told_nothing() {
    let (machine, alice) = ready();
    let _daemon = machine.daemon();
    for user in ["alice", "root"] {
        let inside = login(user).answer(alice.code_at(0)).as_user("alice");
        let outcome = inside.through(&["unshare", "-r"]).run();
        assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL, "{user}");
    }
}

#[test]
fn files_other_than_the_daemons_are_not_asked_about() {
    let (machine, alice) = ready();
    add_stack(&machine, "other-state", "state=/var/lib/elsewhere");
    let _daemon = machine.daemon();
    let drive = Drive::installed().service("other-state").user("alice");
    let result = auth_as("alice", drive.answer(alice.code()));
    assert_eq!(result, code::AUTHINFO_UNAVAIL);
    let lines = logged(&machine);
    assert!(lines[0].contains("serves other files than"), "{lines:?}");
}

#[test]
fn the_daemon_locks_out_and_logins_go_on() {
    let (machine, alice) = ready();
    let _daemon = machine.daemon();
    for _ in 0..5 {
        assert_eq!(own(&alice, &alice.wrong()), code::MAXTRIES);
    }
    let outcome = alice
        .login()
        .answer(alice.code_at(0))
        .as_user("alice")
        .run();
    assert_eq!(outcome.auth, code::MAXTRIES);
    let [(style, text)] = said(&outcome)[..] else {
        panic!("{:?}", said(&outcome));
    };
    assert!(
        text.starts_with("Too many wrong codes. Try again in "),
        "{text}"
    );
    assert_eq!(style, "error");
    let state = state_of("alice");
    assert_eq!((state.failures, state.daemon.in_a_row), (0, 5));
    let root = alice.login().answer(alice.code()).run();
    assert_eq!(root.auth, code::SUCCESS);
    let told = "5 wrong codes were entered since your last right one. If that was not you, change your password.";
    assert!(said(&root).contains(&("info", told)), "{:?}", said(&root));
    assert_eq!(own(&alice, &alice.code()), code::SUCCESS);
}

/// i3lock gives one answer to every question.
#[test]
fn the_same_wrong_answer_is_counted_once() {
    let (machine, alice) = ready();
    machine.policy("enabled = true\ntries = 3\n[throttle]\ndelay = 0\n");
    let _daemon = machine.daemon();
    let locker = alice.login().answer(alice.wrong()).answer_again();
    assert_eq!(auth_as("alice", locker), code::MAXTRIES);
    assert_eq!(state_of("alice").daemon.in_a_row, 1);
}

#[test]
fn in_one_field_the_password_stays_in_the_program() {
    let (machine, alice) = ready();
    let unix = "auth requisite pam_unix.so use_first_pass nodelay\n";
    let ours = "auth [success=ok ignore=ignore default=die] pam_twofactor.so forward_pass\n";
    machine.stack(SERVICE, &format!("{ours}{unix}"));
    machine.set_password("alice");
    let _daemon = machine.daemon();
    let with = |text: &str| alice.login().answer(format!("{text}{}", alice.code()));
    let trace = [
        "strace",
        "-f",
        "-s",
        "4096",
        "-e",
        "trace=network,openat,write",
        "-o",
    ];
    let to = ["/home/alice/trace"];
    assert_eq!(auth_as("alice", with(harness::PASSWORD)), code::SUCCESS);
    assert_ne!(auth_as("alice", with("not the password")), code::SUCCESS);
    // Under strace the helper of pam_unix has no rights to check a password.
    let long = "a password that is much longer than any code ";
    let traced = with(long).through(&[&trace[..], &to].concat());
    assert_ne!(auth_as("alice", traced), code::SUCCESS);
    let text = machine.read("/home/alice/trace");
    let sent: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("io.twofactor"))
        .collect();
    assert_eq!(sent.len(), 2, "{sent:?}");
    for line in sent {
        assert!(
            line.contains("sendto(") && line.contains("MSG_NOSIGNAL"),
            "{line}"
        );
    }
    // No file of root's is tried.
    assert!(!text.contains("/var/lib/twofactor"), "{text}");
    let verify = text
        .lines()
        .find(|line| line.contains("io.twofactor.Verify"));
    assert!(!verify.unwrap().contains("much longer"), "{verify:?}");
}

#[test]
fn a_session_of_a_user_logs_no_error() {
    let machine = machine(QUICK);
    add_account(&machine, "bob");
    let session = login("bob").tty("/dev/pts/0").phases("open,close");
    assert_eq!(session.as_user("bob").run().open, code::SUCCESS);
    assert_eq!(logged(&machine), [""; 0]);
    // The line about logins is the control.
    let root = login("bob").tty("/dev/pts/0").phases("open,close").run();
    assert_eq!(said(&root).len(), 1);
}
