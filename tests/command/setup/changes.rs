//! The changes that setup shows, makes and takes back.

use std::os::unix::fs::symlink;
use std::path::Path;

use harness::screen::{COLUMNS, assert_fits};
use harness::{Machine, PASSWORD};

use super::{
    ARGUMENTS, DROP_IN, JOURNAL, NONE, POLICY, changed, files, installed, setup, ssh, sshd,
    sudo_on, undo,
};

#[test]
fn setup_asks_for_codes_and_undo_takes_it_back() {
    for columns in COLUMNS {
        sets_up_and_undoes(columns);
    }
}

/// From the package to logins with a code and back, on a terminal of so many columns.
fn sets_up_and_undoes(columns: u16) {
    let (machine, phone) = installed();
    let before = files();
    let server = sshd(&machine);
    let mut setup = machine
        .twofactor(&["setup", "sshd", "sudo", "--user", "alice"])
        .pty_of(columns, 24);
    let shown = setup.expect("Make these changes? ");
    // Lines of files are shown as they are.
    let (_, told) = shown.rsplit_once("\nChanges:\n").unwrap();
    assert_fits(told, columns, &[]);
    for line in [
        "--- /etc/pam.d/sshd",
        "+++ /etc/ssh/sshd_config.d/01-twofactor.conf",
        "+KbdInteractiveAuthentication yes",
        "+sshd = true",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(
        changed(&before),
        NONE,
        "nothing is changed before the answer"
    );
    setup.expect("[y/N] ");
    setup.send_line("y");
    let reloaded = setup.expect("sshd was reloaded.");
    setup.answer("Verification code: ", &phone.code());
    setup.expect("Right: device phone.");
    let trial = setup.expect("n to undo everything.");
    let mut client = ssh(&machine, "echo this is $(id -un)", columns);
    client.answer("Password: ", PASSWORD);
    client.answer("Verification code: ", &phone.code_after(1));
    client.expect("this is alice");
    let success = setup.expect("alice has given a right code of the device phone.");
    for part in [reloaded, trial, success] {
        assert_fits(&part, columns, &["ssh ", "twofactor "]);
    }
    setup.send_line("y");
    assert_eq!(setup.end().code, Some(0));
    let mut sudo = sudo_on(&machine, columns);
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.expect("Verification code: ");
    drop(sudo);
    for path in ["/etc/pam.d/sshd", "/etc/pam.d/sudo", "/etc/pam.d/sudo-i"] {
        assert!(machine.read(path).contains("pam_twofactor.so"), "{path}");
    }
    assert!(!machine.read("/etc/pam.d/su").contains("pam_twofactor.so"));
    undo(&machine).ok();
    assert_eq!(changed(&before), NONE);
    assert!(!Path::new(JOURNAL).exists());
    let mut client = ssh(&machine, "echo this is $(id -un)", columns);
    client.answer("password: ", PASSWORD);
    client.expect("this is alice");
    drop(server);
}

#[test]
fn a_dry_run_shows_everything_and_changes_nothing() {
    let (machine, _) = installed();
    let before = files();
    let run = setup(&machine, &["sshd", "sudo", "--dry-run", "--json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["done"], false);
    assert_eq!(
        report["services"],
        serde_json::json!(["sshd", "sudo", "sudo-i"])
    );
    let shown: Vec<&str> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        shown,
        [
            "/etc/pam.d/sshd",
            "/etc/pam.d/sudo",
            "/etc/pam.d/sudo-i",
            DROP_IN
        ]
    );
    assert_eq!(changed(&before), NONE);
    assert!(!Path::new(JOURNAL).exists());
    let text = setup(&machine, &["sudo", "--dry-run"]).ok().stdout;
    assert!(
        text.contains("+++ /etc/pam.d/sudo\n") && text.contains("+sudo = true\n"),
        "{text}"
    );
    assert!(
        text.ends_with("Nothing was changed (--dry-run).\n"),
        "{text}"
    );
}

#[test]
fn without_a_tried_device_sshd_is_refused() {
    let machine = Machine::new();
    harness::module();
    machine.policy(POLICY);
    machine.command(&["init"]).ok();
    machine.add_user("alice");
    let before = files();
    let refused = setup(&machine, &["sshd", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("no device on this machine has ever given a right one")
    );
    assert_eq!(changed(&before), NONE);
    setup(&machine, &["sshd", "--yes", "--force"]).ok();
    assert!(machine.read("/etc/pam.d/sshd").contains("pam_twofactor.so"));
}

#[test]
fn other_changes_of_the_policy_survive_an_undo() {
    let (machine, _) = installed();
    machine.command(&ARGUMENTS).ok();
    machine
        .command(&["policy", "set", "window", "2", "--yes"])
        .ok();
    let run = undo(&machine).ok();
    assert!(
        run.stdout.contains("No longer asked  alice"),
        "{}",
        run.stdout
    );
    let policy = machine.read("/etc/security/twofactor.toml");
    assert!(
        policy.contains("enabled = false\n") && policy.contains("window = 2\n"),
        "{policy}"
    );
}

#[test]
fn a_second_setup_adds_to_the_first() {
    let (machine, _) = installed();
    let before = files();
    setup(&machine, &["sudo", "--yes"]).ok();
    setup(&machine, &["sshd", "--yes"]).ok();
    let again = setup(&machine, &["sshd", "--yes"]).ok();
    assert!(
        again.stdout.starts_with("Nothing to change: sshd"),
        "{}",
        again.stdout
    );
    undo(&machine).ok();
    assert_eq!(changed(&before), NONE);
    let nothing = undo(&machine).exits(1);
    assert!(nothing.stderr.contains("there is nothing to undo"));
}

#[test]
fn what_setup_does_not_understand_is_refused() {
    let (machine, _) = installed();
    let sudo = machine.read("/etc/pam.d/sudo");
    machine.write_file(
        "/etc/pam.d/sudo",
        "auth sufficient pam_unix.so\nauth required pam_deny.so\naccount required pam_unix.so\n",
        0o644,
    );
    let refused = setup(&machine, &["sudo", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("no place is found in /etc/pam.d/sudo"),
        "{}",
        refused.stderr
    );
    std::fs::rename("/etc/pam.d/sudo", "/etc/pam.d/elsewhere").unwrap();
    machine.write_file("/etc/pam.d/elsewhere", sudo, 0o644);
    symlink("/etc/pam.d/elsewhere", "/etc/pam.d/sudo").unwrap();
    let refused = setup(&machine, &["sudo", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("/etc/pam.d/sudo is a link to /etc/pam.d/elsewhere"),
        "{}",
        refused.stderr
    );
    let refused = setup(&machine, &["ssh", "--yes"]).exits(1);
    assert!(
        refused.stderr.ends_with("Did you mean sshd?\n"),
        "{}",
        refused.stderr
    );
    let refused = setup(&machine, &["common-auth", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("there is no PAM file of the service common-auth"),
        "{}",
        refused.stderr
    );
    machine.write_file("/etc/authselect/authselect.conf", "", 0o644);
    let refused = setup(&machine, &["sshd", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("authselect create-profile twofactor"),
        "{}",
        refused.stderr
    );
}

#[test]
fn settings_of_sshd_that_overrule_are_put_back() {
    let (machine, _) = installed();
    machine.write_file(
        "/etc/ssh/sshd_config.d/00-first.conf",
        "PasswordAuthentication yes\n",
        0o644,
    );
    let before = files();
    let refused = setup(&machine, &["sshd", "--yes"]).exits(1);
    assert!(
        refused.stderr.contains("PasswordAuthentication yes"),
        "{}",
        refused.stderr
    );
    assert!(
        refused
            .stderr
            .ends_with("Everything is as it was before.\n"),
        "{}",
        refused.stderr
    );
    assert_eq!(changed(&before), NONE);
}
