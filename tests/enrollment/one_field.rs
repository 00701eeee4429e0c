//! Password and code in one field: the module is asked before the password is checked, and what it leaves for the account phase goes with
//! a wrong password.

use std::path::{Path, PathBuf};

use harness::pam::code;
use harness::{Machine, PASSWORD, Session, Sshd};

use crate::sshd::machine_with;
use harness::enrolled::{IGNORED, add_account, login, machine, run};

const STACK: &str = "sshd-password-and-code-in-one-field";
const AUTH_FAIL: &str = "auth       [default=die]  pam_twofactor.so authfail\n";
const METHODS: [&str; 2] = ["password", "keyboard-interactive"];

/// A machine with bob, who has a key for ssh and no device.
fn machine_with_bob(policy: &str) -> (Machine, PathBuf) {
    let machine = machine_with(&format!("enroll_at_login = \"{policy}\""));
    machine.install_stack_as(STACK, "sshd");
    machine.add_user("bob");
    let key = machine.add_key("bob");
    (machine, key)
}

fn sshd(machine: &Machine) -> Sshd<'_> {
    machine.sshd("PasswordAuthentication yes\nKbdInteractiveAuthentication yes")
}

/// One answer to the question of a method, and then the key.
fn answer_then_key(sshd: &Sshd<'_>, method: &str, answer: &str, key: &Path) -> Session {
    let methods = format!("PreferredAuthentications={method},publickey");
    let login = sshd.login("bob").option(&methods).attempts(1);
    let session = login.answer(answer).key(key).run();
    assert!(!session.prompts.is_empty(), "{method}: {session:?}");
    assert!(!session.stderr.contains("Key: "), "{method}: {session:?}");
    session
}

/// sshd's password method asks in the process that lets in by key afterwards.
#[test]
fn a_wrong_password_in_one_field_leaves_no_mark() {
    for policy in ["offer", "require"] {
        let (machine, key) = machine_with_bob(policy);
        let sshd = sshd(&machine);
        for method in METHODS {
            let session = answer_then_key(&sshd, method, "wrong", &key);
            assert!(session.is_in(), "{policy} {method}: {session:?}");
            assert_eq!(session.prompts.len(), 1, "{session:?}");
        }
    }
}

#[test]
fn the_right_password_in_one_field_needs_a_device() {
    let (machine, key) = machine_with_bob("require");
    let one = sshd(&machine);
    // A client of the password method cannot answer the questions, and has skipped.
    for method in METHODS {
        let methods = format!("PreferredAuthentications={method}");
        let login = one.login("bob").option(&methods).attempts(1);
        let session = login.answer(PASSWORD).answer("").answer("").run();
        assert!(!session.is_in(), "{method}: {session:?}");
    }
    drop(one);
    // A key does not replace the device of a user who came by password as well.
    let both = machine.sshd(
        "PasswordAuthentication yes\nKbdInteractiveAuthentication no\nAuthenticationMethods password,publickey",
    );
    let session = answer_then_key(&both, "password", PASSWORD, &key);
    assert!(!session.is_in(), "{session:?}");
    assert!(both.log().contains("Partial password"), "{}", both.log());
}

/// The module refuses with each fault of these lines.
#[test]
fn without_the_line_after_a_wrong_password_it_refuses() {
    let (machine, key) = machine_with_bob("require");
    let shipped = machine.read("/etc/pam.d/sshd");
    assert!(shipped.contains(AUTH_FAIL), "{shipped}");
    let unix = "auth       [success=1 default=bad]  pam_unix.so use_first_pass\n";
    assert!(shipped.contains(unix), "{shipped}");
    // As it was before that line was there: the mark stays.
    let permit = "auth       required     pam_permit.so\n";
    let old = shipped
        .replace(AUTH_FAIL, "")
        .replace(permit, "")
        .replace(unix, "auth requisite pam_unix.so use_first_pass\n");
    let taken_out = shipped.replace(AUTH_FAIL, "");
    let misspelt = shipped.replace("authfail", "auth_fail");
    let never_skipped = shipped.replace("success=1", "success=ok");
    for (name, stack) in [
        ("old", &old),
        ("taken out", &taken_out),
        ("misspelt", &misspelt),
        ("never skipped", &never_skipped),
    ] {
        assert_ne!(stack, &shipped, "{name}");
        machine.stack("sshd", stack);
        let sshd = sshd(&machine);
        // The key counts only where the line is there to say that the password was wrong.
        let let_in = name == "never skipped";
        let session = answer_then_key(&sshd, "password", "wrong", &key);
        assert_eq!(session.is_in(), let_in, "{name}: {session:?}");
        let login = sshd.login("bob").attempts(1);
        let session = login.answer(PASSWORD).answer("").answer("").run();
        assert!(!session.is_in(), "{name}: {session:?}");
        let session = sshd.login("bob").attempts(1).answer("wrong").run();
        assert!(!session.is_in(), "{name}: {session:?}");
    }
}

/// One transaction of an application that goes on after a wrong password, through libpam.
#[test]
fn authfail_takes_back_the_mark_and_refuses() {
    let machine = machine("enabled = true\nenroll_at_login = \"require\"\n");
    add_account(&machine, "bob");
    // libpam has no result of its own for PAM_IGNORE.
    let account = "account [ignore=ignore default=die] pam_twofactor.so\naccount required pam_debug.so acct=cred_expired\n";
    let ours = "auth [success=ok ignore=ignore default=die] pam_twofactor.so forward_pass\n";
    let fails = "auth [success=1 default=bad] pam_unix.so use_first_pass nodelay\n";
    let authfail = "auth [default=die] pam_twofactor.so authfail\n";
    for (lines, acct) in [
        (format!("{ours}{fails}{authfail}"), IGNORED),
        (format!("{ours}{fails}"), code::PERM_DENIED),
        (authfail.to_owned(), IGNORED),
    ] {
        machine.stack("x", &format!("{lines}{account}"));
        let drive = login("bob").service("x").phases("auth,acct");
        let outcome = run(drive.answer("wrong").answer("").answer(""));
        assert_eq!(
            (outcome.auth, outcome.acct),
            (code::AUTH_ERR, acct),
            "{lines}: {outcome:?}"
        );
    }
    // It has no meaning in account lines.
    machine.stack(
        "x",
        &format!("{ours}auth required pam_permit.so\naccount required pam_twofactor.so authfail\n"),
    );
    let drive = login("bob").service("x").phases("auth,acct");
    let outcome = run(drive.answer("x").answer(""));
    assert_eq!(outcome.acct, code::PERM_DENIED, "{outcome:?}");
}
