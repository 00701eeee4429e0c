//! A user's own factor: set up, renewed, removed, always with the proof that twofactord wants.

use harness::logins::{enroll, enrolled};
use harness::{CockpitPage, CockpitRole, Machine, PASSWORD, Page};

use super::stage::{
    desk, devices, keep_recovery_codes, no_process, nothing_of, page_of, scan, settled, status,
};

fn logged(machine: &Machine, daemon: &harness::twofactord::Daemon, text: &str) -> bool {
    daemon.log().contains(text) || !machine.log_with(text).is_empty()
}

/// Opens the dialog of a first device and goes on to its key.
fn begins(page: &CockpitPage<'_>) {
    page.click("configure");
    page.click("next");
}

#[test]
fn r30_r35_a_first_device_is_set_up_by_its_qr_code() {
    let (machine, daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    begins(&page);
    let (uri, app) = scan(&machine, &page);
    assert!(
        uri.starts_with("otpauth://totp/example.org:alice?secret="),
        "{uri}"
    );
    assert_eq!(devices(&machine, "alice"), [""; 0]);
    page.type_into("#code", &app.wrong_code());
    page.click("finish");
    page.wait_for_text("dialog", "Wrong code. 4 more tries.");
    assert_eq!(devices(&machine, "alice"), [""; 0]);
    app.settle(10);
    let code = app.code();
    page.type_into("#code", &code);
    page.click("finish");
    let recovery = keep_recovery_codes(&page);
    settled(&page);
    assert_eq!(devices(&machine, "alice"), ["phone"]);
    assert_eq!(status(&machine, "alice")["recovery_codes_left"], 10);
    assert!(logged(
        &machine,
        &daemon,
        "changed user=alice action=enroll device=phone confirmed=yes by="
    ));
    assert!(page.text("#page").contains("10 recovery codes left"));
    nothing_of(
        &[&app.secret, &code, &recovery[0]],
        &machine,
        &cockpit,
        &daemon,
    );
    // It counts: the next login asks for a code, and a recovery code is one.
    let login = cockpit.login_page();
    let asks = login.login("alice", PASSWORD);
    assert!(matches!(asks, Page::Question { .. }), "{asks:?}");
    // It is taken for the loss of a phone, which the user denies.
    login.answer(&recovery[9]);
    assert_eq!(login.answer(""), Page::In("alice".to_owned()));
}

#[test]
fn r31_r32_r33_key_and_uri_are_masked_until_asked() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    begins(&page);
    let (uri, app) = scan(&machine, &page);
    assert!(!page.text("dialog").contains(&app.secret[..4]));
    page.click("show-key");
    assert_eq!(page.text("#key").replace(' ', ""), app.secret);
    assert_eq!(page.text("#uri"), uri);
    // The devices are shown without their keys.
    page.click("skip");
    settled(&page);
    let all = page.wait("document.documentElement.outerHTML");
    assert!(!all.to_string().contains(&app.secret));
}

#[test]
fn r35_skip_and_a_closed_tab_leave_nothing() {
    let (machine, daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    begins(&page);
    scan(&machine, &page);
    page.click("skip");
    settled(&page);
    assert_eq!(devices(&machine, "alice"), [""; 0]);
    begins(&page);
    scan(&machine, &page);
    page.open();
    assert_eq!(devices(&machine, "alice"), [""; 0]);
    begins(&page);
    scan(&machine, &page);
    let bridge = ["-KILL", "-u", "alice", "-f", "cockpit-bridge"];
    machine.run("pkill", &bridge).ok();
    assert_eq!(devices(&machine, "alice"), [""; 0]);
    assert!(!logged(&machine, &daemon, "action=enroll"));
    no_process(&machine, &["-u", "alice", "-f", "twofactor"]);
}

#[test]
fn r34_renewing_takes_a_code_and_keeps_the_old_key() {
    let (machine, daemon) = desk("", "");
    let old = enroll(&machine, "alice", &[]);
    let cockpit = machine.cockpit();
    // With administrative access as well.
    let code = old.code();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[&code]);
    page.click("renew-phone");
    page.type_into("#proof", &old.wrong_code());
    page.click("next");
    page.wait_for_text("dialog", "Wrong code.");
    page.type_into("#proof", &code);
    page.click("next");
    page.wait_for_text(
        "dialog",
        "This code was used before. Wait for the next one.",
    );
    page.type_into("#proof", &old.recovery[0]);
    page.click("next");
    let (_, new) = scan(&machine, &page);
    assert_ne!(new.secret, old.totp.secret);
    new.settle(10);
    page.type_into("#code", &new.code());
    page.click("finish");
    settled(&page);
    assert_eq!(devices(&machine, "alice"), ["phone"]);
    assert!(logged(
        &machine,
        &daemon,
        "changed user=alice action=renew device=phone confirmed=yes by="
    ));
    assert!(!page.shows("dialog"));
    let shown = machine
        .command(&["show", "alice", "--secret", "--json"])
        .ok();
    assert!(shown.stdout.contains(&new.secret));
    assert!(!machine.read("/tmp/calls/arguments").contains("renew"));
}

