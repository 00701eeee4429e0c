//! Policy `grace_session` in a session of Cockpit: what its bridge and the user's programs there do with sudo.

use harness::logins::{Phone, enroll, enrolled, logged, machine, policy};
use harness::{Cockpit, CockpitPage, CockpitRole, Machine, PASSWORD};
use serde_json::Value;

/// A machine with Cockpit's PAM file and alice, who has a phone and may use sudo.
fn desk(keys: &str) -> (Machine, Phone) {
    let machine = machine();
    machine.install_stack("cockpit");
    machine.install_cockpit_page();
    let phone = enrolled(&machine, "alice");
    machine.allow_sudo("alice");
    policy(&machine, keys, "");
    (machine, phone)
}

/// Alice's session, and the code that she began it with.
fn session<'m>(
    cockpit: &Cockpit<'m>,
    phone: &Phone,
    role: CockpitRole,
) -> (CockpitPage<'m>, String) {
    let login = cockpit.login_page();
    let code = phone.code();
    login.enters("alice", role, &[&code]);
    (login.product_page(), code)
}

/// Output of a shell's line that Cockpit's bridge runs in the session; `refused: ` and why if it does not.
fn spawned(page: &CockpitPage<'_>, line: &str, options: &str) -> String {
    let line = Value::from(line);
    let start = format!(
        "window.said = null; cockpit.spawn(['sh', '-c', {line}], {options}) \
         .then(out => {{ window.said = out; }}, error => {{ window.said = `refused: ${{error.problem}}`; }});"
    );
    page.browser().script(&start).expect("Cockpit's script");
    let said = page.wait("window.said");
    said.as_str().expect("a text").to_owned()
}

/// sudo in the session, with the password and maybe a code.
fn sudo(page: &CockpitPage<'_>, answers: &[&str]) -> String {
    let answers = answers.join("' '");
    let line = format!("printf '%s\\n' '{answers}' | sudo -S -k id -u 2>/dev/null || echo refused");
    spawned(page, &line, "{}")
}

const PRIVILEGED: &str = "{ superuser: 'require' }";

#[test]
fn sudo_in_a_session_of_the_page_asks_no_code() {
    let (machine, phone) = desk("grace_session = 300");
    let cockpit = machine.cockpit();
    let (page, _) = session(&cockpit, &phone, CockpitRole::User);
    assert_eq!(sudo(&page, &[PASSWORD]), "0\n");
    assert_eq!(sudo(&page, &["wrong"]), "refused\n");
    let used = logged(&machine, "sudo:auth");
    assert_eq!(used.len(), 1, "{used:?}");
    assert!(used[0].contains("result=grace left="), "{used:?}");
}

#[test]
fn administrative_access_of_the_page_asks_no_code() {
    let (machine, phone) = desk("grace_session = 300");
    let cockpit = machine.cockpit();
    let (page, _) = session(&cockpit, &phone, CockpitRole::Administrator);
    assert_eq!(spawned(&page, "id -u", PRIVILEGED), "0\n");
    let used = logged(&machine, "sudo:auth");
    assert!(used[0].contains("result=grace left="), "{used:?}");
}

#[test]
fn without_the_setting_sudo_refuses_the_used_code() {
    let (machine, phone) = desk("");
    let cockpit = machine.cockpit();
    let (page, code) = session(&cockpit, &phone, CockpitRole::Administrator);
    assert_eq!(
        spawned(&page, "id -u", PRIVILEGED),
        "refused: access-denied"
    );
    assert_eq!(sudo(&page, &[PASSWORD]), "refused\n");
    machine.forget_log();
    assert_eq!(sudo(&page, &[PASSWORD, &code]), "refused\n");
    let used = logged(&machine, "sudo:auth");
    assert!(used[0].contains("result=used"), "{used:?}");
    assert_eq!(sudo(&page, &[PASSWORD, &phone.recovery[0]]), "0\n");
}

/// The page says so: a code counts once in the interval of its device, and the next one is taken before it is shown.
#[test]
fn sudo_wants_the_next_code_of_a_device_of_60_seconds() {
    let (machine, _) = desk("");
    machine.add_user("bob");
    machine.allow_sudo("bob");
    let _daemon = machine.daemon();
    let phone = enroll(&machine, "bob", &["--interval", "60"]);
    let cockpit = machine.cockpit();
    let login = cockpit.login_page();
    let code = phone.code();
    login.enters("bob", CockpitRole::User, &[&code]);
    let page = login.product_page();
    let told = page.text("[aria-labelledby='limited']");
    assert!(told.contains("within the same 60 seconds"), "{told}");
    machine.forget_log();
    assert_eq!(sudo(&page, &[PASSWORD, &code]), "refused\n");
    let used = logged(&machine, "sudo:auth");
    assert!(used[0].contains("result=used"), "{used:?}");
    assert_eq!(sudo(&page, &[PASSWORD, &phone.code_after(1)]), "0\n");
}
