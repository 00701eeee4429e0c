//! Logins over ssh by key: not asked with `pam.d/sshd`, asked for the code alone with `pam.d/sshd-key-and-code`.

use harness::logins::{
    ASK_AGAIN, ASK_CODE, dialogue, enrolled, last_try, logged, machine, policy, told,
};
use harness::{Machine, PASSWORD};

const METHODS: &str = "AuthenticationMethods publickey,keyboard-interactive";

/// A key login of `alice` runs no question and no refusal.
fn key_is_enough(machine: &Machine) {
    let key = machine.add_key("alice");
    let sshd = machine.sshd("");
    let session = sshd.login("alice").key(key).answer(PASSWORD).run();
    assert_eq!(dialogue(&session), (true, vec![]));
    assert_eq!((session.code, session.stderr.as_str()), (Some(0), ""));
    assert!(sshd.log().contains("Accepted publickey for alice"));
    assert_eq!(logged(machine, "sshd:auth"), [""; 0]);
    assert_eq!(logged(machine, "sshd:account"), [""; 0]);
}

#[test]
fn r25_a_key_login_of_an_enrolled_user_is_not_asked() {
    let machine = machine();
    enrolled(&machine, "alice");
    key_is_enough(&machine);
}

#[test]
fn r25_a_key_login_is_not_refused_in_mandatory_mode() {
    let machine = machine();
    policy(&machine, "enforcement = \"mandatory\"", "");
    machine.add_user("alice");
    key_is_enough(&machine);
}

#[test]
fn r25_a_key_login_works_without_a_policy() {
    let machine = machine();
    enrolled(&machine, "alice");
    machine.policy("enabled = perhaps\n");
    key_is_enough(&machine);
    std::fs::remove_file("/etc/security/twofactor.toml").unwrap();
    key_is_enough(&machine);
}

#[test]
fn r25_a_key_login_works_during_a_lock_out() {
    let machine = machine();
    policy(&machine, "tries = 10", "");
    let phone = enrolled(&machine, "alice");
    let sshd = machine.sshd("");
    let [one, two, three, four, five] = std::array::from_fn(|_| phone.wrong_code());
    let guesses = [PASSWORD, &one, &two, &three, &four, &five];
    sshd.login("alice").answers(&guesses).run();
    assert_eq!(machine.log_with("result=throttled").len(), 1);
    machine.forget_log();
    key_is_enough(&machine);
    machine.write_file("/var/lib/twofactor/users/alice.toml", "nonsense", 0o600);
    key_is_enough(&machine);
}

#[test]
fn r25_a_key_login_works_without_the_module() {
    let machine = machine();
    enrolled(&machine, "alice");
    let stack = machine.read("/etc/pam.d/sshd");
    machine.stack("sshd", &stack.replace("pam_twofactor.so", "pam_missing.so"));
    key_is_enough(&machine);
    let sshd = machine.sshd("");
    let session = sshd.login("alice").answer(PASSWORD).run();
    assert!(!session.is_in() && !session.hung_up);
}

#[test]
fn key_and_code_asks_for_the_code_alone() {
    let machine = machine();
    machine.install_stack_as("sshd-key-and-code", "sshd");
    let phone = enrolled(&machine, "alice");
    let key = machine.add_key("alice");
    let sshd = machine.sshd(METHODS);
    let (wrong, right) = (phone.wrong_code(), phone.code());
    let session = sshd
        .login("alice")
        .key(&key)
        .answers(&[&wrong, &right])
        .run();
    assert_eq!(dialogue(&session), (true, vec![ASK_CODE, ASK_AGAIN]));
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=alice rhost=127.0.0.1 result=wrong",
            "user=alice rhost=127.0.0.1 result=accepted device=phone offset=0 failures_before=1"
        ]
    );
    // sshd has no method left to offer then, and the client would try those it prefers, whatever sshd says.
    let login = sshd
        .login("alice")
        .key(&key)
        .option("PreferredAuthentications=publickey,keyboard-interactive");
    let [one, two, three] = std::array::from_fn(|_| phone.wrong_code());
    let guesses = login.answers(&[&one, &two, &three, ""]).run();
    let end = last_try();
    assert_eq!(
        dialogue(&guesses),
        (false, vec![ASK_CODE, ASK_AGAIN, ASK_AGAIN, &end])
    );
    assert_eq!((guesses.code, guesses.hung_up), (Some(255), false));
}

#[test]
fn key_and_code_asks_nothing_without_the_key() {
    let machine = machine();
    machine.install_stack_as("sshd-key-and-code", "sshd");
    let phone = enrolled(&machine, "alice");
    machine.add_user("bob");
    let other = machine.add_key("bob");
    let sshd = machine.sshd(METHODS);
    let answers = [PASSWORD, &phone.code()];
    for login in [sshd.login("alice"), sshd.login("alice").key(&other)] {
        let session = login.answers(&answers).run();
        assert_eq!(dialogue(&session), (false, vec![]));
        assert_eq!(
            session.stderr,
            "alice@127.0.0.1: Permission denied (publickey).\r\n"
        );
    }
}

#[test]
fn key_and_code_needs_the_setting_of_sshd() {
    let machine = machine();
    machine.install_stack_as("sshd-key-and-code", "sshd");
    let phone = enrolled(&machine, "alice");
    machine.add_user("bob");
    let sshd = machine.sshd("");
    for (user, answers) in [("alice", [phone.code()]), ("bob", [PASSWORD.to_owned()])] {
        let answers = answers.each_ref().map(String::as_str);
        let session = sshd.login(user).answers(&answers).run();
        assert_eq!(dialogue(&session), (false, vec![]), "{user}");
        assert_eq!(session.code, Some(255));
    }
    assert_eq!(logged(&machine, "sshd:auth"), [""; 0]);
}

#[test]
fn key_and_code_admits_the_unenrolled_where_optional() {
    let machine = machine();
    machine.install_stack_as("sshd-key-and-code", "sshd");
    machine.add_user("bob");
    let key = machine.add_key("bob");
    let sshd = machine.sshd(METHODS);
    let session = sshd.login("bob").key(&key).run();
    assert_eq!(dialogue(&session), (true, vec![]));
    policy(&machine, "enforcement = \"mandatory\"", "");
    let session = sshd.login("bob").key(&key).run();
    let why = "Two-factor login is required here, and it is not set up for your account yet.\n\
               Ask your administrator to do that.";
    assert_eq!(dialogue(&session), (false, vec![&*told(why)]));
    assert_eq!(
        logged(&machine, "sshd:auth"),
        [
            "user=bob rhost=127.0.0.1 result=unenrolled",
            "user=bob rhost=127.0.0.1 result=device-required"
        ]
    );
}
