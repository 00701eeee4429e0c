//! A new device after a recovery code: what it does not do, who gets no offer, and what ends it.

use harness::logins::{ASK_CODE, ASK_NEW_DEVICE as NEW, ASK_PASSWORD, enroll, logged, policy};
use harness::pam::{Drive, code};
use harness::{PASSWORD, Totp};

use crate::app::{CODE_OF_LAST_KEY, CODE_OR_SKIP, Person};
use crate::new_device::{REMOVE_PHONE, bypass, desk, factor, lets_in, recovers, results};

#[test]
fn a_client_that_answers_by_itself_replaces_no_device() {
    let (machine, old) = desk();
    for name in ["b", "c", "d", "e", "f"] {
        enroll(&machine, "alice", &["--device", name]);
    }
    let sshd = machine.sshd("");
    for (round, answer) in ["", "yes", "y", "alice", "000000"].into_iter().enumerate() {
        let code = &old.recovery[round];
        let session = sshd.login("alice").answer_with(|question| match question {
            ASK_PASSWORD => PASSWORD.into(),
            ASK_CODE => code.as_str().into(),
            _ => answer.into(),
        });
        let session = session.run();
        assert!(session.is_in(), "{answer} {session:?}");
    }
    let devices = factor(&machine, "alice").0;
    assert_eq!(devices, ["phone", "b", "c", "d", "e", "f"]);
    // One that gives the same code again and again ends in the same way, and so does one that cannot answer.
    enroll(&machine, "alice", &["--device", "phone-2"]);
    let session = sshd.login("alice").answer_with(|question| match question {
        ASK_PASSWORD => PASSWORD.into(),
        _ => old.recovery[5].as_str().into(),
    });
    assert!(session.run().is_in());
    assert_eq!(factor(&machine, "alice").0.len(), 7);
}

#[test]
fn a_client_that_goes_away_leaves_nothing_half_stored() {
    let (machine, old) = desk();
    let sshd = machine.sshd("");
    // At the offer and at the key nothing is stored; at the question for the old device the new one counts.
    let whole = [(NEW, "yes")];
    let (session, _) = recovers(&sshd, &old.recovery[0], &[]);
    assert!(session.hung_up && session.prompts.len() == 3, "{session:?}");
    let answers = [PASSWORD, &old.recovery[1], "yes"];
    let session = sshd.login("alice").answers(&answers).run();
    assert!(session.hung_up && session.prompts[3].contains("Key: "));
    assert_eq!(factor(&machine, "alice"), (vec!["phone".into()], 8));
    let (session, keys) = recovers(&sshd, &old.recovery[2], &whole);
    assert!(session.hung_up && session.prompts.len() == 5, "{session:?}");
    assert_eq!(factor(&machine, "alice").0, ["phone", "phone-2"]);
    assert!(lets_in(&sshd, &Totp::new(&keys[0]).code_after(1)));
    assert!(lets_in(&sshd, &old.code()));
}

/// sshd runs the account phase with the method, whatever other methods the login still needs.
#[test]
fn where_a_key_comes_last_the_offer_comes_before_it() {
    let (machine, old) = desk();
    let order = |methods: &str| machine.sshd(&format!("AuthenticationMethods {methods}"));
    let first = order("publickey,keyboard-interactive");
    let session = first.login("alice").answer(PASSWORD).run();
    assert!(
        !session.is_in() && session.prompts.is_empty(),
        "{session:?}"
    );
    drop(first);
    let last = order("keyboard-interactive,publickey");
    let (session, keys) = recovers(&last, &old.recovery[0], &[(NEW, "yes"), (REMOVE_PHONE, "")]);
    assert!(!session.is_in() && keys.len() == 1, "{session:?}");
    assert_eq!(factor(&machine, "alice").0, ["phone", "phone-2"]);
}

#[test]
fn an_invitation_that_is_needed_is_no_recovery_code() {
    let (machine, old) = desk();
    let sshd = machine.sshd("");
    for (round, (keys, tables)) in [
        ("enroll_needs_invite = true", ""),
        ("", "[self_service]\nmanage = false"),
    ]
    .into_iter()
    .enumerate()
    {
        policy(&machine, keys, tables);
        let (session, _) = recovers(&sshd, &old.recovery[round], &[]);
        assert!(session.is_in() && session.prompts.len() == 2, "{session:?}");
        let allowed = bypass(&machine, &["--new-device"]);
        let (session, _) = recovers(&sshd, &allowed, &[(NEW, "")]);
        assert!(session.is_in() && session.prompts.len() == 3, "{session:?}");
    }
}

#[test]
fn what_changes_meanwhile_ends_the_offer() {
    let (machine, _) = desk();
    let sshd = machine.sshd("");
    for change in [
        &["recovery-codes", "alice", "--yes"][..],
        &["enroll", "alice", "--no-confirm", "--device", "other"],
        &["disable", "--service", "sshd", "--yes"],
    ] {
        let run = machine
            .command(&["recovery-codes", "alice", "--json", "--yes"])
            .ok();
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let recovery = report["recovery_codes"][0].as_str().unwrap().to_owned();
        let answers = [(ASK_CODE, recovery.as_str()), (NEW, "yes")];
        let mut person = Person::new(&answers);
        let session = sshd.login("alice").answer_with(|question| {
            if question.ends_with(CODE_OR_SKIP) {
                machine.command(change).ok();
            }
            person.types(question)
        });
        let session = session.run();
        assert!(session.is_in(), "{change:?} {session:?}");
        assert!(!factor(&machine, "alice").0.contains(&"phone-2".to_owned()));
    }
    assert_eq!(
        results(&machine),
        [
            "enrolled-meanwhile",
            "enrolled-meanwhile",
            "enrolment-withdrawn changed=policy"
        ]
    );
}

