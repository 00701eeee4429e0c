//! Groups of `[[exempt]]` under every answer of the name service: a group of which nothing is known has no members, and
//! concerns only those that it could exempt.

use harness::Machine;
use harness::pam::{Drive, code};
use twofactor_core::account::Account;
use twofactor_core::device::OtpKind;

use harness::enrolled::{
    IGNORED, SERVICE, Token, add_account, add_stack, auth, device, logged, machine, run, said,
    write_record,
};

/// Answers of the name service about a group, and the error that is logged.
const ANSWERS: [(&str, Option<&str>); 7] = [
    ("found 61000", None),
    ("found 61000 alice,bob", None),
    ("missing", Some("there is no such group")),
    ("slow 1 missing", Some("there is no such group")),
    ("fails 2", Some("No such file or directory")),
    ("fails 5", Some("Input/output error")),
    ("slow 1 again 11", Some("Resource temporarily unavailable")),
];

/// Root's token, and a service beside `SERVICE`.
fn with_root(entry: &str) -> (Machine, Token) {
    let machine = machine(&format!("enabled = true\n[[exempt]]\n{entry}\n"));
    add_stack(&machine, "other", "");
    let root = Account {
        name: "root".to_owned(),
        uid: 0,
        gid: 0,
    };
    write_record(&root, vec![device("token", OtpKind::Hotp)]);
    (machine, Token::new("root"))
}

fn with_code(token: &Token, service: &str) -> i32 {
    let login = Drive::installed().service(service).user("root");
    auth(login.answer(token.code()))
}

/// The answer to root's session depends on no group, however the session began.
#[test]
fn r43_the_session_of_root_looks_no_group_up() {
    let machine = machine("enabled = true\n");
    let names = machine.name_service();
    let told = |entry: &str, user: &str| {
        machine.policy(&format!("enabled = true\n[[exempt]]\n{entry}\n"));
        names.answers("group robots missing\n");
        let drive = Drive::installed().service(SERVICE).user(user);
        let outcome = run(drive.tty("/dev/pts/0").phases("open"));
        let asked = names.asked().contains(&"group robots".to_owned());
        (asked, said(&outcome).len())
    };
    add_account(&machine, "bob");
    let group = "groups = [\"robots\"]";
    assert_eq!(told(group, "bob"), (true, 1));
    assert_eq!(told(group, "root"), (false, 0));
    let elsewhere = format!("{group}\nservices = [\"other\"]");
    assert_eq!(told(&elsewhere, "root"), (false, 1));
    assert_eq!(told("users = [\"bob\"]", "root"), (false, 1));
}

#[test]
fn r43_root_gets_in_despite_a_failing_group() {
    let (machine, token) = with_root("groups = [\"robots\"]\nservices = [\"test\"]");
    let names = machine.name_service();
    let accepted = "user=root rhost= result=accepted device=token offset=0";
    for (answer, error) in ANSWERS {
        names.answers(&format!("group robots {answer}\n"));
        assert_eq!(with_code(&token, "other"), code::SUCCESS, "{answer}");
        assert_eq!(logged(&machine), [accepted]);
        let asked = |service: &[String]| service.contains(&"group robots".to_owned());
        assert!(!asked(&names.asked()), "an unrelated service: {answer}");
        assert_eq!(with_code(&token, SERVICE), code::SUCCESS, "{answer}");
        assert!(asked(&names.asked()), "{answer}");
        let lines = logged(&machine);
        let Some(error) = error else {
            assert_eq!(lines, [accepted], "{answer}");
            continue;
        };
        assert_eq!((lines.len(), lines[1].as_str()), (2, accepted), "{lines:?}");
        let begins = "user=root rhost= result=unusable-group group=robots error=\"";
        assert!(lines[0].starts_with(begins), "{lines:?}");
        assert!(lines[0].contains(error), "{lines:?}");
        assert!(lines[0].ends_with("twofactor policy check\""), "{lines:?}");
    }
}

