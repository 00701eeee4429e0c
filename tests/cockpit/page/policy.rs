//! The switches and the settings, for administrators: previewed, confirmed, and what they come to.

use harness::logins::{enroll, enrolled};
use harness::{CockpitPage, CockpitRole, Machine, PASSWORD, Page};
use serde_json::json;
use twofactor_core::STATE_DIR;

use super::stage::{desk, page_of, policy, setting, settled};

fn is_on(page: &CockpitPage<'_>, id: &str) -> bool {
    page.wait(&format!("document.getElementById('{id}')?.checked")) == json!(true)
}

/// The first line of the preview: the setting that changes, and its new value.
fn previewed(page: &CockpitPage<'_>) -> [String; 2] {
    ["dt", "dd"].map(|part| page.text(&format!("dialog .effect {part}")))
}

/// Settings that were changed, as the log has them.
fn changes(machine: &Machine) -> Vec<String> {
    let lines = machine.log_with("action=policy");
    let end = |line: &String| line.split(" by=").next().unwrap_or_default().to_owned();
    lines.iter().map(end).collect()
}

#[test]
fn r12_r16_r28_the_switch_is_previewed_and_confirmed() {
    let (machine, _daemon) = desk("", "");
    policy(&machine, "enabled = false", "", "");
    machine.add_user("bob");
    enroll(&machine, "bob", &[]);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    assert!(!is_on(&page, "switch-enabled"));
    page.click("switch-enabled");
    let preview = page.wait_for_text("dialog", "bob");
    assert!(preview.contains("Keep a root shell open"), "{preview}");
    page.click("cancel");
    settled(&page);
    assert_eq!(setting(&machine, "enabled"), false);
    assert!(!is_on(&page, "switch-enabled"));
    page.click("switch-enabled");
    page.click("confirm");
    settled(&page);
    assert_eq!(setting(&machine, "enabled"), true);
    assert!(is_on(&page, "switch-enabled"));
    assert_eq!(
        changes(&machine),
        ["changed action=policy key=enabled value=true"]
    );
    // It does not force: a user without a device logs in with the password, and is led to set one up.
    page.wait_for_text("#page", "Your account has no second factor.");
    assert!(page.shows("[data-key='banner-configure']"));
    let login = cockpit.login_page();
    assert_eq!(login.login("alice", PASSWORD), Page::In("alice".to_owned()));
}

#[test]
fn r18_one_action_turns_it_off_and_keeps_the_devices() {
    let (machine, _daemon) = desk("", "");
    machine.add_user("bob");
    enroll(&machine, "bob", &[]);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.click("switch-enabled");
    page.wait_for_text("dialog", "Turn two-factor login off?");
    assert_eq!(previewed(&page), ["Two-factor login", "off"]);
    page.click("confirm");
    settled(&page);
    assert_eq!(setting(&machine, "enabled"), false);
    assert_eq!(super::stage::devices(&machine, "bob"), ["phone"]);
    let login = cockpit.login_page();
    assert_eq!(login.login("bob", PASSWORD), Page::In("bob".to_owned()));
}

#[test]
fn r22_ssh_has_a_switch_and_its_danger_is_named() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    assert!(!is_on(&page, "switch-sshd"));
    page.click("switch-sshd");
    let danger = page.wait_for_text(
        "dialog",
        "no device on this machine has ever given a right one",
    );
    assert!(danger.contains("Users may be locked out."), "{danger}");
    assert!(
        danger.contains("What to do first:") && danger.contains("Enroll a device and try it first"),
        "{danger}"
    );
    assert_eq!(previewed(&page), ["Two-factor login for SSH", "on"]);
    assert!(!danger.contains("services.sshd"), "{danger}");
    page.click("cancel");
    settled(&page);
    assert_eq!(setting(&machine, "services.sshd"), false);
    page.click("switch-sshd");
    page.wait_for_text("dialog", "Do it all the same");
    page.click("confirm");
    settled(&page);
    assert_eq!(setting(&machine, "services.sshd"), true);
    assert!(is_on(&page, "switch-sshd"));
    let note = "Logins by key are not asked.";
    assert_eq!(page.text("#switch-sshd-note"), note);
    page.click("switch-sshd");
    assert_eq!(previewed(&page), ["Two-factor login for SSH", "off"]);
    page.click("confirm");
    settled(&page);
    assert_eq!(setting(&machine, "services.sshd"), false);
    assert_eq!(
        changes(&machine),
        [
            "changed action=policy key=services.sshd value=true",
            "changed action=policy key=services.sshd value=false"
        ]
    );
}

