//! i3lock: one field, on X.

use harness::{Machine, PASSWORD};

use super::*;

/// It locks once the keyboard is free, which another locker may have just given back.
fn locked<'m>(machine: &'m Machine, user: &str, keyboard: &'m dyn Fn(&str)) -> LockedScreen<'m> {
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
    LockedScreen {
        machine,
        lock,
        keyboard,
    }
}

#[test]
fn i3lock_opens_with_password_and_code() {
    let (machine, alice) = two_users();
    machine.install_stack("i3lock");
    let _display = display(&machine);
    let keyboard = |text: &str| types(&machine, text);
    let daemon = machine.daemon();
    let mut screen = locked(&machine, "alice", &keyboard);
    screen.stays(PASSWORD, "result=wrong");
    let wrong = alice.wrong();
    screen.stays(&format!("{PASSWORD}{wrong}"), "result=wrong");
    screen.opens(|| format!("{PASSWORD}{}", alice.code()));
    // Its owner may mistype the password as well.
    let mut screen = locked(&machine, "alice", &keyboard);
    let code = alice.code();
    screen.stays(&format!("not it{code}"), "result=accepted");
    screen.opens(|| format!("{PASSWORD}{}", alice.code()));
    // While the daemon is down nothing opens it, and it opens when it is back.
    let mut screen = locked(&machine, "alice", &keyboard);
    daemon.kill();
    let code = alice.code();
    screen.stays(&format!("{PASSWORD}{code}"), "result=error");
    let _daemon = machine.daemon();
    screen.opens(|| format!("{PASSWORD}{}", alice.code()));
}

#[test]
fn i3lock_opens_by_password_without_a_device() {
    let (machine, _alice) = two_users();
    machine.install_stack("i3lock");
    let _display = display(&machine);
    let keyboard = |text: &str| types(&machine, text);
    let daemon = machine.daemon();
    locked(&machine, "bob", &keyboard).opens(|| PASSWORD.to_owned());
    let mut screen = locked(&machine, "bob", &keyboard);
    daemon.kill();
    screen.stays(PASSWORD, "result=error");
    let _daemon = machine.daemon();
    screen.opens(|| PASSWORD.to_owned());
}
