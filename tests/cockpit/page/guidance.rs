//! The page's advice before something goes wrong: to try a login before SSH depends on it, which code comes next, what is not shown again.

use harness::logins::enroll;
use harness::{CockpitPage, CockpitRole, Machine, Totp};

use super::stage::{
    desk, devices, keep_recovery_codes, page_of, policy, scan, setting, settled, status,
};

const TRY_IT: &str = "Try it now: log out, and log in with a code.";

/// Sets up a first device by a button that leads to it.
fn sets_up(machine: &Machine, page: &CockpitPage<'_>, button: &str) -> Totp {
    page.click(button);
    page.click("next");
    let (_, app) = scan(machine, page);
    app.settle(10);
    page.type_into("#code", &app.code());
    page.click("finish");
    keep_recovery_codes(page);
    settled(page);
    app
}

/// Logs out, and in again as an administrator, with a code of this app that was not used.
fn comes_back<'m>(page: CockpitPage<'m>, user: &str, app: &Totp) -> CockpitPage<'m> {
    page.log_out();
    let login = page.login_page();
    login.open();
    app.settle(10);
    let code = app.code_after(1);
    login.enters(user, CockpitRole::Administrator, &[&code]);
    login.product_page()
}

#[test]
fn r29_enabling_leads_to_ones_own_device() {
    let (machine, daemon) = desk("", "");
    policy(&machine, "enabled = false", "", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    assert!(!page.shows("[data-key='banner-configure']"));
    page.click("switch-enabled");
    page.wait_for_text("dialog", "Then set up your own device.");
    page.click("confirm");
    settled(&page);
    assert_eq!(setting(&machine, "enabled"), true);
    sets_up(&machine, &page, "banner-configure");
    assert_eq!(devices(&machine, "alice"), ["phone"]);
    let enrolled = "changed user=alice action=enroll device=phone confirmed=yes";
    assert!(daemon.log().contains(enrolled), "{}", daemon.log());
    assert!(!page.shows("[data-key='banner-configure']"));
    page.wait_for_text("#page", TRY_IT);
}

#[test]
fn r23_ssh_waits_for_a_login_with_a_code() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    let advice = "Log out and in with a code first.";
    assert!(page.text("#switch-sshd-note").contains(advice));
    let app = sets_up(&machine, &page, "configure");
    page.wait_for_text("#page", TRY_IT);
    page.click("switch-sshd");
    let told = page.wait_for_text(
        "dialog",
        "Log out, and log in to Cockpit with a code first.",
    );
    assert!(
        told.contains("Leave SSH off until that has worked"),
        "{told}"
    );
    page.click("cancel");
    settled(&page);
    assert_eq!(setting(&machine, "services.sshd"), false);
    let page = comes_back(page, "alice", &app);
    assert!(!page.text("#page").contains(TRY_IT));
    let status = status(&machine, "alice");
    let last = status["devices"][0]["last_used"].as_str();
    assert!(last.is_some(), "{status}");
    page.click("switch-sshd");
    page.wait("document.querySelector('[data-key=\"confirm\"]')");
    let told = page.text("dialog");
    assert!(!told.contains("has ever given a right one"), "{told}");
    page.click("cancel");
    settled(&page);
    // Where SSH is on already, the global switch says it.
    machine.policy(
        "enabled = false\nissuer = \"example.org\"\n[services]\nsshd = true\nsudo = false\n",
    );
    page.click("refresh");
    page.wait("document.getElementById('switch-sshd')?.checked ? true : null");
    page.settle();
    page.click("switch-enabled");
    page.wait_for_text("dialog", "Leave SSH off until that has worked");
}

#[test]
fn each_setting_is_previewed_in_the_words_of_the_page() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.click("edit-settings");
    page.choose("#enforcement", "mandatory");
    page.choose("#enroll_at_login", "offer");
    page.retype("#window", "2");
    page.choose("#new_devices-digits", "8");
    page.retype("#new_devices-interval", "60");
    page.click("save");
    let effect = page.text("dialog .effect");
    let lines: Vec<&str> = effect.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        lines[..10],
        [
            "Users without a device",
            "must set one up, or are refused",
            "Set-up at login",
            "offered",
            "Digits of new devices",
            "8",
            "Interval of new devices, in seconds",
            "60",
            "Window",
            "2 codes before and after the current one",
        ]
    );
    page.click("cancel");
    settled(&page);
    assert_eq!(setting(&machine, "window"), 1);
}

#[test]
fn the_next_code_is_announced_with_its_interval() {
    let (machine, _daemon) = desk("", "");
    let phone = enroll(&machine, "alice", &["--interval", "60"]);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[&phone.code()]);
    let sixty =
        "administrative access within the same 60 seconds as your login needs the next code";
    assert!(page.text("[aria-labelledby='limited']").contains(sixty));
    enroll(&machine, "alice", &["--device", "tablet"]);
    page.click("refresh");
    page.wait_for_text("#page", "within the same 30 or 60 seconds");
    // A login's code counts for administrative access then.
    policy(&machine, "enabled = true", "grace_session = 60", "");
    page.click("refresh");
    page.wait("document.body.innerText.includes('A code works once') ? null : true");
}

#[test]
fn a_token_without_a_clock_has_no_interval() {
    let (machine, _daemon) = desk("", "");
    let token = enroll(&machine, "alice", &["--hotp"]);
    let cockpit = machine.cockpit();
    let answers = [token.recovery[0].as_str(), ""];
    let page = page_of(&cockpit, "alice", CockpitRole::User, &answers);
    let text = page.text("#page");
    assert!(
        text.contains("administrative access after your login needs the next code."),
        "{text}"
    );
    assert!(!text.contains("seconds"), "{text}");
}

/// TrueNAS shows a stored key again; here only a new one has a QR code.
#[test]
fn show_qr_leads_to_the_code_of_a_new_key_alone() {
    let (machine, _daemon) = desk("", "");
    let phone = enroll(&machine, "alice", &[]);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[&phone.code()]);
    let told = page.text("#page");
    assert!(
        told.contains("The QR code of a stored key is not shown again."),
        "{told}"
    );
    for button in ["renew-phone", "configure"] {
        page.click(button);
        assert_eq!(page.text("dialog [data-key='next']"), "Show QR");
        page.click("cancel");
        settled(&page);
    }
}

/// A code that is typed in vain is used up all the same.
#[test]
fn an_old_login_is_told_of_before_a_code_is_typed() {
    let (machine, daemon) = desk("", "");
    let phone = enroll(&machine, "alice", &[]);
    // Without the module's line in the session no login is noted.
    let stack = machine.read("/etc/pam.d/cockpit");
    let is_kept = |line: &&str| !(line.starts_with("session") && line.contains("pam_twofactor.so"));
    let kept: Vec<&str> = stack.lines().filter(is_kept).collect();
    assert!(kept.len() < stack.lines().count(), "{stack}");
    machine.stack("cockpit", &format!("{}\n", kept.join("\n")));
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[&phone.code()]);
    for button in ["new-codes", "unset-all"] {
        page.click(button);
        let told = page.wait_for_text("dialog", "at most 10 minutes old. Log out");
        assert!(told.contains("turn on administrative access"), "{told}");
        assert!(!page.shows("#proof"));
        page.click("close");
        settled(&page);
    }
    assert_eq!(devices(&machine, "alice"), ["phone"]);
    assert_eq!(status(&machine, "alice")["recovery_codes_left"], 10);
    assert!(
        daemon.log().contains("login-required") || !machine.log_with("login-required").is_empty()
    );
}
