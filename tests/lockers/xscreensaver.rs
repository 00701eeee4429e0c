//! xscreensaver: its set-uid program gives up root and asks both questions, one after the other.

use std::cell::Cell;

use harness::{Machine, PASSWORD, Running};

use super::*;

/// No pictures, and a dialog that waits.
const SETTINGS: &str =
    "lock: True\nmode: blank\nsplash: False\npasswdTimeout: 0:05:00\nfade: False\nunfade: False\n";

/// The screen of alice, with the daemon of xscreensaver.
struct SavedScreen<'m> {
    machine: &'m Machine,
    saver: Running,
    /// The number of questions that were answered.
    answered: Cell<usize>,
}

impl<'m> SavedScreen<'m> {
    fn start(machine: &'m Machine) -> Self {
        cover_libexec(machine);
        machine.write_file("/home/alice/.xscreensaver", SETTINGS, 0o644);
        let saver = program(machine, "usr/bin/xscreensaver", "alice");
        let screen = Self {
            machine,
            saver: saver.args(&["--no-splash", "--verbose"]).start(),
            answered: Cell::new(0),
        };
        wait_for("xscreensaver", || !screen.command("-time").is_empty());
        screen
    }

    fn command(&self, word: &str) -> String {
        let command = program(self.machine, "usr/bin/xscreensaver-command", "alice");
        command.arg(word).run().stdout
    }

    fn is_locked(&self) -> bool {
        self.command("-time").contains("screen locked since")
    }

    fn lock(&self) {
        wait_for("lock", || {
            self.command("-lock");
            self.is_locked()
        });
    }

    /// Types the answers to the next questions.
    fn types(&self, answers: &[&str]) {
        let asked = || self.saver.stderr().matches("(ECHO_OFF=").count();
        for (place, answer) in answers.iter().enumerate() {
            let is_asked = || {
                // A key brings the dialog, unless it comes too early. A text waits until it was read.
                let key = if self.shows_text() {
                    "Return"
                } else {
                    "Shift_L"
                };
                if place == 0 || key == "Return" {
                    self.press(key);
                }
                std::thread::sleep(Duration::from_millis(500));
                asked() > self.answered.get()
            };
            let is_asked = (0..60).any(|_| is_asked());
            assert!(is_asked, "no question: {}", self.saver.stderr());
            // The window comes after the line.
            std::thread::sleep(Duration::from_millis(500));
            types(self.machine, answer);
            self.answered.set(self.answered.get() + 1);
        }
    }

    fn press(&self, key: &str) {
        let key = self.machine.program("xdotool").args(&["key", key]);
        key.env("DISPLAY", ":7").run().ok();
    }

    /// True if the last message of the stack was no question, and waits.
    fn shows_text(&self) -> bool {
        let log = self.saver.stderr();
        let mut messages = log
            .lines()
            .filter(|line| line.contains("pam_conversation ("));
        let last = messages.next_back().unwrap_or_default();
        last.contains("ERROR_MSG") || last.contains("TEXT_INFO")
    }

    fn stays(&self, answers: &[&str], why: &str) {
        self.machine.forget_log();
        self.types(answers);
        self.machine.wait_for_log(why);
        std::thread::sleep(LOCKED);
        assert!(self.is_locked(), "{answers:?} have unlocked it");
    }

    fn opens(&self, mut answers: impl FnMut() -> Vec<String>) {
        for _ in 0..5 {
            let typed = answers();
            let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
            self.types(&typed);
            // A text about wrong codes waits for a key.
            for _ in 0..300 {
                if !self.is_locked() {
                    return;
                }
                if self.shows_text() {
                    self.press("Return");
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        panic!("it stays locked: {:#?}", self.machine.log());
    }
}

#[test]
fn xscreensaver_opens_with_password_and_code() {
    let (machine, alice) = two_users();
    let line = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";
    let unix = "auth requisite pam_unix.so nodelay\n";
    machine.stack(
        "xscreensaver",
        &format!("{unix}{line}account required pam_permit.so\n"),
    );
    machine.policy("enabled = true\ntries = 1\n[throttle]\ndelay = 0\n");
    let _display = display(&machine);
    let daemon = machine.daemon();
    let screen = SavedScreen::start(&machine);
    let right = || vec![PASSWORD.to_owned(), alice.code()];
    screen.lock();
    screen.stays(&[PASSWORD, &alice.wrong()], "result=wrong");
    screen.opens(right);
    // While the daemon is down nothing opens it, and it opens when it is back.
    screen.lock();
    daemon.kill();
    screen.stays(&[PASSWORD], "result=error");
    let _daemon = machine.daemon();
    screen.opens(right);
}
