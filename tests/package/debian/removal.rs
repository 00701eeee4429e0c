//! The remains of the package after its removal, and the things that come back with it.

use harness::Machine;

use super::clean::*;
use super::watch::RepeatedCheck;

#[test]
fn devices_work_after_removing_and_installing() {
    let (machine, mut token) = in_use();
    let sshd = machine.sshd("");
    code_lets_in(&sshd, &mut token);
    let record = machine.read(RECORD);
    let watch = RepeatedCheck::start();

    machine.command(&["disable", "--yes"]).ok();
    password_is_enough(&sshd);
    machine.command(&["enable", "--yes"]).ok();
    apt(&machine, &["remove", "libpam-twofactor"]).run().ok();
    assert_eq!(naming(), Vec::<String>::new());
    assert!(!module_file().exists() && !std::fs::exists("/usr/bin/twofactor").unwrap());
    password_is_enough(&sshd);
    assert_eq!(machine.read(RECORD), record);

    install(&machine, &package());
    // The profile is not selected by itself, so no login changes.
    assert_eq!(naming(), Vec::<String>::new());
    select(&machine);
    wrong_code_is_refused(&sshd, &token);
    code_lets_in(&sshd, &mut token);

    let purge = apt(&machine, &["purge", "libpam-twofactor"]).run().ok();
    assert!(
        purge.stdout.contains("kept: /var/lib/twofactor"),
        "{purge:?}"
    );
    assert_eq!(naming(), Vec::<String>::new());
    password_is_enough(&sshd);
    assert!(!std::fs::exists(POLICY).unwrap());
    assert_eq!(machine.read(RECORD), record);

    install(&machine, &package());
    select(&machine);
    switch_on(&machine);
    code_lets_in(&sshd, &mut token);
    watch.found_nothing();
}

#[test]
fn a_purge_without_devices_leaves_nothing() {
    let machine = clean_root();
    let before = machine
        .run("find", &["/etc", "/usr", "/var/lib/twofactor"])
        .stdout;
    install(&machine, &package());
    apt(&machine, &["purge", "libpam-twofactor"]).run().ok();
    let after = machine
        .run("find", &["/etc", "/usr", "/var/lib/twofactor"])
        .stdout;
    let new: Vec<&str> = after
        .lines()
        .filter(|line| !before.lines().any(|old| old == *line))
        .collect();
    assert_eq!(new, Vec::<&str>::new());
}

#[test]
fn an_administrators_stack_prevents_removing() {
    let (machine, mut token) = in_use();
    let sshd = machine.sshd("");
    pam_auth_update(&machine, &["--disable", "twofactor"]);
    machine.install_stack("sshd");
    code_lets_in(&sshd, &mut token);
    let stacks = machine.run("sh", &["-c", "cat /etc/pam.d/*"]).ok().stdout;
    for verb in ["remove", "purge"] {
        let refused = apt(&machine, &[verb, "libpam-twofactor"]).run();
        assert_eq!(refused.code, Some(100), "{refused:?}");
        let said = (refused.stdout + &refused.stderr).replace('\r', "");
        assert!(said.contains("\n    /etc/pam.d/sshd\n"), "{said}");
    }
    assert_eq!(
        machine.run("sh", &["-c", "cat /etc/pam.d/*"]).ok().stdout,
        stacks
    );
    code_lets_in(&sshd, &mut token);
    machine
        .run("sed", &["-i", "/pam_twofactor/d", "/etc/pam.d/sshd"])
        .ok();
    apt(&machine, &["remove", "libpam-twofactor"]).run().ok();
    password_is_enough(&sshd);
}

#[test]
fn lines_that_cannot_be_removed_prevent_removing() {
    let (machine, mut token) = in_use();
    // A line of the administrator's in the generated part: pam-auth-update touches none of its files any more.
    let auth = machine.read("/etc/pam.d/common-auth");
    machine.stack(
        "common-auth",
        &auth.replace("# end of", "auth optional pam_warn.so\n# end of"),
    );
    let refused = apt(&machine, &["remove", "libpam-twofactor"]).run();
    assert_eq!(refused.code, Some(100), "{refused:?}");
    let said = (refused.stdout + &refused.stderr).replace('\r', "");
    assert!(said.contains("\n    /etc/pam.d/common-auth\n"), "{said}");
    code_lets_in(&machine.sshd(""), &mut token);
}

