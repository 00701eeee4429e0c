//! Upgrades over a running system.

use std::path::PathBuf;

use harness::Machine;
use harness::enrolled::mark_of;

use super::clean::*;
use super::watch::RepeatedCheck;

const STATE: &str = "/var/lib/twofactor";

/// The package once more, with another version.
fn repacked(machine: &Machine, version: &str) -> PathBuf {
    let script = "set -e
        rm -rf /root/again
        dpkg-deb --raw-extract \"$1\" /root/again
        sed -i \"s/^Version: .*/Version: $2/\" /root/again/DEBIAN/control
        dpkg-deb -Zgzip -z1 --root-owner-group --build /root/again \"/root/$2.deb\"";
    let package = package().display().to_string();
    machine
        .run("sh", &["-c", script, "sh", &package, version])
        .ok();
    PathBuf::from(format!("/root/{version}.deb"))
}

/// The package of 0.1.0, from before state directories had a mark and an index.
fn before_marks() -> PathBuf {
    let directory = harness::artefacts::target().join("system/before");
    let entries = std::fs::read_dir(directory).unwrap();
    let mut found = entries.flatten().map(|entry| entry.path());
    found
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .unwrap()
}

/// A clean root with that package in use, as `in_use`.
fn in_use_before_marks() -> (Machine, PackageToken) {
    let machine = clean_root();
    install(&machine, &before_marks());
    select(&machine);
    let token = PackageToken::of(&machine, "alice");
    switch_on(&machine);
    assert!(mark_of(STATE).is_none());
    (machine, token)
}

/// Findings of `twofactor init`.
fn findings(machine: &Machine) -> serde_json::Value {
    let report = machine.command(&["init", "--json"]).ok().stdout;
    serde_json::from_str::<serde_json::Value>(&report).unwrap()["findings"].clone()
}

#[test]
fn logins_need_the_code_during_upgrades() {
    let (machine, mut token) = in_use();
    let later = later(&machine);
    let policy = machine.read(POLICY);
    let sshd = machine.sshd("");
    let watch = RepeatedCheck::start();
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
fn an_upgrade_leaves_the_policy_alone() {
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
fn an_upgrade_replaces_no_missing_policy() {
    let (machine, _token) = in_use();
    let later = later(&machine);
    std::fs::remove_file(POLICY).unwrap();
    install(&machine, &later);
    assert!(!std::fs::exists(POLICY).unwrap());
}

#[test]
fn r42_logins_go_on_while_marks_are_introduced() {
    let (machine, mut token) = in_use_before_marks();
    let new = repacked(&machine, "0.2.0").display().to_string();
    let sshd = machine.sshd("");
    let watch = RepeatedCheck::start();
    let mut apt = apt(&machine, &["install", &new]).start();
    let status = loop {
        code_lets_in(&sshd, &mut token);
        wrong_code_is_refused(&sshd, &token);
        if let Some(status) = apt.try_wait() {
            break status;
        }
    };
    assert!(status.success(), "{:?}", apt.kill());
    code_lets_in(&sshd, &mut token);
    watch.found_nothing();
    assert!(mark_of(STATE).is_some());
    assert_eq!(findings(&machine), serde_json::json!([]));
}

#[test]
fn r42_logins_work_at_each_step_of_that_upgrade() {
    let (machine, mut token) = in_use_before_marks();
    let new = repacked(&machine, "0.2.0").display().to_string();
    let sshd = machine.sshd("");
    // preinst alone, and what is left when it is stopped after the note.
    let preinst = "/root/again/DEBIAN/preinst";
    machine.run(preinst, &["upgrade", "0.1.0", "0.2.0"]).ok();
    code_lets_in(&sshd, &mut token);
    std::fs::remove_file(mark_of(STATE).unwrap().0).unwrap();
    code_lets_in(&sshd, &mut token);
    // Module and command are new, and nothing is configured.
    machine.run("dpkg", &["--unpack", &new]).ok();
    assert!(mark_of(STATE).is_some());
    code_lets_in(&sshd, &mut token);
    wrong_code_is_refused(&sshd, &token);
    machine.run("dpkg", &["--configure", "--pending"]).ok();
    code_lets_in(&sshd, &mut token);
    assert_eq!(findings(&machine), serde_json::json!([]));
}

#[test]
fn r42_that_upgrade_marks_what_pam_lines_name() {
    const MOVED: &str = "/srv/two.factor";
    const NOTE: &str = "/srv/policies/sshd.id";
    let (machine, mut token) = in_use_before_marks();
    let script = "set -e
        mkdir /srv/policies
        cp /etc/security/twofactor.toml /srv/policies/sshd.toml
        mv /var/lib/twofactor /srv/two.factor
        sed -i 's,pam_twofactor\\.so,& state=/srv/two.factor policy=/srv/policies/sshd.toml,' /etc/pam.d/common-*";
    machine.run("sh", &["-c", script]).ok();
    // Its path is one that the dot of the other would stand for, if it were a pattern.
    let other = "0123456789abcdef0123456789abcdef /srv/twoXfactor\n";
    machine.write_file(NOTE, other, 0o644);
    let sshd = machine.sshd("");
    code_lets_in(&sshd, &mut token);
    install(&machine, &package());
    let (_, id) = mark_of(MOVED).unwrap();
    assert_eq!(machine.read(NOTE), format!("{other}{id} {MOVED}\n"));
    code_lets_in(&sshd, &mut token);
    wrong_code_is_refused(&sshd, &token);
}

#[test]
fn r42_that_upgrade_refuses_no_unenrolled_user() {
    let machine = clean_root();
    install(&machine, &before_marks());
    select(&machine);
    let policy = machine.read(POLICY);
    let on = policy.replace("\nenabled = false\n", "\nenabled = true\n");
    machine.policy(&on);
    let sshd = machine.sshd("");
    password_is_enough(&sshd);
    install(&machine, &repacked(&machine, "0.2.0"));
    password_is_enough(&sshd);
    let mut token = PackageToken::of(&machine, "alice");
    switch_on(&machine);
    code_lets_in(&sshd, &mut token);
}

#[test]
fn r42_an_upgrade_marks_no_directory_without_its_mark() {
    let machine = clean_root();
    install(&machine, &repacked(&machine, "0.2.0"));
    select(&machine);
    let mut token = PackageToken::of(&machine, "alice");
    switch_on(&machine);
    let sshd = machine.sshd("");
    let (mark, _) = mark_of(STATE).unwrap();
    std::fs::remove_file(&mark).unwrap();
    install(&machine, &repacked(&machine, "0.2.1"));
    assert!(mark_of(STATE).is_none());
    let session = sshd.login("alice").answer(harness::PASSWORD).run();
    assert!(!session.is_in(), "{session:?}");
    // Nor does anything at boot make one: modes are adjusted, and no more.
    let tmpfiles = machine.read("/usr/lib/tmpfiles.d/libpam-twofactor.conf");
    let mut lines = tmpfiles.lines().filter(|line| !line.starts_with('#'));
    assert!(
        lines.all(|line| line.starts_with("z /var/lib/twofactor")),
        "{tmpfiles}"
    );
    std::fs::write(&mark, "").unwrap();
    code_lets_in(&sshd, &mut token);
}
