//! Results that are shown only once, and are not lost by an Escape that comes too early, or twice.

use harness::logins::enroll;
use harness::{CockpitPage, CockpitRole, Machine};

use super::stage::{desk, devices, keep_recovery_codes, page_of, scan, setting, settled, status};

const ESCAPE: &str = "\u{e00c}";

/// Presses Escape twice: a browser lets the first one alone be prevented by its event `cancel`.
fn escapes(page: &CockpitPage<'_>) {
    for _ in 0..2 {
        page.browser().press(ESCAPE);
    }
    // By now the browser has told the page of a dialog that was closed.
    let turn = "window.turned = null; setTimeout(() => { window.turned = true; });";
    page.browser().script(turn).expect("the page");
    page.wait("window.turned");
}

/// Waits until the dialog cannot be left by this button, and tries to leave it all the same.
fn cannot_leave(page: &CockpitPage<'_>, key: &str) {
    page.wait(&format!(
        "document.querySelector('dialog [data-key=\"{key}\"]')?.disabled ? true : null"
    ));
    escapes(page);
    assert!(page.shows("dialog"));
}

/// Sends a signal to the daemon, the only one of this machine.
fn signal(machine: &Machine, signal: &str) {
    let found = machine.run("pgrep", &["-x", "twofactord"]).ok().stdout;
    let pid: u32 = found.trim().parse().expect("one process");
    machine.run("kill", &[signal, &pid.to_string()]).ok();
}

#[test]
fn recovery_codes_stay_after_two_escapes() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    page.click("configure");
    page.click("next");
    let (_, app) = scan(&machine, &page);
    app.settle(10);
    page.type_into("#code", &app.code());
    signal(&machine, "-STOP");
    page.click("finish");
    cannot_leave(&page, "skip");
    signal(&machine, "-CONT");
    page.text("dialog .codes");
    escapes(&page);
    assert!(page.shows("dialog .codes"));
    // Closed by another way it comes back.
    page.browser()
        .script("document.querySelector('dialog').close()")
        .expect("the page");
    page.wait("document.querySelector('dialog[open] .codes') ? true : null");
    keep_recovery_codes(&page);
    settled(&page);
    assert_eq!(devices(&machine, "alice"), ["phone"]);
}

#[test]
fn new_codes_are_shown_though_escape_came_before_them() {
    let (machine, _daemon) = desk("", "");
    let phone = enroll(&machine, "alice", &[]);
    let cockpit = machine.cockpit();
    let page = page_of(
        &cockpit,
        "alice",
        CockpitRole::User,
        &[&phone.recovery[0], ""],
    );
    page.click("new-codes");
    page.type_into("#proof", &phone.totp.wrong_code());
    page.click("confirm");
    page.wait_for_text("dialog", "Wrong code.");
    // After a refusal it can be left again.
    assert!(page.shows("dialog [data-key='cancel']:enabled"));
    phone.totp.settle(10);
    page.type_into("#proof", &phone.totp.code());
    signal(&machine, "-STOP");
    page.click("confirm");
    cannot_leave(&page, "cancel");
    signal(&machine, "-CONT");
    keep_recovery_codes(&page);
    settled(&page);
    assert_eq!(status(&machine, "alice")["recovery_codes_left"], 10);
}

#[test]
fn a_switch_shows_what_became_of_it_after_escape() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.click("switch-enabled");
    page.wait("document.querySelector('[data-key=\"confirm\"]')");
    machine.write_file("/tmp/calls/hold", "", 0o644);
    page.click("confirm");
    cannot_leave(&page, "cancel");
    assert_eq!(setting(&machine, "enabled"), true);
    std::fs::remove_file("/tmp/calls/hold").expect("the file");
    settled(&page);
    assert_eq!(setting(&machine, "enabled"), false);
    page.wait("document.getElementById('switch-enabled')?.checked === false ? true : null");
}

#[test]
fn a_key_that_is_gone_is_told_of_at_once() {
    let (machine, daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    page.click("configure");
    page.click("next");
    scan(&machine, &page);
    daemon.kill();
    page.wait_for_text("dialog", "The 10 minutes are over");
    page.click("close");
    page.wait("document.querySelector('dialog') ? null : true");
}
