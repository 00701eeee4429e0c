//! Refusals of setup, where it would lock users out or let them in.

use std::path::Path;

use harness::logins::{Phone, enroll};
use harness::screen::{COLUMNS, assert_fits};
use harness::{Machine, PASSWORD};

use super::{DROP_IN, JOURNAL, NONE, POLICY, changed, files, installed, setup, sudo, undo};

#[test]
fn a_policy_changed_during_the_trial_is_no_obstacle() {
    let (machine, phone) = installed();
    let before = files();
    for answer in ["n\r", "\x03"] {
        let mut setup = machine
            .twofactor(&["setup", "sudo", "--user", "alice"])
            .pty_of(80, 24);
        setup.answer("Make these changes? ", "y");
        setup.answer("Verification code: ", "");
        setup.expect("n to undo everything.");
        machine
            .command(&["policy", "set", "window", "2", "--yes"])
            .ok();
        setup.send(answer.as_bytes());
        let ended = setup.end();
        assert_eq!(ended.code, Some(1), "{answer:?}: {}", ended.shown);
        let policy = machine.read("/etc/security/twofactor.toml");
        assert!(
            policy.contains("enabled = false\n") && policy.contains("window = 2\n"),
            "{policy}"
        );
        assert!(!Path::new(JOURNAL).exists(), "{answer:?}");
        machine.policy(POLICY);
        assert_eq!(changed(&before), NONE, "{answer:?}");
    }
    drop(phone);
}

#[test]
fn a_policy_edited_between_two_setups_keeps_the_edit() {
    let (machine, _) = installed();
    let before = files();
    setup(&machine, &["sudo", "--yes"]).ok();
    machine
        .command(&["policy", "set", "window", "2", "--yes"])
        .ok();
    setup(&machine, &["sshd", "--yes"]).ok();
    undo(&machine).ok();
    let policy = machine.read("/etc/security/twofactor.toml");
    assert!(
        policy.contains("enabled = false\n") && policy.contains("window = 2\n"),
        "{policy}"
    );
    machine.policy(POLICY);
    assert_eq!(changed(&before), NONE);
}

