//! Other users, for administrators: found, invited, helped.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use harness::enrolled::record_path;
use harness::logins::enrolled;
use harness::{CockpitRole, Machine};
use serde_json::Value;
use twofactor_core::STATE_DIR;

use super::stage::{
    desk, devices, keep_recovery_codes, no_process, nothing_of, page_of, scan, settled, status,
};

#[test]
fn codes_for_other_users_are_shown_once() {
    let (machine, daemon) = desk("", "");
    enrolled(&machine, "bob");
    machine.add_user("carla");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.click("bypass-bob");
    page.wait_for_text("dialog", "Make a bypass code for bob?");
    page.click("cancel");
    settled(&page);
    assert!(status(&machine, "bob")["bypass_until"].is_null());
    page.click("bypass-bob");
    page.click("confirm");
    let bypass = page.text("#one-time-code");
    page.click("close");
    settled(&page);
    assert!(page.text("[data-user='bob']").contains("Bypass code"));
    assert!(status(&machine, "bob")["bypass_until"].is_string());
    page.click("invite-carla");
    let invitation = page.text("#one-time-code");
    page.click("close");
    settled(&page);
    assert!(page.text("[data-user='carla']").contains("Invited"));
    assert!(status(&machine, "carla")["invited_until"].is_string());
    nothing_of(&[&bypass, &invitation], &machine, &cockpit, &daemon);
    assert!(
        !page
            .wait("document.documentElement.outerHTML")
            .to_string()
            .contains(&bypass)
    );
    for action in ["bypass", "invite"] {
        assert_eq!(
            machine.log_with(&format!("action={action}")).len(),
            1,
            "{action}"
        );
    }
    // With it she logs in once.
    let login = cockpit.login_page();
    login.login("bob", harness::PASSWORD);
    assert_eq!(login.answer(&bypass), harness::Page::In("bob".to_owned()));
}

#[test]
fn codes_for_other_users_are_withdrawn() {
    let (machine, _daemon) = desk("", "");
    enrolled(&machine, "bob");
    machine.add_user("carla");
    machine.command(&["bypass", "bob"]).ok();
    machine.command(&["invite", "carla"]).ok();
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    for (button, user, key) in [
        ("withdraw-bypass-bob", "bob", "bypass_until"),
        ("withdraw-invite-carla", "carla", "invited_until"),
    ] {
        assert!(status(&machine, user)[key].is_string());
        page.click(button);
        page.click("confirm");
        let shown = format!("document.querySelector(\"[data-key='{button}']\")");
        page.wait(&format!("{shown} ? null : true"));
        assert!(status(&machine, user)[key].is_null());
    }
}

/// Else the proof that the daemon wants would be got around.
#[test]
fn another_name_of_ones_own_user_id_is_ones_own() {
    let (machine, _daemon) = desk("", "");
    let own = status(&machine, "alice")["uid"].as_u64().expect("a uid");
    machine.add_user_with_id("alias", u32::try_from(own).expect("a uid"));
    enrolled(&machine, "bob");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    assert!(page.shows("[data-user='bob'] button"));
    for name in ["alice", "alias"] {
        let row = page.text(&format!("[data-user='{name}']"));
        assert!(row.contains("your own factor"), "{row}");
        assert!(!page.shows(&format!("[data-user='{name}'] button")));
    }
}

/// Such a policy has no hash by which the change could be bound to it.
#[test]
fn a_factor_is_unset_where_the_policy_is_unsafe() {
    let (machine, _daemon) = desk("", "");
    enrolled(&machine, "bob");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    machine
        .run("chmod", &["666", "/etc/security/twofactor.toml"])
        .ok();
    page.click("unset-bob");
    page.click("confirm");
    settled(&page);
    page.wait("document.querySelector('[data-key=\"unset-bob\"]') ? null : true");
    machine
        .run("chmod", &["644", "/etc/security/twofactor.toml"])
        .ok();
    assert_eq!(devices(&machine, "bob"), [""; 0]);
}

#[test]
fn a_users_factor_is_unset_after_a_preview() {
    let (machine, _daemon) = desk("", "");
    enrolled(&machine, "bob");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.click("unset-bob");
    page.wait_for_text("dialog", "The next login takes the password alone.");
    page.click("cancel");
    settled(&page);
    assert_eq!(devices(&machine, "bob"), ["phone"]);
    page.click("unset-bob");
    page.click("confirm");
    settled(&page);
    assert_eq!(devices(&machine, "bob"), [""; 0]);
    assert_eq!(machine.log_with("changed user=bob action=unset").len(), 1);
    // One's own is not among them.
    assert!(!page.shows("[data-user='alice'] button"));
}

