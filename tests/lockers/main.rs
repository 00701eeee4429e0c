//! Screen lockers as their packages bring them, which run as the user, and servers that run as an account: `make test-lockers`.
//! They are unpacked, not installed, and run on a private machine, the lockers on a display without a screen.
#![forbid(unsafe_code)]
#![cfg(test)]

mod i3lock;
mod servers;
mod swaylock;
mod xscreensaver;
mod xsecurelock;

use std::path::Path;
use std::time::Duration;

use harness::enrolled::{Token, add_account, enroll_token, machine};
use harness::{Machine, Program, Running};

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

/// Lays the files that `scripts/unpack` has unpacked where other users can go, with their libraries where the loader finds them.
fn unpacked(machine: &Machine) -> &'static Path {
    unpack(machine, "lockers", "/opt/lockers")
}

fn unpack(machine: &Machine, name: &str, root: &'static str) -> &'static Path {
    let from = harness::artefacts::target().join(name).join("root");
    assert!(from.exists(), "run make test-lockers");
    if !Path::new(root).exists() {
        machine
            .run("cp", &["-a", from.to_str().unwrap(), root])
            .ok();
        machine.run("chmod", &["0755", "/opt", root]).ok();
        let libraries = format!("{root}/usr/lib/x86_64-linux-gnu\n");
        machine.write_file(
            format!("/etc/ld.so.conf.d/unpacked-{name}.conf"),
            libraries,
            0o644,
        );
        machine.run("ldconfig", &["-X"]).ok();
    }
    Path::new(root)
}

/// Root of the unpacked servers.
fn unpacked_servers(machine: &Machine) -> &'static Path {
    unpack(machine, "servers", "/opt/servers")
}

/// A program of an unpacked package, as a user.
fn program(machine: &Machine, path: &str, user: &str) -> Program {
    let path = unpacked(machine).join(path);
    machine.program(path).user(user).env("DISPLAY", ":7")
}

/// The private programs of the lockers where they look for them: they know them by their paths alone.
fn cover_libexec(machine: &Machine) {
    let root = unpacked(machine);
    let lower = format!("lowerdir={}/usr/libexec:/usr/libexec", root.display());
    let words = ["-t", "overlay", "-o", &lower, "lockers", "/usr/libexec"];
    machine.run("mount", &words).ok();
}

/// An X server that needs no screen.
fn display(machine: &Machine) -> Running {
    let directory = ["-p", "-m", "1777", "/tmp/.X11-unix"];
    machine.run("mkdir", &directory).ok();
    let server = machine
        .program("Xvfb")
        .args(&[":7", "-screen", "0", "800x600x24", "-ac", "-noreset"])
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

/// A locked screen, whose locker ends when it is unlocked.
struct LockedScreen<'m> {
    machine: &'m Machine,
    lock: Running,
    /// Types a line.
    keyboard: &'m dyn Fn(&str),
}

impl LockedScreen<'_> {
    /// Types an answer that must not unlock it; the log says why it was refused.
    fn stays(&mut self, typed: &str, why: &str) {
        self.machine.forget_log();
        (self.keyboard)(typed);
        self.machine.wait_for_log(why);
        std::thread::sleep(LOCKED);
        assert!(self.lock.try_wait().is_none(), "{typed:?} has unlocked it");
    }

    /// Types an answer that must unlock it. A locker that still judges the last answer takes no key, or a part of them: each further
    /// answer waits twice as long.
    fn opens(mut self, mut typed: impl FnMut() -> String) {
        for looks in [150, 300, 600, 1200, 2400] {
            (self.keyboard)(&typed());
            for _ in 0..looks {
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
