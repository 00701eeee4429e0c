//! Texts of the page about faults.

use harness::CockpitRole;
use harness::logins::{enroll, enrolled};

use super::stage::{desk, page_of, settled};

#[test]
fn an_invalid_or_missing_policy_refuses_all_users() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    for policy in [Some("enabled = perhaps\n"), None] {
        match policy {
            Some(text) => machine.policy(text),
            None => std::fs::remove_file("/etc/security/twofactor.toml").expect("the policy"),
        }
        page.click("refresh");
        page.wait_for_text("#page", "All users are refused");
        page.settle();
        assert!(!page.shows("#switch-enabled"));
        let text = page.text("#page");
        assert!(!text.contains("turned off"), "{text}");
        assert!(text.contains("twofactor.toml"), "{text}");
    }
}

#[test]
fn only_an_unusable_policy_refuses_all_users() {
    let (machine, _daemon) = desk("", "");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    let stands = machine.read("/usr/local/bin/twofactor");
    machine.write_file("/usr/local/bin/twofactor", "#!/bin/sh\nexit 9\n", 0o755);
    page.click("refresh");
    page.wait_for_text("#page", "The settings cannot be shown.");
    page.settle();
    let text = page.text("#page");
    assert!(!text.contains("All users are refused"), "{text}");
    machine.write_file("/usr/local/bin/twofactor", stands, 0o755);
    // The policy is valid, and all users are refused all the same.
    std::fs::rename("/var/lib/twofactor", "/var/lib/elsewhere").expect("the state directory");
    page.click("refresh");
    page.wait_for_text("#page", "All users are refused");
    page.settle();
    assert!(page.text("#page").contains("/var/lib/twofactor"));
    assert!(page.shows("#switch-enabled"));
    // The mark in the menu.
    page.wait("sessionStorage.getItem('cockpit:page_status')?.includes('All users are refused') ? true : null");
}

#[test]
fn the_page_names_requirements_and_exemptions() {
    let tables = "[[require]]\ngroups = [\"bob\"]\nfrom = 2027-03-01\n[[exempt]]\nusers = [\"bob\"]\nservices = [\"su\"]";
    let (machine, _daemon) = desk("enforcement = \"mandatory\"", tables);
    machine.add_user("bob");
    let phone = enrolled(&machine, "alice");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::User, &[&phone.code()]);
    let text = page.text("#page");
    assert!(text.contains("group bob, from 2027-03-01"), "{text}");
    assert!(text.contains("bob, su"), "{text}");
}

#[test]
fn without_the_command_the_page_says_so() {
    let (machine, _daemon) = desk("", "");
    std::fs::remove_file("/usr/local/bin/twofactor").expect("the command");
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    let text = page.text("#page");
    assert!(
        text.contains("The command twofactor is not installed."),
        "{text}"
    );
}

#[test]
fn without_the_daemon_the_rest_of_the_page_works() {
    let (machine, daemon) = desk("", "");
    enrolled(&machine, "bob");
    daemon.kill();
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    let text = page.text("#page");
    assert!(text.contains("twofactord does not answer"), "{text}");
    assert!(text.contains("bob"), "{text}");
    assert!(!page.shows("[data-key='configure']"));
}

#[test]
fn a_damaged_record_is_shown_as_such() {
    let (machine, _daemon) = desk("", "");
    enrolled(&machine, "bob");
    machine.write_file("/var/lib/twofactor/users/bob.toml", "nonsense", 0o600);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    let row = page.text("[data-user='bob']");
    assert!(row.contains("Cannot be used"), "{row}");
    assert!(page.shows("[data-key='unset-bob']"));
    // The user's own page does not take it for "no device".
    machine.write_file("/var/lib/twofactor/users/alice.toml", "nonsense", 0o600);
    page.click("refresh");
    page.wait_for_text("#page", "Your devices cannot be shown.");
    assert!(!page.shows("[data-key='configure']"));
}

#[test]
fn a_lock_out_is_shown_and_ended_by_administrators() {
    let (machine, _daemon) = desk("", "");
    let phone = enrolled(&machine, "bob");
    let cockpit = machine.cockpit();
    let own = page_of(&cockpit, "bob", CockpitRole::User, &[&phone.code()]);
    own.click("renew-phone");
    for _ in 0..5 {
        own.type_into("#proof", &phone.wrong_code());
        own.click("next");
        own.wait("document.querySelector('dialog .message') && document.getElementById('proof').value === '' ? true : null");
    }
    own.type_into("#proof", &phone.recovery[0]);
    own.click("next");
    own.wait_for_text("dialog", "Too many wrong codes. Wait for");
    own.click("cancel");
    own.settle();
    own.wait_for_text("#page", "Too many wrong codes. Wait for");
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.wait_for_text("[data-user='bob']", "Locked");
    page.click("unlock-bob");
    page.wait_for_text("[data-user='bob']", "Enrolled");
    assert_eq!(machine.log_with("action=unlock").len(), 1);
    own.click("refresh");
    own.settle();
    assert!(!own.text("#page").contains("Too many wrong codes"));
}

/// The command says so in its report; the clock of this machine is no part of the test.
#[test]
fn an_unlock_shows_devices_that_wait_for_the_clock() {
    let (machine, _daemon) = desk("", "");
    let phone = enrolled(&machine, "bob");
    let verify = machine.twofactor(&["verify", "bob"]);
    verify.input(phone.wrong_code()).run();
    let waits = "#!/bin/sh\n\
        case \"$*\" in *unlock*) filter='s/\\(\"waiting_for_clock\": *\\)\\[\\]/\\1[\"phone\"]/';; *) filter='';; esac\n\
        /usr/local/libexec/twofactor \"$@\" | sed \"$filter\"\n";
    machine.write_file("/usr/local/bin/twofactor", waits, 0o755);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    page.click("unlock-bob");
    let text = page.wait_for_text("dialog", "Codes of bob stay refused");
    assert!(text.contains("The last code of phone"), "{text}");
    assert!(text.contains("twofactor unlock --clock-is-right"), "{text}");
    page.click("close");
    settled(&page);
    assert!(!page.shows("[data-key='unlock-bob']"));
}

#[test]
fn names_from_outside_stay_text() {
    let (machine, _daemon) = desk("", "");
    let markup = "<img src=x onerror=document.title='owned'>";
    let passwd = machine.read("/etc/passwd");
    let line = format!("mallory:x:60999:60999:{markup}:/home/mallory:/bin/sh\n");
    machine.write_file("/etc/passwd", passwd + &line, 0o644);
    enroll(&machine, "mallory", &[]);
    let cockpit = machine.cockpit();
    let page = page_of(&cockpit, "alice", CockpitRole::Administrator, &[]);
    let row = page.text("[data-user='mallory']");
    assert!(row.contains(markup), "{row}");
    assert!(!page.shows("#page img"));
    assert_eq!(page.wait("document.title"), "Two-factor login");
}
