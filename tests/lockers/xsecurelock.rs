//! xsecurelock: it asks both questions, one after the other, and its service is the file that others take in.

use harness::{Machine, PASSWORD};

use super::*;

/// alice and bob, and the stack that the locker uses.
fn asking_stack() -> (Machine, Token) {
    let (machine, alice) = two_users();
    let line = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";
    let unix = "auth requisite pam_unix.so nodelay\n";
    machine.stack("common-auth", &format!("{unix}{line}"));
    (machine, alice)
}

/// Its program that checks the password, which reads the answers from a pipe.
#[test]
fn xsecurelock_asks_for_password_and_code() {
    let (machine, alice) = asking_stack();
    let authenticate = |user: &str, answers: &[&str]| {
        let packet = |answer: &&str| format!("p {}\n{answer}\n", answer.len());
        let typed: String = answers.iter().map(packet).collect();
        let path = "usr/libexec/xsecurelock/authproto_pam";
        let program = program(&machine, path, user).env("USER", user);
        program.input(typed).run().code
    };
    let daemon = machine.daemon();
    assert_eq!(authenticate("alice", &[PASSWORD, &alice.code()]), Some(0));
    assert_ne!(authenticate("alice", &[PASSWORD, &alice.wrong()]), Some(0));
    assert_ne!(authenticate("alice", &["not it", &alice.code()]), Some(0));
    assert_ne!(authenticate("alice", &[PASSWORD]), Some(0));
    assert_eq!(authenticate("bob", &[PASSWORD]), Some(0));
    daemon.kill();
    assert_ne!(authenticate("alice", &[PASSWORD, &alice.code()]), Some(0));
    assert_ne!(authenticate("bob", &[PASSWORD]), Some(0));
    let _daemon = machine.daemon();
    assert_eq!(authenticate("alice", &[PASSWORD, &alice.code()]), Some(0));
}

/// It runs the last words as a command once the screen is locked, and ends where the keyboard is not free yet.
fn locked<'m>(machine: &'m Machine, user: &str, keyboard: &'m dyn Fn(&str)) -> LockedScreen<'m> {
    let mark = format!("/tmp/locked-{user}");
    machine.run("rm", &["--force", &mark]).ok();
    let start = || {
        let lock = program(machine, "usr/bin/xsecurelock", user);
        lock.env("USER", user).args(&["--", "touch", &mark]).start()
    };
    let mut lock = start();
    wait_for("lock", || {
        if lock.try_wait().is_some() {
            lock = start();
        }
        Path::new(&mark).exists()
    });
    LockedScreen {
        machine,
        lock,
        keyboard,
    }
}

/// Types each line into a new dialog. Keys that come before a question wait for it.
fn types_lines(machine: &Machine, lines: &str) {
    let press = |key: &str| {
        let tool = machine.program("xdotool").args(&["key", key]);
        tool.env("DISPLAY", ":7").run().ok();
    };
    // A dialog that shows the last refusal, or misses a part of the last answer, ends with this key.
    shows_dialog(machine, false, || press("Escape"));
    // It is no text.
    shows_dialog(machine, true, || press("Shift_L"));
    for line in lines.lines() {
        types(machine, line);
    }
}

/// Presses a key until the dialog is there, or gone. A screen that has just opened after all shows none: that is seen elsewhere.
fn shows_dialog(machine: &Machine, wanted: bool, press: impl Fn()) {
    for _ in 0..100 {
        let checker = machine.run("pgrep", &["--exact", "authproto_pam"]);
        if (checker.code == Some(0)) == wanted {
            return;
        }
        press();
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn xsecurelock_opens_with_password_and_code() {
    let (machine, alice) = asking_stack();
    machine.policy("enabled = true\ntries = 1\n[throttle]\ndelay = 0\n");
    cover_libexec(&machine);
    let _display = display(&machine);
    let keyboard = |lines: &str| types_lines(&machine, lines);
    let daemon = machine.daemon();
    let mut screen = locked(&machine, "alice", &keyboard);
    screen.stays(&format!("{PASSWORD}\n{}", alice.wrong()), "result=wrong");
    screen.opens(|| format!("{PASSWORD}\n{}", alice.code()));
    locked(&machine, "bob", &keyboard).opens(|| PASSWORD.to_owned());
    // While the daemon is down nothing opens it, and it opens when it is back.
    let mut screen = locked(&machine, "alice", &keyboard);
    daemon.kill();
    screen.stays(PASSWORD, "result=error");
    let _daemon = machine.daemon();
    screen.opens(|| format!("{PASSWORD}\n{}", alice.code()));
}
