//! swaylock: one field, under sway on a display without a screen.

use harness::{Machine, PASSWORD, Program, Running};

use super::*;

/// Directory of the sockets of alice's desktop.
const RUNTIME: &str = "/run/user/alice";

/// A program of alice's desktop.
fn on_wayland(machine: &Machine, path: &str) -> Program {
    let program = program(machine, path, "alice").env("XDG_RUNTIME_DIR", RUNTIME);
    program.env("WAYLAND_DISPLAY", "wayland-1")
}

/// A compositor that needs no screen, no keyboard and no seat.
fn compositor(machine: &Machine) -> Running {
    let directory = ["-d", "-m", "0700", "-o", "alice", "-g", "alice", RUNTIME];
    machine.run("install", &directory).ok();
    machine.write_file("/run/sway.conf", "xwayland disable\n", 0o644);
    let sway = program(machine, "usr/bin/sway", "alice").env("XDG_RUNTIME_DIR", RUNTIME);
    let sway = sway.args(&["--config", "/run/sway.conf"]);
    let sway = sway
        .env("WLR_BACKENDS", "headless")
        .env("WLR_RENDERER", "pixman")
        .env("WLR_LIBINPUT_NO_DEVICES", "1")
        .start();
    wait_for("compositor", || {
        std::path::Path::new(RUNTIME).join("wayland-1").exists()
    });
    sway
}

/// Types into the window that has the keyboard, after what a busy locker has left of an answer before.
fn types_there(machine: &Machine, text: &str) {
    let tool = on_wayland(machine, "usr/bin/wtype");
    let keys = ["-k", "Escape", "-d", "10", text, "-k", "Return"];
    tool.args(&keys).run().ok();
}

fn locked<'m>(machine: &'m Machine, keyboard: &'m dyn Fn(&str)) -> LockedScreen<'m> {
    let lock = on_wayland(machine, "usr/bin/swaylock");
    let lock = lock.args(&["--debug", "--ignore-empty-password"]).start();
    wait_for("lock", || lock.stderr().contains("Prepared to authorize"));
    // The keyboard is handed over after that line.
    std::thread::sleep(Duration::from_secs(1));
    LockedScreen {
        machine,
        lock,
        keyboard,
    }
}

#[test]
fn swaylock_opens_with_password_and_code() {
    let (machine, alice) = two_users();
    machine.install_stack("swaylock");
    let _sway = compositor(&machine);
    let daemon = machine.daemon();
    let keyboard = |text: &str| types_there(&machine, text);
    let mut screen = locked(&machine, &keyboard);
    screen.stays(PASSWORD, "result=wrong");
    let wrong = alice.wrong();
    screen.stays(&format!("{PASSWORD}{wrong}"), "result=wrong");
    screen.opens(|| format!("{PASSWORD}{}", alice.code()));
    // While the daemon is down nothing opens it, and it opens when it is back.
    let mut screen = locked(&machine, &keyboard);
    daemon.kill();
    let code = alice.code();
    screen.stays(&format!("{PASSWORD}{code}"), "result=error");
    let _daemon = machine.daemon();
    screen.opens(|| format!("{PASSWORD}{}", alice.code()));
}
