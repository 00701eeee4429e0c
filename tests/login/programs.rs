//! Programs other than those that the product comes with stacks for: what they get, and that none of them is let in by the way it
//! calls PAM. saslauthd and doas are the real ones.

use std::path::Path;
use std::time::Duration;

use harness::logins;
use harness::logins::{ASK_CODE, Phone, enrolled, logged, machine};
use harness::pam::{Drive, code};
use harness::{Machine, PASSWORD, Running};

const UNIX: &str = "auth requisite pam_unix.so nodelay\n";
const OURS: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";
const ONE_FIELD: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so forward_pass\n\
                         auth requisite pam_unix.so use_first_pass nodelay\n";
const ACCOUNT: &str = "account [success=ok ignore=ignore default=die] pam_twofactor.so\naccount required pam_permit.so\n";

/// A machine with alice, who has a phone, and bob, who has none.
fn two_users() -> (Machine, Phone) {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    machine.add_user("bob");
    (machine, phone)
}

/// Cyrus SASL's server, with which mail servers and others check passwords.
fn saslauthd(machine: &Machine) -> Running {
    let directory = Path::new("/run/saslauthd");
    std::fs::create_dir(directory).unwrap();
    let place = directory.display().to_string();
    let arguments = ["-a", "pam", "-n", "1", "-d", "-m", &place];
    let mut server = machine.program("saslauthd").args(&arguments).start();
    // As often as half a minute allows.
    for _ in 0..6000 {
        if directory.join("mux").exists() {
            return server;
        }
        assert!(server.try_wait().is_none(), "{}", server.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no socket: {}", server.stderr());
}

/// True if saslauthd lets a user in at the service `imap`.
fn sasl_lets_in(machine: &Machine, user: &str, password: &str) -> bool {
    let arguments = ["-s", "imap", "-u", user, "-p", password];
    let run = machine.run("testsaslauthd", &arguments);
    match run.stdout.as_str() {
        said if said.contains("OK \"Success.\"") => true,
        said if said.contains("NO \"") => false,
        _ => panic!("{run:?}"),
    }
}

#[test]
fn saslauthd_takes_password_and_code_in_one_field() {
    let (machine, phone) = two_users();
    machine.stack("imap", &format!("{ONE_FIELD}{ACCOUNT}"));
    let _server = saslauthd(&machine);
    let both = format!("{PASSWORD}{}", phone.code());
    assert!(!sasl_lets_in(&machine, "alice", PASSWORD));
    assert!(!sasl_lets_in(
        &machine,
        "alice",
        &format!("wrong{}", phone.recovery[0])
    ));
    assert!(!sasl_lets_in(
        &machine,
        "alice",
        &format!("{PASSWORD}{}", phone.wrong_code())
    ));
    assert!(sasl_lets_in(&machine, "alice", &both));
    assert!(!sasl_lets_in(&machine, "alice", &both), "a code works once");
    assert!(sasl_lets_in(&machine, "bob", PASSWORD));
    assert!(!sasl_lets_in(&machine, "bob", &format!("{PASSWORD}123456")));
}

/// A mail program keeps password and code, and reconnects with both.
#[test]
fn a_mail_program_that_reconnects_does_not_lock_out() {
    let (machine, phone) = two_users();
    machine.stack("imap", &format!("{ONE_FIELD}{ACCOUNT}"));
    let _server = saslauthd(&machine);
    let counted = || machine.log_with("result=wrong").len();
    let kept = format!("{PASSWORD}{}", phone.code());
    assert!(sasl_lets_in(&machine, "alice", &kept));
    for _ in 0..6 {
        assert!(!sasl_lets_in(&machine, "alice", &kept));
    }
    let refused = logged(&machine, "imap:auth");
    assert!(refused[1].contains("result=used"), "{refused:?}");
    let again = refused[2..].iter();
    assert!(
        again.clone().count() >= 5 && again.clone().all(|line| line.contains("result=repeated-")),
        "{refused:?}"
    );
    let with_recovery = format!("{PASSWORD}{}", phone.recovery[0]);
    assert!(sasl_lets_in(&machine, "alice", &with_recovery));
    let wrong = format!("{PASSWORD}{}", phone.wrong_code());
    for _ in 0..6 {
        assert!(!sasl_lets_in(&machine, "alice", &wrong));
    }
    assert_eq!(counted(), 1);
}

#[test]
fn saslauthd_has_one_answer_for_two_questions() {
    let (machine, phone) = two_users();
    machine.stack("imap", &format!("{UNIX}{OURS}{ACCOUNT}"));
    let _server = saslauthd(&machine);
    assert!(!sasl_lets_in(&machine, "alice", PASSWORD));
    assert!(!sasl_lets_in(
        &machine,
        "alice",
        &format!("{PASSWORD}{}", phone.code())
    ));
    let hint = "twofactor disable --service imap";
    let told = logged(&machine, "imap:auth");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("result=password-as-code") && told[0].contains(hint),
        "{told:?}"
    );
    assert!(sasl_lets_in(&machine, "bob", PASSWORD));
}

/// A terminal on which alice runs doas.
fn doas(machine: &Machine) -> harness::Pty {
    let doas = machine.program("doas").args(&["id", "-un"]);
    doas.user("alice").pty()
}

#[test]
fn doas_asks_for_the_code_after_the_password() {
    let (machine, phone) = two_users();
    machine.write_file("/etc/doas.conf", "permit alice\n", 0o644);
    machine.stack(
        "doas",
        &format!("{UNIX}{OURS}{ACCOUNT}session required pam_permit.so\n"),
    );
    let mut right = doas(&machine);
    right
        .answer("password: ", PASSWORD)
        .answer(ASK_CODE, &phone.code());
    let ended = right.end();
    assert!(
        ended.shown.ends_with("root\n") && ended.code == Some(0),
        "{ended:?}"
    );
    let mut wrong = doas(&machine);
    wrong.answer("password: ", PASSWORD);
    for _ in 0..3 {
        wrong.answer(ASK_CODE, &phone.wrong_code());
    }
    let ended = wrong.end();
    assert!(
        !ended.shown.contains("root\n") && ended.code == Some(1),
        "{ended:?}"
    );
    let mut password = doas(&machine);
    password.answer("password: ", "not it");
    let ended = password.end();
    assert!(
        !ended.shown.contains(ASK_CODE) && ended.code == Some(1),
        "{ended:?}"
    );
    machine.policy("this is not TOML");
    let mut unusable = doas(&machine);
    unusable.answer("password: ", PASSWORD);
    unusable.expect("this login is refused. Tell your administrator.\n");
    assert_eq!(unusable.end().code, Some(1));
}

#[test]
fn a_program_that_is_not_root_lets_in_no_one() {
    let (machine, phone) = two_users();
    machine.stack("x", &format!("auth required pam_permit.so\n{OURS}"));
    for user in ["alice", "bob", "root", "no-such-user"] {
        let login = || {
            let drive = Drive::installed().service("x").user(user);
            drive.answer(&phone.recovery[0])
        };
        // A set-uid program of another user, run by root and by a user; a server with an account of its own.
        for program in [
            login().effective_uid(33),
            login().real_uid(1000).effective_uid(33),
            login().as_user("www-data"),
            login().as_user("bob"),
        ] {
            let outcome = program.run();
            assert_eq!(outcome.auth, code::AUTHINFO_UNAVAIL, "{user}");
            assert!(outcome.prompts.is_empty(), "{user}: {:?}", outcome.prompts);
        }
    }
    // The code was good all the time.
    let root = Drive::installed().service("x").user("alice");
    assert_eq!(root.answer(&phone.recovery[0]).run().auth, code::SUCCESS);
}

/// Programs that do not look at prompts, with what each of them answers to every one, after the password if that is asked for alone.
fn without_a_person(user: &str, password: Option<&str>, answers: &[&str]) -> Vec<Drive> {
    let login = || {
        let drive = Drive::installed().service("x").user(user);
        let drive = drive.phases("auth,acct");
        match password {
            Some(password) => drive.answer(password),
            None => drive,
        }
    };
    let mut programs: Vec<Drive> = answers.iter().map(|one| login().answer(one)).collect();
    programs.push(login().answer_null());
    programs.push(login().answer_null_array());
    programs.push(login().answer_error());
    programs.into_iter().map(Drive::answer_again).collect()
}

#[test]
fn the_same_answer_for_ever_ends_and_lets_in_no_one() {
    let (machine, phone) = two_users();
    let limits = "attempts = 1000\nmax_failures = 0";
    logins::policy(&machine, "enroll_at_login = \"require\"", limits);
    let wrong = phone.wrong_code();
    let both = format!("{PASSWORD}{wrong}");
    let behind = format!("{UNIX}{OURS}");
    let alone = format!("{OURS}auth required pam_permit.so\n");
    for (auth, password) in [
        (&alone, None),
        (&ONE_FIELD.to_owned(), None),
        (&behind, Some(PASSWORD)),
    ] {
        machine.stack("x", &format!("{auth}{ACCOUNT}"));
        for program in without_a_person("alice", password, &[&wrong, &both, "", "alice"]) {
            let shown = format!("{program:?}");
            let outcome = program.run();
            assert_ne!(outcome.auth, code::SUCCESS, "{shown}");
            let codes = outcome.prompts.len() - usize::from(password.is_some());
            assert!((1..=3).contains(&codes), "{shown}: {outcome:?}");
        }
    }
    // bob gets as far as the enrollment, which takes no code that he cannot know.
    for program in without_a_person("bob", Some(PASSWORD), &[&wrong, "", "bob"]) {
        let shown = format!("{program:?}");
        let outcome = program.run();
        assert_eq!(outcome.auth, code::SUCCESS, "{shown}");
        assert_ne!(outcome.acct, code::SUCCESS, "{shown}");
        assert!(outcome.prompts.len() <= 16, "{shown}: {outcome:?}");
    }
    assert!(!Path::new("/var/lib/twofactor/users/bob.toml").exists());
}
