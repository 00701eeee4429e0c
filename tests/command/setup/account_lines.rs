//! Account lines without which users who have to enroll are let in: setup adds them, or says why it cannot.

use harness::Machine;

use super::{NONE, changed, files, installed, setup, undo};

/// A policy by which users without a device have to enroll, and one by which they do not.
const DEMANDING: &str = "enabled = false\nenroll_at_login = \"require\"\n";
const OPTIONAL: &str = "enabled = false\n";

const CODE: &str = "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n";
const ENROLLS: &str = "account [success=ok ignore=ignore default=die] pam_twofactor.so\n";

/// The file of a service with these lines after those for the password.
fn service(machine: &Machine, name: &str, lines: &str) {
    let text = format!("@include common-auth\n{lines}");
    machine.write_file(format!("/etc/pam.d/{name}"), text, 0o644);
}

/// Refuses with this reason unless it is forced, under a policy that demands devices; under another one it is a note.
fn refused_where_it_matters(machine: &Machine, name: &str, reason: &str) {
    let before = files();
    machine.policy(DEMANDING);
    let planned = setup(machine, &[name, "--dry-run"]).ok().stdout;
    assert_eq!(planned.matches(reason).count(), 1, "{planned}");
    let danger = format!("Danger: {reason}");
    assert!(planned.contains(&danger), "{planned}");
    let refused = setup(machine, &[name, "--yes"]).exits(1).stderr;
    assert!(refused.contains(reason), "{refused}");
    assert!(refused.contains("are let in without a device"), "{refused}");
    assert!(refused.contains("account [success=ok"), "{refused}");
    machine.policy(OPTIONAL);
    let planned = setup(machine, &[name, "--dry-run"]).ok().stdout;
    assert!(planned.contains(&format!("Note: {reason}")), "{planned}");
    let mut others = changed(&before);
    others.retain(|path| !path.ends_with("twofactor.toml"));
    assert_eq!(others, NONE);
    // Not every program calls account lines.
    machine.policy(DEMANDING);
    let before = files();
    setup(machine, &[name, "--yes", "--force"]).ok();
    undo(machine).ok();
    assert_eq!(changed(&before), NONE);
}

#[test]
fn an_account_line_is_added_beside_an_auth_line() {
    let (machine, _) = installed();
    let lines = format!("{CODE}account requisite pam_nologin.so\n@include common-account\n");
    service(&machine, "app", &lines);
    machine.policy(DEMANDING);
    let before = files();
    setup(&machine, &["app", "--yes", "--force"]).ok();
    let text = machine.read("/etc/pam.d/app");
    let place = |text: &str, part: &str| text.find(part).unwrap_or_else(|| panic!("{text}"));
    let line = place(&text, "account    [success=ok");
    assert!(
        place(&text, "pam_nologin.so") < line && line < place(&text, "@include common-account")
    );
    assert_eq!(text.matches("pam_twofactor.so").count(), 2, "{text}");
    let again = setup(&machine, &["app", "--yes"]).ok().stdout;
    assert!(again.contains("Nothing to change: app"), "{again}");
    undo(&machine).ok();
    assert_eq!(changed(&before), NONE);
}

#[test]
fn account_lines_that_do_not_bind_are_refused() {
    let (machine, _) = installed();
    let optional = "account optional pam_twofactor.so\n@include common-account\n";
    service(&machine, "app", &format!("{CODE}{optional}"));
    refused_where_it_matters(
        &machine,
        "app",
        "what /etc/pam.d/app line 3 (optional pam_twofactor.so)",
    );
    let late = format!("account sufficient pam_permit.so\n{ENROLLS}");
    service(&machine, "app", &format!("{CODE}{late}"));
    refused_where_it_matters(
        &machine,
        "app",
        "a login passes without /etc/pam.d/app line 4",
    );
}

/// libpam takes the account lines of `other` there, which one line in the file would replace.
#[test]
fn a_file_without_account_lines_is_told_of() {
    let (machine, _) = installed();
    let why =
        "/etc/pam.d/app names pam_twofactor.so in its auth lines but not in its account lines";
    for lines in ["", CODE] {
        service(&machine, "app", lines);
        refused_where_it_matters(&machine, "app", why);
    }
}

#[test]
fn the_line_alone_would_let_no_user_in() {
    let (machine, _) = installed();
    machine.policy(OPTIONAL);
    let told = "no login passes the account lines of app";
    for (rest, expected) in [("", true), ("account include other\n", false)] {
        service(&machine, "app", &format!("{CODE}{ENROLLS}{rest}"));
        let planned = setup(&machine, &["app", "--dry-run"]).ok().stdout;
        let danger = planned.contains(&format!("Danger: {told}"));
        assert_eq!(danger, expected, "{planned}");
        assert_eq!(planned.contains("account line"), expected, "{planned}");
    }
}

#[test]
fn a_service_that_shares_the_code_alone_needs_force() {
    let (machine, _) = installed();
    service(&machine, "app", "account required pam_unix.so\n");
    let policy = format!("{DEMANDING}[services]\ndefault = true\n");
    machine.policy(&policy);
    machine
        .command(&["enroll", "root", "--no-confirm", "--json"])
        .ok();
    let before = files();
    let refused = setup(&machine, &["--everywhere", "--yes"]).exits(1).stderr;
    let why = "/etc/pam.d/app names pam_twofactor.so in its auth lines but not";
    assert!(refused.contains(why), "{refused}");
    assert_eq!(changed(&before), NONE);
    setup(&machine, &["--everywhere", "--yes", "--force"]).ok();
    undo(&machine).ok();
    machine.policy(&policy.replace("require", "off"));
    let planned = setup(&machine, &["--everywhere", "--dry-run"]).ok().stdout;
    assert!(planned.contains("Note: /etc/pam.d/app names"), "{planned}");
}
