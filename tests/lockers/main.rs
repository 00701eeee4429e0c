//! Screen lockers as their packages bring them, which run as the user: `make test-lockers`. They are unpacked, not installed,
//! and run on a private machine, on a display without a screen.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails in a test must fail it at once"
)]

use std::path::PathBuf;
use std::time::Duration;

use harness::enrolled::{Token, add_account, enroll_token, machine};
use harness::{Machine, PASSWORD, Program, Running};

const POLICY: &str = "enabled = true\n[throttle]\ndelay = 0\n";
/// Longest time that a locker may stay locked after an answer that must not unlock it.
const LOCKED: Duration = Duration::from_secs(3);

/// alice has a token, bob has nothing; both have a password.
fn two_users() -> (Machine, Token) {
    let machine = machine(POLICY);
    let alice = enroll_token(&machine, "alice");
    add_account(&machine, "bob");
    machine.set_password("alice");
    machine.set_password("bob");
    let quick = machine.read("/etc/pam.d/common-auth");
    let quick = quick.replace("pam_unix.so", "pam_unix.so nodelay");
    machine.stack("common-auth", &quick);
    (machine, alice)
}

/// Directory in which `scripts/lockers` has unpacked them, below which other users may not be able to go.
fn unpacked(machine: &Machine) -> PathBuf {
    let from = harness::artefacts::target().join("lockers/root");
    assert!(from.exists(), "run make test-lockers");
    let to = PathBuf::from("/opt/lockers");
    if !to.exists() {
        let words = ["-r", from.to_str().unwrap(), "/opt/lockers"];
        machine.run("cp", &words).ok();
        machine.run("chmod", &["0755", "/opt", "/opt/lockers"]).ok();
    }
    to
}

/// A program of an unpacked package, as a user.
fn program(machine: &Machine, path: &str, user: &str) -> Program {
    let root = unpacked(machine);
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let program = machine.program(root.join(path)).user(user);
    program
        .env("LD_LIBRARY_PATH", libraries)
        .env("DISPLAY", ":7")
}

/// An X server that needs no screen.
fn display(machine: &Machine) -> Running {
    let directory = ["-p", "-m", "1777", "/tmp/.X11-unix"];
    machine.run("mkdir", &directory).ok();
    let server = machine
        .program("Xvfb")
        .args(&[":7", "-screen", "0", "800x600x24", "-ac"])
        .start();
    wait_for("display", || {
        let tool = machine.program("xdotool").arg("getmouselocation");
        tool.env("DISPLAY", ":7").run().code == Some(0)
    });
    server
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no {what}");
}

/// Types into the window that has the keyboard.
fn types(machine: &Machine, text: &str) {
    for words in [&["type", "--delay", "15", text][..], &["key", "Return"]] {
        let tool = machine.program("xdotool").args(words);
        tool.env("DISPLAY", ":7").run().ok();
    }
}

/// A locked screen of a user.
struct LockedScreen<'m> {
    machine: &'m Machine,
    lock: Running,
}

impl<'m> LockedScreen<'m> {
    /// It locks once the keyboard is free, which another locker may have just given back.
    fn of(machine: &'m Machine, user: &str) -> Self {
        let start = || {
            let lock = program(machine, "usr/bin/i3lock", user);
            lock.args(&["--nofork", "--ignore-empty-password"]).start()
        };
        let mut lock = start();
        wait_for("lock", || {
            if lock.try_wait().is_some() {
                lock = start();
            }
            let windows = ["search", "--name", "i3lock"];
            let tool = machine.program("xdotool").args(&windows);
            !tool.env("DISPLAY", ":7").run().stdout.is_empty()
        });
        Self { machine, lock }
    }

    /// Types an answer that must not unlock it; the log says why it was refused.
    fn stays(&mut self, typed: &str, why: &str) {
        self.machine.forget_log();
        types(self.machine, typed);
        self.machine.wait_for_log(why);
        std::thread::sleep(LOCKED);
        assert!(self.lock.try_wait().is_none(), "{typed:?} has unlocked it");
    }

    /// Types an answer that must unlock it. A locker that has just refused takes no answer for a while.
    fn opens(mut self, mut typed: impl FnMut() -> String) {
        for _ in 0..5 {
            types(self.machine, &typed());
            for _ in 0..150 {
                if let Some(status) = self.lock.try_wait() {
                    assert!(status.success(), "{status:?}");
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("it stays locked: {:#?}", self.machine.log());
    }
}

#[test]
fn i3lock_opens_with_password_and_code() {
    let (machine, alice) = two_users();
    machine.install_stack("i3lock");
    let _display = display(&machine);
    let daemon = machine.daemon();
    let mut screen = LockedScreen::of(&machine, "alice");
    screen.stays(PASSWORD, "result=wrong");
    let wrong = alice.wrong();
    screen.stays(&format!("{PASSWORD}{wrong}"), "result=wrong");
    screen.opens(|| format!("{PASSWORD}{}", alice.code()));
    // Its owner may mistype the password as well.
    let mut screen = LockedScreen::of(&machine, "alice");
    let code = alice.code();
    screen.stays(&format!("not it{code}"), "result=accepted");
    screen.opens(|| format!("{PASSWORD}{}", alice.code()));
    // While the daemon is down nothing opens it, and it opens when it is back.
    let mut screen = LockedScreen::of(&machine, "alice");
    daemon.kill();
    let code = alice.code();
    screen.stays(&format!("{PASSWORD}{code}"), "result=error");
    let _daemon = machine.daemon();
    screen.opens(|| format!("{PASSWORD}{}", alice.code()));
}

#[test]
fn i3lock_opens_with_the_password_of_a_user_without_a_device() {
    let (machine, _alice) = two_users();
    machine.install_stack("i3lock");
    let _display = display(&machine);
    let daemon = machine.daemon();
    LockedScreen::of(&machine, "bob").opens(|| PASSWORD.to_owned());
    let mut screen = LockedScreen::of(&machine, "bob");
    daemon.kill();
    screen.stays(PASSWORD, "result=error");
    let _daemon = machine.daemon();
    screen.opens(|| PASSWORD.to_owned());
}

/// It asks two questions, and reads the answers from a pipe. Its service is the file that others take in.
#[test]
fn xsecurelock_asks_for_password_and_code() {
    let (machine, alice) = two_users();
    let line = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";
    let unix = "auth requisite pam_unix.so nodelay\n";
    machine.stack("common-auth", &format!("{unix}{line}"));
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
