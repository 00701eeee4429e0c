//! No control flags of a stack show a key without the right password.

use harness::{Machine, PASSWORD, Pty};

use crate::app::{BEGIN, CODE};
use crate::sshd::machine_with;

/// Result of a stack for a user without a device who gives the right password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    /// Shows a key.
    Enrolls,
    /// Lets in without the module: the stack itself passes it by.
    PassedBy,
}

const STACKS: [(&str, &str, Right); 12] = [
    (
        "required",
        "auth required pam_unix.so nodelay\nauth required pam_twofactor.so",
        Right::Enrolls,
    ),
    (
        "requisite",
        "auth requisite pam_unix.so nodelay\nauth requisite pam_twofactor.so",
        Right::Enrolls,
    ),
    (
        "as Debian has it",
        "auth [success=1 default=ignore] pam_unix.so nodelay\nauth requisite pam_deny.so\n\
         auth required pam_permit.so\nauth [success=ok ignore=ignore default=die] pam_twofactor.so",
        Right::Enrolls,
    ),
    (
        "die and bad",
        "auth [success=ok default=die] pam_unix.so nodelay\nauth [success=ok ignore=ignore default=bad] pam_twofactor.so",
        Right::Enrolls,
    ),
    (
        "bad, so that what follows is run",
        "auth [success=ok default=bad] pam_unix.so nodelay\nauth [success=ok ignore=ignore default=die] pam_twofactor.so",
        Right::Enrolls,
    ),
    (
        "the module first",
        "auth required pam_twofactor.so\nauth required pam_unix.so nodelay",
        Right::Enrolls,
    ),
    (
        "the module first, sufficient",
        "auth sufficient pam_twofactor.so\nauth required pam_unix.so nodelay",
        Right::Enrolls,
    ),
    (
        "the module first, optional",
        "auth optional pam_twofactor.so\nauth required pam_unix.so nodelay",
        Right::Enrolls,
    ),
    (
        "the module first, done",
        "auth [success=done ignore=ignore default=die] pam_twofactor.so\nauth required pam_unix.so nodelay",
        Right::Enrolls,
    ),
    (
        "the password sufficient",
        "auth sufficient pam_unix.so nodelay\nauth required pam_twofactor.so",
        Right::PassedBy,
    ),
    (
        "a substack",
        "auth substack password\nauth required pam_twofactor.so",
        Right::Enrolls,
    ),
    (
        "twice",
        "auth required pam_twofactor.so\nauth required pam_unix.so nodelay\nauth required pam_twofactor.so",
        Right::Enrolls,
    ),
];

fn su(machine: &Machine, password: &str) -> Pty {
    let shell = machine
        .program("bash")
        .args(&["-c", "su bob -c 'echo this is $(id -un)'"]);
    let mut su = shell.user("alice").pty();
    su.answer("Password: ", password);
    su
}

/// Tries the wrong and the right password at a stack.
fn tries(machine: &Machine, (name, auth, right): (&str, &str, Right), account: &str) {
    let lines = format!(
        "{auth}\naccount {account} pam_twofactor.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
    );
    machine.stack("su", &lines);
    let shown = su(machine, "wrong").end().shown;
    assert!(
        !shown.contains("Key: ") && !shown.contains("this is bob"),
        "{name}, account {account}: {shown}"
    );
    let mut su = su(machine, PASSWORD);
    match right {
        Right::PassedBy => {
            su.expect("this is bob\n");
        }
        Right::Enrolls => {
            su.answer(BEGIN, "").answer(CODE, "");
            let let_in = su.end().shown.contains("this is bob");
            // These two do not care what the module says.
            let ignored = ["optional", "sufficient"].contains(&account);
            assert_eq!(let_in, ignored, "{name}, account {account}");
        }
    }
}

fn machine_with_bob() -> Machine {
    let machine = machine_with("enroll_at_login = \"require\"");
    machine.add_user("bob");
    machine.stack("password", "auth required pam_unix.so nodelay\n");
    machine
}

#[test]
fn a_wrong_password_shows_no_key_in_auth_stacks() {
    let machine = machine_with_bob();
    for stack in STACKS {
        tries(&machine, stack, "required");
    }
}

#[test]
fn a_wrong_password_shows_no_key_in_account_stacks() {
    let machine = machine_with_bob();
    for account in [
        "requisite",
        "sufficient",
        "optional",
        "[success=done ignore=ignore default=die]",
    ] {
        tries(&machine, STACKS[0], account);
        tries(&machine, STACKS[5], account);
    }
}