#[test]
fn a_missing_policy_that_refuses_is_not_replaced() {
    let (machine, _) = installed();
    setup(&machine, &["sudo", "--yes"]).ok();
    std::fs::remove_file("/etc/security/twofactor.toml").unwrap();
    let before = files();
    for services in [["ssh", "--yes"], ["sshd", "--yes"]] {
        setup(&machine, &services).exits(1);
        assert_eq!(changed(&before), NONE, "{services:?}");
    }
    let refused = setup(&machine, &["sshd", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("there is no policy, so that logins are refused"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_missing_policy_is_made_after_the_question() {
    let (machine, _) = installed();
    std::fs::remove_file("/etc/security/twofactor.toml").unwrap();
    let before = files();
    setup(&machine, &["sudo"]).exits(2);
    assert_eq!(changed(&before), NONE);
    setup(&machine, &["sudo", "--yes"]).ok();
    let policy = machine.read("/etc/security/twofactor.toml");
    assert!(policy.contains("enabled = true\n"), "{policy}");
    undo(&machine).ok();
    let policy = machine.read("/etc/security/twofactor.toml");
    assert!(policy.contains("enabled = false\n"), "{policy}");
}

#[test]
fn everywhere_sets_sshd_up_where_it_is_on() {
    let (machine, _) = installed();
    // sshd does not follow `default`.
    setup(&machine, &["--everywhere", "--yes"]).ok();
    assert!(!Path::new(DROP_IN).exists());
    undo(&machine).ok();
    machine.policy("enabled = false\n[services]\nsshd = true\n");
    let before = files();
    setup(&machine, &["--everywhere", "--yes"]).ok();
    assert!(Path::new(DROP_IN).exists());
    let again = setup(&machine, &["--everywhere", "--yes"]).ok();
    assert!(
        again.stdout.contains(
            "Nothing to change: the services that the policy has on ask for a code already."
        ),
        "{}",
        again.stdout
    );
    undo(&machine).ok();
    assert_eq!(changed(&before), NONE);
}

#[test]
fn everywhere_judges_the_services_that_share_the_file() {
    let (machine, _) = installed();
    machine.write_file(
        "/etc/pam.d/shortcut",
        "auth sufficient pam_unix.so\n@include common-auth\naccount required pam_unix.so\n",
        0o644,
    );
    let before = files();
    let refused = setup(&machine, &["--everywhere", "--yes"]).exits(1);
    assert!(
        refused.stderr.contains("not done: shortcut: "),
        "{}",
        refused.stderr
    );
    assert_eq!(changed(&before), NONE);
    setup(&machine, &["--everywhere", "--yes", "--force"]).ok();
}

/// sshd's PAM file with the line that asks for the code, and a policy that is off and has sshd on.
fn sshd_with_the_line(machine: &Machine) {
    machine.policy("enabled = false\n[services]\nsshd = true\n");
    let sshd = machine.read("/etc/pam.d/sshd");
    let code =
        "auth [success=ok ignore=ignore default=die] pam_twofactor.so\n@include common-account";
    machine.write_file(
        "/etc/pam.d/sshd",
        sshd.replace("@include common-account", code),
        0o644,
    );
}

#[test]
fn a_service_that_was_not_named_is_guarded_too() {
    let (machine, _) = installed();
    sshd_with_the_line(&machine);
    machine.write_file(
        "/etc/ssh/sshd_config.d/00-first.conf",
        "KbdInteractiveAuthentication no\nPasswordAuthentication yes\n",
        0o644,
    );
    let before = files();
    let refused = setup(&machine, &["sudo", "--yes"]).exits(1);
    assert!(
        refused.stderr.contains("sshd would refuse alice"),
        "{}",
        refused.stderr
    );
    assert_eq!(changed(&before), NONE);
    setup(&machine, &["sudo", "--yes", "--force"]).ok();
}

#[test]
fn asking_strangers_needs_force() {
    let (machine, phone) = installed();
    machine.write_file(
        "/etc/pam.d/sudo",
        "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n",
        0o644,
    );
    let before = files();
    let refused = setup(&machine, &["sudo", "--yes"]).exits(1);
    assert!(
        refused
            .stderr
            .contains("sudo asks for the code also after a wrong password"),
        "{}",
        refused.stderr
    );
    assert_eq!(changed(&before), NONE);
    setup(&machine, &["sudo", "--yes", "--force"]).ok();
    let mut sudo = sudo(&machine);
    sudo.answer("[sudo] password for alice: ", PASSWORD);
    sudo.answer("Verification code: ", &phone.code());
    sudo.expect("this is root");
}

#[test]
fn an_sshd_that_tells_no_settings_is_a_danger() {
    let (machine, _) = installed();
    sshd_with_the_line(&machine);
    machine.write_file(
        "/etc/ssh/sshd_config.d/99-broken.conf",
        "Broken yes\n",
        0o644,
    );
    for arguments in [
        &["enable", "sshd", "--yes"][..],
        &["policy", "set", "enabled", "true", "--yes"],
    ] {
        let refused = machine.command(arguments).exits(1);
        assert!(
            refused.stderr.contains("sshd does not print its settings"),
            "{}",
            refused.stderr
        );
    }
    machine
        .command(&["enable", "sshd", "--yes", "--force"])
        .ok();
}

#[test]
fn without_a_question_the_user_is_named() {
    let (machine, phone) = installed();
    let uid = machine.run("id", &["-u", "alice"]).ok().stdout;
    for (arguments, why) in [
        (&["recovery-codes", "--yes"][..], "--yes"),
        (&["renew", "--no-confirm"], "--no-confirm"),
    ] {
        let refused = machine
            .twofactor(arguments)
            .env("SUDO_USER", "alice")
            .env("SUDO_UID", uid.trim())
            .run()
            .exits(2);
        assert!(
            refused.stderr.contains(why) && refused.stderr.contains("the user must be named"),
            "{}",
            refused.stderr
        );
    }
    let verify = machine.twofactor(&["verify", "alice"]);
    verify.input(format!("{}\n", phone.code())).run().ok();
}

#[test]
fn a_caller_who_cannot_be_told_is_not_root() {
    let (machine, _) = installed();
    let before = files();
    let refused = machine
        .twofactor(&["setup", "sudo", "--yes"])
        .env("SUDO_USER", "alice")
        .env("SUDO_UID", "0")
        .run()
        .exits(2);
    assert!(
        refused
            .stderr
            .contains("For example: twofactor setup --user alice"),
        "{}",
        refused.stderr
    );
    assert_eq!(changed(&before), NONE);
}

#[test]
fn from_a_root_shell_the_only_enrolled_user_tries_it() {
    for columns in COLUMNS {
        let (machine, phone) = installed();
        tries_as_the_only_user(&machine, &phone, columns);
        // Of several users none is chosen.
        machine.add_user("bob");
        enroll(&machine, "bob", &[]);
        let mut setup = machine.twofactor(&["setup", "su"]).pty_of(columns, 24);
        setup.expect("twofactor setup with --user USER\n");
        let shown = setup.expect("You (root) have no device. Enroll one now? ");
        assert_fits(&shown, columns, &[]);
    }
}

fn tries_as_the_only_user(machine: &Machine, phone: &Phone, columns: u16) {
    let mut setup = machine.twofactor(&["setup", "sudo"]).pty_of(columns, 24);
    setup.expect("alice tries a code afterwards, as the only user with a device.");
    let shown = setup.expect("Make these changes? ");
    // The files once more, where the differences have scrolled away; no line is broken within a word.
    let (_, effect) = shown.rsplit_once("\nChanges:\n").unwrap();
    let words: Vec<&str> = effect.split_whitespace().collect();
    assert!(
        words
            .join(" ")
            .contains("Other files: /etc/pam.d/sudo, /etc/pam.d/sudo-i"),
        "{effect}"
    );
    assert_fits(effect, columns, &[]);
    setup.send_line("y");
    setup.expect("Now a code of alice, ");
    setup.answer("Verification code: ", &phone.code());
    let trial = setup.expect("n to undo everything.");
    assert_fits(&trial, columns, &[]);
    setup.send_line("123456");
    setup.expect("Codes belong in the second terminal.");
    // That code was asked for by setup; no login has asked for one.
    setup.send_line("y");
    setup.expect("Type y again");
    setup.send_line("y");
    let ended = setup.end();
    assert_eq!(ended.code, Some(0));
    let said: Vec<&str> = ended.shown.split_whitespace().collect();
    let kept = "Kept. sudo, sudo-i now ask for a code. To undo it: twofactor setup --undo";
    assert!(said.join(" ").ends_with(kept), "{}", ended.shown);
}

#[test]
fn a_module_that_asks_for_a_code_already_is_named() {
    let (machine, _) = installed();
    let own = "auth required pam_oath.so usersfile=/etc/users.oath\n";
    let sudo = machine.read("/etc/pam.d/sudo");
    let include = "@include common-auth\n";
    assert!(sudo.contains(include), "{sudo}");
    let with_code = sudo.replace(include, &format!("{include}{own}"));
    machine.write_file("/etc/pam.d/sudo", with_code, 0o644);
    for (service, is_named) in [("sudo", true), ("su", false)] {
        let run = setup(&machine, &[service, "--dry-run"]).ok();
        let shown = run.stdout + &run.stderr;
        let told = shown.contains("(pam_oath.so) asks for a code, too. Remove that line ");
        assert_eq!(told, is_named, "{shown}");
    }
}

#[test]
fn the_guard_of_services_knows_every_spelling() {
    let (machine, _) = installed();
    for key in [
        "services.ssh",
        "services . ssh",
        "services.\"ssh\"",
        "services.'ssh'",
    ] {
        let refused = machine
            .command(&["policy", "set", key, "true", "--yes"])
            .exits(1);
        assert!(
            refused.stderr.contains(
                "there is no PAM file of the service ssh: /etc/pam.d/ssh. Did you mean sshd?"
            ),
            "{key}: {}",
            refused.stderr
        );
    }
}
