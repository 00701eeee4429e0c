//! On a terminal: login, su and sudo.

use harness::{Machine, PASSWORD, Pty, Totp};

use crate::app::{ANOTHER, BEGIN, CODE, CODE_OR_SKIP, DOES_NOT_SCAN, OFFER, key};
use crate::sshd::{devices, machine_with};
use harness::logins::logged;
use harness::screen::{Background, COLUMNS, assert_fits, scan, scan_blurred};

/// Sets up a device; returns it.
fn enrolls(terminal: &mut Pty, question: (&str, &str), code: &str) -> Totp {
    terminal.answer(question.0, question.1);
    let phone = Totp::new(&key(&terminal.expect(code)));
    phone.settle(5);
    terminal.send_line(&phone.code());
    terminal.answer(ANOTHER, "");
    phone
}

#[test]
fn r15_r35_login_offers_a_device_and_then_asks_for_it() {
    let machine = machine_with("enroll_at_login = \"offer\"");
    let mut login = machine.pty("login", &[]);
    login
        .answer("login: ", "alice")
        .answer("Password: ", PASSWORD);
    let phone = enrolls(&mut login, (OFFER, "yes"), CODE_OR_SKIP);
    login.answer("$ ", "exit");
    let shown = login.end().shown;
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert_eq!(
        logged(&machine, "login:account"),
        ["user=alice rhost= result=enrolled device=phone"]
    );
    let mut login = machine.pty("login", &[]);
    login
        .answer("login: ", "alice")
        .answer("Password: ", PASSWORD)
        .answer("Verification code: ", &phone.code_after(1))
        .answer("$ ", "exit");
    assert_eq!(login.end().code, Some(0));
}

#[test]
fn r30_the_qr_code_on_the_console_can_be_scanned() {
    let machine = machine_with("enroll_at_login = \"require\"");
    let mut login = machine.pty("login", &[]);
    login
        .answer("login: ", "alice")
        .answer("Password: ", PASSWORD)
        .answer(BEGIN, "");
    let shown = login.expect(CODE);
    let uri = shown.lines().find_map(|line| line.strip_prefix("URI: "));
    let scanned = harness::screen::scan(&machine, &shown, harness::screen::Background::Dark);
    assert_eq!(scanned, [uri.unwrap()]);
    login.kill();
}

#[test]
fn r30_i_inverts_the_code_of_the_dialogue() {
    for columns in COLUMNS {
        inverts_the_code_of_the_dialogue(columns);
    }
}

fn inverts_the_code_of_the_dialogue(columns: u16) {
    let machine = machine_with("enroll_at_login = \"require\"");
    let login = machine.program("login");
    let mut login = login.pty_of(columns, 24);
    login
        .answer("login: ", "alice")
        .answer("Password: ", PASSWORD)
        .answer(BEGIN, "");
    let first = login.expect(CODE);
    let uri = first.lines().find_map(|line| line.strip_prefix("URI: "));
    let uri = uri.unwrap();
    assert_fits(&first, columns, &["URI: ", "Key: "]);
    let words: Vec<&str> = first.split_whitespace().collect();
    let end = format!("{DOES_NOT_SCAN}{CODE}");
    assert!(words.join(" ").ends_with(end.trim_end()), "{first}");
    let screen = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        let rows = |line: &&&str| line.chars().count().div_ceil(columns.into()).max(1);
        let mut room = 24;
        let seen = lines.iter().rev().take_while(|line| {
            room -= i64::try_from(rows(line)).unwrap();
            room >= 0
        });
        lines[lines.len() - seen.count()..].join("\n")
    };
    assert_eq!(scan(&machine, &screen(&first), Background::Light), [""; 0]);
    // More often than codes may be wrong.
    for background in [Background::Light, Background::Dark].repeat(3) {
        login.send_line("i");
        let again = screen(&login.expect(CODE));
        assert_eq!(scan(&machine, &again, background), [uri], "{again}");
        assert!(again.contains("\nKey: "), "{again}");
    }
    // For a console that shows no half blocks; on 24 lines it is not all seen, and 40 columns are too few.
    let plain = if columns < 80 {
        login.send_line("a");
        let plain = login.expect(CODE);
        assert!(plain.contains("Type this key into"), "{plain}");
        plain
    } else {
        draws_plain_characters(&machine, &mut login, uri)
    };
    let phone = Totp::new(&key(&plain));
    phone.settle(5);
    login.send_line(&phone.code());
    login.answer(ANOTHER, "").answer("$ ", "exit");
    assert_eq!(login.end().code, Some(0));
    assert_eq!(devices(&machine, "alice"), 1);
}