#[test]
fn sudo_and_su_offer_no_device() {
    let (machine, old) = desk();
    machine.allow_sudo("alice");
    let on_terminal = |user: &str, line: &str| {
        let shell = machine.program("bash").args(&["-c", line]);
        shell.user(user).pty()
    };
    let mut sudo = on_terminal("alice", "sudo -k id -un");
    sudo.answer("password for alice: ", PASSWORD)
        .answer(ASK_CODE, &old.recovery[0]);
    assert!(sudo.end().shown.ends_with("root\n"));
    machine.add_user("bob");
    let mut su = on_terminal("bob", "su alice -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD)
        .answer(ASK_CODE, &old.recovery[1]);
    let shown = su.end().shown;
    assert!(shown.ends_with("this is alice\n"), "{shown}");
    for service in ["su", "sudo", "su-l", "i3lock"] {
        assert!(logged(&machine, &format!("{service}:account")).is_empty());
    }
}

#[test]
fn services_that_want_no_messages_offer_no_device() {
    let (machine, old) = desk();
    machine.install_stack("cockpit");
    let drive = |code: &str| {
        let drive = Drive::installed().service("cockpit").user("alice");
        drive.phases("auth,acct").answer(PASSWORD).answer(code)
    };
    let silent = drive(&old.recovery[0]).silent().run();
    assert_eq!(
        (silent.auth, silent.acct, silent.prompts.len()),
        (code::SUCCESS, code::SUCCESS, 2)
    );
    // Without an answer the login goes on, too.
    let mute = drive(&old.recovery[1]).run();
    assert_eq!(
        (mute.auth, mute.acct, mute.prompts.len()),
        (code::SUCCESS, code::SUCCESS, 3)
    );
    let whole = drive(&old.recovery[2])
        .answer("yes")
        .answer_shell(CODE_OF_LAST_KEY)
        .answer("")
        .run();
    assert_eq!((whole.auth, whole.acct), (code::SUCCESS, code::SUCCESS));
    assert_eq!(
        factor(&machine, "alice").0.len(),
        1,
        "a page shows no line that begins with Key"
    );
}

#[test]
fn a_device_that_cannot_be_stored_refuses_no_login() {
    let (machine, old) = desk();
    let strace = [
        "strace",
        "-qq",
        "-o",
        "/dev/null",
        "--inject=renameat,renameat2:error=EIO",
    ];
    let drive = Drive::installed().service("login").user("alice");
    let outcome = drive
        .phases("auth,acct")
        .answer(PASSWORD)
        .answer(&old.recovery[0])
        .answer("yes")
        .answer_shell(CODE_OF_LAST_KEY)
        .through(&strace)
        .run();
    assert_eq!((outcome.auth, outcome.acct), (code::SUCCESS, code::SUCCESS));
    let told = "You are logged in, but the change could not be stored";
    let last = outcome.messages.last().unwrap();
    assert!(last.text.starts_with(told), "{outcome:?}");
    assert_eq!(factor(&machine, "alice").0, ["phone"]);
    let log = logged(&machine, "login:account");
    assert!(log.len() == 1 && log[0].contains("result=error"), "{log:?}");
    assert!(lets_in(&machine.sshd(""), &old.code()));
}

#[test]
fn a_client_with_one_field_is_offered_no_device() {
    let (machine, old) = desk();
    machine.install_stack_as("sshd-password-and-code-in-one-field", "sshd");
    let sshd = machine.sshd("PasswordAuthentication yes\nKbdInteractiveAuthentication yes");
    let methods = ["password", "keyboard-interactive"];
    for (method, code) in methods.into_iter().zip(&old.recovery) {
        let methods = format!("PreferredAuthentications={method}");
        let login = sshd.login("alice").option(&methods).attempts(1);
        let session = login.answer(format!("{PASSWORD}{code}")).run();
        assert!(
            session.is_in() && session.prompts.len() == 1,
            "{method}: {session:?}"
        );
    }
    assert_eq!(results(&machine), [""; 0]);
    assert_eq!(factor(&machine, "alice"), (vec!["phone".into()], 8));
}

#[test]
fn a_code_after_a_wrong_password_gets_no_offer() {
    let (machine, old) = desk();
    policy(&machine, "uniform_prompt = true", "");
    // The code is asked for whatever the password was.
    machine.stack("common-auth", "auth required pam_unix.so nodelay\n");
    let sshd = machine.sshd("");
    for (password, code, shown) in [
        ("wrong", old.recovery[0].as_str(), &[ASK_CODE][..]),
        (PASSWORD, &old.recovery[1], &[ASK_CODE, NEW]),
    ] {
        let login = sshd.login("alice").attempts(1);
        let session = login.answer(password).answer(code).answer("").run();
        assert_eq!(session.is_in(), password == PASSWORD, "{session:?}");
        let asked = session.prompts.get(1..).unwrap_or_default();
        assert_eq!(asked.len(), shown.len(), "{session:?}");
        assert!(
            asked
                .iter()
                .zip(shown)
                .all(|(got, want)| got.ends_with(want)),
            "{session:?}"
        );
    }
    assert_eq!(results(&machine), ["enrolment-skipped"]);
}