#[test]
fn r36_a_second_device_is_advised_and_takes_a_code() {
    let (machine, daemon) = desk("", "");
    let phone = enroll(&machine, "alice", &[]);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[&phone.code()]);
    page.wait_for_text(
        "#page",
        "A second device, as a backup, is strongly recommended.",
    );
    page.click("configure");
    page.type_into("#proof", &phone.recovery[0]);
    page.click("next");
    let (_, backup) = scan(&machine, &page);
    backup.settle(10);
    page.type_into("#code", &backup.code());
    page.click("finish");
    settled(&page);
    assert_eq!(devices(&machine, "alice"), ["phone", "backup"]);
    assert!(logged(
        &machine,
        &daemon,
        "changed user=alice action=enroll device=backup"
    ));
    assert!(!page.text("#page").contains("strongly recommended"));
    // One of two goes with a code alone.
    page.click("unset-backup");
    page.type_into("#proof", &phone.recovery[1]);
    page.click("confirm");
    settled(&page);
    assert_eq!(devices(&machine, "alice"), ["phone"]);
    assert!(logged(
        &machine,
        &daemon,
        "changed user=alice action=unset device=backup"
    ));
}

#[test]
fn r37_the_last_device_is_unset_with_a_code() {
    let (machine, daemon) = desk("", "");
    let phone = enroll(&machine, "alice", &[]);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[&phone.code()]);
    page.click("unset-all");
    page.wait_for_text("dialog", "You log in without a code from then on.");
    page.click("cancel");
    settled(&page);
    assert_eq!(devices(&machine, "alice"), ["phone"]);
    page.click("unset-all");
    page.type_into("#proof", &phone.recovery[0]);
    page.click("confirm");
    settled(&page);
    assert_eq!(devices(&machine, "alice"), [""; 0]);
    assert!(logged(&machine, &daemon, "changed user=alice action=unset"));
}

#[test]
fn new_recovery_codes_take_a_code_of_a_device() {
    let (machine, daemon) = desk("", "");
    let phone = enroll(&machine, "alice", &[]);
    let cockpit = machine.cockpit();
    let page = page_of(
        &cockpit,
        "alice",
        CockpitRole::User,
        &[&phone.recovery[0], ""],
    );
    assert!(page.text("#page").contains("9 recovery codes left"));
    page.click("new-codes");
    page.type_into("#proof", &phone.recovery[1]);
    page.click("confirm");
    page.wait_for_text("dialog", "Wrong code.");
    let code = phone.code();
    page.type_into("#proof", &code);
    page.click("confirm");
    let codes = keep_recovery_codes(&page);
    settled(&page);
    assert_eq!(status(&machine, "alice")["recovery_codes_left"], 10);
    assert!(logged(
        &machine,
        &daemon,
        "changed user=alice action=recovery-codes"
    ));
    nothing_of(&[&codes[0], &code], &machine, &cockpit, &daemon);
    let login = cockpit.login_page();
    login.login("alice", PASSWORD);
    login.answer(&codes[0]);
    assert_eq!(login.answer(""), Page::In("alice".to_owned()));
}

#[test]
fn what_the_settings_leave_to_root_is_not_offered() {
    for (tables, text) in [
        (
            "[self_service]\nmanage = false",
            "Your administrator sets up devices",
        ),
        (
            "[self_service]\nfirst_device = \"off\"",
            "Your administrator sets up the first device.",
        ),
    ] {
        let (machine, _daemon) = desk("", tables);
        let cockpit = machine.cockpit();
        let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
        assert!(page.text("#page").contains(text), "{tables}");
        assert!(!page.shows("[data-key='configure']"), "{tables}");
        assert!(!page.shows("[data-key='banner-configure']"), "{tables}");
    }
    let (machine, _daemon) = desk("", "[self_service]\nunset_last = false");
    let phone = enrolled(&machine, "bob");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "bob", CockpitRole::User, &[&phone.code()]);
    assert!(
        page.text("#page")
            .contains("do not let you remove your last device")
    );
    assert!(page.shows("[data-key='renew-phone']"));
    assert!(!page.shows("[data-key='unset-all']"));
}

#[test]
fn an_enrollment_code_admits_the_first_device() {
    let (machine, _daemon) = desk("", "[self_service]\nfirst_device = \"invite\"");
    let invited = machine.command(&["invite", "alice", "--json"]).ok();
    let invited: serde_json::Value = serde_json::from_str(&invited.stdout).expect("JSON");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[]);
    page.click("configure");
    page.type_into("#proof", "AAAA-AAAA-AAAA-AAAA");
    page.click("next");
    page.wait_for_text("dialog", "Wrong code.");
    page.type_into("#proof", invited["code"].as_str().expect("a code"));
    page.click("next");
    let (_, app) = scan(&machine, &page);
    app.settle(10);
    page.type_into("#code", &app.code());
    page.click("finish");
    keep_recovery_codes(&page);
    settled(&page);
    assert_eq!(devices(&machine, "alice"), ["phone"]);
}