/// Asks for plain characters on a dark and on a light screen; returns what was shown last.
fn draws_plain_characters(machine: &Machine, login: &mut Pty, uri: &str) -> String {
    login.send_line("a");
    let plain = login.expect(CODE);
    assert!(
        plain.is_ascii() && plain.contains("enlarge the window"),
        "{plain}"
    );
    assert_eq!(scan_blurred(machine, &plain, Background::Dark), [uri]);
    // On a light one.
    login.send_line("i");
    let plain = login.expect(CODE);
    assert!(plain.is_ascii(), "{plain}");
    assert_eq!(scan_blurred(machine, &plain, Background::Light), [uri]);
    plain
}

fn as_alice(machine: &Machine, command: &str) -> Pty {
    let shell = machine.program("bash").args(&["-c", command]);
    shell.user("alice").pty()
}

#[test]
fn su_enrolls_its_target_user() {
    let machine = machine_with("enroll_at_login = \"require\"");
    machine.add_user("bob");
    let mut su = as_alice(&machine, "su - bob -c 'echo this is $(id -un)'");
    su.answer("Password: ", PASSWORD);
    enrolls(&mut su, (BEGIN, ""), CODE);
    let ended = su.end();
    assert!(ended.shown.ends_with("\nthis is bob\n"), "{}", ended.shown);
    assert_eq!(
        (devices(&machine, "alice"), devices(&machine, "bob")),
        (0, 1)
    );
    assert_eq!(
        logged(&machine, "su-l:account"),
        ["user=bob rhost= result=enrolled device=phone"]
    );
    // root becomes any user without a password, and is not asked.
    let run = machine.run("su", &["-", "alice", "-c", "id -un"]).ok();
    assert_eq!(run.stdout, "alice\n");
}

/// sudo wants no messages: everything stands in the questions.
#[test]
fn sudo_enrolls_its_caller() {
    let machine = machine_with("enroll_at_login = \"require\"");
    machine.allow_sudo("alice");
    let mut sudo = as_alice(&machine, "sudo echo this is root");
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    enrolls(&mut sudo, (BEGIN, ""), CODE);
    let ended = sudo.end();
    assert!(ended.shown.contains("this is root\n"), "{}", ended.shown);
    assert_eq!(devices(&machine, "alice"), 1);
}

#[test]
fn sudo_refuses_a_caller_who_must_enroll() {
    let machine = machine_with("enroll_at_login = \"require\"");
    machine.allow_sudo("alice");
    let mut sudo = as_alice(&machine, "sudo echo this is root");
    sudo.answer("[sudo] password for alice: ", PASSWORD)
        .answer(BEGIN, "")
        .answer(CODE, "");
    // sudo wants no messages, and would say nothing of the reason.
    sudo.expect("Two-factor login was not set up, so you cannot log in here.");
    sudo.answer("Press Enter to go on: ", "");
    let ended = sudo.end();
    assert_eq!(ended.code, Some(1), "{}", ended.shown);
    assert!(!ended.shown.contains("this is root"), "{}", ended.shown);
}

/// login keeps one transaction for several users.
#[test]
fn another_users_failure_leads_to_no_enrollment() {
    let machine = machine_with("enroll_at_login = \"require\"");
    machine.add_user("bob");
    let phone = harness::logins::enroll(&machine, "bob", &[]);
    // With `required` the module is asked also after a wrong password.
    machine.stack(
        "login",
        "auth required pam_unix.so nodelay\nauth required pam_twofactor.so\n\
         account required pam_twofactor.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
    );
    let mut login = machine.pty("login", &[]);
    login
        .answer("login: ", "alice")
        .answer("Password: ", "wrong")
        .answer("login: ", "bob")
        .answer("Password: ", PASSWORD)
        .answer("Verification code: ", &phone.code())
        .answer("$ ", "exit");
    let shown = login.end().shown;
    assert!(!shown.contains("Key: "), "{shown}");
    assert_eq!(devices(&machine, "alice"), 0);
}
