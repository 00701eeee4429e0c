//! Screens: i3lock, which runs as the user, and LightDM with its greeter, on a display without a screen.

use std::time::Duration;

use harness::{Machine, PASSWORD, Running};

use super::{BOTH, REST, two_users, wait_for};
use harness::logins::logged;
use harness::patient;

/// An X server that needs no screen.
fn display(machine: &Machine) -> Running {
    machine
        .run("mkdir", &["-p", "-m", "1777", "/tmp/.X11-unix"])
        .ok();
    let server = machine
        .program("Xvfb")
        .args(&[":7", "-screen", "0", "800x600x24", "-ac", "-noreset"])
        .start();
    wait_for("display", || {
        machine
            .program("xdotool")
            .arg("getmouselocation")
            .env("DISPLAY", ":7")
            .run()
            .code
            == Some(0)
    });
    server
}

fn xdotool(machine: &Machine, arguments: &[&str]) {
    let tool = machine.program("xdotool").args(arguments);
    tool.env("DISPLAY", ":7").run().ok();
}

fn types(machine: &Machine, text: &str) {
    xdotool(machine, &["type", "--delay", "20", text]);
    xdotool(machine, &["key", "Return"]);
}

#[test]
fn i3lock_stays_locked_while_its_service_is_on() {
    let (machine, _phone) = two_users();
    machine.stack("i3lock", &format!("{BOTH}{REST}"));
    let _display = display(&machine);
    let mut lock = machine
        .program("i3lock")
        .arg("--nofork")
        .user("bob")
        .env("DISPLAY", ":7")
        .start();
    wait_for("lock", || {
        let windows = ["search", "--name", "i3lock"];
        let tool = machine.program("xdotool").args(&windows);
        !tool.env("DISPLAY", ":7").run().stdout.is_empty()
    });
    types(&machine, PASSWORD);
    machine.wait_for_log("pam_twofactor(i3lock:auth)");
    assert!(lock.try_wait().is_none(), "bob, who has no device, got in");
    machine
        .command(&["disable", "--service", "i3lock", "--yes"])
        .ok();
    // i3lock looks away for a while after a wrong password.
    wait_for("unlocked screen", || {
        types(&machine, PASSWORD);
        lock.try_wait().is_some()
    });
}

/// It calls PAM as `common-auth`, and reads answers from a pipe.
#[test]
fn xsecurelock_refuses_and_doctor_names_its_service() {
    let machine = patient::healthy();
    machine.stack("common-auth", BOTH);
    let report = patient::report(&machine, &[]);
    let found = patient::all(&report);
    let expected = "problem runs-as-user common-auth".to_owned();
    assert!(found.contains(&expected), "{found:?}");
    let authenticate = || {
        let program = machine.program("/usr/libexec/xsecurelock/authproto_pam");
        let answer = format!("p {}\n{PASSWORD}\n", PASSWORD.len());
        program
            .user("bob")
            .env("USER", "bob")
            .input(answer)
            .run()
            .code
    };
    machine.set_password("bob");
    assert_ne!(authenticate(), Some(0));
    let disable = ["disable", "--service", "common-auth", "--yes"];
    machine.command(&disable).ok();
    assert_eq!(authenticate(), Some(0));
    let found = patient::all(&patient::report(&machine, &[]));
    assert!(!found.contains(&expected), "{found:?}");
}

const LIGHTDM: &str = "\
[LightDM]
minimum-display-number=8
logind-check-graphical=false
sessions-directory=/etc/lightdm/test-sessions
[Seat:*]
xserver-command=/etc/lightdm/test-display
session-wrapper=/etc/lightdm/test-session
greeter-hide-users=true
greeter-session=lightdm-gtk-greeter
";

/// LightDM gives its own X server arguments that this one does not know.
const DISPLAY: &str = "\
#!/bin/sh
number=$1
while [ $# -gt 0 ]; do
    [ \"$1\" != -auth ] || authority=$2
    shift
done
exec Xvfb \"$number\" -auth \"$authority\" -screen 0 800x600x24
";

const SESSION: &str = "[Desktop Entry]\nName=test\nType=Application\nExec=/bin/true\n";

/// The system bus and LightDM, with its greeter on display :8.
fn lightdm(machine: &Machine) -> [Running; 2] {
    machine
        .run(
            "mkdir",
            &[
                "-p",
                "-m",
                "1777",
                "/tmp/.X11-unix",
                "/run/dbus",
                "/run/test",
            ],
        )
        .ok();
    machine.run("chmod", &["0755", "/run/dbus"]).ok();
    let bus = machine
        .program("dbus-daemon")
        .args(&["--system", "--nofork", "--nopidfile"])
        .start();
    wait_for("bus", || {
        std::fs::exists("/run/dbus/system_bus_socket").unwrap()
    });
    machine.write_file("/etc/lightdm/test.conf", LIGHTDM, 0o644);
    machine.write_file("/etc/lightdm/test-display", DISPLAY, 0o755);
    machine.write_file(
        "/etc/lightdm/test-session",
        "#!/bin/sh\nid -un >/run/test/session\nexec sleep 60\n",
        0o755,
    );
    machine.write_file(
        "/etc/lightdm/test-sessions/lightdm-xsession.desktop",
        SESSION,
        0o644,
    );
    let permit =
        ["auth", "account", "session"].map(|kind| format!("{kind} required pam_permit.so\n"));
    machine.stack("lightdm-greeter", &permit.concat());
    let server = machine
        .program("lightdm")
        .args(&["--config=/etc/lightdm/test.conf", "--log-dir=/var/log"])
        .start();
    [bus, server]
}

/// True if LightDM has asked something after its log has said a text this often.
fn asks(after: &str, times: usize) -> bool {
    let log = std::fs::read_to_string("/var/log/lightdm.log").unwrap_or_default();
    let parts: Vec<&str> = log.split(after).collect();
    parts.len() == times + 1 && parts[times].contains("Prompt greeter with")
}

/// Types into the greeter.
fn types_there(machine: &Machine, text: &str) {
    // The greeter shows the field a moment after LightDM has sent the question.
    std::thread::sleep(Duration::from_secs(1));
    let script = "xdotool type --delay 20 \"$1\" && xdotool key Return";
    let typing = machine.program("sh").args(&["-c", script, "sh", text]);
    let typing = typing.env("DISPLAY", ":8");
    typing.env("XAUTHORITY", "/run/lightdm/root/:8").run().ok();
}

#[test]
fn lightdm_asks_for_the_code_after_the_password() {
    let (machine, phone) = two_users();
    machine.stack("lightdm", &format!("{BOTH}{REST}"));
    let _running = lightdm(&machine);
    let session = std::path::Path::new("/run/test/session");
    let begun = "Greeter start authentication for alice";
    wait_for("question for the name", || asks(begun, 0));
    types_there(&machine, "alice");
    wait_for("question for the password", || asks(begun, 1));
    let (wrong, right) = (phone.wrong_code(), phone.code());
    // After three wrong codes it begins anew with the password.
    let typed = [PASSWORD, &wrong, &wrong, &wrong, PASSWORD, &right];
    for (answers, text) in typed.into_iter().enumerate() {
        wait_for("question", || asks("Continue authentication", answers));
        assert!(!session.exists(), "let in after {answers} answers");
        types_there(&machine, text);
    }
    wait_for("session", || session.exists());
    wait_for("name", || machine.read(session) == "alice\n");
    assert_eq!(logged(&machine, "lightdm:auth").len(), 4);
}