/// The page asks as the command does.
#[test]
fn an_unset_shows_first_what_counts_on_other_hosts() {
    let (machine, _daemon) = desk("", "");
    enrolled(&machine, "bob");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    let whole = machine.read(record_path("bob"));
    machine.write_file(record_path("bob"), "damaged", 0o600);
    page.browser()
        .script("cockpit.dispatchEvent('visibilitychange')")
        .expect("the page");
    page.wait_for_text("[data-user='bob']", "Cannot be used");
    page.click("unset-bob");
    let fault = format!("{}", record_path("bob").display());
    page.wait_for_text("dialog .message.danger", &fault);
    assert!(!page.text("dialog").contains("all hosts"));
    // It is another record than the one that was looked at.
    machine.write_file(record_path("bob"), whole, 0o600);
    page.click("confirm");
    page.wait_for_text("dialog", "Not done for bob");
    page.click("close");
    settled(&page);
    assert_eq!(devices(&machine, "bob"), ["phone"]);
    join_fleet(&machine);
    page.click("unset-bob");
    page.wait_for_text("dialog", "It counts on all hosts of the fleet.");
    page.click("cancel");
    settled(&page);
}

/// The file by which a host knows its place in a fleet.
fn join_fleet(machine: &Machine) {
    let directory = Path::new(STATE_DIR).join("fleet");
    std::fs::create_dir(&directory).expect("the directory");
    std::fs::set_permissions(&directory, Permissions::from_mode(0o700)).expect("the directory");
    let (fleet, eight) = ("0".repeat(32), "0".repeat(16));
    let text = format!(
        "twofactor-fleet-host 1\nfleet {fleet}\nepoch 1 {eight}\nbegun none\nhost web1-0a\n\
         previous 1 {eight}\ncurrent 1 {eight}\n"
    );
    machine.write_file(directory.join("host"), text, 0o600);
}

#[test]
fn five_hundred_users_are_shown_and_filtered() {
    let (machine, _daemon) = desk("", "");
    let mut passwd = machine.read("/etc/passwd");
    for number in 0..500 {
        let id = 40_000 + number;
        passwd += &format!("user{number}:x:{id}:{id}:Person {number}:/nonexistent:/bin/sh\n");
    }
    machine.write_file("/etc/passwd", passwd, 0o644);
    harness::logins::enroll(&machine, "user77", &[]);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    let rows = "document.querySelectorAll('[data-user]').length";
    page.wait(&format!("{rows} > 500 ? true : null"));
    page.type_into("[data-key='filter']", "Person 77");
    page.wait(&format!("{rows} === 1 ? true : null"));
    page.retype("[data-key='filter']", "user7");
    page.wait(&format!("{rows} === 11 ? true : null"));
    // A refresh, as on each return to the tab, keeps the caret.
    let place = "document.querySelector(\"[data-key='filter']\")";
    let visible = format!(
        "window.before = {place}; {place}.focus(); {place}.setSelectionRange(2, 2); cockpit.dispatchEvent('visibilitychange')"
    );
    page.browser().script(&visible).expect("the page");
    page.wait(&format!("{place} === window.before ? null : true"));
    page.settle();
    page.wait(&format!(
        "{place} === document.activeElement && {place}.selectionStart === 2 ? true : null"
    ));
    page.choose("[data-key='filter-state']", "enrolled");
    page.wait(&format!("{rows} === 1 ? true : null"));
    // Filter and focus outlive a refresh.
    page.click("refresh");
    page.settle();
    page.wait(&format!("{rows} === 1 ? true : null"));
    // How long a refresh took is printed, for people who look; no assertion depends on it.
    let start = "const before = performance.now(); const page = document.getElementById('page'); window.took = null; \
         new MutationObserver(() => { if (page.getAttribute('aria-busy') === 'false') window.took = performance.now() - before; }) \
         .observe(page, { attributes: true }); document.querySelector('[data-key=\"refresh\"]').click();";
    page.browser().script(start).expect("the page");
    let took = page.wait("window.took");
    assert!(matches!(took, Value::Number(_)));
    println!("refresh of 500 users: {took} ms");
}

#[test]
fn administrators_set_up_another_users_device() {
    let (machine, daemon) = desk("", "");
    machine.add_user("bob");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.click("set-up-bob");
    page.click("next");
    let (uri, app) = scan(&machine, &page);
    assert!(uri.starts_with("otpauth://totp/example.org:bob?"), "{uri}");
    page.type_into("#code", &app.wrong_code());
    page.click("finish");
    page.wait_for_text("dialog", "Wrong code. 4 more tries.");
    // Skipped, it leaves no device and no process.
    page.click("skip");
    settled(&page);
    assert_eq!(devices(&machine, "bob"), [""; 0]);
    no_process(&machine, &["-f", "dialogue"]);
    page.click("set-up-bob");
    page.click("next");
    let (_, app) = scan(&machine, &page);
    app.settle(10);
    let code = app.code();
    page.type_into("#code", &code);
    page.click("finish");
    let recovery = keep_recovery_codes(&page);
    settled(&page);
    assert_eq!(devices(&machine, "bob"), ["phone"]);
    assert_eq!(
        machine
            .log_with("changed user=bob action=enroll device=phone confirmed=yes")
            .len(),
        1
    );
    nothing_of(
        &[&app.secret, &code, &recovery[0]],
        &machine,
        &cockpit,
        &daemon,
    );
}
