//! Logins on a terminal with password and code: real login, and the stack `pam.d/login`.

use harness::logins::{enroll, enrolled, logged, machine, policy};
use harness::{Machine, PASSWORD, Pty};

/// A login program on a terminal, at which a name and the right password were given.
fn login(machine: &Machine, user: &str) -> Pty {
    let mut login = machine.pty("login", &[]);
    login.answer("login: ", user).answer("Password: ", PASSWORD);
    login
}

/// Sees that the shell is the user's, and leaves it.
fn leave(mut shell: Pty, user: &str) -> String {
    let prompt = if user == "root" { "# " } else { "$ " };
    shell.answer(prompt, "echo this is $(id -un)");
    shell.expect(&format!("this is {user}\n"));
    shell.answer(prompt, "exit");
    let ended = shell.end();
    assert_eq!(ended.code, Some(0));
    ended.shown
}

#[test]
fn r14_users_and_root_are_asked_after_the_password() {
    let machine = machine();
    let phones = [
        ("alice", enrolled(&machine, "alice")),
        ("root", enroll(&machine, "root", &[])),
    ];
    for (user, phone) in &phones {
        machine.forget_log();
        let mut terminal = login(&machine, user);
        terminal.answer("Verification code: ", &phone.code());
        let shown = leave(terminal, user);
        assert!(
            !shown.contains(PASSWORD) && !shown.contains("wo-factor"),
            "{shown}"
        );
        assert_eq!(
            logged(&machine, "login:auth"),
            [format!(
                "user={user} rhost= result=accepted device=phone offset=0"
            )]
        );
    }
}

#[test]
fn r10_login_asks_again_after_a_wrong_code() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let mut terminal = login(&machine, "alice");
    terminal.answer("Verification code: ", &phone.wrong_code());
    terminal.expect("Wrong code. (No phone? Type a recovery code.)\n");
    terminal.answer("Verification code: ", &phone.code());
    terminal.expect("One wrong code was entered since your last right one. If that was not you, change your password.\n");
    leave(terminal, "alice");
    assert_eq!(
        logged(&machine, "login:auth"),
        [
            "user=alice rhost= result=wrong",
            "user=alice rhost= result=accepted device=phone offset=0 failures_before=1"
        ]
    );
}

#[test]
fn login_gives_up_after_three_wrong_codes() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let mut terminal = login(&machine, "alice");
    for _ in 0..3 {
        terminal
            .answer("Verification code: ", &phone.wrong_code())
            .expect("Wrong code. (No phone? Type a recovery code.)\n");
    }
    // PAM_MAXTRIES: login does not ask for a name again.
    let ended = terminal.end();
    assert_eq!(ended.shown.matches("login: ").count(), 1, "{}", ended.shown);
    assert_eq!(ended.shown.matches("Password: ").count(), 1);
    assert_eq!(
        logged(&machine, "login:auth"),
        ["user=alice rhost= result=wrong"; 3]
    );
    let mut terminal = login(&machine, "alice");
    terminal.answer("Verification code: ", &phone.code());
    leave(terminal, "alice");
}

#[test]
fn a_wrong_password_starts_the_login_anew() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    let mut terminal = machine.pty("login", &[]);
    terminal
        .answer("login: ", "alice")
        .answer("Password: ", "guess");
    let shown = terminal.expect("Login incorrect\n");
    assert!(!shown.contains("Verification"), "{shown}");
    terminal
        .answer("login: ", "nobody9")
        .answer("Password: ", PASSWORD);
    let shown = terminal.expect("Login incorrect\n");
    assert!(!shown.contains("Verification"), "{shown}");
    terminal
        .answer("login: ", "alice")
        .answer("Password: ", PASSWORD);
    terminal.answer("Verification code: ", &phone.code());
    leave(terminal, "alice");
}

#[test]
fn r15_login_tells_of_a_possible_device() {
    let machine = machine();
    machine.add_user("bob");
    let terminal = login(&machine, "bob");
    let shown = leave(terminal, "bob");
    let note = "Two-factor login is available for your account. To set it up, ask your \
                administrator for \"twofactor enroll bob\".\n";
    assert_eq!(shown.matches(note).count(), 1, "{shown}");
    assert_eq!(
        logged(&machine, "login:auth"),
        ["user=bob rhost= result=unenrolled"]
    );
}

#[test]
fn r17_mandatory_refuses_users_without_a_device() {
    let machine = machine();
    policy(&machine, "enforcement = \"mandatory\"", "");
    machine.add_user("bob");
    let mut terminal = login(&machine, "bob");
    terminal.expect("Two-factor login is required here, and it is not set up for your account yet. Ask your administrator to do that.\n");
    terminal.expect("Login incorrect\n");
    assert_eq!(
        logged(&machine, "login:auth"),
        ["user=bob rhost= result=device-required"]
    );
}

#[test]
fn r22_login_can_be_left_out() {
    let machine = machine();
    enrolled(&machine, "alice");
    machine
        .command(&["disable", "--service", "login", "--yes"])
        .ok();
    leave(login(&machine, "alice"), "alice");
    assert_eq!(logged(&machine, "login:auth"), [""; 0]);
}

#[test]
fn r12_r16_one_switch_asks_the_enrolled_only() {
    let machine = machine();
    let phone = enrolled(&machine, "alice");
    machine.add_user("bob");
    machine.policy("enabled = false\n");
    leave(login(&machine, "alice"), "alice");
    machine.command(&["enable", "--yes", "--force"]).ok();
    leave(login(&machine, "bob"), "bob");
    let mut terminal = login(&machine, "alice");
    terminal.answer("Verification code: ", &phone.code());
    leave(terminal, "alice");
}

#[test]
fn an_automatic_login_is_not_asked() {
    let machine = machine();
    enrolled(&machine, "alice");
    leave(machine.pty("login", &["-f", "alice"]), "alice");
    assert_eq!(logged(&machine, "login:auth"), [""; 0]);
}