/// The error output of a removal that was refused.
fn refused(machine: &Machine) -> String {
    let run = apt(machine, &["remove", "libpam-twofactor"]).run();
    assert_eq!(run.code, Some(100), "{run:?}");
    assert!(module_file().exists());
    (run.stdout + &run.stderr).replace('\r', "")
}

#[test]
fn linked_and_similarly_named_stacks_prevent_removing() {
    let (machine, mut token) = in_use();
    let sshd = machine.sshd("");
    pam_auth_update(&machine, &["--disable", "twofactor"]);
    machine.install_stack("sshd");
    for elsewhere in ["/root/sshd", "/etc/pam.d/common-sshd"] {
        let link = "mv -T \"$(readlink -f /etc/pam.d/sshd)\" $1 && ln -sf $1 /etc/pam.d/sshd";
        machine.run("sh", &["-c", link, "sh", elsewhere]).ok();
        let said = refused(&machine);
        assert!(said.contains("\n    /etc/pam.d/sshd\n"), "{said}");
        assert!(said.contains("Nothing has been changed"), "{said}");
        let own = said.contains("\n    /etc/pam.d/common-sshd\n");
        assert_eq!(own, elsewhere.starts_with("/etc"), "{said}");
        code_lets_in(&sshd, &mut token);
    }
    std::fs::remove_file("/etc/pam.d/sshd").unwrap();
    machine.stack("sshd", "auth required pam_permit.so\n");
    assert!(refused(&machine).contains("\n    /etc/pam.d/common-sshd\n"));
}

#[test]
fn a_failure_of_pam_auth_update_prevents_removing() {
    let (machine, mut token) = in_use();
    let broken = "mv /usr/sbin/pam-auth-update /root/pam-auth-update
        printf '#!/bin/sh\\nexit 3\\n' > /usr/sbin/pam-auth-update
        chmod 0755 /usr/sbin/pam-auth-update";
    machine.run("sh", &["-c", broken]).ok();
    let said = refused(&machine);
    assert!(said.contains("pam-auth-update failed"), "{said}");
    assert!(
        said.contains("pam-auth-update --enable twofactor"),
        "{said}"
    );
    assert!(!said.contains("Nothing has been changed"), "{said}");
    code_lets_in(&machine.sshd(""), &mut token);
}

#[test]
fn purging_keeps_the_policy_for_other_modules() {
    let (machine, _token) = in_use();
    apt(&machine, &["remove", "libpam-twofactor"]).run().ok();
    let lines = machine.read("/etc/pam.d/sudo") + "auth required pam_twofactor.so\n";
    machine.stack("sudo", &lines);
    let policy = machine.read(POLICY);
    let purge = apt(&machine, &["purge", "libpam-twofactor"]).run().ok();
    assert!(
        purge.stdout.contains("kept: /etc/security/twofactor.toml"),
        "{purge:?}"
    );
    assert!(
        purge
            .stdout
            .replace('\r', "")
            .contains("\n    /etc/pam.d/sudo\n"),
        "{purge:?}"
    );
    assert_eq!(machine.read(POLICY), policy);
}

#[test]
fn backup_files_beside_a_stack_do_not_count() {
    let (machine, _token) = in_use();
    pam_auth_update(&machine, &["--disable", "twofactor"]);
    for name in [
        "sshd~",
        "sshd.dpkg-dist",
        "sshd.ucf-old",
        "common-auth.pam-old",
    ] {
        machine.stack(name, "auth required pam_twofactor.so\n");
    }
    apt(&machine, &["purge", "libpam-twofactor"]).run().ok();
    assert!(!std::fs::exists(POLICY).unwrap());
    install(&machine, &package());
    assert!(machine.read(POLICY).contains("\nenabled = false\n"));
}
