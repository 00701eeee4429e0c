//! Upgrades over a running system.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use harness::Machine;

use super::clean::*;
use super::watch::Watch;

/// The package once more, with a higher version and another default policy.
fn later(machine: &Machine) -> PathBuf {
    let script = "set -e
        dpkg-deb --raw-extract \"$1\" /root/later
        sed -i 's/^Version: .*/&+later/' /root/later/DEBIAN/control
        echo '# A new comment.' >> /root/later/usr/share/libpam-twofactor/twofactor.toml
        dpkg-deb -Zgzip -z1 --root-owner-group --build /root/later /root/later.deb";
    let package = package().display().to_string();
    machine.run("sh", &["-c", script, "sh", &package]).ok();
    PathBuf::from("/root/later.deb")
}

#[test]
fn logins_go_on_during_upgrades_and_none_gets_in_without_the_code() {
    let (machine, mut token) = in_use();
    let later = later(&machine);
    let policy = machine.read(POLICY);
    let sshd = machine.sshd("");
    let watch = Watch::start();
    let mut logins = 0;
    for package in [later.clone(), package(), later] {
        let file = package.display().to_string();
        let mut apt = apt(&machine, &["install", "--allow-downgrades", &file]).start();
        let status = loop {
            code_lets_in(&sshd, &mut token);
            wrong_code_is_refused(&sshd, &token);
            logins += 1;
            if let Some(status) = apt.try_wait() {
                break status;
            }
        };
        assert!(status.success(), "{:?}", apt.kill());
    }
    code_lets_in(&sshd, &mut token);
    watch.found_nothing();
    assert!(logins >= 3);
    let version = machine
        .run("dpkg-query", &["-W", "libpam-twofactor"])
        .ok()
        .stdout;
    assert!(version.ends_with("+later\n"), "{version}");
    assert_eq!(machine.read(POLICY), policy);
    assert_eq!(
        naming(),
        ["common-account", "common-auth", "common-session"]
    );
    assert_eq!(machine.run("dpkg", &["--audit"]).ok().stdout, "");
}

#[test]
fn an_upgrade_asks_nothing_and_leaves_the_policy_alone_whatever_dpkg_is_told() {
    let (machine, _token) = in_use();
    let later = later(&machine).display().to_string();
    let policy = machine.read(POLICY);
    assert!(policy.contains("\nenabled = true\n"));
    apt(
        &machine,
        &["install", "-o", "Dpkg::Options::=--force-confnew", &later],
    )
    .run()
    .ok();
    assert_eq!(machine.read(POLICY), policy);
}

#[test]
fn an_upgrade_puts_no_policy_that_is_off_in_the_place_of_a_missing_one() {
    let (machine, _token) = in_use();
    let later = later(&machine);
    std::fs::remove_file(POLICY).unwrap();
    install(&machine, &later);
    assert!(!std::fs::exists(POLICY).unwrap());
}