#[test]
fn r12_r17_settings_are_changed_all_at_once() {
    let (machine, _daemon) = desk("", "");
    machine.add_user("bob");
    let phone = enroll(&machine, "bob", &[]);
    machine.allow_sudo("bob");
    let cockpit = machine.cockpit();
    let page = page_of(
        &cockpit,
        "bob",
        CockpitRole::Administrator,
        &[&phone.code()],
    );
    page.click("edit-settings");
    page.choose("#enforcement", "mandatory");
    page.retype("#window", "2");
    page.retype("#new_devices-interval", "60");
    page.click("save");
    let preview = page.wait_for_text("dialog", "alice");
    assert!(preview.contains("Keep a root shell open"), "{preview}");
    page.click("confirm");
    settled(&page);
    assert_eq!(setting(&machine, "enforcement"), "mandatory");
    assert_eq!(setting(&machine, "window"), 2);
    assert_eq!(setting(&machine, "new_devices.interval"), 60);
    assert_eq!(
        changes(&machine),
        [
            "changed action=policy key=enforcement value=mandatory",
            "changed action=policy key=window value=2",
            "changed action=policy key=new_devices.interval value=60"
        ]
    );
    page.wait_for_text("#page", "must set one up, or are refused");
    // Mandatory: a user without a device is refused.
    let refused = cockpit.login_page().login("alice", PASSWORD);
    assert!(!matches!(refused, Page::In(_)), "{refused:?}");
}

#[test]
fn a_policy_that_was_changed_meanwhile_is_shown_again() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.click("switch-enabled");
    page.wait("document.querySelector('[data-key=\"confirm\"]')");
    policy(&machine, "enabled = true", "window = 3", "");
    page.click("confirm");
    page.wait_for_text("dialog", "The settings or devices were changed meanwhile.");
    assert_eq!(setting(&machine, "enabled"), true);
    page.click("confirm");
    settled(&page);
    assert_eq!(setting(&machine, "enabled"), false);
    assert_eq!(setting(&machine, "window"), 3);
}

/// The command accepts by --force what it finds itself.
#[test]
fn a_danger_that_was_not_shown_is_not_accepted() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.click("switch-sshd");
    let shown = page.wait_for_text("dialog", "Do it all the same");
    assert!(!shown.contains("PAM file"), "{shown}");
    machine
        .run("mv", &["/etc/pam.d/sshd", "/etc/pam.d/other"])
        .ok();
    page.click("confirm");
    let shown = page.wait_for_text("dialog", "changed meanwhile.");
    assert!(shown.contains("PAM file"), "{shown}");
    assert_eq!(setting(&machine, "services.sshd"), false);
    page.click("confirm");
    settled(&page);
    assert_eq!(setting(&machine, "services.sshd"), true);
}

/// A command that is stopped keeps its lock for good.
#[test]
fn a_change_that_must_wait_tells_what_to_type() {
    let (machine, _daemon) = desk("", "");
    enrolled(&machine, "bob");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    let flock = ["--exclusive", "--no-fork", STATE_DIR, "sleep", "600"];
    let stopped = machine.program("flock").args(&flock).start();
    while machine
        .run("flock", &["--nonblock", STATE_DIR, "true"])
        .code
        == Some(0)
    {}
    page.click("edit-settings");
    page.retype("#window", "2");
    page.click("save");
    page.click("confirm");
    let told = page.wait_for_text("dialog", "twofactor policy set window 2 --force");
    assert!(
        told.contains(" (sleep) is changing the policy") && told.contains("ps -fp "),
        "{told}"
    );
    page.click("cancel");
    settled(&page);
    assert_eq!(setting(&machine, "window"), 1);
    page.click("unset-bob");
    page.click("confirm");
    let told = page.wait_for_text("dialog", "twofactor unset --force bob");
    assert!(told.contains("ps -fp "), "{told}");
    page.click("close");
    settled(&page);
    stopped.kill();
    assert_eq!(super::stage::devices(&machine, "bob"), ["phone"]);
}

#[test]
fn a_setting_out_of_range_is_not_sent() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.click("edit-settings");
    page.retype("#window", "11");
    page.click("save");
    assert!(page.shows("dialog #window:invalid"));
    page.click("cancel");
    settled(&page);
    assert_eq!(setting(&machine, "window"), 1);
}

#[test]
fn r15_the_banner_is_skipped_once_per_session() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    page.click("banner-skip");
    page.wait("document.querySelector('[data-key=\"banner-skip\"]') ? null : true");
    page.open();
    assert!(
        !page
            .text("#page")
            .contains("Your account has no second factor.")
    );
    assert!(page.shows("[data-key='configure']"));
    // The next session begins with it again.
    page.log_out();
    let login = page.login_page();
    login.open();
    login.enters("alice", CockpitRole::User, &[]);
    let page = login.product_page();
    page.wait_for_text("#page", "Your account has no second factor.");
}

#[test]
fn limited_access_offers_nothing_of_others() {
    let (machine, _daemon) = desk("", "");
    machine.add_user("bob");
    enroll(&machine, "bob", &[]);
    machine.write_file("/tmp/calls/arguments", "", 0o666);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    let text = page.text("#page");
    assert!(text.contains("turn on administrative access"), "{text}");
    assert!(!text.contains("bob"), "{text}");
    assert!(page.shows("#switch-enabled:disabled"));
    assert!(page.shows("#switch-sshd:disabled"));
    assert!(!page.shows("[data-key='edit-settings']"));
    let called = machine.read("/tmp/calls/arguments");
    assert_eq!(
        called
            .lines()
            .filter(|line| !line.contains("policy show"))
            .count(),
        0,
        "{called}"
    );
}
