//! Machines on which the page is used, and what it leaves on them.

use std::time::Duration;

use harness::logins::machine;
use harness::twofactord::Daemon;
use harness::{Cockpit, CockpitPage, CockpitRole, Machine, Totp, screen};
use serde_json::Value;

/// Real command, behind a script that notes arguments and standard error of each call, and holds a change while a file is there.
const NOTING: &str = "#!/bin/sh\n\
    echo \"$*\" >> /tmp/calls/arguments\n\
    exec 2>> /tmp/calls/errors\n\
    case \"$*\" in *--yes*) while [ -e /tmp/calls/hold ]; do sleep 0.1; done;; esac\n\
    exec /usr/local/libexec/twofactor \"$@\"\n";

/// A machine with Cockpit's PAM file, the page, a policy that is on, and alice, without a device, who may use sudo.
pub fn desk(keys: &str, tables: &str) -> (Machine, Daemon) {
    let machine = machine();
    machine.install_stack("cockpit");
    machine.install_cockpit_page();
    machine.add_user("alice");
    machine.allow_sudo("alice");
    policy(&machine, "enabled = true", keys, tables);
    let arguments = ["-d", "-m", "1777", "/tmp/calls"];
    machine.run("install", &arguments).ok();
    machine.write_file("/tmp/calls/arguments", "", 0o666);
    machine.write_file("/tmp/calls/errors", "", 0o666);
    let moved = [
        "-D",
        "/usr/local/bin/twofactor",
        "/usr/local/libexec/twofactor",
    ];
    machine.run("install", &moved).ok();
    std::fs::remove_file("/usr/local/bin/twofactor").expect("the command");
    machine.write_file("/usr/local/bin/twofactor", NOTING, 0o755);
    let daemon = machine.daemon();
    (machine, daemon)
}

/// Writes a policy; sudo asks for the password alone, so that administrative access needs no second code.
pub fn policy(machine: &Machine, switch: &str, keys: &str, tables: &str) {
    machine.policy(&format!(
        "{switch}\nissuer = \"example.org\"\n{keys}\n[services]\nsshd = false\nsudo = false\n[throttle]\ndelay = 0\n{tables}\n"
    ));
}

/// The page of a user who has just logged in.
pub fn page_of<'m>(
    cockpit: &Cockpit<'m>,
    user: &str,
    role: CockpitRole,
    answers: &[&str],
) -> CockpitPage<'m> {
    let login = cockpit.login_page();
    login.enters(user, role, answers);
    login.product_page()
}

/// The report of `twofactor status` about a user.
pub fn status(machine: &Machine, user: &str) -> Value {
    let run = machine.command(&["status", user, "--json"]).ok();
    let mut report: Value = serde_json::from_str(&run.stdout).expect("JSON");
    report["users"][0].take()
}

/// Names of a user's devices.
pub fn devices(machine: &Machine, user: &str) -> Vec<String> {
    let status = status(machine, user);
    let devices = status["devices"].as_array().expect("devices").iter();
    let name = |device: &Value| device["name"].as_str().expect("a name").to_owned();
    devices.map(name).collect()
}

/// The address in the QR code that the page shows, read from a picture of the window, and an app that has scanned it.
pub fn scan(machine: &Machine, page: &CockpitPage<'_>) -> (String, Totp) {
    page.wait("document.querySelector('dialog .qr')?.complete ? true : null");
    let picture = machine.scratch().join("page.png");
    page.browser().screenshot(&picture);
    let mut read = screen::read(machine, &picture);
    assert_eq!(read.len(), 1, "{read:?}");
    let uri = read.remove(0);
    let (_, rest) = uri.split_once("secret=").expect("a key");
    let app = Totp::new(rest.split('&').next().expect("a key"));
    (uri, app)
}

/// The recovery codes that the page shows. Says that they are kept.
pub fn keep_recovery_codes(page: &CockpitPage<'_>) -> Vec<String> {
    let codes = page.text("dialog .codes");
    let codes: Vec<String> = codes.lines().map(str::to_owned).collect();
    assert_eq!(codes.len(), 10, "{codes:?}");
    page.browser().click("#kept");
    page.click("done");
    codes
}

/// Waits until no dialog is open and the page shows what is in force.
pub fn settled(page: &CockpitPage<'_>) {
    page.wait("document.querySelector('dialog') ? null : true");
    page.settle();
}

/// Waits until `pgrep` finds no process by these arguments.
pub fn no_process(machine: &Machine, found_by: &[&str]) {
    let is_gone = (0..1200).any(|_| {
        let is_gone = machine.run("pgrep", found_by).stdout.is_empty();
        if !is_gone {
            std::thread::sleep(Duration::from_millis(50));
        }
        is_gone
    });
    assert!(is_gone, "a process is left: {found_by:?}");
}

/// Fails if one of these secrets is in an argument or on standard error of the command, in the system's log, or in what Cockpit
/// would write to the journal.
pub fn nothing_of(secrets: &[&str], machine: &Machine, cockpit: &Cockpit<'_>, daemon: &Daemon) {
    let mut places = vec![cockpit.log(), daemon.log()];
    places.extend(["arguments", "errors"].map(|name| machine.read(format!("/tmp/calls/{name}"))));
    places.extend(machine.log().into_iter().map(|line| line.message));
    for secret in secrets {
        assert!(secret.len() >= 6, "{secret:?}");
        assert!(
            !places.iter().any(|place| place.contains(secret)),
            "{secret}"
        );
    }
}

/// A setting of the policy in force.
pub fn setting(machine: &Machine, key: &str) -> Value {
    let run = machine.command(&["policy", "show", "--json"]).ok();
    let report: Value = serde_json::from_str(&run.stdout).expect("JSON");
    let parts = key.split('.').fold(&report, |value, part| &value[part]);
    parts.clone()
}
