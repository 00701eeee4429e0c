//! What remains when the package goes, and what comes back with it.
#![forbid(unsafe_code)]

use super::clean::*;
use super::watch::Watch;

#[test]
fn removing_leaves_clean_stacks_and_the_devices_which_work_after_installing_again() {
    let (machine, mut token) = in_use();
    let sshd = machine.sshd("");
    code_lets_in(&sshd, &mut token);
    let record = machine.read(RECORD);
    let watch = Watch::start();

    machine.command(&["disable", "--yes"]).ok();
    password_is_enough(&sshd);
    machine.command(&["enable", "--yes"]).ok();
    apt(&machine, &["remove", "libpam-twofactor"]).run().ok();
    assert_eq!(naming(), Vec::<String>::new());
    assert!(!module_file().exists() && !std::fs::exists("/usr/bin/twofactor").unwrap());
    password_is_enough(&sshd);
    assert_eq!(machine.read(RECORD), record);

    install(&machine, &package());
    // The profile is not selected by itself, so nobody's login changes.
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
fn removing_is_refused_while_a_stack_of_the_administrator_names_the_module() {
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
fn removing_is_refused_while_pam_auth_update_cannot_take_the_lines_out() {
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