#[test]
fn a_member_of_a_group_is_exempt_and_others_are_asked() {
    let (machine, token) = with_root("groups = [\"robots\"]");
    let names = machine.name_service();
    let alice = add_account(&machine, "alice");
    write_record(&alice, vec![device("token", OtpKind::Hotp)]);
    for answer in ["found 61000 bob,alice", "slow 1 found 61000 alice"] {
        names.answers(&format!("group robots {answer}\n"));
        let login = Drive::installed().service(SERVICE).user("alice");
        assert_eq!(auth(login), IGNORED, "{answer}");
        assert_eq!(with_code(&token, SERVICE), code::SUCCESS, "{answer}");
    }
}

#[test]
fn a_group_is_looked_up_after_other_conditions() {
    for (condition, drive, asked) in [
        ("users = [\"alice\"]", "", false),
        ("users = [\"alice\", \"root\"]", "", true),
        ("services = [\"other\"]", "", false),
        ("networks = [\"10.0.0.0/8\"]", "", false),
        ("networks = [\"10.0.0.0/8\"]", "192.0.2.7", false),
        ("networks = [\"10.0.0.0/8\"]", "10.1.2.3", true),
    ] {
        let (machine, token) = with_root(&format!("groups = [\"robots\"]\n{condition}"));
        let names = machine.name_service();
        let login = token.login().rhost(drive).answer(token.code());
        assert_eq!(auth(login), code::SUCCESS, "{condition}");
        let mut groups = names.asked();
        groups.retain(|asked| asked.starts_with("group "));
        let expected: &[&str] = if asked { &["group robots"] } else { &[] };
        assert_eq!(groups, expected, "{condition}");
    }
}

/// A name without an account is in no group, and waits as long as others do.
#[test]
fn a_name_without_an_account_is_in_no_group() {
    let (machine, _) = with_root("groups = [\"robots\"]");
    let names = machine.name_service();
    machine
        .policy("enabled = true\nenforcement = \"mandatory\"\n[[exempt]]\ngroups = [\"robots\"]\n");
    names.answers("group robots found 61000 ghost\n");
    let login = Drive::installed().service(SERVICE).user("ghost");
    assert_eq!(auth(login), code::AUTH_ERR);
    assert!(names.asked().contains(&"group robots".to_owned()));
}

/// Of an account it is another matter: without an answer it is not known whose device counts.
#[test]
fn an_account_that_cannot_be_looked_up_is_refused() {
    let (machine, token) = with_root("groups = [\"robots\"]");
    let names = machine.name_service();
    for answer in ["fails 2", "fails 5", "again 11"] {
        names.answers(&format!("passwd root {answer}\n"));
        let login = token.login().answer("123456");
        assert_eq!(auth(login), code::AUTHINFO_UNAVAIL, "{answer}");
        let lines = logged(&machine);
        assert!(lines[0].contains("result=error"), "{lines:?}");
    }
}

/// The log says so without a look-up more than the login has.
#[test]
fn an_exempt_name_that_is_no_login_name_is_logged() {
    let (machine, token) = with_root("users = [\"toor\", \"root\"]\nservices = [\"other\"]");
    let names = machine.name_service();
    names.answers("passwd toor found root 0 0\n");
    let accepted = "user=toor rhost= result=accepted device=token offset=0";
    let login = Drive::installed().service(SERVICE).user("toor");
    assert_eq!(auth(login.answer(token.code())), code::SUCCESS);
    let lines = logged(&machine);
    let said = "user=toor rhost= result=unusable-user account=root error=\"only the login name of an account is compared\"";
    assert_eq!((lines.len(), lines[1].as_str()), (2, accepted), "{lines:?}");
    assert!(lines[0].starts_with(said), "{lines:?}");
    let asked = names.asked();
    machine.policy("enabled = true\n");
    let login = Drive::installed().service(SERVICE).user("toor");
    assert_eq!(auth(login.answer(token.code())), code::SUCCESS);
    assert_eq!(logged(&machine), [accepted]);
    let asked_without = names.asked();
    assert_eq!(asked_without.len(), asked.len() * 2, "{asked_without:?}");
    let login = Drive::installed().service(SERVICE).user("root");
    assert_eq!(auth(login.answer(token.code())), code::SUCCESS);
    assert_eq!(logged(&machine).len(), 1, "the login name itself");
}
